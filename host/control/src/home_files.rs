//! Where the files of the application are in the home.

use crate::error::{Result, fail};
use cara_services::files;
use cara_services::home::Home;
use std::ffi::OsString;
use std::path::PathBuf;

/// The files that no other part reads.
pub trait HomeFiles {
    /// The configuration.
    fn config(&self) -> PathBuf;
    /// The lock of the process that holds the home.
    fn holder_lock(&self) -> PathBuf;
    /// The socket at which that process answers.
    fn socket(&self) -> PathBuf;
    /// The folder of the logs of `cara start`.
    fn logs(&self) -> PathBuf;
    /// What models cost, where the operator says so.
    fn prices(&self) -> PathBuf;
    /// The lines typed at the prompt.
    fn history(&self) -> PathBuf;
    /// The trust store.
    fn trust(&self) -> PathBuf;
    /// The authorities and logs of the Sigstore instance in use, if there is one.
    fn trust_root(&self) -> PathBuf;
}

/// Refuses a home that the environment names and that is not there, for what only looks: it would make an empty one.
///
/// # Errors
///
/// There is nothing at that path.
pub fn refuse_missing(home: Option<OsString>) -> Result<()> {
    match home.filter(|path| !path.is_empty()).map(PathBuf::from) {
        Some(path) if !files::exists(&path)? => {
            let shown = path.display();
            fail!(
                NotFound,
                "`{shown}`, which CARA_HOME names, does not exist\nhint: correct CARA_HOME, or `cara chat` begins there"
            )
        }
        _ => Ok(()),
    }
}

impl HomeFiles for Home {
    fn config(&self) -> PathBuf {
        self.path().join(CONFIG)
    }

    fn holder_lock(&self) -> PathBuf {
        self.path().join("cara.holder")
    }

    fn socket(&self) -> PathBuf {
        self.path().join("cara.sock")
    }

    fn logs(&self) -> PathBuf {
        self.path().join("logs")
    }

    fn prices(&self) -> PathBuf {
        self.path().join("prices.toml")
    }

    fn history(&self) -> PathBuf {
        self.path().join("history")
    }

    fn trust(&self) -> PathBuf {
        self.path().join("trust.toml")
    }

    fn trust_root(&self) -> PathBuf {
        self.path().join(TRUST_ROOT)
    }
}

/// The name of the configuration's file.
pub(crate) const CONFIG: &str = "config.toml";

/// The name of the file with the text of the configuration that was in use last.
pub(crate) const LAST_CONFIG: &str = "config.last.toml";

/// The name of the file with the trust root.
pub(crate) const TRUST_ROOT: &str = "trusted_root.json";
