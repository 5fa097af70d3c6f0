//! Doors to the application: one router, served in process and on a socket of
//! the home.
//!
//! A door authenticates who calls, and has no rule of its own: what may be done, and what it answers, is the application's.
//!
//! ```text
//! command ─→ Client ─┬─ in process ─────────────→ Router ─→ operations ─→ view
//!                    └─ cara.sock ─→ Server (uid) ──┘          └─ events (SSE)
//! ```

mod arguments;
mod client;
mod listen;
mod openapi;
mod router;
mod stream;

pub use client::{CallError, Called, Client};
pub use listen::{ClientCertificate, Draining, Gateway, Listener, Peer, Stream, connect, holder};
pub use openapi::document;
pub use router::{account_router, router};
