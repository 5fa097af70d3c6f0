//! Secrets in one encrypted file, `vault.json`.
//!
//! The password is asked for once a process: what is kept is the derived key and the opened values, both wiped on drop.
//! No `.bak` is kept. A write is a rename, so there is never a half-written file to go back from; and after a change of
//! password a copy under the old one, which may be why it was changed, would be the way in.

use super::sealed::{Derivation, MAX_FILE_BYTES, Sealed, Values, seal};
use super::{Kdf, PasswordPrompt, Purpose, SecretId, SecretStore, SecretValue, StoreKind, VaultError, kdf::Keys};
use crate::files;
use sha2::{Digest as _, Sha256};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// The encrypted file of a home.
pub(super) struct FileStore {
    path: PathBuf,
    kdf: Kdf,
    prompt: Arc<dyn PasswordPrompt>,
    open: Mutex<Option<Open>>,
}

struct Open {
    derivation: Derivation,
    keys: Keys,
    values: Values,
    /// Of the file these values are from; `None` while no file was written.
    digest: Option<Digest>,
}

type Digest = [u8; 32];

/// The file as it is now, not looked into: most reads find it unchanged.
struct Found {
    bytes: Vec<u8>,
    digest: Digest,
}

impl FileStore {
    pub(super) fn new(path: PathBuf, kdf: Kdf, prompt: Arc<dyn PasswordPrompt>) -> Self {
        Self { path, kdf, prompt, open: Mutex::new(None) }
    }

    fn read(&self) -> Result<Option<Found>, VaultError> {
        let bytes = files::read_private(&self.path, MAX_FILE_BYTES)?;
        Ok(bytes.map(|bytes| Found { digest: Sha256::digest(&bytes).into(), bytes }))
    }

    /// Writes the values, under the home's lock. What a crash left behind goes first: it may be under an older password.
    fn write(&self, derivation: Derivation, keys: Keys, values: Values) -> Result<Open, VaultError> {
        let bytes = seal(&derivation, &keys, &values)?;
        files::remove_leftovers(&self.path)?;
        files::write_private_atomic(&self.path, &bytes)?;
        Ok(Open { derivation, keys, values, digest: Some(Sha256::digest(&bytes).into()) })
    }

    fn ask(&self, purpose: Purpose) -> Result<SecretValue, VaultError> {
        self.prompt
            .password(purpose, &self.path)
            .map_err(|source| VaultError::NoPassword { path: self.path.clone(), source })
    }

    /// Brings `open` up to the file on disk, asking for the password where its key is not at hand.
    fn refresh(&self, open: &mut Option<Open>, found: &Found) -> Result<(), VaultError> {
        if open.as_ref().is_some_and(|open| open.digest == Some(found.digest)) {
            return Ok(());
        }
        let sealed = Sealed::parse(&found.bytes, &self.path)?;
        let keys = match open.take() {
            Some(current) if current.derivation == sealed.derivation && sealed.is_for(&current.keys) => current.keys,
            _ => sealed.unlock(&self.ask(Purpose::Unlock)?, &self.path)?,
        };
        let values = sealed.open(&keys, &self.path)?;
        *open = Some(Open { derivation: sealed.derivation, keys, values, digest: Some(found.digest) });
        Ok(())
    }

    fn locked<T>(&self, act: impl FnOnce(&mut Option<Open>) -> Result<T, VaultError>) -> Result<T, VaultError> {
        // A poisoned lock is no reason to stop: `open` is replaced as a whole, and checked against the file at each use.
        act(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the values and writes the file. The home is locked, so nothing is asked here: a file that needs another
    /// key by now is `Busy`, and the caller unlocks again.
    fn change(&self, edit: impl FnOnce(&mut Values) -> bool) -> Result<bool, VaultError> {
        self.locked(|open| {
            let current = open.as_ref().ok_or(VaultError::Busy)?;
            let mut values = match self.read()? {
                None if current.digest.is_none() => Values::new(),
                None => return Err(VaultError::Missing(self.path.clone())),
                Some(found) if current.digest == Some(found.digest) => current.values.clone(),
                Some(found) => {
                    let sealed = Sealed::parse(&found.bytes, &self.path)?;
                    if sealed.derivation != current.derivation || !sealed.is_for(&current.keys) {
                        return Err(VaultError::Busy);
                    }
                    sealed.open(&current.keys, &self.path)?
                }
            };
            let changed = edit(&mut values);
            if changed {
                *open = Some(self.write(current.derivation, current.keys.clone(), values)?);
            }
            Ok(changed)
        })
    }
}

impl SecretStore for FileStore {
    fn kind(&self) -> StoreKind {
        StoreKind::File
    }

    fn unlock(&self) -> Result<(), VaultError> {
        self.locked(|open| match self.read()? {
            Some(found) => self.refresh(open, &found),
            None if open.as_ref().is_some_and(|open| open.digest.is_none()) => Ok(()),
            None => {
                let derivation = Derivation::fresh(self.kdf)?;
                let keys = derivation.keys(&self.ask(Purpose::Create)?)?;
                *open = Some(Open { derivation, keys, values: Values::new(), digest: None });
                Ok(())
            }
        })
    }

    fn get(&self, id: &SecretId) -> Result<Option<Arc<SecretValue>>, VaultError> {
        self.locked(|open| {
            let found = self.read()?.ok_or_else(|| VaultError::Missing(self.path.clone()))?;
            self.refresh(open, &found)?;
            Ok(open.as_ref().and_then(|open| open.values.get(id)).cloned())
        })
    }

    fn set(&self, id: &SecretId, value: Arc<SecretValue>) -> Result<(), VaultError> {
        self.change(|values| {
            values.insert(id.clone(), value);
            true
        })
        .map(|_| ())
    }

    fn remove(&self, id: &SecretId) -> Result<bool, VaultError> {
        self.change(|values| values.remove(id).is_some())
    }

    fn names(&self) -> Result<Option<Vec<SecretId>>, VaultError> {
        self.locked(|open| {
            let Some(found) = self.read()? else { return Ok(Some(Vec::new())) };
            self.refresh(open, &found)?;
            Ok(open.as_ref().map(|open| open.values.keys().cloned().collect()))
        })
    }

    fn rotate_password(&self, old: &SecretValue, new: &SecretValue, kdf: Kdf) -> Result<(), VaultError> {
        self.locked(|open| {
            let found = self.read()?.ok_or_else(|| VaultError::Missing(self.path.clone()))?;
            let sealed = Sealed::parse(&found.bytes, &self.path)?;
            let values = sealed.open(&sealed.unlock(old, &self.path)?, &self.path)?;
            let derivation = Derivation::fresh(kdf)?;
            *open = Some(self.write(derivation, derivation.keys(new)?, values)?);
            Ok(())
        })
    }
}
