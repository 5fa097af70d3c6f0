//! Keys that sign packages, kept in a file instead of the vault.
//!
//! They are no operations: a key that is a file is its owner's business, and needs no home.

use super::keys::{PublicKey, SignedPlugin, signable};
use crate::error::{Context, Result, error};
use cara_sdk_sign::{SecretKey, sign};
use cara_services::files;
use std::path::Path;
use zeroize::Zeroizing;

/// The largest key file, bytes.
const LARGEST: u64 = 4 * 1024;

fn read(path: &Path) -> Result<SecretKey> {
    let shown = path.display();
    let bytes = files::read_private(path, LARGEST)?;
    let missing =
        || error!(NotFound, "`{shown}` does not exist\nhint: `cara plugin keygen NAME --file {shown}` makes it");
    let bytes = Zeroizing::new(bytes.ok_or_else(missing)?);
    let pem = std::str::from_utf8(&bytes).with_context(|| format!("`{shown}` is no PEM file"))?;
    Ok(SecretKey::from_pem(pem)?)
}

fn public(key: &SecretKey) -> PublicKey {
    let key = key.public();
    PublicKey { id: key.id().to_hex(), pem: key.to_pem(), vault: None, trusted: None }
}

/// The public part of a new key in a new file, or of the one that is there, which cannot be made again; and whether the key
/// is new.
///
/// # Errors
///
/// The file cannot be written, or is no key.
pub fn make_key_file(path: &Path) -> Result<(PublicKey, bool)> {
    let key = SecretKey::generate()?;
    if files::create_private(path, key.to_pem().as_bytes())? {
        return Ok((public(&key), true));
    }
    let there = read(path).map_err(|why| {
        let (shown, why) = (path.display(), why.message);
        error!(Conflict, "`{shown}` is there already, and is no key: {why}\nhint: choose another path")
    })?;
    Ok((public(&there), false))
}

/// The public part of the key in a file.
///
/// # Errors
///
/// The file is no key.
pub fn key_file(path: &Path) -> Result<PublicKey> {
    read(path).map(|key| public(&key))
}

/// Signs a package with the key in a file.
///
/// # Errors
///
/// The package could not be installed, or the file is no key.
pub fn sign_with_file(package: &Path, key: &Path) -> Result<SignedPlugin> {
    let package = signable(package)?;
    Ok(SignedPlugin::of(&package, &sign(&package, &read(key)?)))
}
