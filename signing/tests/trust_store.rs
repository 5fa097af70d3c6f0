//! The trust store: what it reads, what it refuses, what changes.

#![allow(clippy::unwrap_used)]

use crate::support::{AUTHOR, STRANGER, secret, trust};
use cara_signing::{Pattern, Revoked, TrustError, TrustStore, TrustedKey};

/// The text of a store with one key, for a test to write on.
fn right() -> String {
    trust(AUTHOR, &["hello", "acme-*"]).to_toml()
}

#[test]
fn a_store_reads_back_as_it_was() {
    assert_eq!(TrustStore::from_toml(&right()).unwrap().to_toml(), right());
    assert_eq!(TrustStore::from_toml("").unwrap(), TrustStore::empty());
    assert_eq!(TrustStore::empty().to_toml(), "");
}

#[test]
fn a_text_that_is_no_trust_store_is_refused() {
    let id = secret(AUTHOR).public().id().to_hex();
    let other = secret(STRANGER).public().id().to_hex();
    let key = right();
    let long = "#".repeat(TrustStore::MAX_BYTES + 1);
    let renamed = key.replace("key 1", "key 2");
    let stranger = trust(STRANGER, &[]).to_toml().replace("key 2", "key 1");
    let cases = [
        ("trust-unknown-field", format!("{key}expires = \"never\"\n")),
        ("trust-unknown-table", format!("trust_all = true\n{key}")),
        ("trust-no-public-key", key.replace("public", "# public")),
        ("trust-broken-public-key", key.replace("MCowBQ", "MCowBR")),
        ("trust-wrong-id", key.replace(&id, &other)),
        ("trust-bad-id", key.replace(&id, "me")),
        ("trust-bad-pattern", key.replace("acme-*", "*-acme")),
        ("trust-bad-name", key.replace("key 1", r"key\u001b[2J")),
        ("trust-empty-name", key.replace("key 1", "")),
        ("trust-same-key", format!("{key}\n{renamed}")),
        ("trust-same-name", format!("{key}\n{stranger}")),
        ("trust-bad-revocation", format!("revoked = [\"everything\"]\n{key}")),
        ("trust-bad-since", format!("{key}since = \"yesterday\"\n")),
        ("trust-too-large", long),
    ];
    for (name, text) in cases {
        insta::assert_snapshot!(name, TrustStore::from_toml(&text).unwrap_err());
    }
}

#[test]
fn an_entry_that_is_no_identity_is_refused() {
    let identity = "[[identity]]\nname = \"author\"\nidentity = \"author@example.com\"\n\
        issuer = \"https://sign-in.example\"\ncomponents = [\"hello\"]\n";
    let text = format!("{}\n{identity}", right());
    assert_eq!(TrustStore::from_toml(&text).unwrap().identities().len(), 1);
    let again = identity.replace("\"author\"", "\"again\"");
    let cases = [
        ("identity-unknown-field", format!("{text}key = \"any\"\n")),
        ("identity-without-issuer", text.replace("issuer", "# issuer")),
        ("identity-without-components", text.replace("components = [\"hello\"]\n", "")),
        ("identity-open-to-all", text.replace("author@example.com", "*")),
        ("identity-bad-issuer", text.replace("https://sign-in", "http://sign-in")),
        ("identity-bad-name", text.replace("\"author\"", "\" author\"")),
        ("identity-twice", format!("{text}\n{again}")),
        ("identity-named-as-a-key", text.replace("\"author\"", "\"key 1\"")),
    ];
    for (name, text) in cases {
        insta::assert_snapshot!(name, TrustStore::from_toml(&text).unwrap_err());
    }
    // The same person by two issuers is two entries.
    let second = again.replace("sign-in", "sign-in-2");
    assert_eq!(TrustStore::from_toml(&format!("{text}\n{second}")).unwrap().identities().len(), 2);
}

#[test]
fn a_key_is_added_once_and_removed() {
    let mut store = trust(AUTHOR, &["*"]);
    let id = secret(AUTHOR).public().id();
    let again = TrustedKey::new(secret(AUTHOR).public(), "again", vec![]);
    assert!(matches!(store.add(again), Err(TrustError::SameKey { .. })));
    assert_eq!(store.key(&id).unwrap().name, "key 1");
    assert!(store.remove("key 1"));
    assert!(!store.remove("key 1"));
    assert!(store.keys().is_empty());
}

#[test]
fn an_entry_is_checked_when_it_is_added_too() {
    let mut store = trust(AUTHOR, &["*"]);
    let stranger = TrustedKey::new(secret(STRANGER).public(), "stranger", vec![]);
    let wrong = TrustedKey { id: secret(AUTHOR).public().id(), ..stranger.clone() };
    assert!(matches!(store.add(wrong), Err(TrustError::WrongId { .. })));
    for name in ["", " a", "a\u{202e}b"] {
        let named = TrustedKey { name: name.to_owned(), ..stranger.clone() };
        assert!(matches!(store.add(named), Err(TrustError::Name(_))), "{name}");
    }
    assert_eq!(store.keys().len(), 1);
}

#[test]
fn a_key_may_be_allowed_more() {
    let mut store = trust(AUTHOR, &["hello"]);
    let id = secret(AUTHOR).public().id();
    let mail = "mail".parse().unwrap();
    let may = |store: &TrustStore| Pattern::any(&store.key(&id).unwrap().components, &mail);
    assert!(!may(&store));
    store.allow("key 1", "mail".parse().unwrap()).unwrap();
    store.allow("key 1", "mail".parse().unwrap()).unwrap();
    assert!(may(&store));
    assert_eq!(store.key(&id).unwrap().components.len(), 2);
    let error = store.allow("key 2", "mail".parse().unwrap()).unwrap_err();
    insta::assert_snapshot!("trust-not-trusted", error);
}

#[test]
fn a_revoked_key_cannot_be_trusted_again() {
    let mut store = TrustStore::empty();
    let public = secret(AUTHOR).public();
    store.revoke(Revoked::Key(public.id()));
    store.revoke(Revoked::Key(public.id()));
    assert_eq!(store.revoked().len(), 1);
    let error = store.add(TrustedKey::new(public, "author", vec![])).unwrap_err();
    insta::assert_snapshot!("trust-adds-revoked", error);
}
