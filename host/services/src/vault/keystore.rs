//! Keys in the operating system's own store, through `keyring-core`.
//!
//! Linux and the BSDs: Secret Service (GNOME Keyring, KWallet, KeePassXC) over D-Bus in Rust, no libdbus; values cross the
//! bus encrypted (Diffie-Hellman session). macOS: Keychain. Windows: Credential Manager. The Linux
//! kernel's keyring is a store of its own, `Session`: its keys are gone after a reboot, so it is used only where the
//! operator names it. The crates copy values on the way; what is wiped is what we hold.

use super::{StoreKind, VaultError, random};
use crate::keys::Key;
use keyring_core::{CredentialStore, Error};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use zeroize::Zeroizing;

/// Opens a system's store; given to the vault so that a test can bring its own.
pub type OpenKeystore = Arc<dyn Fn(StoreKind) -> Result<Arc<CredentialStore>, VaultError> + Send + Sync>;

/// How long making a key takes at most: nobody is asked anything, so an answer comes at once or not.
const PROBE: Duration = Duration::from_secs(3);
/// How long a call takes at most: the system may be asking a person to unlock the store.
const CALL: Duration = Duration::from_secs(60);
const SERVICE: &str = "cara";

/// The stores this system has.
pub fn open_system_keystore(kind: StoreKind) -> Result<Arc<CredentialStore>, VaultError> {
    match kind {
        StoreKind::Keystore => platform().map_err(|e| refused(kind, &e)),
        #[cfg(target_os = "linux")]
        StoreKind::Session => match linux_keyutils_keyring_store::Store::new() {
            Ok(store) => Ok(store),
            Err(e) => Err(refused(kind, &e)),
        },
        _ => Err(VaultError::NoSuchStore(kind)),
    }
}

#[cfg(all(unix, not(target_os = "macos")))]
fn platform() -> Result<Arc<CredentialStore>, Error> {
    Ok(zbus_secret_service_keyring_store::Store::new()?)
}

#[cfg(target_os = "macos")]
fn platform() -> Result<Arc<CredentialStore>, Error> {
    Ok(apple_native_keyring_store::keychain::Store::new()?)
}

#[cfg(windows)]
fn platform() -> Result<Arc<CredentialStore>, Error> {
    Ok(windows_native_keyring_store::Store::new()?)
}

/// A system store.
pub(super) struct Keystore {
    kind: StoreKind,
    store: Arc<CredentialStore>,
}

impl Keystore {
    /// Connects, without trying it out.
    pub(super) fn open(kind: StoreKind, open: &OpenKeystore) -> Result<Self, VaultError> {
        let open = open.clone();
        let store = within(kind, CALL, move || open(kind))?;
        Ok(Self { kind, store })
    }

    /// Makes a key and keeps it under an account of its own; reads it back, to see that the store really works.
    pub(super) fn create(kind: StoreKind, open: &OpenKeystore) -> Result<(String, Key), VaultError> {
        let (open, key) = (open.clone(), Key::new(random()?));
        let account = format!("{}/vault-key", hex::encode(random::<8>()?));
        within(kind, PROBE, move || {
            let entry = open(kind)?.build(SERVICE, &account, None).map_err(|e| refused(kind, &e))?;
            entry.set_secret(&*key).map_err(|e| refused(kind, &e))?;
            match entry.get_secret().map(Zeroizing::new) {
                Ok(read) if read.as_slice() == key.as_slice() => Ok((account, key)),
                Ok(_) => {
                    Err(VaultError::Keystore { kind, reason: "it gives back other bytes than were put in".to_owned() })
                }
                Err(error) => Err(refused(kind, &error)),
            }
        })
    }

    /// The bytes kept under a name.
    pub(super) fn get(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        let (kind, store, name) = (self.kind, self.store.clone(), name.to_owned());
        within(kind, CALL, move || match store.build(SERVICE, &name, None).and_then(|entry| entry.get_secret()) {
            Ok(value) => Ok(Some(Zeroizing::new(value))),
            Err(Error::NoEntry) => Ok(None),
            Err(e) => Err(refused(kind, &e)),
        })
    }
}

/// Runs a call that may never return on a thread of its own. One that is too late is left behind: D-Bus and the system
/// libraries offer no way to stop it, and what it still reads is wiped where it ends.
fn within<T: Send + 'static>(
    kind: StoreKind,
    deadline: Duration,
    act: impl FnOnce() -> Result<T, VaultError> + Send + 'static,
) -> Result<T, VaultError> {
    let failed = |reason: String| VaultError::Keystore { kind, reason };
    let (send, receive) = mpsc::sync_channel(1);
    std::thread::Builder::new()
        .name("keystore".to_owned())
        .spawn(move || drop(send.send(act())))
        .map_err(|e| failed(e.to_string()))?;
    match receive.recv_timeout(deadline) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => Err(failed(format!("no answer within {deadline:?}"))),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(failed("its library failed".to_owned())),
    }
}

/// The reason in words. Not the error itself: some of its variants carry a value, which `Debug` would print.
fn refused(kind: StoreKind, error: &Error) -> VaultError {
    let reason = match error {
        Error::PlatformFailure(cause) | Error::NoStorageAccess(cause) => cause.to_string(),
        Error::Ambiguous(_) => "it has two entries of one name".to_owned(),
        Error::BadEncoding(_) | Error::BadDataFormat(..) => "it gave back an entry in another form".to_owned(),
        other => other.to_string(),
    };
    VaultError::Keystore { kind, reason }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_call_that_never_returns_is_left_behind_at_its_deadline() {
        let (_open, never) = mpsc::channel::<()>();
        let stuck = move || never.recv().map_err(|_| VaultError::Busy);
        let error = within(StoreKind::Keystore, Duration::from_millis(10), stuck).unwrap_err().to_string();
        assert!(error.contains("no answer within 10ms\nhint: "), "{error}");
    }

    #[test]
    fn a_library_that_panics_is_an_error() {
        let panics = || -> Result<(), VaultError> { panic!("as a library may") };
        assert!(within(StoreKind::Keystore, CALL, panics).unwrap_err().to_string().contains("its library failed"));
    }

    #[test]
    fn a_value_inside_a_librarys_error_goes_no_further() {
        let bytes = b"canary".to_vec();
        for error in [Error::BadEncoding(bytes.clone()), Error::BadDataFormat(bytes.clone(), "canary".into())] {
            let ours = refused(StoreKind::Keystore, &error);
            let text = format!("{ours} {ours:?}");
            assert!(!text.contains("canary") && !text.contains("99, 97"), "{text}");
        }
    }
}
