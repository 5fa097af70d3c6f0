//! Runs components: the only crate that knows wasmtime.
//!
//! It must not know a vendor, a channel or a component by name, and opens no socket, file or process itself: it calls
//! the gates in `cara-services`, and they want the proofs of `cara-authority`.
//!
//! ```text
//! Verified<Package> ─ loader ─→ Loaded (pre-linked, compiled code cached)
//!                                 │  one call, one sandbox
//!                                 ▼
//! exports/{provider,tool} ─→ Call: fresh Store + limits ─→ guest ─→ imports/* ─→ gates
//!                                 └─→ Outcome, or Fault and the store is gone
//! ```

pub mod bindings;
pub mod breaker;
mod cache;
mod call;
mod component;
mod engine;
pub mod exports;
pub mod fault;
mod imports;
mod limiter;
mod loader;
mod memory;
mod pool;

pub use cache::CompiledCache;
pub use component::{Component, Watch};
pub use engine::Kernel;
pub use fault::Fault;
pub use imports::*;
pub use loader::{Checked, LoadError, Loaded};
pub use pool::PoolSize;
