//! Doors to the application: one router, served in process, on a socket of the
//! home, and over TCP.
//!
//! A door authenticates who calls, and has no rule of its own: what may be done, and what it answers, is the application's.
//!
//! ```text
//! command ─→ Client ─┬─ in process ─────────────→ Router ─→ operations ─→ view
//!                    └─ cara.sock ─→ (uid) ──────┤             └─ events (SSE)
//! program, browser ─→ TCP, TLS ─→ auth ──────────┘
//! ```

mod api;
mod arguments;
mod auth;
mod body;
mod client;
mod control;
mod doors;
mod failure;
mod health;
mod listen;
mod metrics;
mod openapi;
mod refusal;
mod stream;
mod websocket;

pub use auth::Alive;
pub use client::{CallError, Called, Client};
pub use doors::{account_router, router};
pub use listen::{ClientCertificate, Draining, Gateway, Listener, Peer, Stream, connect, holder};
pub use openapi::document;
