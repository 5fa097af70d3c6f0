//! The key a checkout signs its own components with.
//!
//! Made once, kept under the target folder where no commit and no release finds
//! it. A release brings its own key file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use cara_sdk_sign::SecretKey;

/// Why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file cannot be read or made.
    #[error("the signing key `{}` cannot be used\nhint: it must be a PEM file that you can read", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is readable by others.
    #[error("the signing key `{0}` can be read by others\nhint: run `chmod 600 {0}`", .path.display())]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// The file does not hold a key.
    #[error("the signing key `{}` is not usable", .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: cara_sdk_sign::SecretKeyError,
    },
}

/// Reads a key file that somebody else takes care of.
///
/// # Errors
/// When it is missing, readable by others, or not a key.
pub fn from_file(path: &Path) -> Result<SecretKey, KeyError> {
    let file = |source| KeyError::File { path: path.to_owned(), source };
    let mut opened = File::open(path).map_err(file)?;
    private(&opened, path)?;
    let mut pem = String::new();
    (&mut opened).take(4096).read_to_string(&mut pem).map_err(file)?;
    SecretKey::from_pem(&pem).map_err(|source| KeyError::Content { path: path.to_owned(), source })
}

/// The checkout's own key, `signing-key.pem` in `folder`; made when it is not there, with mode 0600.
///
/// # Errors
/// As [`from_file`], and when a new key cannot be written.
pub fn of_checkout(folder: &Path) -> Result<SecretKey, KeyError> {
    let path = folder.join("signing-key.pem");
    let file = |source| KeyError::File { path: path.clone(), source };
    if path.try_exists().map_err(file)? {
        return from_file(&path);
    }
    let key = SecretKey::generate().map_err(|source| KeyError::Content { path: path.clone(), source })?;
    std::fs::create_dir_all(folder).map_err(file)?;
    // Written whole under another name and then linked, which fails when another build was first: nobody ever reads
    // half a key or signs with one that is then replaced.
    let draft = folder.join(format!("signing-key.{}.draft", std::process::id()));
    let linked = write_private(&draft, key.to_pem().as_bytes()).and_then(|()| std::fs::hard_link(&draft, &path));
    // The draft is of no use any more, whatever happened.
    let _ = std::fs::remove_file(&draft);
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(file(error)),
        _ => from_file(&path),
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(unix)]
fn private(file: &File, path: &Path) -> Result<(), KeyError> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = file.metadata().map_err(|source| KeyError::File { path: path.to_owned(), source })?;
    if metadata.mode() & 0o077 == 0 { Ok(()) } else { Err(KeyError::Open { path: path.to_owned() }) }
}

#[cfg(not(unix))]
fn private(_: &File, _: &Path) -> Result<(), KeyError> {
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_checkout_keeps_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let first = of_checkout(folder.path()).unwrap();
        let second = of_checkout(folder.path()).unwrap();
        assert_eq!(first.public().id(), second.public().id());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "only the key is left");
    }

    #[cfg(unix)]
    #[test]
    fn a_key_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        of_checkout(folder.path()).unwrap();
        let path = folder.path().join("signing-key.pem");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = of_checkout(folder.path()).unwrap_err();
        assert!(matches!(error, KeyError::Open { .. }), "{error}");
        assert!(error.to_string().contains("hint: run `chmod 600 "), "{error}");
    }

    #[test]
    fn a_key_file_without_a_key_is_refused_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing-key.pem");
        write_private(&path, b"not a key").unwrap();
        assert!(matches!(of_checkout(folder.path()), Err(KeyError::Content { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), b"not a key");
    }
}
