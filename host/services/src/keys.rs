//! This machine's own keys: each 32 random bytes in a 0600 file of `keys/`.
//!
//! Not in the vault, which may need a password: these have to be at hand when nobody is there to type. A key file is made
//! once, by the first of all processes that need the key, and never replaced. A key whose data exists already is not made
//! anew: that would lose the data.

use crate::files::{self, FileError};
use crate::home::Home;
pub use crate::home::KeyName;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// 32 bytes that are wiped when dropped.
pub type Key = Zeroizing<[u8; 32]>;

/// Why a key cannot be had. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not as it was written.
    #[error("the key file `{}` is damaged: it does not hold 32 bytes\nhint: {}", path.display(), name.cure())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The key.
        name: KeyName,
    },
    /// The file is gone, though what needs the key is there.
    #[error("the key file `{}` is missing\nhint: {}", path.display(), name.cure())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The key.
        name: KeyName,
    },
    /// The system gives no random bytes.
    #[error("no random bytes from the system: {0}\nhint: see whether `/dev/urandom` is there")]
    Random(getrandom::Error),
}

/// The key, if its file is there. Refuses a file that the group or others may read, and one of another length.
pub fn read(home: &Home, name: KeyName) -> Result<Option<Key>, KeyError> {
    let path = home.key(name);
    let damaged = || KeyError::Damaged { path: path.clone(), name };
    match files::read_private(&path, 32) {
        Err(FileError::TooLarge { .. }) => Err(damaged()),
        bytes => match bytes?.map(Zeroizing::new) {
            Some(bytes) => Ok(Some(Zeroizing::new(bytes.as_slice().try_into().map_err(|_| damaged())?))),
            None => Ok(None),
        },
    }
}

/// The key of what exists already: missing, it is not made anew.
pub fn existing(home: &Home, name: KeyName) -> Result<Key, KeyError> {
    read(home, name)?.ok_or_else(|| KeyError::Missing { path: home.key(name), name })
}

/// The key; made at the first call. Processes that race get the same key. Only while nothing exists that needs it, which
/// has to be looked at before this call.
pub fn read_or_make(home: &Home, name: KeyName) -> Result<Key, KeyError> {
    if let Some(key) = read(home, name)? {
        return Ok(key);
    }
    files::ensure_private_dir(&home.keys_dir())?;
    let mut fresh = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *fresh).map_err(KeyError::Random)?;
    if files::create_private(&home.key(name), &*fresh)? {
        return Ok(fresh);
    }
    existing(home, name)
}

/// The key of the audit log; missing while there is a ledger, it is not made anew.
pub fn audit(home: &Home) -> Result<Key, KeyError> {
    // Looked at first: who makes a ledger has made the key before.
    match files::exists(&home.ledger())? {
        true => existing(home, KeyName::Audit),
        false => read_or_make(home, KeyName::Audit),
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn home() -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path()).unwrap();
        (folder, home)
    }

    #[test]
    fn racing_callers_get_one_key_and_it_stays() {
        let (_folder, home) = home();
        let keys: Vec<_> = std::thread::scope(|scope| {
            let make = || read_or_make(&home, KeyName::Conversations).unwrap();
            let all: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            all.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0] && **key != [0; 32]));
        assert_eq!(read(&home, KeyName::Conversations).unwrap().unwrap(), keys[0]);
        assert_ne!(audit(&home).unwrap(), keys[0]);
    }

    #[test]
    fn a_key_others_may_read_is_refused_with_the_cure() {
        let (_folder, home) = home();
        audit(&home).unwrap();
        std::fs::set_permissions(home.key(KeyName::Audit), std::fs::Permissions::from_mode(0o644)).unwrap();
        let text = audit(&home).unwrap_err().to_string();
        assert!(text.contains("hint: run `chmod 600 '"), "{text}");
    }

    #[test]
    fn a_damaged_key_says_what_is_lost_and_how_to_get_it_back() {
        for name in [KeyName::Audit, KeyName::Conversations, KeyName::Vault, KeyName::CompiledCode] {
            let (_folder, home) = home();
            read_or_make(&home, name).unwrap();
            for bytes in [&b"short"[..], &[0; 33]] {
                files::write_private_atomic(&home.key(name), bytes).unwrap();
                let text = read_or_make(&home, name).unwrap_err().to_string();
                let lossless = name == KeyName::CompiledCode;
                assert_eq!(text.contains("hint: put the file back from your backup"), !lossless, "{text}");
                assert_eq!(text.contains("hint: delete it"), lossless, "{text}");
                assert_eq!(std::fs::read(home.key(name)).unwrap(), bytes);
            }
        }
    }

    #[test]
    fn a_lost_audit_key_is_not_replaced_while_there_is_a_ledger() {
        let (_folder, home) = home();
        audit(&home).unwrap();
        files::write_private_atomic(&home.ledger(), b"").unwrap();
        std::fs::remove_file(home.key(KeyName::Audit)).unwrap();
        let text = audit(&home).unwrap_err().to_string();
        assert!(text.contains("is missing\nhint: put the file back"), "{text}");
        assert!(!home.key(KeyName::Audit).exists());
    }
}
