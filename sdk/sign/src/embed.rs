//! A component and its manifest become one file.

use cara_signing::{Package, PackageError, manifest};
use wasm_encoder::{ComponentSection as _, CustomSection};

/// Puts `text`, a manifest, into `component` as its last section; nothing else changes.
///
/// # Errors
/// When `component` is not a component or has a manifest already, or `text` is too large or has no valid `id` and
/// `version`.
pub fn embed(component: &[u8], text: &str) -> Result<Vec<u8>, PackageError> {
    let section = CustomSection { name: manifest::SECTION.into(), data: text.as_bytes().into() };
    let mut bytes = Vec::with_capacity(component.len() + text.len() + 32);
    bytes.extend_from_slice(component);
    section.append_to_component(&mut bytes);
    // Read as anybody will read it.
    Ok(Package::read(bytes)?.bytes().to_vec())
}
