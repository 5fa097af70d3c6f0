//! Signatures made with a certificate: accepted when all holds, else refused.

#![allow(clippy::unwrap_used)]

use crate::instance::{AUTHOR, ISSUER, Instance, Signing, WORKFLOW, trusted};
use crate::support::{bare_component, manifest_text, package};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cara_signing::{
    Bundle, BundleError, CertificateError, Package, Revoked, Signer, TrustRoot, TrustStore, TrustedIdentity,
    VerifyError, verify,
};
use rcgen::ExtendedKeyUsagePurpose;
use serde_json::{Value, json};

const ENTRY: &str = "/verificationMaterial/tlogEntries/0";

fn hello() -> Package {
    package("hello", "1.2.3")
}

fn refusal(package: Package, bundle: &Value, trust: &TrustStore) -> VerifyError {
    let bundle = Bundle::from_json(&bundle.to_string()).unwrap();
    verify(package, &bundle, trust, None).unwrap_err()
}

/// Compares a refusal with its golden text; digests of random keys are left out.
macro_rules! refuses {
    ($name:literal, $pattern:pat, $package:expr, $bundle:expr, $trust:expr) => {
        let error = refusal($package, &$bundle, &$trust);
        assert!(matches!(error, $pattern), "{error:?}");
        insta::assert_snapshot!($name, without_digests(&error.to_string()));
    };
}

/// A refusal because of the certificate, the log entry or the signature.
macro_rules! problem {
    ($problem:pat) => {
        VerifyError::Certificate(_, $problem)
    };
}

/// The text without its digests, hexadecimal or base64, of which many are of random keys.
fn without_digests(text: &str) -> String {
    let of_digest = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    let words = text.split_inclusive(|c| !of_digest(c));
    let shown = words
        .map(|word| if word.len() > 40 { format!("…{}", word.trim_start_matches(of_digest)) } else { word.to_owned() });
    shown.collect()
}

/// The value with the bytes of one base64 field changed.
fn with_bytes(value: &Value, pointer: &str, change: impl FnOnce(&mut Vec<u8>)) -> Value {
    let mut value = value.clone();
    let field = value.pointer_mut(pointer).unwrap();
    let mut bytes = STANDARD.decode(field.as_str().unwrap()).unwrap();
    change(&mut bytes);
    *field = STANDARD.encode(bytes).into();
    value
}

fn with(value: &Value, pointer: &str, new: Value) -> Value {
    let mut value = value.clone();
    *value.pointer_mut(pointer).unwrap() = new;
    value
}

fn without(value: &Value, pointer: &str, key: &str) -> Value {
    let mut value = value.clone();
    value.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(key).unwrap();
    value
}

fn flip(bytes: &mut [u8]) {
    *bytes.last_mut().unwrap() ^= 1;
}

#[test]
fn a_signature_by_a_trusted_identity_is_accepted() {
    let instance = Instance::new();
    let bundle = Bundle::from_json(&instance.bundle(&hello()).to_string()).unwrap();
    let again = Bundle::from_json(&bundle.to_json()).unwrap();
    assert_eq!(again, bundle);
    let verified = verify(hello(), &again, &instance.trust(AUTHOR, &["hello"]), None).unwrap();
    let issuer = ISSUER.parse().unwrap();
    let signer = Signer::Identity { name: "author".to_owned(), identity: AUTHOR.to_owned(), issuer };
    assert_eq!(*verified.signer(), signer);
    assert_eq!(verified.signer_name(), "author");
    assert_eq!(verified.signer().to_string(), format!("{AUTHOR} ({ISSUER})"));
}

#[test]
fn any_tag_of_a_trusted_workflow_is_accepted() {
    let instance = Instance::new();
    let trust = instance.trust(&format!("{WORKFLOW}*"), &["hello"]);
    let identity = format!("{WORKFLOW}v1.2.3");
    let bundle = instance.sign(&Signing { identity: identity.clone(), ..Signing::of(&hello()) });
    let bundle = Bundle::from_json(&bundle.to_string()).unwrap();
    let verified = verify(hello(), &bundle, &trust, None).unwrap();
    assert!(matches!(verified.signer(), Signer::Identity { identity: found, .. } if *found == identity));
    let branch = identity.replace("tags", "heads");
    let bundle = instance.sign(&Signing { identity: branch, ..Signing::of(&hello()) });
    refuses!("branch", VerifyError::UnknownIdentity { .. }, hello(), bundle, trust);
}

#[test]
fn nobody_is_trusted_without_an_entry_even_with_a_trust_root() {
    let instance = Instance::new();
    let root = TrustRoot::from_json(&instance.root().to_string()).unwrap();
    for trust in [
        TrustStore::empty(),
        TrustStore::empty().with_root(root),
        crate::support::trust(crate::support::AUTHOR, &["*"]),
    ] {
        refuses!("unknown-identity", VerifyError::UnknownIdentity { .. }, hello(), instance.bundle(&hello()), trust);
    }
}

#[test]
fn another_identity_or_issuer_is_refused() {
    let instance = Instance::new();
    let trust = instance.trust("other@example.com", &["*"]);
    let bundle = instance.bundle(&hello());
    refuses!("unknown-identity", VerifyError::UnknownIdentity { .. }, hello(), bundle, trust);
    let issuer = "https://evil.example.com".to_owned();
    let bundle = instance.sign(&Signing { issuer, ..Signing::of(&hello()) });
    let trust = instance.trust(AUTHOR, &["*"]);
    refuses!("other-issuer", VerifyError::OtherIssuer { .. }, hello(), bundle, trust);
}

#[test]
fn an_identity_signs_only_what_it_may() {
    let instance = Instance::new();
    let mut trust = instance.trust(AUTHOR, &["acme-*"]);
    // What another one may sign is not lent, nor what the same one may by way of another issuer.
    trust.add_identity(trusted("other", "other@example.com", &["*"])).unwrap();
    let (issuer, all) = ("https://evil.example.com".parse().unwrap(), vec!["*".parse().unwrap()]);
    let (name, identity) = ("elsewhere".to_owned(), AUTHOR.parse().unwrap());
    trust.add_identity(TrustedIdentity { name, identity, issuer, components: all, since: None }).unwrap();
    refuses!("identity-not-allowed", VerifyError::IdentityNotAllowed { .. }, hello(), instance.bundle(&hello()), trust);
}

#[test]
fn a_certificate_counts_for_nothing_without_a_trust_root() {
    let instance = Instance::new();
    let mut trust = TrustStore::empty();
    trust.add_identity(trusted("author", AUTHOR, &["*"])).unwrap();
    refuses!("no-trust-root", VerifyError::NoTrustRoot { .. }, hello(), instance.bundle(&hello()), trust);
}

#[test]
fn a_revoked_component_is_refused_whoever_signed_it() {
    let instance = Instance::new();
    let mut trust = instance.trust(AUTHOR, &["*"]);
    trust.revoke(Revoked::Component(hello().digest()));
    let error = refusal(hello(), &instance.bundle(&hello()), &trust);
    assert!(matches!(error, VerifyError::RevokedComponent { .. }), "{error:?}");
}

#[test]
fn an_identity_no_longer_listed_is_refused() {
    let instance = Instance::new();
    let mut trust = instance.trust(AUTHOR, &["*"]);
    assert!(trust.remove("author"));
    let error = refusal(hello(), &instance.bundle(&hello()), &trust);
    assert!(matches!(error, VerifyError::UnknownIdentity { .. }), "{error:?}");
}

#[test]
fn a_signature_made_before_or_after_its_certificate_was_valid_is_refused() {
    let instance = Instance::new();
    let trust = instance.trust(AUTHOR, &["*"]);
    for after in [-1, 601] {
        let bundle = instance.sign(&Signing { after, ..Signing::of(&hello()) });
        refuses!("expired", problem!(CertificateError::Expired { .. }), hello(), bundle, trust);
    }
    for after in [0, 600] {
        let bundle = instance.sign(&Signing { after, ..Signing::of(&hello()) });
        let bundle = Bundle::from_json(&bundle.to_string()).unwrap();
        assert!(verify(hello(), &bundle, &trust, None).is_ok(), "{after}");
    }
}

#[test]
fn a_log_entry_from_the_future_is_refused() {
    let instance = Instance::new();
    let bundle = instance.sign(&Signing { after: 100_000_000_000, ..Signing::of(&hello()) });
    let trust = instance.trust(AUTHOR, &["*"]);
    refuses!("from-the-future", problem!(CertificateError::Future), hello(), bundle, trust);
}

#[test]
fn an_authority_or_log_that_is_not_in_the_trust_root_is_refused() {
    let (instance, other) = (Instance::new(), Instance::new());
    let bundle = instance.bundle(&hello());
    let trust = |part: &str| {
        let root = with(&instance.root(), &format!("/{part}"), other.root()[part].clone());
        instance.trust(AUTHOR, &["*"]).with_root(TrustRoot::from_json(&root.to_string()).unwrap())
    };
    let authority = trust("certificateAuthorities");
    refuses!("unknown-authority", problem!(CertificateError::UnknownAuthority(_)), hello(), bundle, authority);
    let certificate_log = trust("ctlogs");
    refuses!("unlisted", problem!(CertificateError::Unlisted(_)), hello(), bundle, certificate_log);
    let log = trust("tlogs");
    refuses!("unknown-log", problem!(CertificateError::LogEntry(_)), hello(), bundle, log);
}

#[test]
fn an_authority_that_was_not_yet_or_no_longer_in_office_is_refused() {
    let instance = Instance::new();
    let bundle = instance.bundle(&hello());
    let terms = [
        json!({ "start": "2020-01-01T00:00:00Z", "end": "2025-05-31T00:00:00Z" }),
        json!({ "start": "2025-06-02T00:00:00Z" }),
    ];
    for term in terms {
        let root = with(&instance.root(), "/certificateAuthorities/0/validFor", term);
        let trust = instance.trust(AUTHOR, &["*"]).with_root(TrustRoot::from_json(&root.to_string()).unwrap());
        refuses!("authority-not-in-office", problem!(CertificateError::UnknownAuthority(_)), hello(), bundle, trust);
    }
}

#[test]
fn a_certificate_for_another_use_is_refused() {
    let instance = Instance::new();
    let usage = ExtendedKeyUsagePurpose::ServerAuth;
    let bundle = instance.sign(&Signing { usage, ..Signing::of(&hello()) });
    let trust = instance.trust(AUTHOR, &["*"]);
    refuses!("other-use", problem!(CertificateError::OtherUse), hello(), bundle, trust);
}

#[test]
fn a_changed_promise_proof_or_checkpoint_of_the_log_is_refused() {
    let instance = Instance::new();
    let trust = instance.trust(AUTHOR, &["*"]);
    let bundle = instance.bundle(&hello());
    let promise = with_bytes(&bundle, &format!("{ENTRY}/inclusionPromise/signedEntryTimestamp"), |bytes| flip(bytes));
    refuses!("changed-promise", problem!(CertificateError::LogEntry(_)), hello(), promise, trust);
    let proof = with_bytes(&bundle, &format!("{ENTRY}/inclusionProof/hashes/0"), |bytes| flip(bytes));
    refuses!("changed-proof", problem!(CertificateError::LogEntry(_)), hello(), proof, trust);
    let place = with(&bundle, &format!("{ENTRY}/inclusionProof/logIndex"), json!("0"));
    refuses!("changed-place", problem!(CertificateError::LogEntry(_)), hello(), place, trust);
    let time = with(&bundle, &format!("{ENTRY}/integratedTime"), json!("1748736061"));
    refuses!("changed-promise", problem!(CertificateError::LogEntry(_)), hello(), time, trust);
    let other = instance.bundle(&hello());
    let pointer = format!("{ENTRY}/inclusionProof/checkpoint");
    let checkpoint = with(&bundle, &pointer, other.pointer(&pointer).unwrap().clone());
    refuses!("other-checkpoint", problem!(CertificateError::LogEntry(_)), hello(), checkpoint, trust);
    let pointer = format!("{ENTRY}/inclusionProof/checkpoint/envelope");
    let envelope = bundle.pointer(&pointer).unwrap().as_str().unwrap();
    let unsigned = with(&bundle, &pointer, json!(envelope.replace("log.example.com - 1", "log.example.com - 2")));
    refuses!("changed-checkpoint", problem!(CertificateError::LogEntry(_)), hello(), unsigned, trust);
}

#[test]
fn a_log_entry_without_promise_confirms_no_time() {
    let instance = Instance::new();
    let bundle = without(&instance.bundle(&hello()), ENTRY, "inclusionPromise");
    let trust = instance.trust(AUTHOR, &["*"]);
    refuses!("no-time", problem!(CertificateError::Time(_)), hello(), bundle, trust);
}

#[test]
fn the_log_entry_of_another_signature_is_refused() {
    let instance = Instance::new();
    let trust = instance.trust(AUTHOR, &["*"]);
    let bundle = instance.bundle(&hello());
    // Of another component, and a second one of the same.
    for (other, name) in [(package("other", "1.2.3"), "entry-of-another-component"), (hello(), "entry-of-another-time")]
    {
        let other = instance.bundle(&other);
        let changed = with(&bundle, ENTRY, other.pointer(ENTRY).unwrap().clone());
        let error = refusal(hello(), &changed, &trust);
        assert!(matches!(error, problem!(CertificateError::OtherEntry(_))), "{error:?}");
        insta::assert_snapshot!(name, without_digests(&error.to_string()));
    }
}

#[test]
fn a_signature_the_certificate_s_key_did_not_make_is_refused() {
    let instance = Instance::new();
    let trust = instance.trust(AUTHOR, &["*"]);
    let bundle = instance.bundle(&hello());
    let other = instance.bundle(&hello());
    let pointer = "/dsseEnvelope/signatures/0/sig";
    let changed = with(&bundle, pointer, other.pointer(pointer).unwrap().clone());
    refuses!("other-signature", problem!(CertificateError::Signature), hello(), changed, trust);
}

#[test]
fn a_bundle_for_another_component_version_manifest_or_code_is_refused() {
    let instance = Instance::new();
    let trust = instance.trust(AUTHOR, &["*"]);
    let (text, generous) = (manifest_text("hello", "1.2.3"), "[[http]]\nhost = \"evil.example\"\n");
    let embedded =
        |code, text: &str| Package::read(cara_sdk_sign::embed(&bare_component(code), text).unwrap()).unwrap();
    let other = instance.bundle(&package("other", "1.2.3"));
    refuses!("other-id", VerifyError::OtherId { .. }, hello(), other, trust);
    let version = instance.bundle(&package("hello", "1.2.4"));
    refuses!("other-version", VerifyError::OtherVersion { .. }, hello(), version, trust);
    let bundle = instance.bundle(&hello());
    let asks = embedded(7, &(text.clone() + generous));
    refuses!("other-manifest", VerifyError::OtherManifest { .. }, asks, bundle, trust);
    refuses!("other-bytes", VerifyError::OtherBytes { .. }, embedded(8, &text), bundle, trust);
}

#[test]
fn a_statement_that_is_not_about_this_component_alone_is_refused() {
    let instance = Instance::new();
    let trust = instance.trust(AUTHOR, &["*"]);
    let right = Signing::of(&hello());
    let mut claims: Value = serde_json::from_slice(&right.payload).unwrap();
    let subjects = json!([claims["subject"][0], claims["subject"][0]]);
    claims["subject"] = subjects;
    let bundle = instance.sign(&Signing { payload: claims.to_string().into_bytes(), ..right });
    let error = refusal(hello(), &bundle, &trust);
    assert!(matches!(error, VerifyError::Statement { .. }), "{error:?}");
    let bundle = instance.sign(&Signing { payload_type: "text/plain".to_owned(), ..Signing::of(&hello()) });
    let error = refusal(hello(), &bundle, &trust);
    assert!(matches!(error, VerifyError::PayloadType { .. }), "{error:?}");
    let bundle = instance.sign(&Signing { payload: b"hello".to_vec(), ..Signing::of(&hello()) });
    refuses!("no-statement", problem!(CertificateError::Other(_)), hello(), bundle, trust);
}

#[test]
fn an_older_version_is_refused_though_rightly_signed() {
    let instance = Instance::new();
    let bundle = Bundle::from_json(&instance.bundle(&hello()).to_string()).unwrap();
    let floor = "1.3.0".parse().unwrap();
    let error = verify(hello(), &bundle, &instance.trust(AUTHOR, &["*"]), Some(&floor)).unwrap_err();
    assert!(matches!(error, VerifyError::Older { .. }), "{error:?}");
}

#[test]
fn a_bundle_that_is_neither_by_a_key_nor_by_a_certificate_is_refused() {
    let right = Instance::new().bundle(&hello());
    let material = "/verificationMaterial";
    let certificate = right["verificationMaterial"]["certificate"].clone();
    let key = json!({ "hint": crate::support::secret(crate::support::AUTHOR).public().id().to_hex() });
    let mut both = right.clone();
    both["verificationMaterial"]["publicKey"] = key;
    let mut chain = without(&right, material, "certificate");
    chain["verificationMaterial"]["x509CertificateChain"] = json!({ "certificates": [certificate] });
    for bundle in [both, chain, without(&right, material, "certificate")] {
        let error = Bundle::from_json(&bundle.to_string()).unwrap_err();
        assert!(matches!(error, BundleError::Material), "{error:?}");
        insta::assert_snapshot!("bundle-material", error);
    }
    let broken = with(&right, "/verificationMaterial/certificate/rawBytes", json!("AAAA"));
    insta::assert_snapshot!("bundle-broken-certificate", Bundle::from_json(&broken.to_string()).unwrap_err());
}

#[test]
fn a_bundle_with_a_certificate_needs_proof_of_each_log_entry() {
    let right = Instance::new().bundle(&hello());
    let mut second = right.clone();
    let unproven = without(&right, ENTRY, "inclusionProof").pointer(ENTRY).unwrap().clone();
    second["verificationMaterial"]["tlogEntries"].as_array_mut().unwrap().push(unproven);
    let proof = format!("{ENTRY}/inclusionProof");
    let cases = [
        without(&right, "/verificationMaterial", "tlogEntries"),
        with(&right, "/verificationMaterial/tlogEntries", json!([])),
        without(&right, ENTRY, "inclusionProof"),
        without(&right, &proof, "checkpoint"),
        second,
    ];
    for bundle in cases {
        let error = Bundle::from_json(&bundle.to_string()).unwrap_err();
        assert!(matches!(error, BundleError::NoLogEntry), "{error:?}");
        insta::assert_snapshot!("bundle-without-log-entry", error);
    }
}

#[test]
fn every_changed_byte_of_what_the_checks_rest_on_is_refused() {
    let instance = Instance::new();
    let trust = instance.trust(AUTHOR, &["*"]);
    let bundle = instance.bundle(&hello());
    let pointers = [
        "/verificationMaterial/certificate/rawBytes",
        "/verificationMaterial/tlogEntries/0/logId/keyId",
        "/verificationMaterial/tlogEntries/0/canonicalizedBody",
        "/verificationMaterial/tlogEntries/0/inclusionPromise/signedEntryTimestamp",
        "/verificationMaterial/tlogEntries/0/inclusionProof/rootHash",
        "/verificationMaterial/tlogEntries/0/inclusionProof/hashes/0",
        "/dsseEnvelope/payload",
        "/dsseEnvelope/signatures/0/sig",
    ];
    for pointer in pointers {
        let length = STANDARD.decode(bundle.pointer(pointer).unwrap().as_str().unwrap()).unwrap().len();
        for at in 0..length {
            let changed = with_bytes(&bundle, pointer, |bytes| bytes[at] ^= 1);
            let accepted = Bundle::from_json(&changed.to_string())
                .is_ok_and(|bundle| verify(hello(), &bundle, &trust, None).is_ok());
            assert!(!accepted, "{pointer} {at}");
        }
    }
}

#[test]
fn a_text_that_is_no_trust_root_is_refused() {
    let whole = Instance::new().root();
    let lacking = |part: &str| with(&whole, part, json!([])).to_string();
    let log = whole["tlogs"][0].clone();
    let certificate = "/certificateAuthorities/0/certChain/certificates/0/rawBytes";
    let cases = [
        ("root-without-authority", lacking("/certificateAuthorities")),
        ("root-without-log", lacking("/tlogs")),
        ("root-without-certificate-log", lacking("/ctlogs")),
        ("root-with-a-broken-certificate", with(&whole, certificate, json!("AAAA")).to_string()),
        ("root-with-a-broken-key", with(&whole, "/tlogs/0/publicKey/rawBytes", json!("AAAA")).to_string()),
        ("root-with-the-same-log-twice", with(&whole, "/tlogs", json!([log, log])).to_string()),
        ("root-not-json", "hello".to_owned()),
        ("root-too-large", " ".repeat(TrustRoot::MAX_BYTES + 1)),
    ];
    for (name, text) in cases {
        insta::assert_snapshot!(name, without_digests(&TrustRoot::from_json(&text).unwrap_err().to_string()));
    }
}
