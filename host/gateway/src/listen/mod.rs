//! Where connections come in: the socket of the home, and TCP.
//!
//! It knows who is at the other end as far as the connection says, and what a connection may cost; what somebody may do
//! follows behind it.
//!
//! ```text
//! socket.rs (account) ────────────────────┬─→ connection.rs ─→ router, with a Peer
//! gateway.rs ─→ tcp.rs (places) ── tls.rs ┘        └─ activity, io, body: deadlines
//! ```

mod accepting;
mod activity;
mod announced;
mod body;
mod connection;
mod descriptors;
mod gateway;
mod io;
mod peer;
mod places;
mod requests;
mod socket;
mod tcp;
mod tls;

pub use gateway::Gateway;
pub(crate) use peer::source;
pub use peer::{ClientCertificate, Draining, Peer};
pub use socket::{Listener, Stream, connect, holder};

#[cfg(test)]
mod tests;
