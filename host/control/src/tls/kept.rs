//! What the home keeps of certificates: the folder `tls/`, and the list of
//! those that were issued.

use crate::error::{Context, Result, fail};
use cara_services::files;
use cara_services::home::Home;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The most bytes of a file with certificates or keys.
const LARGEST: u64 = 1024 * 1024;

/// The name of the certificate that the daemon shows with the mode `ca`.
pub(crate) const GATEWAY: &str = "gateway";

/// All that was issued.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Index {
    /// The authority, once there is one.
    pub(crate) authority: Option<Authority>,
    /// What it signed, oldest first.
    pub(crate) issued: Vec<Issued>,
}

/// The authority of this home.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Authority {
    pub(crate) name: String,
    pub(crate) fingerprint: String,
    pub(crate) expires_ms: u64,
    /// How many lists of revoked certificates were signed.
    pub(crate) lists: u64,
}

/// A certificate that was issued.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Issued {
    pub(crate) serial: String,
    pub(crate) name: String,
    pub(crate) client: bool,
    pub(crate) fingerprint: String,
    pub(crate) expires_ms: u64,
    pub(crate) revoked_ms: Option<u64>,
}

/// The folder.
pub(crate) struct Kept(PathBuf);

impl Kept {
    /// That of a home; made when something is written.
    pub(crate) fn of(home: &Home) -> Self {
        Self(home.path().join("tls"))
    }

    /// The file of a certificate.
    pub(crate) fn certificate(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.pem"))
    }

    /// The file of a key.
    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.key"))
    }

    /// The authority's certificate.
    pub(crate) fn authority(&self) -> PathBuf {
        self.0.join("ca.pem")
    }

    /// The list of revoked certificates.
    pub(crate) fn crl(&self) -> PathBuf {
        self.0.join("crl.pem")
    }

    /// The names that the certificate which signs itself is for.
    pub(crate) fn names(&self) -> PathBuf {
        self.0.join("self-signed.names")
    }

    fn index_path(&self) -> PathBuf {
        self.0.join("index.json")
    }

    /// What was issued.
    pub(crate) fn index(&self) -> Result<Index> {
        let path = self.index_path();
        let Some(text) = files::read_private(&path, LARGEST)? else { return Ok(Index::default()) };
        serde_json::from_slice(&text).with_context(|| format!("`{}` is damaged", path.display()))
    }

    /// The same, where an authority has to be.
    pub(crate) fn with_authority(&self) -> Result<(Index, Authority)> {
        let index = self.index()?;
        match index.authority.clone() {
            Some(authority) => Ok((index, authority)),
            None => fail!(NotFound, "this home has no certificate authority\nhint: `cara tls init-ca` makes it"),
        }
    }

    /// Writes a file of the folder (0600).
    pub(crate) fn write(&self, path: &std::path::Path, text: &str) -> Result<()> {
        files::ensure_private_dir(&self.0)?;
        Ok(files::write_private_atomic(path, text.as_bytes())?)
    }

    /// Writes the list of what was issued.
    pub(crate) fn write_index(&self, index: &Index) -> Result<()> {
        self.write(&self.index_path(), &serde_json::to_string_pretty(index)?)
    }

    /// Waits until nobody else changes the folder.
    pub(crate) fn lock(&self) -> Result<files::FileLock> {
        files::ensure_private_dir(&self.0)?;
        Ok(files::lock(&self.0.join("lock"))?)
    }
}

/// A file with certificates, which anybody may read.
pub(crate) fn public(path: &std::path::Path) -> Result<Vec<u8>> {
    match files::read_capped(path, LARGEST)? {
        Some(bytes) => Ok(bytes),
        None => fail!(NotFound, "`{}` does not exist\nhint: put the file there, or name another one", path.display()),
    }
}

/// A file with a key, which nobody else may read.
pub(crate) fn private(path: &std::path::Path) -> Result<Vec<u8>> {
    match files::read_private(path, LARGEST)? {
        Some(bytes) => Ok(bytes),
        None => fail!(NotFound, "`{}` does not exist\nhint: put the file there, or name another one", path.display()),
    }
}
