//! Where the key of a vault comes from.

use super::kdf::Parameters;
use serde::{Deserialize, Serialize};
use std::fmt;

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

/// A kind of place for the vault's key. The secrets themselves are always in `vault.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreKind {
    /// Secret Service, Keychain or Credential Manager.
    Keystore,
    /// A person's memory: the key is derived from a password.
    File,
    /// The Linux kernel's keyring: forgets at reboot, and with it goes the vault.
    Session,
    /// A plain file of the home (0600).
    KeyFile,
}

impl fmt::Display for StoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keystore if cfg!(target_os = "macos") => "macOS keychain",
            Self::Keystore if cfg!(windows) => "Windows Credential Manager",
            Self::Keystore => "Secret Service keystore",
            Self::File => "password",
            Self::Session => "kernel keyring",
            Self::KeyFile => "plain key file",
        })
    }
}
