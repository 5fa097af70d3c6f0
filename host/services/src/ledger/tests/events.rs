//! The audit log: any alteration shows, and foreign text cannot forge a line.

use super::*;
use serde_json::json;

async fn five() -> (Place, Ledger) {
    let place = Place::new();
    let ledger = place.open().await;
    for n in 0..5 {
        ledger.append("test", "subject", json!({ "n": n })).await.unwrap();
    }
    assert_eq!(ledger.verify_events().await.unwrap(), 5);
    (place, ledger)
}

#[tokio::test]
async fn every_alteration_of_the_log_is_found_at_its_place() {
    for (sql, seq, what) in [
        ("UPDATE events SET at_ms = 1 WHERE seq = 3", 3, Break::Changed),
        ("UPDATE events SET kind = 'tes' WHERE seq = 3", 3, Break::Changed),
        ("UPDATE events SET kind = 'tests', subject = 'ubject' WHERE seq = 3", 3, Break::Changed),
        ("UPDATE events SET subject = 'Subject' WHERE seq = 1", 1, Break::Changed),
        ("UPDATE events SET detail = '{\"n\": 2}' WHERE seq = 3", 3, Break::Changed),
        ("UPDATE events SET prev = x'00' WHERE seq = 3", 3, Break::Changed),
        ("UPDATE events SET hash = x'00' WHERE seq = 5", 5, Break::Changed),
        ("DELETE FROM events WHERE seq = 3", 3, Break::Missing),
        ("DELETE FROM events WHERE seq = 1", 1, Break::Missing),
        ("DELETE FROM events WHERE seq = 5", 5, Break::Missing),
        ("DELETE FROM events", 1, Break::Missing),
        ("UPDATE events SET seq = CASE seq WHEN 3 THEN 40 ELSE 30 END WHERE seq IN (3, 4)", 3, Break::Missing),
        (
            "INSERT INTO events SELECT 6, at_ms, kind, subject, detail, prev, hash FROM events WHERE seq = 5",
            6,
            Break::Unknown,
        ),
        (
            "INSERT INTO events SELECT 0, at_ms, kind, subject, detail, prev, hash FROM events WHERE seq = 5",
            1,
            Break::Missing,
        ),
    ] {
        let (_place, ledger) = five().await;
        tamper(&ledger, sql).await;
        match ledger.verify_events().await.unwrap_err() {
            ChainError::Broken { seq: at, what: how } => assert_eq!((at, how), (seq, what), "{sql}"),
            error => panic!("{sql}: {error}"),
        }
    }
}

#[tokio::test]
async fn swapped_events_are_found() {
    let (_place, ledger) = five().await;
    for sql in [
        "UPDATE events SET seq = 99 WHERE seq = 2",
        "UPDATE events SET seq = 2 WHERE seq = 3",
        "UPDATE events SET seq = 3 WHERE seq = 99",
    ] {
        tamper(&ledger, sql).await;
    }
    assert!(matches!(ledger.verify_events().await.unwrap_err(), ChainError::Broken { seq: 2, what: Break::Changed }));
}

#[tokio::test]
async fn a_log_that_was_rewritten_by_somebody_with_another_key_is_found() {
    let (_place, ledger) = five().await;
    let prev: Vec<u8> = value(&ledger, "SELECT prev FROM events WHERE seq = 3").await;
    for (key, seq) in [(&[8; 32], 3), (&*audit_key(), 4)] {
        // With the key itself it is found at the next event: that one covers the true hash.
        let forged = super::super::events::hash(key, 3, 1_000, "test", "somebody else", "{}", &prev);
        let forge = query("UPDATE events SET subject = 'somebody else', detail = '{}', hash = $1 WHERE seq = 3");
        ledger.reader().await.unwrap().sql().execute(forge.bind(&forged[..])).await.unwrap();
        match ledger.verify_events().await.unwrap_err() {
            ChainError::Broken { seq: at, what: Break::Changed } => assert_eq!(at, seq),
            error => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn a_head_that_was_rewritten_or_removed_is_found_and_not_gone_on_from() {
    for (sql, count) in [
        (
            "DELETE FROM events WHERE seq = 5; UPDATE event_head SET seq = 4, hash = (SELECT hash FROM events WHERE seq = 4)",
            4,
        ),
        ("DELETE FROM events; DELETE FROM event_head", 0),
        ("DELETE FROM events; UPDATE event_head SET seq = 0, hash = zeroblob(32)", 0),
        ("UPDATE event_head SET hash = x'00'", 5),
        ("UPDATE event_head SET seq = 4", 5),
        ("UPDATE event_head SET mac = zeroblob(32)", 5),
        ("UPDATE event_head SET mac = x''", 5),
        ("DELETE FROM event_head", 5),
    ] {
        let (_place, ledger) = five().await;
        tamper(&ledger, sql).await;
        match ledger.verify_events().await.unwrap_err() {
            ChainError::Head { count: whole } => assert_eq!(whole, count, "{sql}"),
            error => panic!("{sql}: {error}"),
        }
        // Another event would put an honest head over what was done.
        let error = ledger.append("test", "x", json!({})).await.unwrap_err();
        assert!(matches!(error, LedgerError::AuditHead(_)), "{sql}: {error}");
    }
}

#[tokio::test]
async fn a_log_of_another_key_is_not_taken_for_whole() {
    let (place, ledger) = five().await;
    ledger.close().await;
    let other = Ledger::open(place.at.clone(), Clock::fixed(1), [8; 32].into()).await.unwrap();
    assert!(matches!(other.verify_events().await.unwrap_err(), ChainError::Broken { seq: 1, what: Break::Changed }));
    assert!(matches!(other.append("test", "x", json!({})).await.unwrap_err(), LedgerError::AuditHead(_)));
}

#[tokio::test]
async fn an_older_head_that_is_put_back_is_found() {
    let (_place, ledger) = five().await;
    let head = query_as::<(i64, Vec<u8>, Vec<u8>)>("SELECT seq, hash, mac FROM event_head");
    let head = ledger.reader().await.unwrap().sql().one(head).await.unwrap().unwrap();
    ledger.append("test", "x", json!({})).await.unwrap();
    let back = query("UPDATE event_head SET seq = $1, hash = $2, mac = $3").bind(head.0).bind(head.1).bind(head.2);
    ledger.reader().await.unwrap().sql().execute(back).await.unwrap();
    assert!(matches!(ledger.verify_events().await.unwrap_err(), ChainError::Broken { seq: 6, what: Break::Unknown }));
}

#[tokio::test]
async fn an_empty_log_is_whole() {
    let place = Place::new();
    assert_eq!(place.open().await.verify_events().await.unwrap(), 0);
}

#[tokio::test]
async fn foreign_text_is_escaped_and_cut_wherever_it_stands() {
    let place = Place::new();
    let ledger = place.open().await;
    let foreign = format!("a\u{1b}[2J\nb\u{202e}c\u{200b}{}", "é".repeat(10_000));
    let detail = json!({ "list": [foreign], "in": { foreign.clone(): foreign } });
    ledger.append("test", &foreign, detail).await.unwrap();
    let (.., subject, detail) = events(&ledger, 1).await.remove(0);
    let (key, value) = detail["in"].as_object().unwrap().iter().next().unwrap();
    for text in [&subject, key, value.as_str().unwrap(), detail["list"][0].as_str().unwrap()] {
        assert!(text.starts_with(r"a\u{1b}[2J\nb\u{202e}c\u{200b}éé") && text.ends_with('…'), "{text}");
        assert!(text.len() <= 256 + '…'.len_utf8(), "{}", text.len());
    }
    assert_eq!(ledger.verify_events().await.unwrap(), 1);
}
