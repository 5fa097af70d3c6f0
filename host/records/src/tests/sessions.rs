//! Conversations: kept, summed up, forked, deleted.

use super::*;

#[tokio::test]
async fn what_was_said_is_read_back_in_order_also_after_a_restart() {
    let fixture = Fixture::new().await;
    let answer =
        NewMessage { role: Role::Assistant, body: json!("hi"), label: Label::of(Source::Web).private(), speaker: None };
    assert!(fixture.records.end_run(&fixture.run, &[answer], RunState::Done, Some("said"), &[]).await.unwrap());
    let again = records_at(&fixture.place, 2_000).await;
    let messages = again.messages(&fixture.session, 1, 10).await.unwrap();
    assert_eq!(messages.iter().map(|message| message.place).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((&messages[0].body, messages[0].role), (&json!({ "text": "hello" }), Role::User));
    assert_eq!((&messages[1].body, messages[1].run.as_ref()), (&json!("hi"), Some(&fixture.run)));
    assert_eq!(again.messages(&fixture.session, 2, 1).await.unwrap(), messages[1..]);
    assert!(again.messages(&fixture.session, 1, 0).await.unwrap().is_empty());
    let session = again.session(&fixture.session).await.unwrap().unwrap();
    assert_eq!((session.messages, session.label.to_string().as_str()), (2, "owner+web+private"));
    let run = again.run(&fixture.run).await.unwrap().unwrap();
    assert_eq!((run.state, run.reason.as_deref(), run.label), (RunState::Done, Some("said"), session.label));
    assert!(again.unfinished_runs().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_run_ends_once_and_ends_what_is_open_in_it() {
    let fixture = Fixture::new().await;
    let records = &fixture.records;
    fixture.propose(allowed("c-1")).await;
    fixture.propose(call("c-2")).await;
    records.start(&fixture.run, "c-1", By::Policy).await.unwrap();
    let asked = records.request_approval(&question(&fixture, "c-2")).await.unwrap();
    assert_eq!(records.unfinished_runs().await.unwrap()[0].process, "process 1");
    assert!(records.end_run(&fixture.run, &[], RunState::Cancelled, None, &[]).await.unwrap());
    let late = [said("late", Source::Web)];
    assert!(!records.end_run(&fixture.run, &late, RunState::Done, None, &[]).await.unwrap());
    assert_eq!(records.session(&fixture.session).await.unwrap().unwrap().messages, 3);
    assert_eq!(records.run(&fixture.run).await.unwrap().unwrap().state, RunState::Cancelled);
    let states: Vec<_> = records.calls(&fixture.run).await.unwrap().iter().map(|call| call.state).collect();
    assert_eq!(states, [CallState::Interrupted; 2]);
    let error = records.decide_approval(&asked, Decision::Allowed(None), &desk("anna")).await.unwrap_err();
    assert!(matches!(error, DecideError::AlreadyDecided { what: ApprovalState::Withdrawn, .. }), "{error}");
    // Nothing begins in it any more, and no more is said.
    assert!(matches!(
        records.start(&fixture.run, "c-2", By::Policy).await,
        Err(StartRefused::Run(RunState::Cancelled))
    ));
    let error = records.propose(&fixture.run, &said("x", Source::Owner), &[]).await.unwrap_err();
    assert!(matches!(error, LedgerError::Conflict { state: "cancelled", .. }), "{error}");
}

#[tokio::test]
async fn a_run_that_a_process_left_is_taken_by_one_other() {
    let fixture = Fixture::new().await;
    let taken = [
        fixture.records.take_run(&fixture.run, "process 1", "process 2").await.unwrap(),
        fixture.records.take_run(&fixture.run, "process 1", "process 3").await.unwrap(),
    ];
    assert_eq!(taken, [true, false]);
    assert_eq!(fixture.records.run(&fixture.run).await.unwrap().unwrap().process, "process 2");
}

#[tokio::test]
async fn the_sessions_that_changed_last_come_first_and_are_of_the_person_asked_for() {
    let place = Place::new();
    let (early, late) = (records_at(&place, 1).await, records_at(&place, 2).await);
    let a = early.begin_session(&person("anna"), "terminal", "main", "one").await.unwrap();
    let b = late.begin_session(&person("ben"), "terminal", "main", "two").await.unwrap();
    let ids = |sessions: Vec<Session>| sessions.into_iter().map(|session| session.id).collect::<Vec<_>>();
    assert_eq!(ids(early.recent_sessions(None, 9).await.unwrap()), [b.clone(), a.clone()]);
    assert_eq!(ids(early.recent_sessions(None, 1).await.unwrap()), [b]);
    assert_eq!(ids(early.recent_sessions(Some(&person("anna")), 9).await.unwrap()), std::slice::from_ref(&a));
    early.rename_session(&a, "three").await.unwrap();
    assert_eq!(late.session(&a).await.unwrap().unwrap().title, "three");
    let nobody = SessionId::parse("s-nobody").unwrap();
    assert!(matches!(early.rename_session(&nobody, "x").await, Err(LedgerError::NoSuch { .. })));
    let begun = early.begin_run(&nobody, "p", &said("x", Source::Owner)).await;
    assert!(matches!(begun, Err(LedgerError::NoSuch { .. })));
}

#[tokio::test]
async fn a_summary_has_seen_all_that_it_covers_whatever_its_writer_says() {
    let fixture = Fixture::new().await;
    let records = &fixture.records;
    let page = NewMessage { label: Label::of(Source::Web).private(), ..said("a page", Source::Web) };
    records.end_run(&fixture.run, &[page, said("after", Source::File)], RunState::Done, None, &[]).await.unwrap();
    records.set_summary(&fixture.session, 2, &json!("all of it"), Label::NONE).await.unwrap();
    let summary = records.summary(&fixture.session).await.unwrap().unwrap();
    assert_eq!((summary.upto_place, summary.label.to_string().as_str()), (2, "owner+web+private"));
    // Written anew over fewer messages it is narrower; the messages are still there.
    records.set_summary(&fixture.session, 1, &json!("the first"), Label::of(Source::Tool)).await.unwrap();
    let summary = records.summary(&fixture.session).await.unwrap().unwrap();
    assert_eq!((summary.body, summary.label.to_string().as_str()), (json!("the first"), "owner+tool"));
    assert_eq!(records.messages(&fixture.session, 1, 9).await.unwrap().len(), 3);
    assert_eq!(
        records.session(&fixture.session).await.unwrap().unwrap().label.to_string(),
        "owner+web+tool+file+private"
    );
}

#[tokio::test]
async fn a_fork_has_what_was_said_up_to_its_place_with_labels_and_goes_its_own_way() {
    let fixture = Fixture::new().await;
    let records = &fixture.records;
    let file = NewAttachment {
        media_type: "text/plain".into(),
        name: "a.txt".into(),
        content: b"in it".to_vec(),
        label: Label::of(Source::File),
    };
    let file = records.attach(&fixture.session, &file).await.unwrap();
    let more = [said("a page", Source::Web), said("private", Source::OtherPerson)];
    records.end_run(&fixture.run, &more, RunState::Done, None, &[]).await.unwrap();
    records.set_summary(&fixture.session, 2, &json!("two"), Label::NONE).await.unwrap();

    let fork = records.fork_session(&fixture.session, 2).await.unwrap();
    let of = records.session(&fork).await.unwrap().unwrap();
    assert_eq!((of.parent.as_ref(), of.messages, of.title.as_str()), (Some(&fixture.session), 2, "a title"));
    assert_eq!(of.label.to_string(), "owner+web+file");
    let messages = records.messages(&fork, 1, 9).await.unwrap();
    assert_eq!((messages[1].label.clone(), &messages[1].run), (Label::of(Source::Web), &None));
    assert_eq!(records.summary(&fork).await.unwrap().unwrap().body, json!("two"));
    assert_eq!(records.attachment(&fork, &file).await.unwrap().unwrap().content, b"in it");
    let short = records.fork_session(&fixture.session, 1).await.unwrap();
    assert_eq!(records.summary(&short).await.unwrap(), None);

    // It outlives what it was made from.
    records.begin_run(&fork, "p", &said("goes on", Source::Owner)).await.unwrap();
    assert!(records.delete_session(&fixture.session).await.unwrap());
    assert_eq!(records.messages(&fork, 1, 9).await.unwrap().len(), 3);
}

#[tokio::test]
async fn pinned_sessions_are_listed_first_and_count_for_nothing_else() {
    let place = Place::new();
    let mut ids = Vec::new();
    for (at, title) in (1..).zip(["one", "two", "three", "four"]) {
        let records = records_at(&place, at).await;
        ids.push(records.begin_session(&person("anna"), "terminal", "main", title).await.unwrap());
    }
    let records = records_at(&place, 9).await;
    let listed = async |most| {
        let sessions = records.listed_sessions(most).await.unwrap();
        sessions.into_iter().map(|session| session.title).collect::<Vec<_>>()
    };
    records.pin_session(&ids[0], true).await.unwrap();
    records.pin_session(&ids[2], true).await.unwrap();
    assert_eq!(listed(9).await, ["three", "one", "four", "two"]);
    assert_eq!(
        (listed(3).await, listed(1).await),
        (vec!["three".into(), "one".into(), "four".into()], vec!["three".into()])
    );
    assert_eq!(records.session(&ids[0]).await.unwrap().unwrap().pinned_ms, Some(9));
    // To pin is not to change.
    assert_eq!(records.recent_sessions(None, 1).await.unwrap()[0].title, "four");
    records.pin_session(&ids[2], false).await.unwrap();
    assert_eq!(listed(9).await, ["one", "four", "three", "two"]);
    let fork = records.fork_session(&ids[0], 0).await.unwrap();
    assert_eq!(records.session(&fork).await.unwrap().unwrap().pinned_ms, None);
    let none = SessionId::parse("s-nothing").unwrap();
    assert!(matches!(records.pin_session(&none, true).await, Err(LedgerError::NoSuch { .. })));
}

#[tokio::test]
async fn a_deleted_session_leaves_nothing_but_what_it_used_and_an_event() {
    let fixture = Fixture::new().await;
    let records = &fixture.records;
    fixture.propose(call("c-1")).await;
    records.request_approval(&question(&fixture, "c-1")).await.unwrap();
    let rule = NewRule {
        component: id("mailer"),
        tool: tool("send"),
        destinations: Vec::new(),
        servers: Vec::new(),
        arguments: None,
        session: Some(fixture.session.clone()),
        signer: None,
        person: person("anna"),
        by: "anna".into(),
    };
    add_rule(records, &rule).await;
    records.set_summary(&fixture.session, 1, &json!("s"), Label::NONE).await.unwrap();
    let asked = Reservation {
        caller: Caller::Run(fixture.run.clone()),
        component: id("model"),
        model: "m".into(),
        tokens: 5,
        micros: None,
    };
    let reserved = records.reserve(&asked, &[]).await.unwrap();
    records.settle(&reserved, Spent { input: 2, output: 1, micros: None }).await.unwrap();

    assert!(records.delete_session(&fixture.session).await.unwrap());
    assert!(!records.delete_session(&fixture.session).await.unwrap());
    for table in ["sessions", "messages", "summaries", "runs", "calls", "approvals", "rules", "attachments"] {
        let left: i64 = value(records.ledger(), &format!("SELECT COUNT(*) FROM {table}")).await;
        assert_eq!(left, 0, "{table}");
    }
    let used = records.usage(0, UsageBy::Session).await.unwrap();
    assert_eq!((used[0].group.as_str(), used[0].input), ("", 2));
    let event = events(records.ledger(), 1).await.unwrap().remove(0);
    assert_eq!((event.kind.as_str(), event.subject.as_str()), ("session-deleted", fixture.session.as_str()));
    records.ledger().verify_events().await.unwrap();
}

#[tokio::test]
async fn sessions_that_nobody_used_for_long_go_with_all_that_is_in_them_and_one_event() {
    let fixture = Fixture::new().await;
    let records = &fixture.records;
    let begin = async |title| records.begin_session(&person("anna"), "chat", "main", title).await.unwrap();
    let (old, pinned, new) = (begin("old").await, begin("pinned").await, begin("new").await);
    let address = ConversationAddress::parse("chat:main:room").unwrap();
    let received = records.receive(&inbox::came("room", "1")).await.unwrap().id;
    let run = Records::fresh_run().unwrap();
    records
        .begin_run_for(&run, &old, "dead", &said("x", Source::Owner), (None, None), std::slice::from_ref(&received))
        .await
        .unwrap();
    let goes = NewOutbound { address, run: Some(run.clone()), ..queued("room", "k") };
    let goes = records.enqueue(&goes).await.unwrap().id;
    outbox::sent(records, &goes).await;
    records.end_run(&run, &[], RunState::Done, None, &[]).await.unwrap();
    records.pin_session(&pinned, true).await.unwrap();
    let later = records_at(&fixture.place, 5_000).await;
    let run = later.begin_run(&new, "another", &said("x", Source::Owner)).await.unwrap();
    later.end_run(&run, &[], RunState::Done, None, &[]).await.unwrap();

    // The session of the fixture is as old, and this process works in it.
    assert_eq!(records.expire_sessions(1_000, "process 1").await.unwrap(), []);
    assert_eq!(records.expire_sessions(1_001, "process 1").await.unwrap(), std::slice::from_ref(&old));
    for id in [&pinned, &new, &fixture.session] {
        assert!(records.session(id).await.unwrap().is_some());
    }
    assert!(records.session(&old).await.unwrap().is_none());
    assert!(records.inbound(&received).await.unwrap().is_none() && records.outbound(&goes).await.unwrap().is_none());
    let event = events(records.ledger(), 1).await.unwrap().remove(0);
    assert_eq!(
        (event.kind.as_str(), event.detail),
        ("sessions-expired", json!({ "sessions": 1, "unused-since-ms": 1_001 }))
    );
    // Nobody takes up what a dead process left for so long.
    assert_eq!(records.expire_sessions(1_001, "process 2").await.unwrap(), std::slice::from_ref(&fixture.session));
    assert_eq!(value::<i64>(records.ledger(), "SELECT COUNT(*) FROM runs").await, 1);
    records.ledger().verify_events().await.unwrap();
}
