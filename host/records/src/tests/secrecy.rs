//! No content stands in the file as it was given.

use super::everything::keep_everything;
use super::*;
use std::collections::BTreeSet;
use std::fs;

const CANARIES: [&str; 24] = [
    "canary-name",
    "canary-title",
    "canary-renamed",
    "canary-said",
    "canary-summary",
    "canary-argument",
    "canary-destination",
    "canary-decision",
    "canary-result",
    "canary-shown",
    "canary-reason",
    "canary-rule",
    "canary-key",
    "canary-value",
    "canary-file",
    "canary-room",
    "canary-sender",
    "canary-nick",
    "canary-platform",
    "canary-came",
    "canary-goes",
    "canary-receipt",
    "canary-credential",
    "canary-csrf",
];

/// Which of the words stand in any file of the ledger.
fn provenance(place: &Place, words: &[&'static str]) -> Vec<&'static str> {
    let files: Vec<Vec<u8>> =
        fs::read_dir(place.folder.path()).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    let stands = |word: &&&str| files.iter().any(|file| file.windows(word.len()).any(|part| part == word.as_bytes()));
    words.iter().filter(stands).copied().collect()
}

#[tokio::test]
async fn no_content_is_found_in_any_file_of_the_ledger() {
    let place = &Place::new();
    let records = &records_at(place, 1_000).await;
    keep_everything(records).await;

    // What is no content stands there: the search for the rest does look where it would be.
    let plain = ["plain-channel", "plain-process", "plain-call", "mailer", "owner"];
    assert_eq!(provenance(place, &plain), plain);
    assert!(place.folder.path().join("ledger.db-wal").exists());
    assert_eq!(provenance(place, &CANARIES), [""; 0]);
    tamper(records.ledger(), "PRAGMA wal_checkpoint(TRUNCATE)").await;
    assert_eq!(provenance(place, &plain), plain);
    assert_eq!(provenance(place, &CANARIES), [""; 0]);
}

/// All values of the ledger that are bytes, but those of the audit log.
async fn bytes(ledger: &Ledger) -> BTreeSet<Vec<u8>> {
    let mut reader = ledger.reader().await.unwrap();
    let sql = &mut reader.sql();
    let columns = query_as::<(String, String)>(
        "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c \
         WHERE m.type = 'table' AND c.type = 'BLOB' AND m.name NOT LIKE 'event%' AND m.name NOT LIKE '\\_%' ESCAPE '\\'",
    );
    let columns = sql.all(columns).await.unwrap();
    assert!(columns.len() > 20, "{columns:?}");
    let mut found = BTreeSet::new();
    for (table, column) in columns {
        let values = format!("SELECT {column} FROM {table} WHERE {column} IS NOT NULL");
        let values = sql.all(query_as::<(Vec<u8>,)>(AssertSqlSafe(values))).await.unwrap();
        found.extend(values.into_iter().map(|(value,)| value));
    }
    found
}

#[tokio::test]
async fn of_who_is_forgotten_nothing_is_left_in_any_table_or_in_the_file() {
    let place = Place::new();
    let records = records_at(&place, 1_000).await;
    let ledger = records.ledger();
    let before = bytes(ledger).await;
    keep_everything(&records).await;
    // What is found by it without content stays, so that a repeated message is known.
    let found_by: Vec<Vec<u8>> = {
        let query = query_as::<(Vec<u8>, Vec<u8>, Vec<u8>)>("SELECT lookup, conversation, sender FROM inbox");
        let rows = ledger.reader().await.unwrap().sql().all(query).await.unwrap();
        rows.into_iter().flat_map(|(a, b, c)| [a, b, c]).collect()
    };
    let kept = bytes(ledger).await;
    let hers: Vec<&Vec<u8>> =
        kept.iter().filter(|value| !before.contains(*value) && !found_by.contains(value)).collect();
    assert!(hers.len() > 30, "{}", hers.len());
    let file = || fs::read(place.path()).unwrap();
    let stands = |file: &[u8], value: &[u8]| file.windows(value.len()).any(|part| part == value);
    tamper(ledger, "PRAGMA wal_checkpoint(TRUNCATE)").await;
    assert!(hers.iter().all(|value| stands(&file(), value)));

    records.forget_person(&person("anna"), "another process", "a test").await.unwrap();
    let left = bytes(ledger).await;
    assert_eq!(hers.iter().filter(|value| left.contains(**value)).count(), 0);
    tamper(ledger, "PRAGMA wal_checkpoint(TRUNCATE)").await;
    let file = file();
    assert_eq!(hers.iter().filter(|value| stands(&file, value)).count(), 0);
    assert_eq!(provenance(&place, &CANARIES), [""; 0]);
}

#[tokio::test]
async fn what_was_deleted_is_not_left_in_the_file_even_sealed() {
    let fixture = Fixture::new().await;
    let ledger = fixture.records.ledger();
    let body: Vec<u8> = value(ledger, "SELECT body FROM messages").await;
    let stands = || fs::read(fixture.place.path()).unwrap().windows(body.len()).any(|part| part == body);
    tamper(ledger, "PRAGMA wal_checkpoint(TRUNCATE)").await;
    assert!(stands());
    fixture.records.delete_session(&fixture.session).await.unwrap();
    tamper(ledger, "PRAGMA wal_checkpoint(TRUNCATE)").await;
    assert!(!stands());
}
