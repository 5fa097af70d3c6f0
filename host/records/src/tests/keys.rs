//! One key opens all, and no other opens anything.

use super::*;

#[tokio::test]
async fn another_key_opens_nothing_and_changes_nothing() {
    let fixture = Fixture::new().await;
    let other = || ContentKey::new([6; 32].into());
    let again = fixture.place.open().await;
    let error = Records::open(&again, other()).await.unwrap_err();
    assert!(matches!(error, LedgerError::WrongKey(_)) && error.to_string().contains("\nhint: "), "{error}");
    // Without the row that shows which key is the right one, none is taken for the first.
    tamper(&again, "DELETE FROM content_key").await;
    assert!(matches!(Records::open(&again, other()).await.unwrap_err(), LedgerError::WrongKey(_)));
    assert_eq!(fixture.records.messages(&fixture.session, 1, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn processes_that_start_together_agree_on_the_first_key() {
    let place = Place::new();
    let ledgers = [place.open().await, place.open().await, place.open().await, place.open().await];
    let opened = ledgers.iter().enumerate().map(|(n, ledger)| {
        let key = ContentKey::new([n as u8 % 2; 32].into());
        async move { (n % 2, Records::open(ledger, key).await) }
    });
    let opened = futures_util::future::join_all(opened).await;
    let right: Vec<_> = opened.iter().filter(|(_, records)| records.is_ok()).map(|(key, _)| *key).collect();
    assert!(right == [0, 0] || right == [1, 1], "{right:?}");
}
