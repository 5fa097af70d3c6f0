//! Keys in the vault that sign packages.

use crate::content_key;
use crate::error::{Context, Result, error, fail};
use cara_authority::SecretName;
use cara_sdk_sign::SecretKey;
use cara_services::vault::{SecretId, Vault};
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// Where a key of this name is in the vault.
pub(crate) fn in_vault(name: &str) -> Result<SecretId> {
    let name = SecretName::parse(name).context("a key's name is like a secret's: `my-key`")?;
    if name.as_str() == content_key::NAME {
        fail!(Refused, "`{name}` is a key of cara's own\nhint: choose another name");
    }
    Ok(SecretId::host(name))
}

/// A key of the vault.
pub(crate) async fn secret(vault: &Arc<Vault>, name: &str) -> Result<SecretKey> {
    let (vault, id) = (vault.clone(), in_vault(name)?);
    let value = spawn_blocking(move || vault.get(&id)).await??;
    let none = || error!(NotFound, "there is no key `{name}`\nhint: `cara plugin keygen {name}` makes one");
    Ok(SecretKey::from_pem(std::str::from_utf8(value.ok_or_else(none)?.expose())?)?)
}
