//! Fetches, pushes and finds component packages; trusts nothing it fetches.
//!
//! ```text
//! what a person types ─→ Reference ─→ fetch ─┬─ file, folder
//!                                            ├─ https
//!                                            └─ OCI registry ─→ Fetched: bytes and signature files, unverified
//! ```
//!
//! It must not know wasmtime, trust stores or what is installed. Digests that a reference pins are checked here; who
//! made a package is checked by `cara_signing::verify` afterwards, by whoever called. All that goes out goes through
//! `cara_services::egress`, all that is read from disk through `cara_services::files`.

mod access;
mod client;
pub mod confusables;
pub mod fetch;
pub mod index;
pub mod keyless;
mod kind;
pub mod lock;
pub mod oci;
pub mod reference;
pub mod store;

pub use access::{Access, Credentials, Deadlines, Phase, Progress};
pub use client::ClientError;
pub use fetch::{FetchError, Fetched, fetch};
pub use index::{Entry, Index, IndexError};
pub use kind::NotWasm;
pub use oci::{OciError, push};
pub use reference::{OciReference, Reference, ReferenceError};
