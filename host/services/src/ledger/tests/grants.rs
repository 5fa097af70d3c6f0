//! Grants with their audit, and the floor of versions.

use super::*;
use cara_signing::Digest;
use semver::Version;

#[tokio::test]
async fn a_grant_is_recorded_once_with_its_reason_and_one_event() {
    let place = Place::new();
    let ledger = place.open_at(1_000).await;
    let (http, secret) = (capability("http https://api.example.com"), capability("secret api-key"));
    let wanted = [http.clone(), secret.clone(), http.clone()];
    assert_eq!(ledger.grant(&id("a"), &wanted, "--model", None).await.unwrap(), [http.clone(), secret.clone()]);
    let later = place.open_at(2_000).await;
    assert!(later.grant(&id("a"), &wanted, "key stored", None).await.unwrap().is_empty());
    assert_eq!(
        later.grant(&id("a"), &[secret.clone(), Capability::State], "base", None).await.unwrap(),
        [Capability::State]
    );
    assert_eq!(later.granted(&id("a")).await.unwrap(), [http.clone(), secret, Capability::State]);
    assert!(later.granted(&id("b")).await.unwrap().is_empty());
    let first = later.grants().await.unwrap().remove(0);
    let reason = "--model".to_owned();
    assert_eq!(first, Granted { component: id("a"), capability: http, since_ms: 1_000, reason, expires_ms: None });
    let events = events(&later, 9).await;
    assert_eq!(
        events.iter().map(|e| (e.0, e.1, e.2.as_str())).collect::<Vec<_>>(),
        [(2, 2_000, "grant"), (1, 1_000, "grant")]
    );
    assert_eq!(events[1].3, "a");
    assert_eq!(events[1].4["capabilities"][0], "http https://api.example.com");
    assert_eq!(events[1].4["reason"], "--model");
}

#[tokio::test]
async fn an_expired_grant_is_none_and_can_be_given_again() {
    let place = Place::new();
    let ledger = place.open_at(1_000).await;
    let (a, state) = (id("a"), [Capability::State]);
    assert_eq!(ledger.grant(&a, &state, "for a while", Some(2_000)).await.unwrap(), state);
    assert!(ledger.grant(&a, &state, "shorter", Some(1_500)).await.unwrap().is_empty());
    assert_eq!(place.open_at(1_999).await.granted(&a).await.unwrap(), state);
    let later = place.open_at(2_000).await;
    assert!(later.granted(&a).await.unwrap().is_empty());
    assert_eq!(later.grant(&a, &state, "--model", None).await.unwrap(), state);
    assert_eq!(place.open_at(9_000).await.granted(&a).await.unwrap(), state);
    assert!(later.grant(&a, &state, "shorter", Some(3_000)).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_revoked_is_gone_and_audited() {
    let place = Place::new();
    let ledger = place.open().await;
    let (a, state) = (id("a"), [Capability::State]);
    assert!(ledger.revoke(&a, &state, "asked").await.unwrap().is_empty());
    ledger.grant(&a, &state, "--model", None).await.unwrap();
    ledger.grant(&id("b"), &state, "--model", None).await.unwrap();
    assert_eq!(ledger.revoke(&a, &[Capability::State, capability("secret k")], "asked").await.unwrap(), state);
    assert!(ledger.granted(&a).await.unwrap().is_empty());
    assert_eq!(ledger.granted(&id("b")).await.unwrap(), state);
    assert_eq!(events(&ledger, 1).await[0].2, "revoke");
    assert_eq!(ledger.verify_events().await.unwrap(), 3);
}

#[tokio::test]
async fn a_grant_without_its_event_does_not_happen() {
    let place = Place::new();
    let ledger = place.open().await;
    tamper(&ledger, "DROP TABLE events").await;
    ledger.grant(&id("a"), &[Capability::State], "--model", None).await.unwrap_err();
    assert!(ledger.granted(&id("a")).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_recorded_grant_that_cannot_be_read_grants_nothing() {
    let place = Place::new();
    let ledger = place.open().await;
    tamper(&ledger, "INSERT INTO grants VALUES ('a', 'root', 1, 'x', NULL)").await;
    let error = ledger.granted(&id("a")).await.unwrap_err();
    assert!(matches!(error, LedgerError::Damaged { .. }), "{error}");
}

#[tokio::test]
async fn the_floor_rises_with_the_highest_version_and_never_falls() {
    let place = Place::new();
    let ledger = place.open().await;
    let (a, digest) = (id("a"), Digest::of(b"one"));
    assert_eq!(ledger.floor(&a).await.unwrap(), None);
    for (seen, floor) in
        [("1.9.0", "1.9.0"), ("1.10.0-rc.1", "1.10.0-rc.1"), ("1.2.0", "1.10.0-rc.1"), ("1.10.0", "1.10.0")]
    {
        ledger.seen(&a, &Version::parse(seen).unwrap(), &digest).await.unwrap();
        assert_eq!(place.open().await.floor(&a).await.unwrap().unwrap().to_string(), floor);
    }
    assert_eq!(ledger.floor(&id("b")).await.unwrap(), None);
    tamper(&ledger, "UPDATE component_versions SET version = 'none'").await;
    assert!(matches!(ledger.floor(&a).await.unwrap_err(), LedgerError::Damaged { .. }));
}
