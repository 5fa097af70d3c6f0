//! The process that holds a home: what it is to others, what goes on in it,
//! and its end.

use crate::error::{Error, ErrorKind, Result};
use crate::home_files::HomeFiles;
use cara_services::files::{self, FileLock};
use cara_services::home::Home;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long changes that go on are waited for when the process ends.
const CHANGES_END: Duration = Duration::from_secs(10);

/// What a process that holds a home is to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A process that was started to hold the home, until it is told to end.
    Daemon,
    /// A conversation: it ends when its person leaves it.
    Chat,
    /// A command: it ends when it is done.
    Command,
}

impl Role {
    /// How such a process ends.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Daemon => "`cara stop` ends it",
            Self::Chat => "it ends when its person leaves it with `/exit`",
            Self::Command => "it ends when that command is done",
        }
    }
}

/// Having a `HomeLock` tells you: this process holds the home, and no other does as long as you have it.
#[derive(Debug)]
pub struct HomeLock {
    home: Home,
    _lock: FileLock,
    _folder: FileLock,
}

impl HomeLock {
    /// The lock of a home; none when another process holds it. The system lets go of it when a process ends, however it
    /// ends.
    pub fn take(home: &Home) -> Result<Option<Self>> {
        let Some(lock) = files::try_lock(&home.holder_lock())? else { return Ok(None) };
        // Who removes the lock file does not remove the folder.
        let Some(folder) = files::try_lock_folder(home.path()) else { return Ok(None) };
        Ok(Some(Self { home: home.clone(), _lock: lock, _folder: folder }))
    }

    /// The home.
    pub(crate) fn home(&self) -> &Home {
        &self.home
    }
}

/// This process, as far as it holds the home.
pub(crate) struct Holder {
    /// What was typed to start it: `cara chat`, `cara start`.
    pub(crate) command: String,
    /// What it is to others.
    pub(crate) role: Role,
    /// Names it in the ledger.
    pub(crate) process: String,
    /// Since when it holds the home, Unix milliseconds.
    pub(crate) began_ms: u64,
    /// What changes something and goes on, whether or not somebody waits for it.
    pub(crate) work: TaskTracker,
    /// Ends the process, once what is under way has ended.
    pub(crate) stop: CancellationToken,
    /// Cancelled when the ledger is closed: what fails from then on fails because of that.
    closed: CancellationToken,
    lock: HomeLock,
}

impl Holder {
    pub(crate) fn new(lock: HomeLock, command: String, role: Role, began_ms: u64) -> Result<Self> {
        let mut random = [0; 8];
        getrandom::fill(&mut random)?;
        let (work, stop, closed) = (TaskTracker::new(), CancellationToken::new(), CancellationToken::new());
        Ok(Self { command, role, process: hex::encode(random), began_ms, work, stop, closed, lock })
    }

    /// The home that is held.
    pub(crate) fn home(&self) -> &Home {
        self.lock.home()
    }

    /// Waits for changes that go on; what fails from here on fails because the process ends.
    pub(crate) async fn close(&self) {
        self.work.close();
        if tokio::time::timeout(CHANGES_END, self.work.wait()).await.is_err() {
            tracing::warn!("changes that go on are cut off");
        }
        self.closed.cancel();
    }

    /// A failure as its caller has to see it: what went on while this process closed can be asked of the next one.
    pub(crate) fn failed(&self, error: Error) -> Error {
        if self.closed.is_cancelled() { error.kind(ErrorKind::Unknown) } else { error }
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn who_removes_the_lock_file_of_a_home_does_not_take_the_home() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path()).unwrap();
        let lock = HomeLock::take(&home).unwrap().unwrap();
        std::fs::remove_file(home.holder_lock()).unwrap();
        assert!(HomeLock::take(&home).unwrap().is_none());
        drop(lock);
        assert!(HomeLock::take(&home).unwrap().is_some());
    }
}
