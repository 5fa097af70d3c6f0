//! Calls: kept before they begin, begun once.

use super::*;

#[tokio::test]
async fn a_call_is_read_back_with_all_that_was_said_of_it() {
    let fixture = Fixture::new().await;
    let (records, run) = (&fixture.records, &fixture.run);
    fixture.propose(NewCall { decision: Some(json!({ "rule": "reads run" })), ..allowed("c-1") }).await;
    records.start(run, "c-1", By::Policy).await.unwrap();
    let message = NewMessage { role: Role::Tool, body: json!("results"), label: Label::NONE, speaker: None };
    records.end_calls(run, &[finished("c-1", CallState::Done)], &message).await.unwrap();
    let again = records_at(&fixture.place, 9).await;
    let read = again.call(run, "c-1").await.unwrap().unwrap();
    assert_eq!(
        (read.arguments, read.destinations),
        (json!({ "text": "good day" }), vec!["https://mail.example".to_owned()])
    );
    assert_eq!((read.state, read.result, read.digest), (CallState::Done, Some(json!("an answer")), [3; 32]));
    assert_eq!((read.decision, read.started_ms), (Some(json!({ "rule": "reads run" })), Some(1_000)));
    // The message with the results, the run and the session have seen what the result came from.
    let last = again.messages(&fixture.session, 3, 1).await.unwrap().remove(0);
    assert!(last.label.has(Source::Web));
    assert!(again.run(run).await.unwrap().unwrap().label.has(Source::Web));
    assert!(again.session(&fixture.session).await.unwrap().unwrap().label.has(Source::Web));
}

#[tokio::test]
async fn a_call_begins_once_and_one_that_leaves_something_behind_never_again() {
    let fixture = Fixture::new().await;
    let (records, run) = (&fixture.records, &fixture.run);
    fixture.propose(allowed("keeps")).await;
    fixture.propose(NewCall { lasting: false, ..allowed("reads") }).await;
    assert!(matches!(records.start_reads(run, &["reads", "keeps"]).await, Err(StartRefused::Lasting)));
    // All or none: the reading one had not begun.
    assert_eq!(records.call(run, "reads").await.unwrap().unwrap().state, CallState::Allowed);
    records.start(run, "keeps", By::Policy).await.unwrap();
    assert_eq!(records.start_reads(run, &["reads"]).await.unwrap()[0].call_id(), "reads");
    for call in ["keeps", "reads"] {
        let again = records.start(run, call, By::Policy).await;
        assert!(matches!(again, Err(StartRefused::Call(CallState::Started))), "{again:?}");
    }
    assert!(matches!(records.restart(run, "keeps").await, Err(StartRefused::Lasting)));
    assert_eq!(records.restart(run, "reads").await.unwrap().run(), run);
    records.finish(run, &finished("reads", CallState::Failed)).await.unwrap();
    assert!(matches!(records.restart(run, "reads").await, Err(StartRefused::Call(CallState::Failed))));
}

#[tokio::test]
async fn only_what_was_allowed_begins_without_an_approval() {
    let fixture = Fixture::new().await;
    let (records, run) = (&fixture.records, &fixture.run);
    for state in [CallState::Proposed, CallState::Waiting, CallState::Denied] {
        fixture.propose(NewCall { state, ..call(state.name()) }).await;
        let refused = records.start(run, state.name(), By::Policy).await;
        assert!(matches!(refused, Err(StartRefused::Call(is)) if is == state), "{refused:?}");
    }
    // What a person is asked about begins with the answer only, even if the row says otherwise.
    records.request_approval(&question(&fixture, "waiting")).await.unwrap();
    let mut change = records.ledger().change().await.unwrap();
    let forged = query("UPDATE calls SET state = 'allowed' WHERE call_id = 'waiting'");
    assert_eq!(change.sql().execute(forged).await.unwrap(), 1);
    change.commit().await.unwrap();
    assert!(matches!(records.start(run, "waiting", By::Policy).await, Err(StartRefused::NeedsApproval)));
}

#[tokio::test]
async fn no_proposal_passes_for_a_beginning_or_an_end() {
    let fixture = Fixture::new().await;
    let (records, run) = (&fixture.records, &fixture.run);
    fixture.propose(call("c")).await;
    let begun = NewCall { state: CallState::Started, ..call("d") };
    assert!(records.propose(run, &said("x", Source::Owner), &[begun]).await.is_err());
    for state in [CallState::Done, CallState::Failed, CallState::Allowed] {
        assert!(records.finish(run, &finished("c", state)).await.is_err(), "{state}");
    }
    records.finish(run, &finished("c", CallState::Denied)).await.unwrap();
    for state in [CallState::Done, CallState::Denied, CallState::Interrupted] {
        assert!(records.finish(run, &finished("c", state)).await.is_err(), "a second end: {state}");
    }
}

#[tokio::test]
async fn a_second_call_of_the_same_id_is_a_conflict_and_nothing_of_the_round_is_kept() {
    let fixture = Fixture::new().await;
    fixture.propose(call("c")).await;
    let again = fixture.records.propose(&fixture.run, &said("x", Source::Web), &[call("e"), call("c")]).await;
    assert!(matches!(again, Err(LedgerError::Conflict { what: "call", .. })), "{again:?}");
    assert_eq!(fixture.records.calls(&fixture.run).await.unwrap().len(), 1);
    assert_eq!(fixture.records.session(&fixture.session).await.unwrap().unwrap().messages, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_processes_that_begin_the_same_call_one_does() {
    let fixture = Fixture::new().await;
    let others = [records_at(&fixture.place, 1).await, records_at(&fixture.place, 1).await];
    for n in 0..20 {
        let call_id = format!("c-{n}");
        fixture.propose(allowed(&call_id)).await;
        let tries = (0..6).map(|n| {
            let (records, run, call_id) = (others[n % 2].clone(), fixture.run.clone(), call_id.clone());
            tokio::spawn(async move { records.start(&run, &call_id, By::Policy).await.is_ok() })
        });
        let began = futures_util::future::join_all(tries).await;
        assert_eq!(began.into_iter().filter(|began| *began.as_ref().unwrap()).count(), 1);
    }
}
