//! Which processes live: each holds the lock on a file of its own,
//! which the system lets go of when it dies.

use crate::places::Places;
use anyhow::Result;
use cara_services::files::{self, FileLock};
use cara_services::home::Home;
use std::path::PathBuf;

/// This process, for as long as it lives.
pub(crate) struct Process {
    name: String,
    path: PathBuf,
    _lock: Option<FileLock>,
}

impl Process {
    /// Gives this process a name and takes its lock.
    pub(crate) fn begin(home: &Home) -> Result<Self> {
        let folder = home.run_dir();
        files::ensure_private_dir(&folder)?;
        let mut random = [0; 8];
        getrandom::fill(&mut random)?;
        let name = hex::encode(random);
        let path = folder.join(&name);
        let lock = files::try_lock(&path)?;
        Ok(Self { name, path, _lock: lock })
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the process of that name lives. The file of a dead one is removed.
    pub(crate) fn lives(&self, home: &Home, name: &str) -> Result<bool> {
        let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        let path = home.run_dir().join(name);
        if !plain || !files::exists(&path)? {
            return Ok(false);
        }
        if name == self.name || files::try_lock(&path)?.is_none() {
            return Ok(true);
        }
        files::remove(&path)?;
        Ok(false)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = files::remove(&self.path) {
            tracing::debug!(%error, "the lock of this process stays behind");
        }
    }
}
