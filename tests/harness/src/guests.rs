//! The guests as they were built, their manifests, and a key to sign them.

use cara_sdk_sign::{SecretKey, embed, sign};
use cara_signing::{Package, TrustStore, TrustedKey, Verified, verify};
use std::sync::OnceLock;

/// Id and file of every guest in `tests/guests`.
const GUESTS: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/guests.rs"));

/// The section that holds the manifest (`signing/src/manifest.rs`).
const SECTION: &str = "cara:manifest";

/// A guest's package, manifest included.
///
/// # Panics
/// When no guest has this id.
pub(crate) fn package(id: &str) -> Package {
    Package::read(bytes(id)).unwrap()
}

fn bytes(id: &str) -> &'static [u8] {
    let found = GUESTS.iter().find(|(guest, _)| *guest == id);
    found.unwrap_or_else(|| panic!("no guest is called `{id}`")).1
}

/// The manifest a guest was built with.
#[must_use]
pub fn manifest_of(id: &str) -> String {
    package(id).manifest().to_owned()
}

/// A guest with another manifest in the place of its own.
#[must_use]
pub fn component_of(id: &str, manifest: &str) -> Package {
    with_manifest(bytes(id), manifest)
}

/// A component with another manifest in the place of the one it was built with.
///
/// # Panics
/// When it has none.
#[must_use]
pub fn with_manifest(bytes: &[u8], manifest: &str) -> Package {
    wrapped(without_manifest(bytes), manifest)
}

/// A guest as it is before its manifest is put in.
#[must_use]
pub fn bare(id: &str) -> &'static [u8] {
    without_manifest(bytes(id))
}

fn without_manifest(bytes: &[u8]) -> &[u8] {
    // The manifest is the last section: its content, its name, and two numbers of one to five bytes before them.
    let own = Package::read(bytes.to_vec()).unwrap().manifest().len();
    let content = own + 1 + SECTION.len();
    let header = bytes.len() - content - length_of(content);
    assert_eq!(bytes[header - 1], 0, "the last section is a custom section");
    &bytes[..header - 1]
}

/// How many bytes a LEB128 number takes.
fn length_of(mut number: usize) -> usize {
    let mut length = 1;
    while number > 0x7f {
        number >>= 7;
        length += 1;
    }
    length
}

/// A component with a manifest put into it.
///
/// # Panics
/// When it has one already, or is none.
#[must_use]
pub fn wrapped(component: &[u8], manifest: &str) -> Package {
    Package::read(embed(component, manifest).unwrap()).unwrap()
}

/// Signs a package with the key that the tests trust for everything, and verifies it.
#[must_use]
pub fn signed(package: Package) -> Verified<Package> {
    static KEY: OnceLock<SecretKey> = OnceLock::new();
    let key = KEY.get_or_init(|| SecretKey::generate().unwrap());
    let mut trust = TrustStore::empty();
    trust.add(TrustedKey::new(key.public(), "tests", vec!["*".parse().unwrap()])).unwrap();
    let bundle = sign(&package, key);
    verify(package, &bundle, &trust, None).unwrap()
}
