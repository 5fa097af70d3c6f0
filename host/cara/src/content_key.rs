//! The key that what is kept of conversations is encrypted with.
//!
//! In the system's keystore where there is one, or in the vault's encrypted file where that exists already; else in a
//! file of this machine (0600), so that the first start asks nobody for a password. Once made it stays where it is.

use anyhow::Result;
use cara_authority::{ComponentId, SecretName};
use cara_services::files;
use cara_services::home::Home;
use cara_services::ledger::ContentKey;
use cara_services::vault::{SecretId, SecretValue, StoreKind, Vault, local_key};
use zeroize::Zeroizing;

/// Its name, in the vault under the host's own id and among this machine's keys.
const NAME: &str = "ledger-content";

/// The key; made at the first call. Blocks, and may ask for the vault's password.
pub(crate) fn content_key(home: &Home, vault: &Vault) -> Result<ContentKey> {
    let kept_here = files::exists(&home.keys_dir().join(NAME))?;
    let in_vault = match vault.kind()? {
        StoreKind::Keystore => true,
        StoreKind::File => vault.list()?.contains(&id()?) || !vault.list()?.is_empty(),
        _ => false,
    };
    if kept_here || !in_vault {
        return Ok(ContentKey::new(local_key(home.path(), NAME)?));
    }
    let id = id()?;
    if let Some(value) = vault.get(&id)?
        && let Ok(bytes) = <[u8; 32]>::try_from(value.expose())
    {
        return Ok(ContentKey::new(Zeroizing::new(bytes)));
    }
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes)?;
    vault.set(&id, SecretValue::new(bytes.to_vec())?)?;
    Ok(ContentKey::new(bytes))
}

/// Under which it is in the vault. No component has this id: see `is_reserved` in the loader of installed ones.
fn id() -> Result<SecretId> {
    Ok(SecretId { component: ComponentId::parse("cara-host")?, name: SecretName::parse(NAME)? })
}
