//! What cara 0.1 wrote: an index of names, and the values in a keystore or
//! in a vault file of format 1.
//!
//! Read once, by the first use of the vault that needs its key. The new file is whole on disk before anything old goes.

use super::kdf::{Kdf, Parameters};
use super::sealed::{Sealed, Values, json};
use super::source::KeySource;
use super::{SecretId, SecretValue, StoreKind, VaultError, keystore::Keystore};
use crate::files;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{path::Path, sync::Arc};

const MAX_INDEX_BYTES: u64 = 1024 * 1024;

/// `vault-index.json`: the names, and where the values are.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Index {
    version: u32,
    /// Stands for this home in the keystore.
    home: String,
    pub(super) store: StoreKind,
    names: Vec<String>,
}

impl Index {
    pub(super) fn read(path: &Path) -> Result<Option<Self>, VaultError> {
        let Some(bytes) = files::read_private(path, MAX_INDEX_BYTES)? else { return Ok(None) };
        let index: Option<Self> = serde_json::from_slice(&bytes).ok();
        let sound = |index: &Self| index.version == 1 && index.names.iter().all(|name| SecretId::stored(name).is_ok());
        index.filter(sound).map(Some).ok_or_else(|| VaultError::IndexDamaged(path.to_owned()))
    }

    pub(super) fn names(&self) -> Vec<SecretId> {
        self.names.iter().filter_map(|name| SecretId::stored(name).ok()).collect()
    }

    /// All values, out of the keystore.
    pub(super) fn values(&self, store: &Keystore) -> Result<Values, VaultError> {
        let mut values = Values::new();
        for name in &self.names {
            if let Some(mut bytes) = store.get(&format!("{}/{name}", self.home))? {
                values.insert(SecretId::stored(name)?, Arc::new(SecretValue::new(std::mem::take(&mut *bytes))?));
            }
        }
        Ok(values)
    }

    /// Removes the values from the keystore.
    pub(super) fn clear(&self, store: &Keystore) -> Result<(), VaultError> {
        self.names.iter().try_for_each(|name| store.remove(&format!("{}/{name}", self.home)))
    }
}

/// The vault file of format 1. Its names are inside.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    version: u32,
    kdf: Parameters,
    salt: String,
    check: String,
    nonce: String,
    ciphertext: String,
    sha256: String,
}

/// Reads a file of format 1; nothing when it is none. Its names are those of the index.
pub(super) fn sealed(bytes: &[u8], path: &Path, names: Vec<SecretId>) -> Result<Option<Sealed>, VaultError> {
    let Ok(record) = serde_json::from_slice::<Record>(bytes) else { return Ok(None) };
    let digest = hex::encode(Sha256::digest(json(&Record { sha256: String::new(), ..record.clone() })));
    let head = Record { nonce: String::new(), ciphertext: String::new(), sha256: String::new(), ..record.clone() };
    let source = KeySource::Password { kdf: Kdf::checked(record.kdf)?.parameters(), salt: record.salt };
    let sealed = Sealed::new(source, names, json(&head), [&record.check, &record.nonce, &record.ciphertext]);
    let sealed = sealed.filter(|_| record.version == 1 && digest == record.sha256);
    sealed.map(Some).ok_or_else(|| VaultError::Damaged(path.to_owned()))
}
