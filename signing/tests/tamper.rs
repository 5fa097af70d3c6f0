//! Nothing changed after signing is ever accepted.

#![allow(clippy::unwrap_used)]

use crate::support::{AUTHOR, as_value, bare_component, file, manifest_text, package, secret, trust};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cara_sdk_sign::{embed, sign};
use cara_signing::{Bundle, Package, TrustStore, verify};
use proptest::prelude::*;
use serde_json::Value;

/// Whether these two files are accepted by a store that trusts the author for all.
fn accepted(component: &[u8], bundle: &str) -> bool {
    let store = trust(AUTHOR, &["*"]);
    let package = Package::read(component.to_vec());
    let bundle = Bundle::from_json(bundle);
    match (package, bundle) {
        (Ok(package), Ok(bundle)) => verify(package, &bundle, &store, None).is_ok(),
        _ => false,
    }
}

fn signed_files() -> (Vec<u8>, String) {
    let bundle = sign(&package("hello", "1.2.3"), &secret(AUTHOR));
    (file("hello", "1.2.3"), bundle.to_json())
}

/// The same bundle with the bytes of one base64 field changed.
fn with_bytes(bundle: &str, pointer: &str, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut value: Value = serde_json::from_str(bundle).unwrap();
    let field = value.pointer_mut(pointer).unwrap();
    let mut bytes = STANDARD.decode(field.as_str().unwrap()).unwrap();
    change(&mut bytes);
    *field = STANDARD.encode(bytes).into();
    value.to_string()
}

const PAYLOAD: &str = "/dsseEnvelope/payload";
const SIGNATURE: &str = "/dsseEnvelope/signatures/0/sig";

#[test]
fn the_unchanged_files_are_accepted() {
    let (component, bundle) = signed_files();
    assert!(accepted(&component, &bundle));
    assert!(accepted(&component, &with_bytes(&bundle, PAYLOAD, |_| {})));
}

#[test]
fn every_flipped_bit_of_the_component_is_refused() {
    let (component, bundle) = signed_files();
    for at in 0..component.len() * 8 {
        let mut changed = component.clone();
        changed[at / 8] ^= 1 << (at % 8);
        assert!(!accepted(&changed, &bundle), "bit {} of byte {}", at % 8, at / 8);
    }
}

#[test]
fn every_flipped_bit_of_payload_and_signature_is_refused() {
    let (component, bundle) = signed_files();
    for (pointer, length) in [(PAYLOAD, payload_length(&bundle)), (SIGNATURE, 64)] {
        for at in 0..length * 8 {
            let flip = |bytes: &mut Vec<u8>| bytes[at / 8] ^= 1 << (at % 8);
            let changed = with_bytes(&bundle, pointer, flip);
            assert!(!accepted(&component, &changed), "{pointer} bit {at}");
        }
    }
}

#[test]
fn every_cut_component_is_refused() {
    let (component, bundle) = signed_files();
    for length in 0..component.len() {
        assert!(!accepted(&component[..length], &bundle), "{length}");
    }
}

#[test]
fn every_cut_bundle_payload_and_signature_is_refused() {
    let (component, bundle) = signed_files();
    for length in 0..bundle.len() {
        assert!(!accepted(&component, &bundle[..length]), "{length}");
    }
    for (pointer, length) in [(PAYLOAD, payload_length(&bundle)), (SIGNATURE, 64)] {
        for keep in 0..length {
            let changed = with_bytes(&bundle, pointer, |bytes| bytes.truncate(keep));
            assert!(!accepted(&component, &changed), "{pointer} {keep}");
        }
    }
}

#[test]
fn added_bytes_are_refused() {
    let (component, bundle) = signed_files();
    for tail in [&b"\0"[..], b"\0\x01\0", b"\0asm\x0d\0\x01\0", &component] {
        assert!(!accepted(&[&component, tail].concat(), &bundle));
        assert!(!accepted(&[tail, &component].concat(), &bundle));
    }
    for pointer in [PAYLOAD, SIGNATURE] {
        let changed = with_bytes(&bundle, pointer, |bytes| bytes.push(b' '));
        assert!(!accepted(&component, &changed), "{pointer}");
    }
}

#[test]
fn every_changed_character_of_what_a_bundle_says_is_refused() {
    let (component, bundle) = signed_files();
    let pointers = [
        "/mediaType",
        "/verificationMaterial/publicKey/hint",
        "/dsseEnvelope/payloadType",
        PAYLOAD,
        "/dsseEnvelope/signatures/0/keyid",
        SIGNATURE,
    ];
    for pointer in pointers {
        let value: Value = serde_json::from_str(&bundle).unwrap();
        let text = value.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        for at in 0..text.len() {
            for other in [' ', 'A', 'b', '0', '-', '_', '=', '\0'] {
                let mut changed = text.clone();
                changed.replace_range(at..=at, &other.to_string());
                if changed == text {
                    continue;
                }
                let mut value = value.clone();
                *value.pointer_mut(pointer).unwrap() = changed.into();
                assert!(!accepted(&component, &value.to_string()), "{pointer} {at} {other:?}");
            }
        }
    }
}

#[test]
fn a_field_written_twice_is_refused() {
    let (component, bundle) = signed_files();
    let envelope = as_value(&Bundle::from_json(&bundle).unwrap())["dsseEnvelope"].to_string();
    let twice = bundle.replacen('{', &format!("{{\"dsseEnvelope\":{envelope},"), 1);
    assert!(Bundle::from_json(&twice).is_err());
    assert!(!accepted(&component, &twice));
}

#[test]
fn an_empty_store_accepts_nothing_even_when_all_else_holds() {
    let (component, bundle) = signed_files();
    let package = Package::read(component).unwrap();
    let bundle = Bundle::from_json(&bundle).unwrap();
    let empty = [TrustStore::empty(), TrustStore::from_toml("").unwrap()];
    for store in empty {
        assert!(verify(package.clone(), &bundle, &store, None).is_err());
    }
}

fn payload_length(bundle: &str) -> usize {
    let value: Value = serde_json::from_str(bundle).unwrap();
    STANDARD.decode(value.pointer(PAYLOAD).unwrap().as_str().unwrap()).unwrap().len()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Any component, any one byte changed to any other: never accepted.
    #[test]
    fn any_changed_byte_of_any_component_is_refused(
        constant: i32,
        id in "[a-z][a-z0-9-]{0,62}",
        version in "[0-9]\\.[1-9]?[0-9]\\.[0-9](-[a-z]{1,4})?",
        at: prop::sample::Index,
        flip in 1..=255_u8,
    ) {
        let text = manifest_text(&id, &version);
        let component = embed(&bare_component(constant), &text).unwrap();
        let package = Package::read(component.clone()).unwrap();
        let bundle = sign(&package, &secret(AUTHOR)).to_json();
        prop_assert!(accepted(&component, &bundle));
        let mut changed = component;
        let at = at.index(changed.len());
        changed[at] ^= flip;
        prop_assert!(!accepted(&changed, &bundle));
    }

    /// Any one byte of payload or signature changed to any other: never accepted.
    #[test]
    fn any_changed_byte_of_payload_or_signature_is_refused(
        pointer in prop::sample::select(vec![PAYLOAD, SIGNATURE]),
        at: prop::sample::Index,
        flip in 1..=255_u8,
    ) {
        let (component, bundle) = signed_files();
        let changed = with_bytes(&bundle, pointer, |bytes| {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        });
        prop_assert!(!accepted(&component, &changed));
    }

    /// Any one byte of the whole JSON text changed: refused, or the same bundle.
    /// (A name of a field nobody relies on, or a blank, may change.)
    #[test]
    fn any_changed_byte_of_a_bundle_is_refused_or_changes_nothing(
        at: prop::sample::Index,
        other in 0..128_u8,
    ) {
        let (component, bundle) = signed_files();
        let mut changed = bundle.clone().into_bytes();
        let at = at.index(changed.len());
        changed[at] = other;
        let changed = String::from_utf8(changed).unwrap();
        if accepted(&component, &changed) {
            prop_assert_eq!(
                Bundle::from_json(&changed).unwrap(),
                Bundle::from_json(&bundle).unwrap()
            );
        }
    }

    /// Whatever the bytes are, reading gives an answer, not a panic.
    #[test]
    fn reading_never_panics(bytes: Vec<u8>, text: String) {
        let _ = Package::read(bytes.clone());
        let _ = Package::read([&b"\0asm\x0d\0\x01\0"[..], &bytes].concat());
        let _ = Bundle::from_json(&text);
        let _ = TrustStore::from_toml(&text);
    }
}
