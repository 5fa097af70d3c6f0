//! Files that a person names: what is wrong with one is said of the name, not
//! of the home.

use crate::error::{Result, error, fail};
use cara_services::files::{self, FileError};
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
        Err(other) => Err(error!(Internal, "{other}")),
    }
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
        for (name, bytes, wrong) in [("long", &b"12345"[..], "too large"), ("bytes", b"\xff", "not UTF-8")] {
            std::fs::write(folder.path().join(name), bytes).unwrap();
            assert!(told(name).contains(wrong), "{}", told(name));
        }
    }
}
