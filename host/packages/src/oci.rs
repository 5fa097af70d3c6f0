//! Components in OCI registries, as other people's tools store them.
//!
//! ```text
//! tag ─→ manifest ─→ layer `application/wasm`          the component, by its digest
//!           ▲ subject
//!        manifest ─→ layer `…sigstore.bundle.v0.3+json`  a signature, a *referrer* of the first
//! ```
//!
//! Specifications: OCI distribution 1.1 and image 1.1, the CNCF's Wasm OCI Artifact layout
//! (<https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/>), cosign's BUNDLE_SPEC.md. Every byte that is
//! taken was named by a digest, but for the manifest behind a tag: which one that was is said in what is returned.

mod auth;
mod error;
mod manifest;
mod pull;
mod push;
mod referrers;
mod registry;

pub(crate) use auth::Scope;
pub use error::OciError;
pub(crate) use pull::{COMPONENT, INDEX, INDEX_BYTES, pull};
pub use push::push;
pub(crate) use referrers::bundles;
pub(crate) use registry::Registry;
