//! Where installed components are: files named by their digests, and the lock.
//!
//! ```text
//! change ─→ put(verified) ─→ packages/<digest>.wasm, <digest>.sigstore.json ─→ commit ─→ cara.lock
//! ```
//!
//! Files are written before the lock refers to them and removed after it no longer does, so a crash at any moment leaves
//! whole versions, and at most files that the next change sweeps away.

use crate::lock::{self, Lock, LockError};
use cara_services::files::{self, FileError, FileLock};
use cara_services::home::Home;
use cara_signing::{Bundle, Digest, Package, Verified};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The store of one home.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
    lock: PathBuf,
}

/// A version as it is stored. Who uses it verifies it again.
#[derive(Debug)]
pub struct Stored {
    /// The component's file.
    pub wasm: Vec<u8>,
    /// The signature file of the component.
    pub bundle: String,
}

/// What the lock was when it was read: another stamp, another content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp(Option<files::Stamp>);

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The lock is not text.
    #[error("`{0}` is not UTF-8\nhint: put a copy of it back, or move it away and install again")]
    NotText(PathBuf),
    /// A file that the lock names is gone.
    #[error(
        "`{0}` is missing or was changed\nhint: install the component again, or remove it with `cara plugin remove`"
    )]
    Missing(PathBuf),
}

impl Store {
    /// The store of a home.
    pub fn of(home: &Home) -> Self {
        Self { folder: home.path().join("packages"), lock: home.path().join("cara.lock") }
    }

    /// What the lock says, and its stamp.
    pub fn read(&self) -> Result<(Lock, Stamp), StoreError> {
        // The stamp first: a change in between is then seen as one at the next look.
        let stamp = self.stamp()?;
        Ok((self.lock()?, stamp))
    }

    /// The stamp of the lock as it is now. Costs one look at a file's metadata.
    pub fn stamp(&self) -> Result<Stamp, StoreError> {
        Ok(Stamp(files::stamp(&self.lock)?))
    }

    fn lock(&self) -> Result<Lock, StoreError> {
        let Some(bytes) = files::read_capped(&self.lock, lock::MAX_BYTES)? else { return Ok(Lock::default()) };
        let text = String::from_utf8(bytes).map_err(|_| StoreError::NotText(self.lock.clone()))?;
        Ok(Lock::from_toml(&text)?)
    }

    /// A version that was kept.
    pub fn get(&self, digest: &Digest) -> Result<Stored, StoreError> {
        let (wasm, signature) = self.paths(digest);
        let read = |path: &Path, most: usize| {
            files::read_private(path, most as u64)?.ok_or_else(|| StoreError::Missing(path.to_owned()))
        };
        let bytes = read(&wasm, Package::MAX_BYTES)?;
        if Digest::of(&bytes) != *digest {
            return Err(StoreError::Missing(wasm));
        }
        let bundle = read(&signature, Bundle::MAX_BYTES)?;
        let bundle = String::from_utf8(bundle).map_err(|_| StoreError::NotText(signature))?;
        Ok(Stored { wasm: bytes, bundle })
    }

    /// Begins a change. Waits for another process that makes one.
    pub fn change(&self) -> Result<Change<'_>, StoreError> {
        let alone = files::lock(&self.lock.with_extension("lock.writer"))?;
        files::remove_leftovers(&self.lock)?;
        let before = self.lock()?;
        Ok(Change { store: self, lock: before.clone(), before, _alone: alone })
    }

    fn paths(&self, digest: &Digest) -> (PathBuf, PathBuf) {
        let hex = digest.to_hex();
        (self.folder.join(format!("{hex}.wasm")), self.folder.join(format!("{hex}.sigstore.json")))
    }
}

/// A change under way, alone. Dropped without [`Change::commit`], nothing is changed.
#[derive(Debug)]
pub struct Change<'a> {
    store: &'a Store,
    before: Lock,
    /// The lock as it is to be.
    pub lock: Lock,
    _alone: FileLock,
}

impl Change<'_> {
    /// Keeps a version, on disk when it returns. Nothing uses it before the committed lock says so.
    pub fn put(&self, package: &Verified<Package>, bundle: &str) -> Result<(), StoreError> {
        files::ensure_private_dir(&self.store.folder)?;
        let (wasm, signature) = self.store.paths(&package.digest());
        files::write_private_atomic(&wasm, package.bytes())?;
        files::write_private_atomic(&signature, bundle.as_bytes())?;
        Ok(())
    }

    /// Makes it true, at once and as a whole, and sweeps away what nothing refers to any more.
    pub fn commit(self) -> Result<(), StoreError> {
        let store = self.store;
        if self.lock != self.before {
            files::write_private_atomic(&store.lock, self.lock.to_toml().as_bytes())?;
        }
        let kept: BTreeSet<String> = self.lock.digests().map(Digest::to_hex).collect();
        for name in files::names(&store.folder)? {
            let known = name.split('.').next().is_some_and(|stem| kept.contains(stem));
            if !known {
                files::remove(&store.folder.join(name))?;
            }
        }
        Ok(())
    }
}
