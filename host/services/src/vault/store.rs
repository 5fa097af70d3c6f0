//! What a store of secrets does, and the kinds there are.

use super::{Kdf, SecretId, SecretValue, VaultError};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// Where secrets are kept. Calls block, a keystore's up to a minute while it asks a person: call from a blocking thread.
pub trait SecretStore: Send + Sync {
    /// Which store this is.
    fn kind(&self) -> StoreKind;

    /// Gets ready to read and write; may ask a person for the password, so it is called before the home is locked.
    fn unlock(&self) -> Result<(), VaultError>;

    /// The value, if one is stored. May ask for the password.
    fn get(&self, id: &SecretId) -> Result<Option<Arc<SecretValue>>, VaultError>;

    /// Stores the value in place of an earlier one. The home is locked and the store unlocked; `Busy` asks for both again.
    fn set(&self, id: &SecretId, value: Arc<SecretValue>) -> Result<(), VaultError>;

    /// Removes the value: false when there was none. The home is locked and the store unlocked.
    fn remove(&self, id: &SecretId) -> Result<bool, VaultError>;

    /// The ids it holds; `None` from a store that cannot tell. May ask for the password.
    fn names(&self) -> Result<Option<Vec<SecretId>>, VaultError> {
        Ok(None)
    }

    /// Encrypts everything anew under another password. The home is locked.
    fn rotate_password(&self, _old: &SecretValue, _new: &SecretValue, _kdf: Kdf) -> Result<(), VaultError> {
        Err(VaultError::NoPasswordHere(self.kind()))
    }
}

/// A kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreKind {
    /// Secret Service, Keychain or Credential Manager.
    Keystore,
    /// `vault.json`, encrypted with a password.
    File,
    /// The Linux kernel's keyring: forgets at reboot.
    Session,
}

impl fmt::Display for StoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keystore if cfg!(target_os = "macos") => "macOS keychain",
            Self::Keystore if cfg!(windows) => "Windows Credential Manager",
            Self::Keystore => "Secret Service keystore",
            Self::File => "encrypted file",
            Self::Session => "kernel keyring",
        })
    }
}

/// Which store the operator wants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreChoice {
    /// The one the home has; for a new home the system's keystore if it works, else the encrypted file.
    #[default]
    Auto,
    /// The system's keystore or nothing.
    Keystore,
    /// The encrypted file.
    File,
    /// The kernel's keyring, for secrets that shall be gone after a reboot.
    Session,
}

impl StoreChoice {
    pub(super) fn named(self) -> Option<StoreKind> {
        match self {
            Self::Auto => None,
            Self::Keystore => Some(StoreKind::Keystore),
            Self::File => Some(StoreKind::File),
            Self::Session => Some(StoreKind::Session),
        }
    }
}
