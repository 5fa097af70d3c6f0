//! Stored secrets: the system's keystore,
//! or one encrypted file where there is none.
//!
//! Knows nothing of who may spend a secret; whoever holds a `Vault` can read them all.
//!
//! ```text
//! get ── overlay (environment, this run only) ── index (names) ── keystore | vault.json
//! ```
//!
//! In its folder: `vault-index.json` (names, and which store), `vault.json` (the file store), `vault.lock` (held while either
//! is changed, never while a person is asked). The store is chosen at the first `set` and then kept: a keystore that does not
//! answer is an error, not a reason to go on with an empty file.

mod error;
mod file_store;
mod index;
mod kdf;
mod keystore;
mod local_key;
mod sealed;
mod secret;
mod store;
#[cfg(test)]
mod tests;

pub use error::{PromptError, VaultError};
pub use kdf::Kdf;
pub use keystore::{OpenKeystore, open_system_keystore};
pub use local_key::local_key;
pub use secret::{MAX_SECRET_BYTES, SecretId, SecretValue};
pub use store::{SecretStore, StoreChoice, StoreKind};

use crate::files;
use file_store::FileStore;
use index::Index;
use keystore::Keystore;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// How often a change is tried again when another process was faster.
const ATTEMPTS: usize = 5;

/// What a password is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To open the file that is there.
    Unlock,
    /// For a new file: have it typed twice.
    Create,
}

/// Asks for the password of the encrypted file; a closure will do. Called while no lock on the home is held.
pub trait PasswordPrompt: Send + Sync {
    /// The password of the file `vault`.
    fn password(&self, purpose: Purpose, vault: &Path) -> Result<SecretValue, PromptError>;
}

impl<F: Fn(Purpose, &Path) -> Result<SecretValue, PromptError> + Send + Sync> PasswordPrompt for F {
    fn password(&self, purpose: Purpose, vault: &Path) -> Result<SecretValue, PromptError> {
        self(purpose, vault)
    }
}

/// How a vault is opened.
pub struct VaultOptions {
    /// Which store.
    pub choice: StoreChoice,
    /// How a new file derives its key; an existing file says so itself.
    pub kdf: Kdf,
    /// Asks for the file's password.
    pub prompt: Arc<dyn PasswordPrompt>,
    /// Opens the system's stores: [`open_system_keystore`], or a stand-in in tests.
    pub keystore: OpenKeystore,
}

impl VaultOptions {
    /// The usual ones.
    pub fn new(prompt: impl PasswordPrompt + 'static) -> Self {
        let keystore = Arc::new(open_system_keystore);
        Self { choice: StoreChoice::Auto, kdf: Kdf::default(), prompt: Arc::new(prompt), keystore }
    }
}

/// The secrets of one home. Its calls block: see [`SecretStore`].
pub struct Vault {
    home: PathBuf,
    options: VaultOptions,
    used: Mutex<Option<Used>>,
    overlay: Mutex<BTreeMap<SecretId, Arc<SecretValue>>>,
}

/// The store in use, and the home id it was opened for.
struct Used {
    home: String,
    store: Arc<dyn SecretStore>,
}

impl Vault {
    /// The vault in the folder `home`, which is made (0700) if missing. Asks nothing and reads no secret yet.
    pub fn open(home: &Path, options: VaultOptions) -> Result<Self, VaultError> {
        files::ensure_private_dir(home)?;
        Ok(Self { home: home.to_owned(), options, used: Mutex::default(), overlay: Mutex::default() })
    }

    /// Uses a value for this run, before any stored one; it is never stored.
    pub fn overlay(&self, id: SecretId, value: SecretValue) {
        self.overlay.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::new(value));
    }

    /// The ids that have a value for this run only.
    pub fn overlaid(&self) -> Vec<SecretId> {
        self.overlay.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// The value of a secret. A name that is not stored costs no password and no call to a keystore.
    pub fn get(&self, id: &SecretId) -> Result<Option<Arc<SecretValue>>, VaultError> {
        if let Some(value) = self.overlay.lock().unwrap_or_else(PoisonError::into_inner).get(id) {
            return Ok(Some(value.clone()));
        }
        match self.index()? {
            Some(index) if index.names.contains(id) => self.recorded_store(&index)?.get(id),
            Some(_) => Ok(None),
            None if files::exists(&self.file())? => self.store(StoreKind::File, "")?.get(id),
            None => Ok(None),
        }
    }

    /// The ids of the stored secrets.
    pub fn list(&self) -> Result<Vec<SecretId>, VaultError> {
        match self.index()? {
            Some(index) => Ok(index.names.into_iter().collect()),
            None if files::exists(&self.file())? => Ok(self.store(StoreKind::File, "")?.names()?.unwrap_or_default()),
            None => Ok(Vec::new()),
        }
    }

    /// Where the secrets are, or for a new home where they would be put now.
    pub fn kind(&self) -> Result<StoreKind, VaultError> {
        self.pick(self.index()?.as_ref())
    }

    /// Stores a secret in place of an earlier value.
    pub fn set(&self, id: &SecretId, value: SecretValue) -> Result<(), VaultError> {
        let value = Arc::new(value);
        self.change(|store, index| {
            // A store that can list is written first and the index made from it. Of one that cannot, the name must be known
            // before the value is in it, or a crash in between would leave a value that nobody ever finds.
            let added = store.names()?.is_none() && index.names.insert(id.clone());
            if added {
                index.write(&self.index_path())?;
            }
            let done = store.set(id, value.clone());
            if added && done.is_err() {
                index.names.remove(id);
                index.write(&self.index_path())?;
            }
            done
        })
    }

    /// Removes a stored secret: false when there was none.
    pub fn remove(&self, id: &SecretId) -> Result<bool, VaultError> {
        if !self.list()?.contains(id) {
            return Ok(false);
        }
        self.change(|store, index| {
            let was = store.remove(id)?;
            Ok(index.names.remove(id) || was)
        })
    }

    /// Encrypts the file anew under another password, with a new salt and, if wanted, another derivation. Either all of it
    /// happens or nothing.
    pub fn rotate_password(&self, old: &SecretValue, new: &SecretValue, kdf: Kdf) -> Result<(), VaultError> {
        let _lock = self.lock()?;
        let store = match self.index()? {
            Some(index) => self.recorded_store(&index)?,
            None => self.store(StoreKind::File, "")?,
        };
        if store.kind() == StoreKind::File && !files::exists(&self.file())? {
            return Err(VaultError::NoVault(self.file()));
        }
        store.rotate_password(old, new, kdf)
    }

    /// Makes a change with the store unlocked and the home locked, then records the names.
    fn change<T>(
        &self,
        mut act: impl FnMut(&dyn SecretStore, &mut Index) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        for _ in 0..ATTEMPTS {
            match self.try_change(&mut act) {
                Err(VaultError::Busy) => {}
                done => return done,
            }
        }
        Err(VaultError::Busy)
    }

    fn try_change<T>(
        &self,
        act: &mut impl FnMut(&dyn SecretStore, &mut Index) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        let before = self.settled_index()?;
        let store = self.recorded_store(&before)?;
        if before.store == StoreKind::File && !before.names.is_empty() && !files::exists(&self.file())? {
            return Err(VaultError::Missing(self.file()));
        }
        store.unlock()?;
        let _lock = self.lock()?;
        let mut index = self.index()?.ok_or(VaultError::Busy)?;
        if (index.store, &index.home) != (before.store, &before.home) {
            return Err(VaultError::Busy);
        }
        let done = act(&*store, &mut index)?;
        if let Some(names) = store.names()? {
            index.names = names.into_iter().collect();
        }
        index.write(&self.index_path())?;
        Ok(done)
    }

    /// The index of a home whose store is chosen; chooses and records it at the first change.
    fn settled_index(&self) -> Result<Index, VaultError> {
        let found = self.index()?;
        let kind = self.pick(found.as_ref())?;
        let mut index = match &found {
            Some(index) if index.store == kind => return Ok(index.clone()),
            Some(index) => index.clone(),
            None => Index::new(kind)?,
        };
        index.store = kind;
        if found.is_none() && kind == StoreKind::File {
            // The index was lost or never there, and the file knows its names.
            index.names = self.store(kind, "")?.names()?.unwrap_or_default().into_iter().collect();
        }
        let _lock = self.lock()?;
        if self.index()? != found {
            return Err(VaultError::Busy);
        }
        index.write(&self.index_path())?;
        Ok(index)
    }

    fn pick(&self, index: Option<&Index>) -> Result<StoreKind, VaultError> {
        let named = self.options.choice.named();
        let recorded = match index {
            // Without a secret in it, a home is free to change its store, but only by the operator's word.
            Some(index) if index.names.is_empty() && named.is_some() => None,
            Some(index) => Some(index.store),
            None if files::exists(&self.file())? => Some(StoreKind::File),
            None => None,
        };
        match (named, recorded) {
            (Some(wanted), Some(recorded)) if wanted != recorded => Err(VaultError::OtherStore { recorded, wanted }),
            (_, Some(recorded)) => Ok(recorded),
            (Some(StoreKind::File), None) => Ok(StoreKind::File),
            (Some(kind), None) => Keystore::probe(kind, &self.options.keystore).map(|()| kind),
            (None, None) => match Keystore::probe(StoreKind::Keystore, &self.options.keystore) {
                Ok(()) => Ok(StoreKind::Keystore),
                Err(reason) => {
                    tracing::debug!(%reason, "the encrypted file is used");
                    Ok(StoreKind::File)
                }
            },
        }
    }

    fn recorded_store(&self, index: &Index) -> Result<Arc<dyn SecretStore>, VaultError> {
        match self.options.choice.named() {
            Some(wanted) if wanted != index.store => Err(VaultError::OtherStore { recorded: index.store, wanted }),
            _ => self.store(index.store, &index.home),
        }
    }

    fn store(&self, kind: StoreKind, home: &str) -> Result<Arc<dyn SecretStore>, VaultError> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        // The file is the same whatever the home is called.
        let fits = |used: &&Used| used.store.kind() == kind && (kind == StoreKind::File || used.home == home);
        if let Some(used) = used.as_ref().filter(fits) {
            return Ok(used.store.clone());
        }
        let store: Arc<dyn SecretStore> = match kind {
            StoreKind::File => Arc::new(FileStore::new(self.file(), self.options.kdf, self.options.prompt.clone())),
            _ => Arc::new(Keystore::open(kind, home, &self.options.keystore)?),
        };
        *used = Some(Used { home: home.to_owned(), store: store.clone() });
        Ok(store)
    }

    fn index(&self) -> Result<Option<Index>, VaultError> {
        Index::read(&self.index_path())
    }

    fn lock(&self) -> Result<files::FileLock, VaultError> {
        Ok(files::lock(&self.home.join("vault.lock"))?)
    }

    fn file(&self) -> PathBuf {
        self.home.join("vault.json")
    }

    fn index_path(&self) -> PathBuf {
        self.home.join("vault-index.json")
    }
}

fn random<const N: usize>() -> Result<[u8; N], VaultError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(VaultError::Random)?;
    Ok(bytes)
}
