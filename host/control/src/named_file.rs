//! Files that a person names: what is wrong with one is said of the name, not
//! of the home.

use crate::error::{Result, error, fail};
use cara_authority::display_safe;
use cara_services::files::{self, FileError};
use std::io::ErrorKind;
use std::path::Path;

/// The bytes of a file that has at most so many.
///
/// # Errors
///
/// There is no such file, it is a folder, or it has more.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let shown = path.display();
    if path.as_os_str().is_empty() {
        fail!(Invalid, "no file is named\nhint: write its path behind it");
    }
    match files::read_capped(path, most) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => {
            let here = std::env::current_dir().unwrap_or_default();
            fail!(NotFound, "`{shown}` does not exist\nhint: name a file as it is found from `{}`", here.display())
        }
        Err(FileError::WrongKind { .. }) => {
            fail!(Invalid, "`{shown}` is a folder, or no plain file\nhint: name a file")
        }
        Err(FileError::TooLarge { max, .. }) => {
            fail!(Invalid, "`{shown}` is too large\nhint: name a file of at most {max} bytes")
        }
        Err(FileError::Io { source, .. }) if names_nothing(source.kind()) => {
            fail!(
                Invalid,
                "`{}` names no file: {source}\nhint: name a file by its path",
                display_safe(&shown.to_string())
            )
        }
        Err(FileError::Io { source, .. }) if source.kind() == ErrorKind::PermissionDenied => {
            fail!(Refused, "`{shown}` cannot be read: {source}\nhint: name a file of yours")
        }
        Err(other) => Err(error!(Internal, "{other}")),
    }
}

/// Whether no file can have such a path: it has a NUL in it, is too long, or leads through a file.
fn names_nothing(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::InvalidInput | ErrorKind::InvalidFilename | ErrorKind::NotADirectory)
}

/// The text of such a file.
///
/// # Errors
///
/// As of [`read`]; or it is not UTF-8.
pub fn text(path: &Path, most: u64) -> Result<String> {
    let not_text = |_| error!(Invalid, "`{}` is not UTF-8\nhint: name a file of text", path.display());
    String::from_utf8(read(path, most)?).map_err(not_text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_wrong_with_a_named_file_is_said_with_the_cure() {
        let folder = tempfile::tempdir().unwrap();
        let told = |name: &str| text(&folder.path().join(name), 4).unwrap_err().to_string();
        assert!(told("none").contains("does not exist\nhint: name a file as it is found from"), "{}", told("none"));
        assert!(told("").contains("is a folder, or no plain file\nhint: name a file"), "{}", told(""));
        assert!(read(Path::new(""), 4).unwrap_err().to_string().starts_with("no file is named\nhint: "));
        for wrong in ["a\0b", &"x".repeat(5_000)] {
            let error = read(Path::new(wrong), 4).unwrap_err();
            assert!(
                error.kind == crate::error::ErrorKind::Invalid && error.message.contains("names no file"),
                "{error}"
            );
        }
        for (name, bytes, wrong) in [("long", &b"12345"[..], "too large"), ("bytes", b"\xff", "not UTF-8")] {
            std::fs::write(folder.path().join(name), bytes).unwrap();
            assert!(told(name).contains(wrong), "{}", told(name));
        }
    }
}
