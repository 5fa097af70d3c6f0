//! Files that can be made again:
//! those that nobody used for long are removed.
//!
//! A file's time of change is when it was last used. Processes need no agreement: who misses a file makes it again.

use std::fs::{self, DirEntry, File};
use std::io;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

/// A use is noted to the day.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What one folder of them keeps.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// Days that a file may be unused.
    pub days: u32,
    /// The most files.
    pub files: usize,
}

/// Notes that a file was used now, in Unix milliseconds.
pub fn used(path: &Path, now_ms: u64) -> io::Result<()> {
    let now = UNIX_EPOCH + Duration::from_millis(now_ms);
    let noted = fs::metadata(path)?.modified()?;
    match now.duration_since(noted) {
        Ok(age) if age > DAY => File::options().write(true).open(path)?.set_modified(now),
        _ => Ok(()),
    }
}

/// Removes what is not to be kept: the files longest not used. One that cannot be removed stays.
pub fn shrink(folder: &Path, keep: Keep, now_ms: u64) -> io::Result<()> {
    let now = UNIX_EPOCH + Duration::from_millis(now_ms);
    let read = |entry: io::Result<DirEntry>| entry.and_then(|entry| Ok((entry.metadata()?.modified()?, entry.path())));
    let mut files = fs::read_dir(folder)?.map(read).filter_map(Result::ok).collect::<Vec<_>>();
    files.sort_unstable_by(|one, other| other.cmp(one));
    let unused = |since| now.duration_since(since).is_ok_and(|age| age > DAY * keep.days);
    for (place, (since, path)) in files.into_iter().enumerate() {
        if place >= keep.files || unused(since) {
            let _ = fs::remove_file(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_kept_are_the_files_used_last() {
        let folder = tempfile::tempdir().unwrap();
        let now_ms = 1_000 * 24 * 60 * 60 * 1_000;
        for age in 1..=4 {
            let file = File::create(folder.path().join(age.to_string())).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_millis(now_ms) - DAY * age).unwrap();
        }
        used(&folder.path().join("3"), now_ms).unwrap();
        shrink(folder.path(), Keep { days: 30, files: 2 }, now_ms).unwrap();
        let left = ["1", "2", "3", "4"].map(|age| folder.path().join(age).exists());
        assert_eq!(left, [true, false, true, false]);
        shrink(folder.path(), Keep { days: 0, files: 2 }, now_ms).unwrap();
        assert_eq!(["1", "3"].map(|age| folder.path().join(age).exists()), [false, true]);
    }
}
