//! Private files of the state folder: atomic writes, capped reads, locks.
//!
//! Knows nothing of what they mean. On Windows the access list of the user's profile does the work of the modes.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
pub mod disposable;

/// Why a file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system refused.
    #[error("cannot {action} `{}`: {source}\nhint: check that the folder exists, is yours and has room", path.display())]
    Io {
        /// What was tried: "read", "write".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The path is a symbolic link where only a plain file is taken.
    #[error("`{}` is a symbolic link and is not followed\nhint: put the file itself there", .0.display())]
    Symlink(PathBuf),
    /// A folder, device or pipe where a file was expected, or a file where a folder was.
    #[error("`{}` is not a {expected}\nhint: move it away", path.display())]
    WrongKind {
        /// The path.
        path: PathBuf,
        /// "file" or "folder".
        expected: &'static str,
    },
    /// More bytes than the reader takes.
    #[error("`{}` is larger than {max} bytes\nhint: name a smaller file; one that cara wrote was changed, so put it back from your backup", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most that is read.
        max: u64,
    },
    /// Another user could change it.
    #[error("`{}` belongs to user {uid}, not to you\nhint: use another path, or make it yours: `chown -h $(id -u) '{}'`", path.display(), path.display())]
    NotOwned {
        /// The folder, or the symbolic link to it.
        path: PathBuf,
        /// Whose it is.
        uid: u32,
    },
    /// The group or others may use what has to be private.
    #[error("`{}` is open to other users (mode {mode:04o})\nhint: run `chmod {fix} '{}'`", path.display(), path.display())]
    NotPrivate {
        /// The file or folder.
        path: PathBuf,
        /// The permission bits of the file.
        mode: u32,
        /// The mode it should have.
        fix: &'static str,
    },
}

fn failed<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> FileError + 'a {
    move |source| FileError::Io { action, path: path.to_owned(), source }
}

/// Makes the folder, and those above it, for this user only (0700).
///
/// An existing folder that others may read is narrowed to 0700. One that others may write to is refused, for what is in it
/// may be theirs; this also spares `/tmp` and the like.
pub fn ensure_private_dir(path: &Path) -> Result<(), FileError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(failed("create the folder", path))?;
    let metadata = fs::metadata(path).map_err(failed("look at", path))?;
    if !metadata.is_dir() {
        return Err(FileError::WrongKind { path: path.to_owned(), expected: "folder" });
    }
    refuse(path, &metadata, 0o022, "700")?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if metadata.permissions().mode() & 0o077 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(failed("narrow", path))?;
        }
    }
    Ok(())
}

/// Like [`ensure_private_dir`], and refuses a folder, or a symbolic link to one, that belongs to another user.
pub fn ensure_own_dir(path: &Path) -> Result<(), FileError> {
    if exists(path)? {
        check_owner(path)?;
    }
    ensure_private_dir(path)?;
    check_owner(path)
}

/// The length of the private file at `path`; nothing when there is none.
///
/// It is not opened: closing a file drops the locks that a database in this process holds on it.
pub fn private_len(path: &Path) -> Result<Option<u64>, FileError> {
    let metadata = match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(failed("look at", path))?,
    };
    if metadata.is_symlink() {
        return Err(FileError::Symlink(path.to_owned()));
    }
    if !metadata.is_file() {
        return Err(FileError::WrongKind { path: path.to_owned(), expected: "file" });
    }
    refuse(path, &metadata, 0o077, "600")?;
    Ok(Some(metadata.len()))
}

/// Whether something is at `path`; a symbolic link counts, wherever it points.
pub fn exists(path: &Path) -> Result<bool, FileError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(failed("look at", path)(e)),
    }
}

/// What is directly in a folder, sorted, at most so much of it; nothing when it is no folder. Follows symbolic links.
pub fn entries(folder: &Path, most: usize) -> Result<Option<Vec<PathBuf>>, FileError> {
    if !fs::metadata(folder).is_ok_and(|metadata| metadata.is_dir()) {
        return Ok(None);
    }
    let listed = fs::read_dir(folder).map_err(failed("list", folder))?.take(most);
    let paths = listed.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>();
    let mut paths = paths.map_err(failed("list", folder))?;
    paths.sort();
    Ok(Some(paths))
}

/// The names of what is in a folder, sorted; none when there is no folder. Names that are not UTF-8 are left out.
pub fn names(folder: &Path) -> Result<Vec<String>, FileError> {
    let paths = entries(folder, usize::MAX)?.unwrap_or_default();
    Ok(paths.iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
}

/// Reads a whole file of at most `max` bytes; nothing when there is none. Follows symbolic links.
pub fn read_capped(path: &Path, max: u64) -> Result<Option<Vec<u8>>, FileError> {
    let Some(file) = absent(open(path, false))? else { return Ok(None) };
    read_open(file, path, max).map(|(bytes, _)| Some(bytes))
}

/// Like [`read_capped`] for files with secrets: no symbolic link, nothing the group or others may use.
pub fn read_private(path: &Path, max: u64) -> Result<Option<Vec<u8>>, FileError> {
    let Some(file) = absent(open(path, true))? else { return Ok(None) };
    let (bytes, metadata) = read_open(file, path, max)?;
    refuse(path, &metadata, 0o077, "600")?;
    Ok(Some(bytes))
}

/// Replaces the file as a whole (0600): a reader, or a crash at any moment, sees the old bytes or the new ones.
///
/// Refuses to replace a symbolic link. What a crash leaves behind is a file `.<name>.*.tmp` that nobody reads.
pub fn write_private_atomic(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    if fs::symlink_metadata(path).is_ok_and(|m| m.is_symlink()) {
        return Err(FileError::Symlink(path.to_owned()));
    }
    let temporary = write_temporary(path, bytes)?;
    temporary.persist(path).map_err(|e| failed("replace", path)(e.error))?;
    sync_dir(path)
}

/// Deletes what crashes during [`write_private_atomic`] left beside `path`. Only for who holds the lock that all its writers
/// take: another's write that is under way would fail.
pub fn remove_leftovers(path: &Path) -> Result<(), FileError> {
    let folder = parent(path);
    let prefix = format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy());
    let left = names(folder)?.into_iter().filter(|name| name.starts_with(&prefix) && name.ends_with(".tmp"));
    left.into_iter().try_for_each(|name| remove(&folder.join(name)))
}

/// Writes the file (0600) if there is none: true when this call made it. Of racing calls exactly one does.
pub fn create_private(path: &Path, bytes: &[u8]) -> Result<bool, FileError> {
    publish(write_temporary(path, bytes)?.into_temp_path(), path)
}

/// An empty file (0600) beside `path`, to be filled by its name and then given to [`publish`]; removed when dropped.
pub fn temporary_beside(path: &Path) -> Result<tempfile::TempPath, FileError> {
    Ok(write_temporary(path, b"")?.into_temp_path())
}

/// Puts a file there that is whole and on disk, if there is none: true when it was this one.
pub fn publish(temporary: tempfile::TempPath, path: &Path) -> Result<bool, FileError> {
    match temporary.persist_noclobber(path) {
        Ok(()) => sync_dir(path).map(|()| true),
        Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(e) => Err(failed("create", path)(e.error)),
    }
}

/// Holds a file lock until dropped; other holders, in this process or another, wait.
#[derive(Debug)]
pub struct FileLock {
    _file: Option<File>,
}

/// Waits for the exclusive lock on the file at `path`, which is created (0600) when missing and stays.
pub fn lock(path: &Path) -> Result<FileLock, FileError> {
    let file = open_lock(path)?;
    file.lock().map_err(failed("lock", path))?;
    Ok(FileLock { _file: Some(file) })
}

/// The exclusive lock on the file at `path`, if nobody holds it; the file is made when it is missing.
pub fn try_lock(path: &Path) -> Result<Option<FileLock>, FileError> {
    let file = open_lock(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(FileLock { _file: Some(file) })),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(failed("lock", path)(error)),
    }
}

/// The exclusive lock on a folder itself, if nobody holds it: unlike a lock file, a folder is not removed with something in
/// it. Where the system or the file system cannot lock a folder, nothing is locked.
pub fn try_lock_folder(path: &Path) -> Option<FileLock> {
    let folder = if cfg!(unix) { File::open(path).ok() } else { None };
    match folder.as_ref().map(File::try_lock) {
        Some(Err(fs::TryLockError::WouldBlock)) => None,
        _ => Some(FileLock { _file: folder }),
    }
}

fn open_lock(path: &Path) -> Result<File, FileError> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    open_with(options, path, true)
}

/// Tells a file from another one at the same path: who writes it anew as a whole changes this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    bytes: u64,
    changed: (i64, i64),
    file: u64,
}

/// The stamp of a file, if there is one. Follows symbolic links: a link stays as it is while its target changes.
pub fn stamp(path: &Path) -> Result<Option<Stamp>, FileError> {
    let metadata = absent(fs::metadata(path).map_err(failed("look at", path)))?;
    Ok(metadata.map(|metadata| Stamp { bytes: metadata.len(), changed: changed(&metadata), file: inode(&metadata) }))
}

#[cfg(unix)]
fn changed(metadata: &fs::Metadata) -> (i64, i64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.mtime(), metadata.mtime_nsec())
}

#[cfg(unix)]
fn inode(metadata: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(windows)]
fn changed(metadata: &fs::Metadata) -> (i64, i64) {
    (std::os::windows::fs::MetadataExt::last_write_time(metadata).cast_signed(), 0)
}

#[cfg(windows)]
fn inode(metadata: &fs::Metadata) -> u64 {
    std::os::windows::fs::MetadataExt::creation_time(metadata)
}

/// Removes a file; one that does not exist is removed already.
pub fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Where a symbolic link leads; none when the path is none.
pub fn link_target(path: &Path) -> Option<PathBuf> {
    fs::read_link(path).ok()
}

fn write_temporary(path: &Path, bytes: &[u8]) -> Result<tempfile::NamedTempFile, FileError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // The same folder, so that the rename stays within one file system. `tempfile` opens with O_EXCL and 0600.
    let mut temporary = tempfile::Builder::new()
        .prefix(&format!(".{name}."))
        .suffix(".tmp")
        .tempfile_in(parent(path))
        .map_err(failed("write beside", path))?;
    temporary.write_all(bytes).map_err(failed("write", path))?;
    temporary.as_file().sync_all().map_err(failed("write", path))?;
    Ok(temporary)
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the rename itself last. Windows cannot open a folder as a file; NTFS journals the rename.
fn sync_dir(path: &Path) -> Result<(), FileError> {
    if cfg!(unix) {
        let parent = parent(path);
        File::open(parent).and_then(|dir| dir.sync_all()).map_err(failed("sync the folder", parent))?;
    }
    Ok(())
}

fn open(path: &Path, private: bool) -> Result<File, FileError> {
    let mut options = File::options();
    options.read(true);
    open_with(options, path, private)
}

fn open_with(mut options: fs::OpenOptions, path: &Path, private: bool) -> Result<File, FileError> {
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt;
        // NONBLOCK: a pipe put in the file's place must not hang the opener.
        let follow = if private { OFlags::NOFOLLOW } else { OFlags::empty() };
        options.mode(0o600).custom_flags((OFlags::NONBLOCK | follow).bits() as i32);
    }
    options.open(path).map_err(|e| {
        // What the system says of a refused link (ELOOP) differs from one system to another, so look.
        if private && fs::symlink_metadata(path).is_ok_and(|m| m.is_symlink()) {
            return FileError::Symlink(path.to_owned());
        }
        failed("open", path)(e)
    })
}

fn absent<T>(opened: Result<T, FileError>) -> Result<Option<T>, FileError> {
    match opened {
        Err(FileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

fn read_open(file: File, path: &Path, max: u64) -> Result<(Vec<u8>, fs::Metadata), FileError> {
    let metadata = file.metadata().map_err(failed("look at", path))?;
    if !metadata.is_file() {
        return Err(FileError::WrongKind { path: path.to_owned(), expected: "file" });
    }
    let too_large = || FileError::TooLarge { path: path.to_owned(), max };
    if metadata.len() > max {
        return Err(too_large());
    }
    // Room for the whole at once: growing would leave copies of a secret behind.
    let mut bytes = Vec::with_capacity(metadata.len() as usize + 1);
    file.take(max + 1).read_to_end(&mut bytes).map_err(failed("read", path))?;
    if bytes.len() as u64 > max {
        return Err(too_large());
    }
    Ok((bytes, metadata))
}

/// Refuses a file with any of the permission bits `open`.
#[cfg(unix)]
fn refuse(path: &Path, metadata: &fs::Metadata, open: u32, fix: &'static str) -> Result<(), FileError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & open != 0 {
        return Err(FileError::NotPrivate { path: path.to_owned(), mode, fix });
    }
    Ok(())
}

#[cfg(not(unix))]
fn refuse(_: &Path, _: &fs::Metadata, _: u32, _: &'static str) -> Result<(), FileError> {
    Ok(())
}

/// The link and what it leads to: whoever owns either decides what is there.
#[cfg(unix)]
fn check_owner(path: &Path) -> Result<(), FileError> {
    use std::os::unix::fs::MetadataExt;
    let own = rustix::process::geteuid().as_raw();
    for look in [fs::symlink_metadata, fs::metadata] {
        let uid = look(path).map_err(failed("look at", path))?.uid();
        if uid != own {
            return Err(FileError::NotOwned { path: path.to_owned(), uid });
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_owner(_: &Path) -> Result<(), FileError> {
    Ok(())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn files_are_0600_and_folders_0700() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("a/b");
        ensure_private_dir(&dir).unwrap();
        write_private_atomic(&dir.join("f"), b"x").unwrap();
        let _lock = lock(&dir.join("l")).unwrap();
        assert_eq!((mode(&dir), mode(&dir.join("f")), mode(&dir.join("l"))), (0o700, 0o600, 0o600));
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 2);
    }

    #[test]
    fn a_symbolic_link_is_neither_read_nor_replaced_nor_locked() {
        let root = tempfile::tempdir().unwrap();
        let (target, link) = (root.path().join("target"), root.path().join("link"));
        write_private_atomic(&target, b"old").unwrap();
        symlink(&target, &link).unwrap();
        assert!(matches!(write_private_atomic(&link, b"new"), Err(FileError::Symlink(_))));
        assert!(matches!(read_private(&link, 9), Err(FileError::Symlink(_))));
        assert!(matches!(lock(&link), Err(FileError::Symlink(_))));
        assert!(!create_private(&link, b"new").unwrap());
        assert_eq!(fs::read(&target).unwrap(), b"old");
    }

    #[test]
    fn what_others_may_read_is_refused_with_the_cure() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("f");
        write_private_atomic(&file, b"x").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let text = read_private(&file, 9).unwrap_err().to_string();
        assert!(text.contains("mode 0640") && text.contains("hint: run `chmod 600 '"), "{text}");
        assert_eq!(read_capped(&file, 9).unwrap().unwrap(), b"x");
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o770)).unwrap();
        let text = ensure_private_dir(root.path()).unwrap_err().to_string();
        assert!(text.contains("chmod 700"), "{text}");
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        ensure_private_dir(root.path()).unwrap();
        assert_eq!(mode(root.path()), 0o700);
    }

    #[test]
    fn a_stamp_sees_a_change_behind_a_symbolic_link() {
        let root = tempfile::tempdir().unwrap();
        let (target, link) = (root.path().join("target"), root.path().join("link"));
        write_private_atomic(&target, b"old").unwrap();
        symlink(&target, &link).unwrap();
        let before = stamp(&link).unwrap().unwrap();
        write_private_atomic(&target, b"new and longer").unwrap();
        assert_ne!(stamp(&link).unwrap(), Some(before));
    }

    #[test]
    fn a_reader_has_a_cap_and_never_hangs_on_a_pipe() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("f");
        write_private_atomic(&file, b"12345").unwrap();
        assert_eq!(read_capped(&file, 5).unwrap().unwrap(), b"12345");
        assert!(matches!(read_capped(&file, 4), Err(FileError::TooLarge { .. })));
        assert!(matches!(read_capped(root.path(), 4), Err(FileError::WrongKind { .. })));
        assert!(read_capped(&root.path().join("none"), 4).unwrap().is_none());
        let pipe = root.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert!(matches!(read_private(&pipe, 4), Err(FileError::WrongKind { .. })));
    }

    #[test]
    fn of_racing_creators_exactly_one_wins() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("f");
        let made = std::thread::scope(|scope| {
            let all: Vec<_> = (0..8u8)
                .map(|i| {
                    scope.spawn({
                        let file = &file;
                        move || create_private(file, &[i]).unwrap()
                    })
                })
                .collect();
            all.into_iter().map(|t| t.join().unwrap()).filter(|made| *made).count()
        });
        assert_eq!((made, fs::read_dir(root.path()).unwrap().count()), (1, 1));
    }
}
