//! What another process answers is heard.

use super::*;

#[tokio::test]
async fn an_answer_that_another_process_kept_wakes_who_waits_for_it() {
    let fixture = Fixture::new().await;
    let LedgerPlace::Server(_) = fixture.place.at else { return };
    fixture.propose(call("c")).await;
    let asked = fixture.records.request_approval(&question(&fixture, "c")).await.unwrap();
    let mut answered = fixture.records.ledger().approvals().subscribe();
    let other = records_at(&fixture.place, 1_000).await;
    other.decide_approval(&asked, Decision::Denied(None), &desk("elsewhere")).await.unwrap();
    answered.changed().await.unwrap();
    let found = fixture.records.approval(&asked).await.unwrap().unwrap();
    assert_eq!(found.state, ApprovalState::Denied);
}
