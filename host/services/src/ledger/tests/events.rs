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
        ("DELETE FROM events WHERE seq = 5; UPDATE event_head SET seq = 4", 4, Break::Changed),
        ("UPDATE event_head SET hash = x'00'", 5, Break::Changed),
        ("UPDATE event_head SET seq = 4", 5, Break::Unknown),
        ("DELETE FROM event_head", 1, Break::Unknown),
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
        sqlx::raw_sql(sql).execute(ledger.pool().await.unwrap()).await.unwrap();
        match ledger.verify_events().await.unwrap_err() {
            ChainError::Broken { seq: at, what: how } => assert_eq!((at, how), (seq, what), "{sql}"),
            error @ ChainError::Ledger(_) => panic!("{sql}: {error}"),
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
async fn an_event_that_was_rewritten_with_a_fitting_hash_is_found_at_the_next() {
    let (_place, ledger) = five().await;
    let pool = ledger.pool().await.unwrap();
    let prev: Vec<u8> = sqlx::query_scalar("SELECT prev FROM events WHERE seq = 3").fetch_one(pool).await.unwrap();
    let forged = super::super::events::hash(3, 1_000, "test", "somebody else", "{}", &prev);
    sqlx::query("UPDATE events SET subject = 'somebody else', detail = '{}', hash = $1 WHERE seq = 3")
        .bind(&forged[..])
        .execute(pool)
        .await
        .unwrap();
    assert!(matches!(ledger.verify_events().await.unwrap_err(), ChainError::Broken { seq: 4, what: Break::Changed }));
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
    let event = ledger.events(1).await.unwrap().remove(0);
    let (key, value) = event.detail["in"].as_object().unwrap().iter().next().unwrap();
    for text in [&event.subject, key, value.as_str().unwrap(), event.detail["list"][0].as_str().unwrap()] {
        assert!(text.starts_with(r"a\u{1b}[2J\nb\u{202e}c\u{200b}éé") && text.ends_with('…'), "{text}");
        assert!(text.len() <= 256, "{}", text.len());
    }
    assert_eq!(ledger.verify_events().await.unwrap(), 1);
}

#[tokio::test]
async fn the_newest_events_come_first_and_no_more_than_asked() {
    let (_place, ledger) = five().await;
    let seqs: Vec<u64> = ledger.events(2).await.unwrap().iter().map(|event| event.seq).collect();
    assert_eq!(seqs, [5, 4]);
    assert!(ledger.events(0).await.unwrap().is_empty());
}
