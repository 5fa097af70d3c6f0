//! Signed component packages: the only maker of `Verified<Package>`.
//!
//! Pure: bytes and text come in, values go out. It opens no file, no socket and
//! asks no clock; it knows no other crate of this project and no component.
//!
//! ```text
//! name.wasm ──────────→ Package::read ─→ Package ─┐
//! name.wasm.sigstore.json ─→ Bundle::from_json ───┼─→ verify ─→ Verified<Package>
//! trust.toml ─────────────→ TrustStore::from_toml ┘
//! ```
//!
//! The manifest is a custom section of the component, so one digest covers code
//! and manifest, and one signature covers both. The signature file is a Sigstore
//! bundle around a DSSE envelope around an in-toto statement: other people's tools
//! read it. Its types come from `sigstore-types`, the part of the Sigstore crates
//! without network or TLS.

mod bundle;
mod component_id;
mod digest;
mod foreign;
mod key;
pub mod manifest;
mod package;
mod pattern;
mod statement;
mod trust;
mod verify;

pub use bundle::{Bundle, BundleError, MEDIA_TYPE, PAYLOAD_TYPE, sign};
pub use component_id::{ComponentId, ComponentIdError};
pub use digest::{Digest, DigestError};
pub use foreign::Foreign;
pub use key::{KeyError, KeyId, PublicKey, SecretKey};
pub use package::{Package, PackageError};
pub use pattern::{Pattern, PatternError};
pub use statement::{PREDICATE_TYPE, STATEMENT_TYPE, StatementError};
pub use trust::{Revoked, TrustError, TrustStore, TrustedKey};
pub use verify::{Verified, VerifyError, verify};
