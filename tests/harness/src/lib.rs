//! What the tests of the whole system stand on: a host around guests.
//!
//! ```text
//! World: temporary home, ledger, secrets in memory, one kernel a process
//!   ├─ Upstream: an HTTP server on loopback that answers from a script
//!   └─ Subject: one component with its grants, whose exports are called
//! ```
//!
//! Nothing in it reaches into the host: it gives the host other gates and calls what the assistant calls.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails where it is")]

pub mod assistant;
mod attack;
mod guests;
mod log;
mod memory;
mod network;
mod secrets;
mod subject;
mod testbed;
mod upstream;

pub use attack::Attack;
pub use guests::{bare, component_of, manifest_of, signed, with_manifest, wrapped};
pub use log::{Captured, captured};
pub use memory::resident;
pub use network::{Dialed, Names};
pub use secrets::{Canary, Secrets};
pub use subject::{Completed, Subject, Told};
pub use testbed::{Testbed, Wanted};
pub use upstream::{Recorded, Reply, Upstream};
