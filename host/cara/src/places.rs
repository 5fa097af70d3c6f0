//! Where this program's own files are in the home.

use cara_services::home::Home;
use std::path::PathBuf;

/// The files that only the program itself reads.
pub(crate) trait Places {
    /// The configuration.
    fn config(&self) -> PathBuf;
    /// The folder of locks that living processes hold.
    fn run_dir(&self) -> PathBuf;
    /// What models cost, where the operator says so.
    fn prices(&self) -> PathBuf;
    /// The lines typed at the prompt.
    fn history(&self) -> PathBuf;
    /// The trust store.
    fn trust(&self) -> PathBuf;
    /// The authorities and logs of the Sigstore instance in use, if there is one.
    fn trust_root(&self) -> PathBuf;
}

impl Places for Home {
    fn config(&self) -> PathBuf {
        self.path().join("config.toml")
    }

    fn run_dir(&self) -> PathBuf {
        self.path().join("run")
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

/// The name of the file with the trust root.
pub(crate) const TRUST_ROOT: &str = "trusted_root.json";
