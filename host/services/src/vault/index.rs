//! Which secrets a home has, by name, and in which store: `vault-index.json`.
//!
//! Keystores cannot list, and a file would have to be unlocked to. Holds names only, never a value.

use super::{SecretId, StoreKind, VaultError, random};
use crate::files;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, path::Path};

const MAX_INDEX_BYTES: u64 = 1024 * 1024;

/// The names, and where the values are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Index {
    version: Version,
    /// Stands for this home in the keystore, which the same user's other homes share; moves with the home.
    pub(super) home: String,
    pub(super) store: StoreKind,
    pub(super) names: BTreeSet<SecretId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
struct Version;

impl TryFrom<u32> for Version {
    type Error = &'static str;
    fn try_from(number: u32) -> Result<Self, &'static str> {
        if number == 1 { Ok(Self) } else { Err("another format") }
    }
}

impl From<Version> for u32 {
    fn from(_: Version) -> u32 {
        1
    }
}

impl Index {
    /// For a home without one.
    pub(super) fn new(store: StoreKind) -> Result<Self, VaultError> {
        Ok(Self { version: Version, home: hex::encode(random::<8>()?), store, names: BTreeSet::new() })
    }

    pub(super) fn read(path: &Path) -> Result<Option<Self>, VaultError> {
        let Some(bytes) = files::read_private(path, MAX_INDEX_BYTES)? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|_| VaultError::IndexDamaged(path.to_owned()))
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), VaultError> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("strings and numbers make JSON");
        bytes.push(b'\n');
        Ok(files::write_private_atomic(path, &bytes)?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_index_reads_back_and_one_that_is_not_ours_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("i");
        assert_eq!(Index::read(&path).unwrap(), None);
        let mut index = Index::new(StoreKind::File).unwrap();
        index.names.insert(SecretId::parse("a/b").unwrap());
        index.write(&path).unwrap();
        assert_eq!(Index::read(&path).unwrap().unwrap(), index);
        let text = std::fs::read_to_string(&path).unwrap();
        for (from, to) in [("1", "2"), ("a/b", "../b"), ("names", "more"), ("{", "")] {
            files::write_private_atomic(&path, text.replacen(from, to, 1).as_bytes()).unwrap();
            assert!(matches!(Index::read(&path), Err(VaultError::IndexDamaged(_))), "{from}");
        }
    }
}
