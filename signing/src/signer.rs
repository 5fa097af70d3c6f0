//! `Signer`: who signed a package, once that is proven.

use std::fmt;

use crate::identity::Issuer;
use crate::key::KeyId;

/// Whose signature `verify` found, by a key or by a certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Signer {
    /// The owner of a trusted key.
    Key {
        /// The key.
        id: KeyId,
        /// What the operator calls its owner.
        name: String,
    },
    /// Somebody a certificate authority of the trust root made a certificate for.
    Identity {
        /// What the operator calls them.
        name: String,
        /// The e-mail address or URI in the certificate.
        identity: String,
        /// The issuer that vouched for the identity.
        issuer: Issuer,
    },
}

impl Signer {
    /// What the operator calls them.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Key { name, .. } | Self::Identity { name, .. } => name,
        }
    }
}

/// All 64 hex digits of the key's id, or the identity and its issuer.
impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key { id, .. } => f.write_str(&id.to_hex()),
            Self::Identity { identity, issuer, .. } => write!(f, "{identity} ({issuer})"),
        }
    }
}
