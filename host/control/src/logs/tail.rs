//! A file that is read as it grows.

use crate::error::{Context, Result};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// A file, and how much of it was read.
pub(super) struct Tail {
    file: File,
    read: u64,
    /// A line without its end yet.
    rest: Vec<u8>,
}

impl Tail {
    pub(super) fn open(path: &Path) -> Result<Option<Self>> {
        match File::open(path) {
            Ok(file) => Ok(Some(Self { file, read: 0, rest: Vec::new() })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("`{}` cannot be read", path.display())),
        }
    }

    /// Tells every line that is whole by now.
    pub(super) fn read(&mut self, tell: &mut impl FnMut(&str)) -> Result<()> {
        self.read += self.file.read_to_end(&mut self.rest)? as u64;
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else { return Ok(()) };
        let rest = self.rest.split_off(end + 1);
        let whole = std::mem::replace(&mut self.rest, rest);
        String::from_utf8_lossy(&whole).lines().for_each(tell);
        Ok(())
    }

    /// Whether another file has taken its place.
    pub(super) fn is_full(&self, path: &Path) -> bool {
        let (Ok(own), Ok(there)) = (self.file.metadata(), path.metadata()) else { return false };
        #[cfg(unix)]
        let other = std::os::unix::fs::MetadataExt::ino(&own) != std::os::unix::fs::MetadataExt::ino(&there);
        #[cfg(not(unix))]
        let other = own.created().ok() != there.created().ok();
        other || there.len() < self.read
    }
}
