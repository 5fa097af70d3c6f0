//! Versions of the tables: made once, brought up to date once, and never
//! touched when they are not this cara's.

use super::*;

/// Takes back all versions after this one.
async fn downgrade_to(ledger: &Ledger, number: i64) {
    for version in MIGRATIONS.iter().rev().filter(|version| version.number > number) {
        let mut change = ledger.change().await.unwrap();
        assert!(version.undo(&mut change.sql()).await.unwrap(), "version {} has no way back", version.number);
        change.commit().await.unwrap();
    }
}

#[tokio::test]
async fn a_newer_ledger_and_another_programs_database_are_refused_and_left_as_they_are() {
    for (sql, newer) in [
        ("INSERT INTO _sqlx_migrations VALUES (99, 'later', '2027-01-01', true, x'00', 0)", true),
        ("UPDATE _sqlx_migrations SET checksum = x'00'", false),
        ("DROP TABLE _sqlx_migrations", false),
    ] {
        let place = Place::new();
        let ledger = place.open().await;
        tamper(&ledger, sql).await;
        ledger.close().await;
        match Ledger::open(place.at.clone(), Clock::system(), audit_key()).await.unwrap_err() {
            LedgerError::Newer(_) if newer => {}
            LedgerError::NotLedger(_) if !newer => {}
            error => panic!("{sql}: {error}"),
        }
    }
}

#[tokio::test]
async fn an_older_ledger_is_upgraded_once_by_processes_that_start_together() {
    let place = Place::new();
    let ledger = place.open().await;
    ledger.append("test", "x", serde_json::json!({})).await.unwrap();
    downgrade_to(&ledger, 5).await;
    // What the first version left: its own tables, and none of the second's.
    tamper(&ledger, "DELETE FROM _sqlx_migrations WHERE version > 1").await;
    for drop in [
        "sends",
        "attachments",
        "memory_totals",
        "memories",
        "usage",
        "reservations",
        "rules",
        "revisions",
        "approvals",
        "calls",
        "summaries",
        "messages",
        "runs",
        "sessions",
        "content_key",
    ] {
        tamper(&ledger, &format!("DROP TABLE {drop}")).await;
    }
    tamper(&ledger, "ALTER TABLE component_state DROP COLUMN label").await;
    ledger.close().await;
    let opened = futures_util::future::join_all((0..6).map(|_| place.open())).await;
    assert_eq!(opened[5].verify_events().await.unwrap(), 1);
    opened[4].runs(ContentKey::new([1; 32].into())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_that_start_together_in_a_new_home_share_one_ledger() {
    let place = Place::new();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let at = place.at.clone();
            tokio::spawn(async move {
                let ledger = Ledger::open(at, Clock::fixed(1), audit_key()).await.unwrap();
                ledger.append("started", "host", serde_json::json!({})).await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(place.open().await.verify_events().await.unwrap(), 8);
}
