//! Where state lives: one private folder, and the names of what is in it.
//!
//! The folder is `CARA_HOME` or the platform's usual data folder, never the current directory. What the files in it
//! mean is known to who reads them.

use crate::files::{self, FileError};
use etcetera::base_strategy::{BaseStrategy, choose_native_strategy};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Having a `Home` tells you: the folder exists, its path is absolute, it is this user's and nobody else may look into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    path: PathBuf,
}

/// Why a folder cannot be the home.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// It would depend on the current directory.
    #[error("`{}` is not an absolute path\nhint: set CARA_HOME to a full path, or unset it to use the usual folder", .0.display())]
    Relative(PathBuf),
    /// The user has no home folder, so the usual place is unknown.
    #[error("the folder for cara's state is unknown: this user has no home folder\nhint: set CARA_HOME to a full path")]
    Unknown,
    /// The folder is another user's, open to others, or cannot be made.
    #[error(transparent)]
    Folder(#[from] FileError),
}

impl Home {
    /// The home that `env`, the value of `CARA_HOME`, names; without one, the folder `cara` in the platform's data folder.
    pub fn locate(env: Option<OsString>) -> Result<Self, HomeError> {
        match env {
            Some(path) => Self::at(path),
            None => Self::at(choose_native_strategy().map_err(|_| HomeError::Unknown)?.data_dir().join("cara")),
        }
    }

    /// The home at `path`, which is made (0700) if it is missing.
    pub fn at(path: impl Into<PathBuf>) -> Result<Self, HomeError> {
        let path = path.into();
        if !path.is_absolute() {
            return Err(HomeError::Relative(path));
        }
        files::ensure_own_dir(&path)?;
        Ok(Self { path })
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The ledger's database.
    pub fn ledger(&self) -> PathBuf {
        self.path.join("ledger.db")
    }

    /// The folder of the vault: `vault.json`, and the lock of who changes it.
    pub fn vault_dir(&self) -> PathBuf {
        self.path.join("vault")
    }

    /// The folder of compiled components.
    pub fn cache_dir(&self) -> PathBuf {
        self.path.join("cache")
    }

    /// The folder of this machine's own keys.
    pub fn keys_dir(&self) -> PathBuf {
        self.path.join("keys")
    }

    /// The file of one of them.
    pub fn key(&self, name: KeyName) -> PathBuf {
        self.keys_dir().join(name.name())
    }
}

cara_authority::words! {
    /// Which key of this machine, by the name of its file in `keys/`.
    KeyName {
        /// Authenticates compiled code.
        CompiledCode = "compiled-code",
        /// Chains the audit log.
        Audit = "audit",
        /// Encrypts conversations and memory.
        Conversations = "ledger-content",
        /// Opens the vault, where the operator chose a plain file for it.
        Vault = "vault",
    }
}

impl KeyName {
    /// What is lost without the key, and what to do about it.
    pub(crate) fn cure(self) -> &'static str {
        match self {
            Self::CompiledCode => "delete it; components are compiled again and nothing is lost",
            Self::Audit => {
                "put the file back from your backup: without it the audit log can neither be checked nor continued, so \
                 nothing runs. To give up the whole ledger (grants, conversations, memory), move `ledger.db*` away too"
            }
            Self::Conversations => {
                "put the file back from your backup, or the folder `vault/` if the key was in there: without it no conversation and nothing remembered can be read. To \
                 give up the whole ledger (grants, conversations, memory), move `ledger.db*` and this file away"
            }
            Self::Vault => {
                "put the file back from your backup: without it no stored secret can be read. To give the secrets up, \
                 move `vault/vault.json` and this file away and store them again"
            }
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};

    #[test]
    fn a_home_is_made_for_this_user_only_and_everything_is_in_it() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("new/home");
        let home = Home::locate(Some(path.clone().into())).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        let inside = [home.ledger(), home.vault_dir(), home.cache_dir(), home.keys_dir()];
        assert!(inside.iter().all(|p| p.parent() == Some(&path)));
    }

    #[test]
    fn a_home_that_depends_on_the_current_directory_is_refused() {
        for path in ["", ".", "cara", "./cara", "../cara"] {
            let error = Home::locate(Some(path.into())).unwrap_err();
            assert!(matches!(error, HomeError::Relative(_)), "{error}");
            assert!(error.to_string().contains("\nhint: set CARA_HOME"), "{error}");
        }
    }

    #[test]
    fn a_home_that_others_may_write_to_is_refused_with_the_cure() {
        let root = tempfile::tempdir().unwrap();
        for mode in [0o770, 0o707, 0o702, 0o720, 0o1777] {
            std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            let error = Home::at(root.path()).unwrap_err().to_string();
            assert!(error.contains("hint: run `chmod 700"), "{mode:o}: {error}");
        }
    }

    #[test]
    fn a_home_that_others_could_look_into_is_closed_to_them() {
        let root = tempfile::tempdir().unwrap();
        std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        Home::at(root.path()).unwrap();
        assert_eq!(root.path().metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn the_users_own_link_to_a_private_folder_is_followed() {
        let root = tempfile::tempdir().unwrap();
        let (target, link) = (root.path().join("target"), root.path().join("link"));
        Home::at(&target).unwrap();
        symlink(&target, &link).unwrap();
        assert_eq!(Home::at(&link).unwrap().path(), link);
        std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(Home::at(&link).is_err());
    }

    #[test]
    fn a_folder_or_link_of_another_user_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let (mine, theirs, link) = (root.path().join("mine"), root.path().join("theirs"), root.path().join("link"));
        Home::at(&mine).unwrap();
        Home::at(&theirs).unwrap();
        symlink(&mine, &link).unwrap();
        // Giving a file away takes root; for everybody else the topmost folder is another user's.
        let others = match chown(&theirs, Some(12_345), None).and_then(|()| lchown(&link, Some(12_345), None)) {
            Ok(()) => vec![theirs, link],
            Err(_) => vec!["/".into()],
        };
        for path in others {
            let error = Home::at(&path).unwrap_err().to_string();
            assert!(error.contains(", not to you") && error.contains("\nhint: "), "{error}");
        }
    }
}
