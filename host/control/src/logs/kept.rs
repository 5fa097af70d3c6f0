//! The log in the home: one file that grows, and a few before it.
//!
//! ```text
//! cara.log ─ full ─→ cara.log.1 ─→ … ─→ cara.log.4 ─→ gone
//! ```
//!
//! Written here since the crates that do it bring a calendar and a compressor along, or know days and no sizes.

use cara_services::files::{FileError, ensure_private_dir};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// How large a file gets, bytes.
const FULL: u64 = 4 * 1024 * 1024;

/// How many full files are kept beside the one that grows.
const KEPT: usize = 4;

/// The most bytes that wait until the file is there.
const WAITING: usize = 64 * 1024;

/// The log; a clone is the same one.
#[derive(Clone, Default)]
pub struct Kept {
    log: Arc<Mutex<Log>>,
    filter: Option<String>,
}

#[derive(Default)]
struct Log {
    /// Lines from before the file was there.
    waiting: Vec<u8>,
    open: Option<Open>,
    /// Whether a failure was told.
    failed: bool,
}

struct Open {
    folder: PathBuf,
    file: File,
    size: u64,
    full: u64,
}

/// The files of a log, the oldest first.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    let older = (1..=KEPT).rev().map(|number| folder.join(format!("cara.log.{number}")));
    older.chain([folder.join("cara.log")]).collect()
}

impl Kept {
    /// A log of what passes this filter, for a process that begins another one with the same.
    pub fn of(filter: Option<String>) -> Self {
        Self { filter, ..Self::default() }
    }

    /// What was asked for on the command line.
    pub fn filter(&self) -> Option<&str> {
        self.filter.as_deref()
    }

    /// From now on in this folder: only the process that holds a home writes its log.
    pub fn open(&self, folder: &Path) -> Result<(), FileError> {
        self.open_with(folder, FULL)
    }

    fn open_with(&self, folder: &Path, full: u64) -> Result<(), FileError> {
        ensure_private_dir(folder)?;
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |source| FileError::Io { action: "open", path: folder.join("cara.log"), source };
        log.open = Some(Open::new(folder.to_owned(), full).map_err(failed)?);
        let waiting = std::mem::take(&mut log.waiting);
        match log.write(&waiting) {
            Some(source) => Err(failed(source)),
            None => Ok(()),
        }
    }

    /// Writes a line. A log that cannot be written stops nothing: why it cannot is told once.
    pub(crate) fn write(&self, line: &[u8]) -> Option<io::Error> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).write(line)
    }
}

impl Log {
    fn write(&mut self, line: &[u8]) -> Option<io::Error> {
        let Some(open) = &mut self.open else {
            if self.waiting.len() + line.len() <= WAITING {
                self.waiting.extend_from_slice(line);
            }
            return None;
        };
        let written = open.write(line);
        let told = std::mem::replace(&mut self.failed, written.is_err());
        written.err().filter(|_| !told)
    }
}

impl Open {
    fn new(folder: PathBuf, full: u64) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(folder.join("cara.log"))?;
        let size = file.metadata()?.len();
        Ok(Self { folder, file, size, full })
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.size > 0 && self.size + line.len() as u64 > self.full {
            let files = files(&self.folder);
            for pair in files.windows(2) {
                match std::fs::rename(&pair[1], &pair[0]) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            *self = Self::new(self.folder.clone(), self.full)?;
        }
        self.file.write_all(line)?;
        self.size += line.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_log_is_bounded_as_a_whole_and_loses_the_oldest_lines() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::default();
        kept.write(b"before\n");
        kept.open_with(folder.path(), 100).unwrap();
        for number in 0..200 {
            kept.write(format!("line {number}\n").as_bytes());
        }
        let read = |path: &PathBuf| std::fs::read_to_string(path).unwrap();
        let all: Vec<String> = files(folder.path()).iter().map(read).collect();
        assert!(all.iter().all(|text| text.len() <= 100 && text.ends_with('\n')), "{all:?}");
        let whole = all.concat();
        let lines: Vec<&str> = whole.lines().collect();
        assert_eq!(lines.last(), Some(&"line 199"));
        let expected: Vec<String> = (200 - lines.len()..200).map(|number| format!("line {number}")).collect();
        assert_eq!(lines, expected);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), KEPT + 1);
    }

    #[test]
    #[cfg(unix)]
    fn what_was_written_before_comes_first_and_only_the_owner_reads_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::default();
        kept.write(b"before\n");
        kept.open(folder.path()).unwrap();
        kept.write(b"after\n");
        let path = folder.path().join("cara.log");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "before\nafter\n");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
