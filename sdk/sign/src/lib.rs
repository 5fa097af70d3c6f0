//! Signs component packages, with a key or with a certificate.
//!
//! Of packages nothing here is believed: what it makes is read and checked by `cara-signing`, as anybody's is. So no check of
//! a package is here, and a mistake here costs a signature that is refused. Of anchors of an audit log it is believed: it
//! checks the home's signature, and the proof of a log.
//!
//! ```text
//! component, component.toml ─→ embed ─→ the bytes of a Package
//! Package, SecretKey ─→ sign ─────────→ Bundle
//! Package, token ─────→ sign_keyless ─→ Bundle  (by way of the caller's `Transport`)
//! message, HomeKey ───→ enter_log ────→ the proof of a transparency log
//! ```

mod embed;
mod home_key;
mod key;
mod keyless;
mod logged;
mod sign;

pub use embed::embed;
pub use home_key::{HomeKey, HomeKeyError};
pub use key::{SecretKey, SecretKeyError};
pub use keyless::{Answer, Endpoint, EndpointError, Instance, KeylessError, Transport, sign_keyless};
pub use logged::{LoggedError, check_log_entry, enter_log};
pub use sign::sign;
