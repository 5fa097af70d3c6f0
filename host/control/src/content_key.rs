//! The key that encrypts stored conversations.
//!
//! It is in one place, `keys/ledger-content` (0600), so that a conversation with a model whose key is in the environment
//! needs no vault. That file holds the key; or, where the operator sealed it (`cara secrets seal`), the word that it is in
//! the vault. A key is made for a ledger that never had one, and only then: a lost key is told, not replaced.

use crate::error::{Context, Result, fail};
use cara_authority::SecretName;
use cara_services::files;
use cara_services::home::Home;
use cara_services::keys::{self, Key, KeyError, KeyName};
use cara_services::ledger::{ContentKey, Ledger};
use cara_services::vault::{SecretId, SecretValue, StoreKind, Vault};
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// What the file holds when the key is in the vault.
const SEALED: &[u8] = b"in the vault\n";

/// Under which the key is in the vault, among the host's own.
pub(crate) const NAME: &str = "ledger-content";

/// Where the key is.
enum Place {
    /// In the file.
    Here(Key),
    Vault,
    Nowhere,
}

/// The key; made at the first call. May ask for the vault's password where the key is sealed.
pub(crate) async fn content_key(home: &Home, vault: &Arc<Vault>, ledger: &Ledger) -> Result<ContentKey> {
    // Looked at first: who uses a key has made its file before.
    let used = ledger.has_content_key().await?;
    let (home, vault) = (home.clone(), vault.clone());
    spawn_blocking(move || match place(&home)? {
        Place::Here(key) => Ok(ContentKey::new(key)),
        Place::Vault => Ok(ContentKey::new(stored(&vault, &home)?)),
        Place::Nowhere if used => Ok(ContentKey::new(keys::existing(&home, KeyName::Conversations)?)),
        Place::Nowhere => Ok(ContentKey::new(keys::read_or_make(&home, KeyName::Conversations)?)),
    })
    .await?
}

/// Moves the key into the vault: false when it was there.
pub(crate) fn seal(home: &Home, vault: &Vault) -> Result<bool> {
    let Place::Here(key) = place(home)? else { return Ok(false) };
    if vault.kind()? == Some(StoreKind::Session) {
        fail!(
            Refused,
            "the kernel keyring forgets the vault at a reboot, and with it went all conversations\nhint: keep the key in its file"
        );
    }
    // Stored first: a crash in between leaves the key in both, and in use the one in the file.
    vault.set(&id(), SecretValue::new(key.to_vec())?)?;
    files::write_private_atomic(&home.key(KeyName::Conversations), SEALED)?;
    Ok(true)
}

/// Moves the key back into its file: false when it was there.
pub(crate) fn unseal(home: &Home, vault: &Vault) -> Result<bool> {
    let Place::Vault = place(home)? else { return Ok(false) };
    files::write_private_atomic(&home.key(KeyName::Conversations), &*stored(vault, home)?)?;
    vault.remove(&id())?;
    Ok(true)
}

fn place(home: &Home) -> Result<Place> {
    if files::read_private(&home.key(KeyName::Conversations), 64)?.as_deref() == Some(SEALED) {
        return Ok(Place::Vault);
    }
    Ok(keys::read(home, KeyName::Conversations)?.map_or(Place::Nowhere, Place::Here))
}

/// The key out of the vault.
fn stored(vault: &Vault, home: &Home) -> Result<Key> {
    let value = vault.get(&id()).context("the key of the conversations is in the vault")?;
    let file = home.vault_dir().join("vault.json");
    let Some(value) = value else {
        fail!(
            Internal,
            "the key of the conversations is not in the vault `{}`\nhint: put that file back from your backup: without it \
             no conversation and nothing remembered can be read. To give up the whole ledger (grants, conversations, \
             memory), move `ledger.db*` and `keys/ledger-content` away",
            file.display()
        );
    };
    let path = home.key(KeyName::Conversations);
    let key = value.expose().try_into().map_err(|_| KeyError::Damaged { path, name: KeyName::Conversations })?;
    Ok(Key::new(key))
}

fn id() -> SecretId {
    SecretId::host(SecretName::parse(NAME).expect("a name"))
}
