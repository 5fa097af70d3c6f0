//! Credentials as they are kept: sealed, and gone with what yielded them.

use super::everything::credential;
use super::*;
use cara_authority::CredentialId;

const ISSUED: &str = "credential-issued";

#[tokio::test]
async fn what_was_kept_is_read_and_what_it_yielded_goes_with_it() {
    let place = Place::new();
    let records = records_at(&place, 1_000).await;
    let parent = Credential { expires_ms: Some(9_000), ..credential("anna", "parent") };
    let child = Credential { parent: Some(parent.id.clone()), added_ms: 2_000, ..credential("anna", "child") };
    for kept in [&parent, &child] {
        records.keep_credential(kept, &[], (ISSUED, json!({}))).await.unwrap();
    }
    records.used_credential(&child.id, 20_000).await.unwrap();
    let used = Credential { used_day: Some(20_000), ..child.clone() };
    assert!(records.credentials().await.unwrap() == [parent.clone(), used.clone()]);
    // Another proof takes the place of the one before; what it comes from does not change by it.
    let mut renewed = used;
    renewed.about.proof = Proof::Signs { key: "k".into() };
    assert!(records.prove_credential(&renewed, &[], ("session-renewed", json!({}))).await.unwrap());
    assert!(records.credentials().await.unwrap() == [parent.clone(), renewed.clone()]);
    let gone = Some(("credential-revoked", json!({})));
    records.remove_credentials(std::slice::from_ref(&parent.id), gone).await.unwrap();
    assert!(records.credentials().await.unwrap().is_empty());
    // What was taken back is not kept once more by another proof of it.
    assert!(!records.prove_credential(&renewed, &[], ("session-renewed", json!({}))).await.unwrap());
    assert!(records.credentials().await.unwrap().is_empty());
    // One whose maker is gone is not kept.
    assert!(records.keep_credential(&child, &[], (ISSUED, json!({}))).await.is_err());
    let in_place = credential("anna", "new");
    let replaced: Vec<CredentialId> = vec![credential("anna", "old").id];
    records.keep_credential(&in_place, &replaced, (ISSUED, json!({}))).await.unwrap();
    assert!(records.credentials().await.unwrap() == [in_place]);
    let kinds = events(records.ledger(), 9).await.unwrap().into_iter().map(|event| event.kind).collect::<Vec<_>>();
    assert_eq!(kinds, [ISSUED, "credential-revoked", "session-renewed", ISSUED, ISSUED]);
}

#[tokio::test]
async fn who_writes_in_the_file_makes_nobody_a_credential_and_gives_none_a_longer_life() {
    let place = Place::new();
    let records = records_at(&place, 1_000).await;
    let kept = Credential { expires_ms: Some(9_000), ..credential("anna", "a") };
    records.keep_credential(&kept, &[], (ISSUED, json!({}))).await.unwrap();
    for change in [
        "UPDATE credentials SET person = 'local:owner'",
        "UPDATE credentials SET expires_ms = NULL",
        "UPDATE credentials SET kind = 'password'",
        "UPDATE credentials SET id = 'c-another'",
        "INSERT INTO credentials SELECT 'c-copy', kind, 'local:owner', parent, about, added_ms, expires_ms, used_day FROM credentials",
    ] {
        tamper(records.ledger(), change).await;
        assert!(matches!(records.credentials().await, Err(LedgerError::Tampered { .. })), "{change}");
        tamper(records.ledger(), "DELETE FROM credentials").await;
        records.keep_credential(&kept, &[], (ISSUED, json!({}))).await.unwrap();
    }
}
