//! Golden files: what is written today is what was written before.
//!
//! To write them anew: `BLESS=1 cargo test -p cara-signing vectors`.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use crate::support::{AUTHOR, bare_component, file, manifest_text, package, secret, trust};
use cara_sdk_sign::sign;
use cara_signing::{Bundle, Package, PublicKey, Signer, TrustStore, TrustedIdentity, TrustedKey, verify};

fn vector(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name);
    std::fs::read(path).unwrap()
}

fn text(name: &str) -> String {
    String::from_utf8(vector(name)).unwrap()
}

/// Compares `bytes` with the golden file, or writes it when asked to.
fn golden(name: &str, bytes: &[u8]) {
    if std::env::var_os("BLESS").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name);
        std::fs::write(path, bytes).unwrap();
    }
    assert!(vector(name) == bytes, "{name} is not what it was");
}

#[test]
fn a_package_its_signature_and_its_keys_are_written_as_ever() {
    let package = package("hello", "1.2.3");
    let bundle = sign(&package, &secret(AUTHOR));
    golden("hello.wasm", package.bytes());
    golden("hello.wasm.sigstore.json", format!("{}\n", bundle.to_json()).as_bytes());
    golden("hello.statement.json", &crate::support::payload(&bundle));
    golden("author.pub", secret(AUTHOR).public().to_pem().as_bytes());
}

#[test]
fn a_trust_store_is_written_as_ever() {
    let mut store = TrustStore::empty();
    for key in trust(AUTHOR, &["hello", "acme-*"]).keys() {
        let since = Some("2026-11-21T09:00:00Z".parse().unwrap());
        store.add(TrustedKey { since, ..key.clone() }).unwrap();
    }
    store.revoke(cara_signing::Revoked::Key(secret(9).public().id()));
    store.revoke(cara_signing::Revoked::Component(cara_signing::Digest::of(b"bad")));
    golden("trust.toml", store.to_toml().as_bytes());
    assert_eq!(TrustStore::from_toml(&text("trust.toml")).unwrap(), store);
    let identity = "https://forge.example/acme/plugin/release.yml@refs/tags/*".parse().unwrap();
    let (issuer, components) = ("https://sign-in.example".parse().unwrap(), vec!["acme-*".parse().unwrap()]);
    let (name, since) = ("acme releases".to_owned(), Some("2026-11-22T09:00:00Z".parse().unwrap()));
    store.add_identity(TrustedIdentity { name, identity, issuer, components, since }).unwrap();
    golden("trust-identity.toml", store.to_toml().as_bytes());
    assert_eq!(TrustStore::from_toml(&text("trust-identity.toml")).unwrap(), store);
}

#[test]
fn the_golden_package_verifies() {
    let package = Package::read(vector("hello.wasm")).unwrap();
    let bundle = Bundle::from_json(&text("hello.wasm.sigstore.json")).unwrap();
    let store = TrustStore::from_toml(&text("trust.toml")).unwrap();
    let author: PublicKey = text("author.pub").parse().unwrap();
    let verified = verify(package, &bundle, &store, None).unwrap();
    assert_eq!(*verified.signer(), Signer::Key { id: author.id(), name: "key 1".to_owned() });
    assert_eq!(verified.signer().to_string(), author.id().to_hex());
    assert_eq!(verified.signer_name(), "key 1");
    assert_eq!(verified.id().as_str(), "hello");
    assert_eq!(verified.version().to_string(), "1.2.3");
    assert_eq!(verified.manifest(), manifest_text("hello", "1.2.3"));
}

#[test]
fn the_same_and_a_newer_version_pass_the_floor() {
    let bundle = sign(&package("hello", "1.2.3"), &secret(AUTHOR));
    let store = trust(AUTHOR, &["*"]);
    for floor in ["1.2.3", "1.2.3-rc.1", "0.9.0"] {
        let floor = floor.parse().unwrap();
        assert!(verify(package("hello", "1.2.3"), &bundle, &store, Some(&floor)).is_ok());
    }
}

#[test]
fn a_manifest_is_embedded_whole_and_leaves_the_component_as_it_was() {
    let bytes = file("hello", "1.2.3");
    let package = Package::read(bytes.clone()).unwrap();
    assert_eq!(package.manifest(), manifest_text("hello", "1.2.3"));
    assert!(bytes.starts_with(&bare_component(7)));
}

#[test]
fn a_manifest_is_found_before_other_sections() {
    let bytes = crate::support::with_section(file("hello", "1.2.3"), "producers", b"later");
    assert_eq!(Package::read(bytes).unwrap().manifest(), manifest_text("hello", "1.2.3"));
}

#[test]
fn a_bundle_with_fields_of_a_later_minor_version_is_read() {
    let mut value = crate::support::as_value(&sign(&package("hello", "1.2.3"), &secret(AUTHOR)));
    value["verificationMaterial"]["later"] = "field".into();
    let bundle = Bundle::from_json(&value.to_string()).unwrap();
    let store = trust(AUTHOR, &["hello"]);
    assert!(verify(package("hello", "1.2.3"), &bundle, &store, None).is_ok());
}
