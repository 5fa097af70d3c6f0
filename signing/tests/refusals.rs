//! Each refusal: earned by a hostile file, and its golden text.

#![allow(clippy::unwrap_used)]

use crate::support::{
    AUTHOR, STRANGER, as_value, bare_component, file, manifest_text, package, secret, signed, signed_statement,
    statement, trust, with_section,
};
use cara_sdk_sign::{embed, sign};
use cara_signing::{Bundle, PAYLOAD_TYPE, Package, Revoked, TrustStore, TrustedKey, VerifyError, manifest, verify};
use serde_json::json;

/// Compares the refusal of a package by `verify` with its golden text.
macro_rules! refuses {
    ($name:literal, $variant:ident, $package:expr, $bundle:expr, $trust:expr) => {
        refuses!($name, $variant, $package, $bundle, $trust, None)
    };
    ($name:literal, $variant:ident, $package:expr, $bundle:expr, $trust:expr, $floor:expr) => {
        let error = verify($package, &$bundle, &$trust, $floor).unwrap_err();
        assert!(matches!(error, VerifyError::$variant { .. }), "{error:?}");
        insta::assert_snapshot!($name, error);
    };
}

fn hello() -> Package {
    package("hello", "1.2.3")
}

fn by_author() -> Bundle {
    sign(&hello(), &secret(AUTHOR))
}

#[test]
fn nobody_is_trusted_by_an_empty_store() {
    refuses!("nobody-trusted", NobodyTrusted, hello(), by_author(), TrustStore::empty());
}

#[test]
fn a_stranger_s_key_is_refused() {
    let bundle = sign(&hello(), &secret(STRANGER));
    refuses!("unknown-key", UnknownKey, hello(), bundle, trust(AUTHOR, &["*"]));
}

#[test]
fn a_stranger_who_names_the_author_s_key_is_refused() {
    let mut value = as_value(&sign(&hello(), &secret(STRANGER)));
    let author = secret(AUTHOR).public().id().to_hex();
    value["verificationMaterial"]["publicKey"]["hint"] = author.clone().into();
    value["dsseEnvelope"]["signatures"][0]["keyid"] = author.into();
    let bundle = Bundle::from_json(&value.to_string()).unwrap();
    refuses!("signature", Signature, hello(), bundle, trust(AUTHOR, &["*"]));
}

#[test]
fn a_revoked_key_is_refused_listed_or_not() {
    let mut store = trust(AUTHOR, &["*"]);
    store.revoke(Revoked::Key(secret(AUTHOR).public().id()));
    refuses!("revoked-key", RevokedKey, hello(), by_author(), store);
    assert!(store.remove("key 1"));
    refuses!("revoked-key", RevokedKey, hello(), by_author(), store);
    let store = TrustStore::from_toml(&store.to_toml()).unwrap();
    refuses!("revoked-key", RevokedKey, hello(), by_author(), store);
}

#[test]
fn a_revoked_component_is_refused() {
    let mut store = trust(AUTHOR, &["*"]);
    store.revoke(Revoked::Component(hello().digest()));
    refuses!("revoked-component", RevokedComponent, hello(), by_author(), store);
}

#[test]
fn a_key_signs_only_what_it_may() {
    for may in [&["hello-*"][..], &["hell"], &["hello-2", "acme-*"], &[]] {
        refuses!("not-allowed", NotAllowed, hello(), by_author(), trust(AUTHOR, may));
    }
}

#[test]
fn a_second_trusted_key_does_not_lend_its_rights() {
    let mut store = trust(AUTHOR, &["*"]);
    let stranger = secret(STRANGER).public();
    let acme = vec!["acme-*".parse().unwrap()];
    store.add(TrustedKey::new(stranger, "acme", acme)).unwrap();
    let bundle = sign(&hello(), &secret(STRANGER));
    refuses!("not-allowed-acme", NotAllowed, hello(), bundle, store);
}

#[test]
fn another_payload_type_is_refused() {
    let payload = statement(&by_author()).to_string();
    let bundle = signed(AUTHOR, "text/plain", payload.as_bytes());
    refuses!("payload-type", PayloadType, hello(), bundle, trust(AUTHOR, &["*"]));
}

#[test]
fn another_component_s_signature_is_refused() {
    let bundle = sign(&package("other", "1.2.3"), &secret(AUTHOR));
    refuses!("other-id", OtherId, hello(), bundle, trust(AUTHOR, &["*"]));
}

#[test]
fn another_version_s_signature_is_refused() {
    let bundle = sign(&package("hello", "1.2.4"), &secret(AUTHOR));
    refuses!("other-version", OtherVersion, hello(), bundle, trust(AUTHOR, &["*"]));
}

#[test]
fn a_swapped_manifest_is_refused() {
    let generous = manifest_text("hello", "1.2.3") + "[[http]]\nhost = \"evil.example\"\n";
    let bytes = embed(&bare_component(7), &generous).unwrap();
    let package = Package::read(bytes).unwrap();
    refuses!("other-manifest", OtherManifest, package, by_author(), trust(AUTHOR, &["*"]));
}

#[test]
fn swapped_code_under_the_signed_manifest_is_refused() {
    let bytes = embed(&bare_component(8), &manifest_text("hello", "1.2.3")).unwrap();
    let package = Package::read(bytes).unwrap();
    refuses!("other-bytes", OtherBytes, package, by_author(), trust(AUTHOR, &["*"]));
}

#[test]
fn a_signature_for_another_file_name_is_refused() {
    let mut claims = statement(&by_author());
    claims["subject"][0]["name"] = "../hello.wasm\x1b[2J".into();
    let bundle = signed_statement(AUTHOR, &claims);
    refuses!("other-file", OtherFile, hello(), bundle, trust(AUTHOR, &["*"]));
}

#[test]
fn an_older_version_is_refused_though_rightly_signed() {
    let store = trust(AUTHOR, &["*"]);
    for floor in ["1.2.4", "1.2.4-rc.1", "2.0.0", "1.2.3+build"] {
        let floor = floor.parse().unwrap();
        let error = verify(hello(), &by_author(), &store, Some(&floor)).unwrap_err();
        assert!(matches!(error, VerifyError::Older { .. }), "{floor}");
    }
    let floor = "1.3.0".parse().unwrap();
    refuses!("older", Older, hello(), by_author(), store, Some(&floor));
}

#[test]
fn a_payload_that_is_no_statement_about_one_component_is_refused() {
    let right = statement(&by_author());
    let hash = right["subject"][0]["digest"]["sha256"].clone();
    let cases = [
        ("statement-type", "/_type", json!("https://in-toto.io/Statement/v0.1")),
        ("predicate-type", "/predicateType", json!("https://slsa.dev/provenance/v1")),
        ("no-subject", "/subject", json!([])),
        ("two-subjects", "/subject", json!([right["subject"][0], right["subject"][0]])),
        ("no-digest", "/subject/0/digest", json!({ "gitCommit": hash })),
        ("empty-predicate", "/predicate", json!({})),
        ("predicate-version", "/predicate/version", json!("new")),
    ];
    for (name, pointer, value) in cases {
        let mut claims = right.clone();
        *claims.pointer_mut(pointer).unwrap() = value;
        let bundle = signed_statement(AUTHOR, &claims);
        let error = verify(hello(), &bundle, &trust(AUTHOR, &["*"]), None).unwrap_err();
        assert!(matches!(error, VerifyError::Statement { .. }), "{error:?}");
        insta::assert_snapshot!(name, error);
    }
    let mut claims = right;
    claims["predicate"]["more\x1b[2J"] = json!(1);
    let bundle = signed_statement(AUTHOR, &claims);
    refuses!("unknown-predicate-key", Statement, hello(), bundle, trust(AUTHOR, &["*"]));
    let bundle = signed(AUTHOR, PAYLOAD_TYPE, b"hello");
    refuses!("no-statement", Statement, hello(), bundle, trust(AUTHOR, &["*"]));
}

#[test]
fn a_text_that_is_no_bundle_of_ours_is_refused() {
    let right = as_value(&by_author());
    let signature = right["dsseEnvelope"]["signatures"][0].clone();
    let stranger = json!(secret(STRANGER).public().id().to_hex());
    let v02 = "application/vnd.dev.sigstore.bundle+json;version=0.2";
    let cases = [
        ("bundle-media-type", "/mediaType", json!(v02)),
        ("bundle-without-signature", "/dsseEnvelope/signatures", json!([])),
        ("bundle-with-two-signatures", "/dsseEnvelope/signatures", json!([signature, signature])),
        ("bundle-without-key-id", "/dsseEnvelope/signatures/0/keyid", json!("")),
        ("bundle-with-two-key-ids", "/dsseEnvelope/signatures/0/keyid", stranger),
        ("bundle-with-a-short-signature", "/dsseEnvelope/signatures/0/sig", json!("AAAA")),
        ("bundle-with-loose-base64", "/dsseEnvelope/payload", json!("e30")),
        ("bundle-with-a-list", "/dsseEnvelope", json!([])),
        ("bundle-with-a-certificate", "/verificationMaterial", json!({ "certificate": { "rawBytes": "AAAA" } })),
    ];
    for (name, pointer, value) in cases {
        let mut changed = right.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        insta::assert_snapshot!(name, Bundle::from_json(&changed.to_string()).unwrap_err());
    }
    let mut plain = right.clone();
    let envelope = plain.as_object_mut().unwrap().remove("dsseEnvelope").unwrap();
    plain["messageSignature"] = json!({ "signature": envelope["signatures"][0]["sig"] });
    let error = Bundle::from_json(&plain.to_string()).unwrap_err();
    insta::assert_snapshot!("bundle-without-envelope", error);
    plain["dsseEnvelope"] = envelope;
    let error = Bundle::from_json(&plain.to_string()).unwrap_err();
    insta::assert_snapshot!("bundle-without-envelope", error);
    let error = Bundle::from_json(&" ".repeat(Bundle::MAX_BYTES + 1)).unwrap_err();
    insta::assert_snapshot!("bundle-too-large", error);
    insta::assert_snapshot!("bundle-not-json", Bundle::from_json("hello").unwrap_err());
}

#[test]
fn a_file_that_is_no_package_is_refused() {
    let text = manifest_text("hello", "1.2.3");
    let section = |data: &[u8]| with_section(bare_component(7), manifest::SECTION, data);
    let cases = [
        ("package-core-module", crate::support::module(7).finish()),
        ("package-not-wasm", b"hello".to_vec()),
        ("package-cut-short", file("hello", "1.2.3")[..40].to_vec()),
        ("package-without-manifest", bare_component(7)),
        ("package-with-two-manifests", with_section(file("hello", "1.2.3"), manifest::SECTION, b"")),
        ("package-with-a-nested-manifest", nested(&file("hello", "1.2.3"))),
        ("package-nested-too-deep", too_deep()),
        ("manifest-too-large", section(&vec![b' '; manifest::MAX_BYTES + 1])),
        ("manifest-not-utf-8", section(b"id = \"\xff\"")),
        ("manifest-not-toml", section(b"id = ")),
        ("manifest-without-id", section(b"version = \"1.0.0\"")),
        ("manifest-without-version", section(b"id = \"hello\"")),
        ("manifest-with-a-bad-id", section(text.replace("hello", "../hello").as_bytes())),
        ("manifest-with-a-bad-version", section(text.replace("1.2.3", "1.2").as_bytes())),
        ("package-too-large", vec![0; Package::MAX_BYTES + 1]),
    ];
    for (name, bytes) in cases {
        insta::assert_snapshot!(name, Package::read(bytes).unwrap_err());
    }
}

#[test]
fn a_manifest_is_embedded_only_once_and_only_when_it_can_be_read_back() {
    let text = manifest_text("hello", "1.2.3");
    assert!(embed(&file("hello", "1.2.3"), &text).is_err());
    assert!(embed(&crate::support::module(7).finish(), &text).is_err());
    assert!(embed(&bare_component(7), "id = \"hello\"").is_err());
    let long = text + &"#".repeat(manifest::MAX_BYTES);
    assert!(embed(&bare_component(7), &long).is_err());
}

/// `inner` as a part of another component, and the same manifest outside.
fn nested(inner: &[u8]) -> Vec<u8> {
    let mut outer = wasm_encoder::Component::new();
    outer.section(&wasm_encoder::RawSection { id: 4, data: inner });
    embed(&bare_component(1), &manifest_text("hello", "1.2.3")).unwrap();
    with_section(outer.finish(), manifest::SECTION, manifest_text("hello", "1.2.3").as_bytes())
}

fn too_deep() -> Vec<u8> {
    let mut bytes = bare_component(7);
    for _ in 0..101 {
        let mut outer = wasm_encoder::Component::new();
        outer.section(&wasm_encoder::RawSection { id: 4, data: &bytes });
        bytes = outer.finish();
    }
    bytes
}
