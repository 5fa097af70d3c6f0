//! Signed component packages: the only maker of `Verified<Package>`.
//!
//! What makes signatures is `cara-sdk-sign`; nothing here believes it. Pure: bytes and
//! text come in, values go out. It opens no file, no socket and asks no clock itself
//! (`trust_root.rs` says what does); it knows no other crate of this project and no
//! component.
//!
//! ```text
//! name.wasm ──────────→ Package::read ─→ Package ─┐
//! name.wasm.sigstore.json ─→ Bundle::from_json ───┼─→ verify ─→ Verified<Package>
//! trust.toml ─────────────→ TrustStore::from_toml ┘
//! trusted_root.json ──→ TrustRoot::from_json ↗ what certificates are checked against
//! ```
//!
//! The manifest is a custom section of the component, so one digest covers code
//! and manifest, and one signature covers both. The signature file is a Sigstore
//! bundle around a DSSE envelope around an in-toto statement: other people's tools
//! read it. Its types come from `sigstore-types`, the checks of certificates and
//! log entries from `sigstore-verify`, without their network parts. A bundle names
//! its signer by a key's id or by a certificate; the trust store says who counts.

mod bundle;
mod certificate;
mod component_id;
mod crypto;
mod digest;
mod display_safe;
mod identity;
mod key;
mod name;
mod package;
mod pattern;
mod refusal;
mod signer;
mod statement;
mod text;
mod trust;
mod trust_root;
mod trusted;
mod verify;

pub use bundle::{Bundle, BundleError, MEDIA_TYPE, PAYLOAD_TYPE};
pub use certificate::CertificateError;
pub use component_id::ComponentId;
pub use digest::{Digest, DigestError};
pub use display_safe::{DisplaySafe, display_safe, with_causes};
pub use identity::{Identity, IdentityError, Issuer};
pub use key::{KeyError, KeyId, PublicKey};
pub use name::BadName;
pub use package::{Package, PackageError, manifest};
pub use pattern::{Pattern, PatternError};
pub use refusal::VerifyError;
pub use signer::Signer;
pub use statement::{PREDICATE_TYPE, STATEMENT_TYPE, StatementError};
pub use trust::{Revoked, TrustError, TrustStore};
pub use trust_root::{TrustRoot, TrustRootError};
pub use trusted::{TrustedIdentity, TrustedKey};
pub use verify::{Verified, check_floor, verify};
