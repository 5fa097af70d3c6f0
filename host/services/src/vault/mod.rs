//! Stored secrets: one encrypted file, opened once a process.
//!
//! Knows nothing of who may spend a secret; whoever holds a `Vault` can read them all.
//!
//! ```text
//! password │ keystore │ key file ─→ key ─→ vault.json ─→ all values, in memory until the process ends
//! ```
//!
//! In its folder: `vault.json`, and `vault.lock` (held while the file is changed, never while a person is asked). Which
//! names are stored is known without the key. Where the key comes from is chosen when the file is made and then kept: a
//! keystore that does not answer is an error, not a reason to go on with an empty vault.

mod error;
mod kdf;
mod keystore;
mod sealed;
mod secret;
mod source;
mod store_kind;
#[cfg(test)]
mod tests;

pub use error::{PromptError, VaultError};
pub use kdf::Kdf;
pub use keystore::{OpenKeystore, open_system_keystore};
pub use secret::{MAX_SECRET_BYTES, Owner, SecretId, SecretValue};
pub use store_kind::StoreKind;

use crate::files::{self, Stamp};
use crate::home::Home;
use crate::keys::{self, KeyName};
use kdf::Keys;
use keystore::Keystore;
use sealed::{MAX_FILE_BYTES, Sealed, Values, seal};
use source::KeySource;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How often a change is tried again when another process was faster. Each attempt that failed means that another one got
/// on, so only endless writers elsewhere end here.
const ATTEMPTS: usize = 100;

/// The shortest new password, characters.
pub const SHORTEST_PASSWORD: usize = 8;

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

/// Is told of every value as soon as it is in memory.
pub type Seen = Arc<dyn Fn(&Arc<SecretValue>) + Send + Sync>;

/// How a vault is opened.
pub struct VaultOptions {
    /// Where its key shall come from. Nothing is said: from where it does; for a new vault from the system's keystore if
    /// that works, else from a password.
    pub choice: Option<StoreKind>,
    /// How a new file derives its key; an existing file says so itself.
    pub kdf: Kdf,
    /// Asks for the file's password.
    pub prompt: Arc<dyn PasswordPrompt>,
    /// Opens the system's stores: [`open_system_keystore`], or a stand-in in tests.
    pub keystore: OpenKeystore,
    /// Is told of every value: who takes secrets out of texts has to know them all.
    pub seen: Seen,
}

impl VaultOptions {
    /// The usual ones.
    pub fn new(prompt: impl PasswordPrompt + 'static, seen: Seen) -> Self {
        let keystore = Arc::new(open_system_keystore);
        Self { choice: None, kdf: Kdf::default(), prompt: Arc::new(prompt), keystore, seen }
    }
}

/// The secrets of one home. Its calls block, while a person types or a keystore is asked up to minutes: call from a
/// blocking thread.
pub struct Vault {
    home: Home,
    options: VaultOptions,
    open: Mutex<Option<Open>>,
}

/// The opened file.
struct Open {
    source: KeySource,
    keys: Keys,
    values: Values,
    /// Of the file that the values are from; `None` while no file was written.
    stamp: Option<Stamp>,
}

/// What is in the folder.
struct Found {
    stamp: Option<Stamp>,
    sealed: Option<Sealed>,
}

impl Vault {
    /// The vault of a home. Reads and asks nothing yet, and makes nothing before the first [`Vault::set`].
    pub fn new(home: &Home, options: VaultOptions) -> Self {
        Self { home: home.clone(), options, open: Mutex::default() }
    }

    /// Opens the vault that is there: false when there is none.
    pub fn open(&self) -> Result<bool, VaultError> {
        let mut open = self.lock_open();
        self.unlock(&mut open).map(|()| open.is_some())
    }

    /// Opens the vault that is there with this password, which is checked even where the vault is open.
    pub fn open_with(&self, password: &SecretValue) -> Result<(), VaultError> {
        // Deriving the key takes long, and nobody else waits for that.
        let (sealed, keys) = self.opened_by(password)?;
        let mut open = self.lock_open();
        self.still(&keys)?;
        *open = Some(Open { source: sealed.source, keys, values: Values::new(), stamp: None });
        self.unlock(&mut open)
    }

    /// Makes an empty vault under this password, where there is none, wherever its key was to come from.
    pub fn make(&self, password: &SecretValue) -> Result<(), VaultError> {
        let (source, keys) = fresh(password, self.options.kdf)?;
        let mut open = self.lock_open();
        let _lock = self.lock()?;
        if self.find()?.sealed.is_some() {
            return Err(VaultError::Exists(self.file()));
        }
        *open = Some(self.write(source, keys, Values::new())?);
        Ok(())
    }

    /// Opens the vault; makes an empty one where there is none.
    pub fn prepare(&self) -> Result<(), VaultError> {
        if self.open()? { Ok(()) } else { self.change(|_| true).map(drop) }
    }

    /// The value of a secret. Opens the vault if one of that name is in it, and only then.
    pub fn get(&self, id: &SecretId) -> Result<Option<Arc<SecretValue>>, VaultError> {
        let mut open = self.lock_open();
        if !self.names(&open)?.contains(id) {
            return Ok(None);
        }
        self.unlock(&mut open)?;
        Ok(open.as_ref().and_then(|open| open.values.get(id)).cloned())
    }

    /// The value of a secret, where nobody can be asked for a password: `None` also from a vault that is not open yet.
    pub fn at_hand(&self, id: &SecretId) -> Result<Option<Arc<SecretValue>>, VaultError> {
        let mut open = self.lock_open();
        let Some(current) = open.as_mut() else { return Ok(None) };
        if files::stamp(&self.file())? != current.stamp
            && let Found { stamp, sealed: Some(sealed) } = self.find()?
            && sealed.source == current.source
            && sealed.is_for(&current.keys)
        {
            current.values = self.read(&sealed, &current.keys)?;
            current.stamp = stamp;
        }
        Ok(current.values.get(id).cloned())
    }

    /// Whether a value is stored. Opens nothing.
    pub fn holds(&self, id: &SecretId) -> Result<bool, VaultError> {
        Ok(self.names(&self.lock_open())?.contains(id))
    }

    /// Whether there is a vault under a password that nobody gave yet. Opens nothing.
    pub fn is_locked(&self) -> Result<bool, VaultError> {
        Ok(self.lock_open().is_none() && self.find()?.sealed.is_some_and(|it| it.source.kind() == StoreKind::File))
    }

    /// The stored secrets of components. Opens nothing.
    pub fn list(&self) -> Result<Vec<SecretId>, VaultError> {
        let names = self.names(&self.lock_open())?;
        Ok(names.into_iter().filter(|id| id.owner != Owner::Host).collect())
    }

    /// Where the key comes from, or would for a vault that is made now without a keystore being asked.
    pub fn kind(&self) -> Result<Option<StoreKind>, VaultError> {
        Ok(self.find()?.sealed.map_or(self.options.choice, |sealed| Some(sealed.source.kind())))
    }

    /// Stores a secret in place of an earlier value.
    pub fn set(&self, id: &SecretId, value: SecretValue) -> Result<(), VaultError> {
        let value = Arc::new(value);
        self.change(|values| values.insert(id.clone(), value.clone()).as_ref() != Some(&value)).map(drop)
    }

    /// Removes a stored secret: false when there was none.
    pub fn remove(&self, id: &SecretId) -> Result<bool, VaultError> {
        if !self.names(&self.lock_open())?.contains(id) {
            return Ok(false);
        }
        self.change(|values| values.remove(id).is_some())
    }

    /// Encrypts the file anew under another password, with a new salt and, if wanted, another derivation. Either all of it
    /// happens or nothing.
    pub fn rotate_password(&self, old: &SecretValue, new: &SecretValue, kdf: Kdf) -> Result<(), VaultError> {
        let (_, keys) = self.opened_by(old)?;
        let (source, new_keys) = fresh(new, kdf)?;
        let mut open = self.lock_open();
        let _lock = self.lock()?;
        let values = self.read(&self.still(&keys)?, &keys)?;
        *open = Some(self.write(source, new_keys, values)?);
        Ok(())
    }

    /// Changes the values and writes the file; `edit` says whether it changed anything. No lock on the home is held while a
    /// person is asked, so another process may be faster: then all is looked at again.
    fn change(&self, edit: impl Fn(&mut Values) -> bool) -> Result<bool, VaultError> {
        let mut open = self.lock_open();
        for _ in 0..ATTEMPTS {
            self.unlock(&mut open)?;
            if open.is_none() {
                let (source, keys) = self.make_key()?;
                *open = Some(Open { source, keys, values: Values::new(), stamp: None });
            }
            let _lock = self.lock()?;
            let Some(current) = &*open else { continue };
            if files::stamp(&self.file())? != current.stamp {
                continue;
            }
            let mut values = current.values.clone();
            if !edit(&mut values) {
                return Ok(false);
            }
            *open = Some(self.write(current.source.clone(), current.keys.clone(), values)?);
            return Ok(true);
        }
        Err(VaultError::Busy)
    }

    /// Brings `open` up to the file on disk, asking for the key where it is not at hand. Leaves a vault that is not there
    /// alone.
    fn unlock(&self, open: &mut Option<Open>) -> Result<(), VaultError> {
        if open.as_ref().is_some_and(|open| files::stamp(&self.file()).is_ok_and(|stamp| stamp == open.stamp)) {
            return Ok(());
        }
        let Found { stamp, sealed } = self.find()?;
        let Some(sealed) = sealed else {
            // A file that was moved away is one that is not there; a key that was just made for it stays.
            open.take_if(|open| open.stamp.is_some());
            return Ok(());
        };
        let keys = self.keys(&sealed, open.take())?;
        let values = self.read(&sealed, &keys)?;
        *open = Some(Open { source: sealed.source, keys, values, stamp });
        Ok(())
    }

    fn find(&self) -> Result<Found, VaultError> {
        let path = self.file();
        // Before the bytes: a file that is replaced in between is read again, not taken for the one before it.
        let stamp = files::stamp(&path)?;
        let bytes = files::read_private(&path, MAX_FILE_BYTES)?;
        Ok(Found { stamp, sealed: bytes.map(|bytes| Sealed::parse(&bytes, &path)).transpose()? })
    }

    fn names(&self, open: &Option<Open>) -> Result<Vec<SecretId>, VaultError> {
        let stamp = files::stamp(&self.file())?;
        match open.as_ref().filter(|open| open.stamp == stamp) {
            Some(open) => Ok(open.values.keys().cloned().collect()),
            None => Ok(self.find()?.sealed.map(|sealed| sealed.names).unwrap_or_default()),
        }
    }

    fn agreed(&self, recorded: StoreKind) -> Result<(), VaultError> {
        match self.options.choice {
            Some(wanted) if wanted != recorded => Err(VaultError::OtherStore { recorded, wanted }),
            _ => Ok(()),
        }
    }

    fn read(&self, sealed: &Sealed, keys: &Keys) -> Result<Values, VaultError> {
        let values = sealed.open(keys, &self.file())?;
        values.values().for_each(|value| (self.options.seen)(value));
        Ok(values)
    }

    /// The key of a file that is there: the one at hand if it fits, else from where the file says.
    fn keys(&self, sealed: &Sealed, before: Option<Open>) -> Result<Keys, VaultError> {
        let (path, kind) = (self.file(), sealed.source.kind());
        self.agreed(kind)?;
        if let Some(before) = before.filter(|before| before.source == sealed.source && sealed.is_for(&before.keys)) {
            return Ok(before.keys);
        }
        let gone = || VaultError::KeyGone { kind, path: path.clone() };
        let key = match &sealed.source {
            KeySource::Password { .. } => {
                let asked = self.options.prompt.password(Purpose::Unlock, &path);
                return self
                    .derived(sealed, &asked.map_err(|source| VaultError::Locked { path: path.clone(), source })?);
            }
            KeySource::Keystore { account } | KeySource::Session { account } => {
                let bytes = Keystore::open(kind, &self.options.keystore)?.get(account)?.ok_or_else(gone)?;
                keys::Key::new(bytes.as_slice().try_into().map_err(|_| gone())?)
            }
            KeySource::KeyFile {} => keys::existing(&self.home, KeyName::Vault)?,
        };
        Some(Keys::of(&key)).filter(|keys| sealed.is_for(keys)).ok_or_else(gone)
    }

    /// The file that is there, and the key that this password gives.
    fn opened_by(&self, password: &SecretValue) -> Result<(Sealed, Keys), VaultError> {
        let sealed = self.find()?.sealed.ok_or_else(|| VaultError::NoVault(self.file()))?;
        let keys = self.derived(&sealed, password)?;
        Ok((sealed, keys))
    }

    /// The file, if a key that was derived meanwhile still opens it: one of an earlier password opens and closes nothing.
    fn still(&self, keys: &Keys) -> Result<Sealed, VaultError> {
        self.find()?.sealed.filter(|sealed| sealed.is_for(keys)).ok_or(VaultError::Busy)
    }

    /// The key of a file that a password opens.
    fn derived(&self, sealed: &Sealed, password: &SecretValue) -> Result<Keys, VaultError> {
        let KeySource::Password { kdf, salt } = &sealed.source else {
            return Err(VaultError::NoPasswordHere(sealed.source.kind()));
        };
        let salt = sealed::unhex(salt).ok_or_else(|| VaultError::Damaged(self.file()))?;
        let keys = Kdf::checked(*kdf)?.keys(password.expose(), &salt)?;
        if sealed.is_for(&keys) { Ok(keys) } else { Err(VaultError::WrongPassword(self.file())) }
    }

    /// The key of a new file, from where the operator said, else from a keystore that works, else from a password.
    fn make_key(&self) -> Result<(KeySource, Keys), VaultError> {
        match self.options.choice {
            Some(StoreKind::File) => self.make_password(),
            Some(kind) => self.make_stored_key(kind),
            None => self.make_stored_key(StoreKind::Keystore).or_else(|reason| {
                tracing::debug!(%reason, "no keystore is used");
                self.make_password()
            }),
        }
    }

    fn make_password(&self) -> Result<(KeySource, Keys), VaultError> {
        let asked = self.options.prompt.password(Purpose::Create, &self.file());
        fresh(&asked.map_err(|source| VaultError::NoPassword { source })?, self.options.kdf)
    }

    fn make_stored_key(&self, kind: StoreKind) -> Result<(KeySource, Keys), VaultError> {
        if kind == StoreKind::KeyFile {
            let key = keys::read_or_make(&self.home, KeyName::Vault)?;
            return Ok((KeySource::KeyFile {}, Keys::of(&key)));
        }
        let (account, key) = Keystore::create(kind, &self.options.keystore)?;
        let source = match kind {
            StoreKind::Session => KeySource::Session { account },
            _ => KeySource::Keystore { account },
        };
        Ok((source, Keys::of(&key)))
    }

    /// Writes the values, under the home's lock. What a crash left behind goes first: it may be under an older password.
    fn write(&self, source: KeySource, keys: Keys, values: Values) -> Result<Open, VaultError> {
        let (path, bytes) = (self.file(), seal(&source, &keys, &values)?);
        files::remove_leftovers(&path)?;
        files::write_private_atomic(&path, &bytes)?;
        values.values().for_each(|value| (self.options.seen)(value));
        let stamp = files::stamp(&path)?;
        Ok(Open { source, keys, values, stamp })
    }

    fn lock_open(&self) -> MutexGuard<'_, Option<Open>> {
        // A poisoned lock is no reason to stop: `open` is replaced as a whole, and checked against the file at each use.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> Result<files::FileLock, VaultError> {
        files::ensure_private_dir(&self.home.vault_dir())?;
        Ok(files::lock(&self.home.vault_dir().join("vault.lock"))?)
    }

    fn file(&self) -> PathBuf {
        self.home.vault_dir().join("vault.json")
    }
}

/// The key that a new password gives.
fn fresh(password: &SecretValue, kdf: Kdf) -> Result<(KeySource, Keys), VaultError> {
    let characters =
        std::str::from_utf8(password.expose()).map_or(password.expose().len(), |text| text.chars().count());
    if characters < SHORTEST_PASSWORD {
        return Err(VaultError::ShortPassword { min: SHORTEST_PASSWORD });
    }
    let salt = random()?;
    let keys = kdf.keys(password.expose(), &salt)?;
    Ok((KeySource::Password { kdf: kdf.parameters(), salt: hex::encode(salt) }, keys))
}

fn random<const N: usize>() -> Result<[u8; N], VaultError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(VaultError::Random)?;
    Ok(bytes)
}
