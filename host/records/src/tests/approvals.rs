//! Approvals: bound to one call, decided once, spent once; and rules.

use super::*;
use cara_authority::ApprovalId;

async fn asked(fixture: &Fixture) -> ApprovalId {
    fixture.propose(NewCall { state: CallState::Waiting, ..call("c") }).await;
    fixture.records.request_approval(&question(fixture, "c")).await.unwrap()
}

#[tokio::test]
async fn a_call_begins_with_the_approval_that_names_it_once() {
    let fixture = Fixture::new().await;
    let (records, run) = (&fixture.records, &fixture.run);
    let mut changes = records.ledger().approvals().subscribe();
    let id = asked(&fixture).await;
    assert_eq!(id.as_str().len(), 8);
    let waiting = records.waiting_approvals().await.unwrap();
    assert_eq!((&waiting[0].id, &waiting[0].shown["text"]), (&id, &json!("good day")));
    let start = || records.start(run, "c", By::Approval(&id, &[9; 32]));
    assert!(matches!(start().await, Err(StartRefused::Approval(ApprovalState::Waiting))));
    assert!(!changes.has_changed().unwrap(), "a question alone wakes nobody");
    let decided = records.decide_approval(&id, Decision::Allowed(None), &desk("anna")).await.unwrap();
    assert_eq!((decided.call_id.as_str(), decided.verdict.unwrap().at_ms), ("c", 1_000));
    changes.changed().await.unwrap();
    start().await.unwrap();
    assert!(start().await.is_err());
    let read = records.approval(&id).await.unwrap().unwrap();
    assert_eq!((read.state, read.verdict.unwrap().by), (ApprovalState::Spent, "anna".into()));
    assert_eq!(records.call(run, "c").await.unwrap().unwrap().approval, Some(id));
    let kinds: Vec<_> = events(records.ledger(), 9).await.unwrap().into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds, ["approval-spent", "approval-decided"]);
    assert!(records.waiting_approvals().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_approval_is_spent_on_nothing_but_what_it_was_given_for() {
    let fixture = Fixture::new().await;
    let (records, run) = (&fixture.records, &fixture.run);
    let id = asked(&fixture).await;
    records.decide_approval(&id, Decision::Allowed(None), &desk("anna")).await.unwrap();
    fixture.propose(call("other")).await;
    let session = records.begin_session(&person("anna"), "terminal", "main", "other").await.unwrap();
    let elsewhere = records.begin_run(&session, "p", &said("x", Source::Owner)).await.unwrap();
    records.propose(&elsewhere, &said("x", Source::Owner), &[call("c")]).await.unwrap();
    for (run, call, binding) in [(run, "c", [8; 32]), (run, "other", [9; 32]), (&elsewhere, "c", [9; 32])] {
        let refused = records.start(run, call, By::Approval(&id, &binding)).await;
        assert!(matches!(refused, Err(StartRefused::OtherApproval)), "{call}: {refused:?}");
    }
    // A call whose own binding changed is not what was shown.
    tamper(records.ledger(), "UPDATE calls SET binding = zeroblob(32) WHERE call_id = 'c'").await;
    let refused = records.start(run, "c", By::Approval(&id, &[9; 32])).await;
    assert!(matches!(refused, Err(StartRefused::OtherApproval)), "{refused:?}");
    assert_eq!(records.approval(&id).await.unwrap().unwrap().state, ApprovalState::Allowed);
}

#[tokio::test]
async fn no_word_in_the_file_passes_for_a_persons_answer() {
    let fixture = Fixture::new().await;
    let id = asked(&fixture).await;
    tamper(fixture.records.ledger(), "UPDATE approvals SET state = 'allowed'").await;
    let refused = fixture.records.start(&fixture.run, "c", By::Approval(&id, &[9; 32])).await;
    assert!(matches!(refused, Err(StartRefused::Approval(ApprovalState::Waiting))), "{refused:?}");
    tamper(fixture.records.ledger(), "UPDATE approvals SET state = 'waiting'").await;
    fixture.records.decide_approval(&id, Decision::Denied(Some("no".into())), &desk("anna")).await.unwrap();
    tamper(fixture.records.ledger(), "UPDATE approvals SET state = 'allowed'").await;
    let refused = fixture.records.start(&fixture.run, "c", By::Approval(&id, &[9; 32])).await;
    assert!(matches!(refused, Err(StartRefused::Approval(ApprovalState::Denied))), "{refused:?}");
    tamper(fixture.records.ledger(), "UPDATE approvals SET verdict = x'00'").await;
    let refused = fixture.records.start(&fixture.run, "c", By::Approval(&id, &[9; 32])).await;
    assert!(matches!(refused, Err(StartRefused::Ledger(LedgerError::Tampered { .. }))), "{refused:?}");
}

#[tokio::test]
async fn nobody_answers_after_the_deadline_and_no_answer_lasts_for_good() {
    let fixture = Fixture::new().await;
    let id = asked(&fixture).await;
    let late = records_at(&fixture.place, 60_000).await;
    assert!(late.waiting_approvals().await.unwrap().is_empty());
    assert_eq!(late.approval(&id).await.unwrap().unwrap().state, ApprovalState::Expired);
    for _ in 0..2 {
        let error = late.decide_approval(&id, Decision::Allowed(None), &desk("anna")).await.unwrap_err();
        let expected = |what, at_ms| what == ApprovalState::Expired && at_ms == 60_000;
        assert!(matches!(error, DecideError::AlreadyDecided { what, at_ms, .. } if expected(what, at_ms)), "{error}");
    }
    assert!(fixture.records.start(&fixture.run, "c", By::Approval(&id, &[9; 32])).await.is_err());

    let id = fixture.records.request_approval(&question(&fixture, "c")).await.unwrap();
    let verdict =
        fixture.records.decide_approval(&id, Decision::Allowed(None), &desk("anna")).await.unwrap().verdict.unwrap();
    let late = records_at(&fixture.place, verdict.use_by_ms).await;
    let refused = late.start(&fixture.run, "c", By::Approval(&id, &[9; 32])).await;
    assert!(matches!(refused, Err(StartRefused::Approval(ApprovalState::Expired))), "{refused:?}");
    let in_time = records_at(&fixture.place, verdict.use_by_ms - 1).await;
    in_time.start(&fixture.run, "c", By::Approval(&id, &[9; 32])).await.unwrap();
}

#[tokio::test]
async fn a_question_that_expired_is_told_so_when_its_run_has_ended() {
    let fixture = Fixture::new().await;
    let id = asked(&fixture).await;
    let late = records_at(&fixture.place, 60_000).await;
    assert!(late.end_run(&fixture.run, &[], RunState::Done, None, &[]).await.unwrap());
    assert_eq!(late.approval(&id).await.unwrap().unwrap().state, ApprovalState::Expired);
    let error = late.decide_approval(&id, Decision::Allowed(None), &desk("anna")).await.unwrap_err().to_string();
    assert!(error.starts_with("the approval is expired already, by the deadline"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_thousand_racing_decisions_exactly_one_counts() {
    let fixture = Fixture::new().await;
    let id = asked(&fixture).await;
    let mut desks = Vec::new();
    for _ in 0..4 {
        desks.push(records_at(&fixture.place, 2_000).await);
    }
    let tries: Vec<_> = (0..1_000)
        .map(|n| {
            let (records, id) = (desks[n % 4].clone(), id.clone());
            let decision = if n % 3 == 0 { Decision::Allowed(None) } else { Decision::Denied(None) };
            tokio::spawn(async move { (n, records.decide_approval(&id, decision, &desk(&format!("desk {n}"))).await) })
        })
        .collect();
    let (mut first, mut later) = (Vec::new(), Vec::new());
    for decided in futures_util::future::join_all(tries).await {
        match decided.unwrap() {
            (n, Ok(decided)) => first.push((format!("desk {n}"), decided.verdict.unwrap().what)),
            (_, Err(DecideError::AlreadyDecided { what, by, .. })) => later.push((by, what)),
            (n, Err(error)) => panic!("{n}: {error}"),
        }
    }
    assert_eq!((first.len(), later.len()), (1, 999));
    assert!(later.iter().all(|told| *told == first[0]), "the others are told who decided what");
    assert_eq!(fixture.records.ledger().verify_events().await.unwrap(), 1);
}

#[tokio::test]
async fn a_rule_is_listed_used_and_removed_and_both_ends_are_audited() {
    let fixture = Fixture::new().await;
    let records = &fixture.records;
    let rule = NewRule {
        component: id("mailer"),
        tool: tool("send"),
        destinations: vec!["https://mail.example".into()],
        servers: Vec::new(),
        arguments: Some(json!({ "to": "ben" })),
        session: None,
        signer: None,
        person: person("anna"),
        by: "anna".into(),
    };
    let id = add_rule(records, &rule).await;
    fixture.propose(allowed("c")).await;
    records.start(&fixture.run, "c", By::Rule(&id)).await.unwrap();
    let rules = records_at(&fixture.place, 9).await.rules().await.unwrap();
    assert_eq!((&rules[0].id, &rules[0].rule, rules[0].last_used_ms), (&id, &rule, Some(1_000)));
    assert!(records.remove_rule(&id, "anna").await.unwrap());
    assert!(!records.remove_rule(&id, "anna").await.unwrap());
    assert!(records.rules().await.unwrap().is_empty());
    let kinds: Vec<_> = events(records.ledger(), 9).await.unwrap().into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds, ["rule-removed", "rule-added"]);
}

/// Goes on with work so many times, and drops what is not done by then.
async fn cut<T>(work: impl Future<Output = T>, mut times: usize) -> Option<T> {
    let mut work = std::pin::pin!(work);
    std::future::poll_fn(|context| {
        if times == 0 {
            return std::task::Poll::Ready(None);
        }
        times -= 1;
        work.as_mut().poll(context).map(Some)
    })
    .await
}

#[tokio::test]
async fn an_answer_for_good_and_its_rule_are_kept_both_or_neither() {
    let (mut cuts, mut whole) = (0, 0);
    for times in (1..48).cycle().take(400) {
        let fixture = Fixture::new().await;
        let (records, asked) = (&fixture.records, asked(&fixture).await);
        let rule = NewRule {
            component: id("mailer"),
            tool: tool("send"),
            destinations: vec!["https://mail.example".into()],
            servers: Vec::new(),
            arguments: None,
            session: None,
            signer: None,
            person: person("anna"),
            by: "anna".into(),
        };
        let decision = Decision::Allowed(Some(Box::new(rule)));
        let done = cut(records.decide_approval(&asked, decision, &desk("anna")), times).await.is_some();
        *(if done { &mut whole } else { &mut cuts }) += 1;
        let is_allowed = records.approval(&asked).await.unwrap().unwrap().state == ApprovalState::Allowed;
        assert_eq!(is_allowed, !records.rules().await.unwrap().is_empty(), "after {times} steps");
        if cuts > 24 && whole > 24 {
            return;
        }
    }
    panic!("cut off {cuts} times, whole {whole} times");
}

#[tokio::test]
async fn a_rule_that_was_revoked_after_the_decision_starts_nothing() {
    let fixture = Fixture::new().await;
    let records = &fixture.records;
    let rule = NewRule {
        component: id("mailer"),
        tool: tool("send"),
        destinations: Vec::new(),
        servers: Vec::new(),
        arguments: Some(json!({ "to": "ben" })),
        session: None,
        signer: None,
        person: person("anna"),
        by: "anna".into(),
    };
    let id = add_rule(records, &rule).await;
    fixture.propose(allowed("c")).await;
    assert!(records.remove_rule(&id, "anna").await.unwrap());
    let refused = records.start(&fixture.run, "c", By::Rule(&id)).await;
    assert!(matches!(refused, Err(StartRefused::Rule(ref gone)) if *gone == id), "{refused:?}");
    // Nothing of it is left half done: asked anew, the policy may let it run.
    records.start(&fixture.run, "c", By::Policy).await.unwrap();
}

#[tokio::test]
async fn the_newest_events_come_first_and_no_more_than_asked() {
    let place = Place::new();
    let ledger = place.open().await;
    for subject in ["a", "b", "c"] {
        ledger.append("test", subject, json!({ "n": 1 })).await.unwrap();
    }
    let shown: Vec<_> = events(&ledger, 2).await.unwrap().into_iter().map(|e| (e.seq, e.subject, e.detail)).collect();
    assert_eq!(shown, [(3, "c".to_owned(), json!({ "n": 1 })), (2, "b".to_owned(), json!({ "n": 1 }))]);
    assert!(events(&ledger, 0).await.unwrap().is_empty());
}
