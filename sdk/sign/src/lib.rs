//! Signs component packages, with a key or with a certificate.
//!
//! Nothing here is believed: what it makes is read and checked by `cara-signing`, as anybody's is. So no check of a
//! package is here, and a mistake here costs a signature that is refused.
//!
//! ```text
//! component, component.toml ─→ embed ─→ the bytes of a Package
//! Package, SecretKey ─→ sign ─────────→ Bundle
//! Package, token ─────→ sign_keyless ─→ Bundle  (by way of the caller's `Transport`)
//! ```

mod embed;
mod key;
mod keyless;
mod sign;

pub use embed::embed;
pub use key::{SecretKey, SecretKeyError};
pub use keyless::{Answer, Endpoint, EndpointError, Instance, KeylessError, Transport, sign_keyless};
pub use sign::sign;
