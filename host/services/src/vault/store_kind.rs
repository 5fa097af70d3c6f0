//! Kinds of places for the key of the vault.

use serde::{Deserialize, Serialize};
use std::fmt;

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
