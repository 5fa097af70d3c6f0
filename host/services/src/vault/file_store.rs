//! Secrets in one encrypted file, `vault.json`.
//!
//! The password is asked for once a process: what is kept is the derived key and the opened values, both wiped on drop.
//! No `.bak` is kept. A write is a rename, so there is never a half-written file to go back from; and after a change of
//! password a copy under the old one, which may be why it was changed, would be the way in.

use super::sealed::{Derivation, MAX_FILE_BYTES, Sealed, Values, seal};
use super::{Kdf, PasswordPrompt, Purpose, SecretId, SecretStore, SecretValue, StoreKind, VaultError, kdf::Keys};
use crate::files;
use std::path::{Path, PathBuf};
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
    digest: Option<String>,
}

impl FileStore {
    pub(super) fn new(path: PathBuf, kdf: Kdf, prompt: Arc<dyn PasswordPrompt>) -> Self {
        Self { path, kdf, prompt, open: Mutex::new(None) }
    }

    fn read(&self) -> Result<Option<Sealed>, VaultError> {
        let bytes = files::read_private(&self.path, MAX_FILE_BYTES)?;
        bytes.map(|bytes| Sealed::parse(&bytes, &self.path)).transpose()
    }

    fn ask(&self, purpose: Purpose) -> Result<SecretValue, VaultError> {
        self.prompt
            .password(purpose, &self.path)
            .map_err(|source| VaultError::NoPassword { path: self.path.clone(), source })
    }

    /// Brings `open` up to the file on disk, asking for the password where its key is not at hand.
    fn refresh(&self, open: &mut Option<Open>, sealed: &Sealed) -> Result<(), VaultError> {
        let keys = match open.take() {
            Some(current) if current.digest.as_deref() == Some(&sealed.digest) => {
                *open = Some(current);
                return Ok(());
            }
            Some(current) if current.derivation == sealed.derivation && sealed.is_for(&current.keys) => current.keys,
            _ => sealed.unlock(&self.ask(Purpose::Unlock)?, &self.path)?,
        };
        *open = Some(opened(sealed, keys, &self.path)?);
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
            let sealed = self.read()?;
            let current = open.as_mut().ok_or(VaultError::Busy)?;
            let mut values = match &sealed {
                None if current.digest.is_none() => Values::new(),
                None => return Err(VaultError::Missing(self.path.clone())),
                Some(sealed) if current.digest.as_deref() == Some(&sealed.digest) => current.values.clone(),
                Some(sealed) if sealed.derivation == current.derivation && sealed.is_for(&current.keys) => {
                    sealed.open(&current.keys, &self.path)?
                }
                Some(_) => return Err(VaultError::Busy),
            };
            let changed = edit(&mut values);
            if changed {
                let (bytes, digest) = seal(&current.derivation, &current.keys, &values)?;
                files::write_private_atomic(&self.path, &bytes)?;
                (current.values, current.digest) = (values, Some(digest));
            }
            Ok(changed)
        })
    }
}

fn opened(sealed: &Sealed, keys: Keys, path: &Path) -> Result<Open, VaultError> {
    let values = sealed.open(&keys, path)?;
    Ok(Open { derivation: sealed.derivation, keys, values, digest: Some(sealed.digest.clone()) })
}

impl SecretStore for FileStore {
    fn kind(&self) -> StoreKind {
        StoreKind::File
    }

    fn unlock(&self) -> Result<(), VaultError> {
        self.locked(|open| match self.read()? {
            Some(sealed) => self.refresh(open, &sealed),
            None if open.is_some() => Ok(()),
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
            let sealed = self.read()?.ok_or_else(|| VaultError::Missing(self.path.clone()))?;
            self.refresh(open, &sealed)?;
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
            let Some(sealed) = self.read()? else { return Ok(Some(Vec::new())) };
            self.refresh(open, &sealed)?;
            Ok(open.as_ref().map(|open| open.values.keys().cloned().collect()))
        })
    }

    fn rotate_password(&self, old: &SecretValue, new: &SecretValue, kdf: Kdf) -> Result<(), VaultError> {
        self.locked(|open| {
            let sealed = self.read()?.ok_or_else(|| VaultError::Missing(self.path.clone()))?;
            let values = sealed.open(&sealed.unlock(old, &self.path)?, &self.path)?;
            let derivation = Derivation::fresh(kdf)?;
            let keys = derivation.keys(new)?;
            let (bytes, digest) = seal(&derivation, &keys, &values)?;
            files::write_private_atomic(&self.path, &bytes)?;
            *open = Some(Open { derivation, keys, values, digest: Some(digest) });
            Ok(())
        })
    }
}
