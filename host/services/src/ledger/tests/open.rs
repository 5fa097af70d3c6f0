//! Opening: private, quick, and never touching what is not a whole ledger of
//! this version.

use super::*;
use std::fs;

async fn refused(place: &Place) -> LedgerError {
    let before = fs::read(place.path()).unwrap();
    let error = Ledger::open(place.path(), Clock::system(), audit_key()).await.unwrap_err();
    assert_eq!(fs::read(place.path()).unwrap(), before, "the file was touched");
    assert!(error.to_string().contains("\nhint: "), "{error}");
    error
}

#[tokio::test]
async fn a_new_ledger_is_private_whole_and_alone_in_its_folder() {
    let place = Place::new();
    let ledger = place.open().await;
    ledger.append("test", "x", serde_json::json!({})).await.unwrap();
    let mut names = Vec::new();
    for entry in fs::read_dir(place.folder.path()).unwrap() {
        let entry = entry.unwrap();
        names.push(entry.file_name().into_string().unwrap());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{names:?}");
        }
    }
    names.sort();
    assert_eq!(names, ["ledger.db", "ledger.db-shm", "ledger.db-wal"]);
    ledger.close().await;
    assert_eq!(events(&place.open().await, 9).await.len(), 1);
}

#[tokio::test]
async fn every_connection_writes_through_to_the_disk_and_keeps_a_journal() {
    let place = Place::new();
    let ledger = place.open().await;
    let mut both = [ledger.reader().await.unwrap(), ledger.reader().await.unwrap()];
    for connection in &mut both {
        let journal = connection.sql().one(query_as::<(String,)>("PRAGMA journal_mode")).await.unwrap();
        assert_eq!(journal, Some(("wal".to_owned(),)));
        for (pragma, value) in [("PRAGMA synchronous", 2), ("PRAGMA foreign_keys", 1), ("PRAGMA busy_timeout", 10_000)]
        {
            assert_eq!(connection.sql().one(query_as::<(i64,)>(pragma)).await.unwrap(), Some((value,)), "{pragma}");
        }
    }
}

#[tokio::test]
async fn a_change_waits_for_the_disk_whatever_the_one_before_it_did() {
    let place = Place::new();
    let ledger = place.open().await;
    for _ in 0..4 {
        for (light, level) in [(true, 1_i64), (false, 2)] {
            let change = if light { ledger.light_change().await } else { ledger.change().await };
            let pragma = query_as::<(i64,)>("PRAGMA synchronous");
            assert_eq!(change.unwrap().sql().one(pragma).await.unwrap(), Some((level,)));
        }
    }
}

#[tokio::test]
async fn a_lazy_ledger_makes_no_file_until_it_is_used() {
    let place = Place::new();
    let ledger = Ledger::lazy(place.path(), Clock::fixed(1), audit_key());
    let state = ledger.state(&powers("a", 10, true)).unwrap();
    assert!(!place.path().exists());
    assert_eq!(state.get("k").await.unwrap(), None);
    assert!(place.path().exists());
}

#[tokio::test]
async fn a_damaged_file_is_refused_and_left_as_it_is() {
    let place = Place::new();
    place.open().await.close().await;
    let whole = fs::read(place.path()).unwrap();
    for bytes in [&whole[..whole.len() / 2], &whole[..50], &[0x5a; 8192][..]] {
        fs::write(place.path(), bytes).unwrap();
        let error = refused(&place).await;
        assert!(matches!(error, LedgerError::Damaged { .. }), "{} bytes: {error}", bytes.len());
    }
    fs::write(place.path(), b"").unwrap();
    assert!(matches!(refused(&place).await, LedgerError::NotLedger(_)));
}

#[cfg(unix)]
#[tokio::test]
async fn a_ledger_that_others_may_read_or_that_is_a_link_is_refused() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let place = Place::new();
    place.open().await.close().await;
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(refused(&place).await.to_string().contains("hint: run `chmod 600"));
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o600)).unwrap();
    let link = place.folder.path().join("link.db");
    symlink(place.path(), &link).unwrap();
    assert!(matches!(
        Ledger::open(link, Clock::system(), audit_key()).await,
        Err(LedgerError::File(FileError::Symlink(_)))
    ));
}
