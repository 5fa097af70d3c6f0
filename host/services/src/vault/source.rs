//! Where the key of a vault comes from.

use super::kdf::Parameters;
use super::store_kind::StoreKind;
use serde::{Deserialize, Serialize};

/// As the file has it: what is needed to get its key again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum KeySource {
    /// Derived from a password.
    Password {
        /// How.
        kdf: Parameters,
        /// With this salt, 16 bytes in hex.
        salt: String,
    },
    /// In the system's keystore, under this account.
    Keystore {
        /// Random, so that homes of one user are apart.
        account: String,
    },
    /// In the kernel's keyring.
    Session {
        /// Random, so that homes of one user are apart.
        account: String,
    },
    /// In a plain file of the home.
    KeyFile {},
}

impl KeySource {
    pub(super) fn kind(&self) -> StoreKind {
        match self {
            Self::Password { .. } => StoreKind::File,
            Self::Keystore { .. } => StoreKind::Keystore,
            Self::Session { .. } => StoreKind::Session,
            Self::KeyFile {} => StoreKind::KeyFile,
        }
    }
}
