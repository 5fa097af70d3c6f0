//! Keys that only this machine has, each a random 32 bytes in a 0600 file.

use super::{VaultError, random};
use crate::files;
use std::path::Path;
use zeroize::Zeroizing;

/// The key `<home>/keys/<name>`, made at the first call. Processes that race get the same one.
///
/// Not in the vault, which may need a password: this one guards against changed files, such as compiled code, and has to
/// be at hand when nobody is there to type. Refuses a file that the group or others may read, and one of another length.
pub fn local_key(home: &Path, name: &str) -> Result<Zeroizing<[u8; 32]>, VaultError> {
    cara_authority::id::SecretName::parse(name)?;
    let folder = home.join("keys");
    files::ensure_private_dir(&folder)?;
    let path = folder.join(name);
    if let Some(key) = read(&path)? {
        return Ok(key);
    }
    let fresh = Zeroizing::new(random::<32>()?);
    if files::create_private(&path, &*fresh)? {
        return Ok(fresh);
    }
    read(&path)?.ok_or(VaultError::Busy)
}

fn read(path: &Path) -> Result<Option<Zeroizing<[u8; 32]>>, VaultError> {
    let Some(bytes) = files::read_private(path, 32)?.map(Zeroizing::new) else { return Ok(None) };
    match <[u8; 32]>::try_from(bytes.as_slice()) {
        Ok(key) => Ok(Some(Zeroizing::new(key))),
        Err(_) => Err(VaultError::BadLocalKey(path.to_owned())),
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn racing_callers_get_one_key_and_it_stays() {
        let home = tempfile::tempdir().unwrap();
        let keys: Vec<_> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(|| local_key(home.path(), "code").unwrap())).collect();
            all.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0] && **key != [0; 32]));
        assert_eq!(local_key(home.path(), "code").unwrap(), keys[0]);
        assert_ne!(local_key(home.path(), "other").unwrap(), keys[0]);
    }

    #[test]
    fn a_key_others_may_read_is_refused_with_the_cure() {
        let home = tempfile::tempdir().unwrap();
        local_key(home.path(), "code").unwrap();
        let path = home.path().join("keys/code");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let text = local_key(home.path(), "code").unwrap_err().to_string();
        assert!(text.contains("hint: run `chmod 600 '"), "{text}");
    }

    #[test]
    fn a_key_of_the_wrong_length_is_not_used() {
        let home = tempfile::tempdir().unwrap();
        local_key(home.path(), "code").unwrap();
        crate::files::write_private_atomic(&home.path().join("keys/code"), b"short").unwrap();
        assert!(matches!(local_key(home.path(), "code"), Err(VaultError::BadLocalKey(_))));
        assert!(local_key(home.path(), "../vault").is_err());
    }
}
