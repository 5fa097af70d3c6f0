//! `cara.lock`: which version of which component is in use, and which was.
//!
//! One file is the whole truth, so replacing it is the moment a version takes over: before it is on disk the old one is
//! in use, after it the new one.
//!
//! ```toml
//! format = 1
//!
//! [[component]]
//! id = "acme"
//! enabled = true
//! active = { version = "1.1.0", digest = "sha256:…", signer = "acme", key = "<64 hex digits>", from = "oci://…", since = "2026-…" }
//! previous = { … }      # what `cara plugin rollback` returns to
//! waiting = { … }       # asks for more than was granted; `cara plugin update` asks about it
//! trial = 3             # calls that have to end well before `previous` is no longer returned to by itself
//! ```

use cara_authority::ComponentId;
use cara_signing::{Digest, DisplaySafe};
use jiff::Timestamp;
use semver::Version;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The format this program writes.
const FORMAT: u32 = 1;

/// The largest file, bytes.
pub const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Calls that have to end well before a new version is kept for good.
pub const TRIAL: u32 = 3;

/// The components that were installed, by id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock(pub BTreeMap<ComponentId, Entry>);

/// What is known of one component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whether the component may be called.
    pub enabled: bool,
    /// What is in use. None: nothing was installed in place of what is built in.
    pub active: Option<Pinned>,
    /// What was in use before.
    pub previous: Option<Pinned>,
    /// What would be in use if more were granted.
    pub waiting: Option<Pinned>,
    /// How many calls of `active` have to end well until it is kept for good.
    pub trial: Option<u32>,
}

impl Default for Entry {
    fn default() -> Self {
        Self { enabled: true, active: None, previous: None, waiting: None, trial: None }
    }
}

/// One version, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pinned {
    /// The version that is pinned.
    pub version: Version,
    /// The digest of its file; the file's name in the store.
    pub digest: Digest,
    /// The name of who signed it, as it was trusted then.
    pub signer: String,
    /// The signer's key id or identity.
    pub key: String,
    /// What was typed to get it, in its canonical form.
    pub from: String,
    /// Since when it is here.
    pub since: Timestamp,
}

/// Why a lock cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Not the TOML it should be.
    #[error(
        "`cara.lock` cannot be read: {0}\nhint: put it back from your backup: without it cara does not know what is installed, nor the oldest version it may go back to. To give that up, move it away and install again"
    )]
    Toml(DisplaySafe),
    /// Written by a later program.
    #[error("`cara.lock` has format {0}, this program reads {FORMAT}\nhint: use the newer program that wrote it")]
    Format(u32),
    /// A component twice.
    #[error("`cara.lock` has component `{0}` twice\nhint: remove one of the two entries")]
    Twice(ComponentId),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    #[serde(default, rename = "component", skip_serializing_if = "Vec::is_empty")]
    components: Vec<Row>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    enabled: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trial: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    active: Option<Pinned>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<Pinned>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    waiting: Option<Pinned>,
}

impl Lock {
    /// Reads a file's text.
    pub fn from_toml(text: &str) -> Result<Self, LockError> {
        let foreign = |text: &str| LockError::Toml(DisplaySafe::new(text));
        let file: File = toml::from_str(text).map_err(|error| foreign(error.message()))?;
        if file.format != FORMAT {
            return Err(LockError::Format(file.format));
        }
        let mut lock = Self::default();
        for row in file.components {
            let id = ComponentId::parse(&row.id).map_err(|error| foreign(&error.to_string()))?;
            let Row { enabled, active, previous, waiting, trial, .. } = row;
            let entry = Entry { enabled, active, previous, waiting, trial };
            if lock.0.insert(id.clone(), entry).is_some() {
                return Err(LockError::Twice(id));
            }
        }
        Ok(lock)
    }

    /// The file's text.
    pub fn to_toml(&self) -> String {
        let rows = self.0.iter().map(|(id, entry)| {
            let Entry { enabled, active, previous, waiting, trial } = entry.clone();
            Row { id: id.to_string(), enabled, trial, active, previous, waiting }
        });
        let file = File { format: FORMAT, components: rows.collect() };
        let text = toml::to_string(&file).expect("texts and numbers always have a TOML form");
        format!("# Written by `cara plugin`: what is installed, pinned by digest.\n{text}")
    }

    /// The entry of a component, made when there is none.
    pub fn entry(&mut self, id: &ComponentId) -> &mut Entry {
        self.0.entry(id.clone()).or_default()
    }

    /// All digests that something refers to.
    pub fn digests(&self) -> impl Iterator<Item = &Digest> {
        let entries = self.0.values();
        let versions = entries.flat_map(|entry| [&entry.active, &entry.previous, &entry.waiting]);
        versions.flatten().map(|pinned| &pinned.digest)
    }
}

impl Entry {
    /// Puts a version into use. The one before it is kept, and returns by itself if the first calls of the new one fail.
    pub fn activate(&mut self, new: Pinned) {
        self.waiting = None;
        if self.active.as_ref().is_some_and(|active| active.digest == new.digest) {
            return;
        }
        self.previous = self.active.replace(new);
        self.trial = self.previous.is_some().then_some(TRIAL);
    }

    /// Returns to the version before. Nothing when there is none.
    pub fn roll_back(&mut self) -> Option<&Pinned> {
        let previous = self.previous.take()?;
        self.previous = self.active.replace(previous);
        self.trial = None;
        self.active.as_ref()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn pinned(version: &str) -> Pinned {
        Pinned {
            version: version.parse().unwrap(),
            digest: Digest::of(version.as_bytes()),
            signer: "acme".into(),
            key: "00".into(),
            from: "/tmp/acme.wasm".into(),
            since: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut lock = Lock::default();
        let id = ComponentId::parse("acme").unwrap();
        lock.entry(&id).activate(pinned("1.0.0"));
        lock.entry(&id).activate(pinned("1.1.0"));
        lock.entry(&id).waiting = Some(pinned("2.0.0"));
        lock.entry(&ComponentId::parse("time").unwrap()).enabled = false;
        let text = lock.to_toml();
        assert_eq!(Lock::from_toml(&text).unwrap(), lock, "{text}");
        assert_eq!(lock.digests().count(), 3);
    }

    #[test]
    fn a_new_version_is_on_trial_and_the_one_before_it_can_return() {
        let mut entry = Entry::default();
        entry.activate(pinned("1.0.0"));
        assert_eq!(entry.trial, None, "there is nothing to return to");
        entry.activate(pinned("1.1.0"));
        assert_eq!(entry.trial, Some(TRIAL));
        entry.activate(pinned("1.1.0"));
        assert_eq!(entry.previous, Some(pinned("1.0.0")), "the same version again changes nothing");
        assert_eq!(entry.roll_back(), Some(&pinned("1.0.0")));
        assert_eq!((entry.previous.clone(), entry.trial), (Some(pinned("1.1.0")), None));
        assert_eq!(Entry::default().roll_back(), None);
    }

    #[test]
    fn what_is_no_lock_says_so() {
        let twice =
            "format = 1\n[[component]]\nid = \"a\"\nenabled = true\n[[component]]\nid = \"a\"\nenabled = true\n";
        for (text, says) in [
            ("", "missing field `format`"),
            ("format = 2", "format 2, this program reads 1"),
            ("format = 1\nmore = 1", "unknown field `more`"),
            ("format = 1\n[[component]]\nid = \"A\"\nenabled = true", "cannot be read"),
            (twice, "component `a` twice"),
        ] {
            let error = Lock::from_toml(text).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains("hint: "), "{error}");
        }
    }
}
