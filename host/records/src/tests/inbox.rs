//! What came is here once, in order, and goes from the inbox with its run.

use super::*;

/// A message that came on an account of a channel.
pub(super) fn came(conversation: &str, platform_id: &str) -> NewInbound {
    NewInbound {
        address: ConversationAddress::parse(&format!("chat:main:{conversation}")).unwrap(),
        sender: cara_authority::PersonAddress::parse("chat:main:ben").unwrap(),
        sender_name: Some("Ben".into()),
        platform_id: platform_id.into(),
        group: true,
        mentioned: true,
        body: json!({ "text": platform_id }),
        label: Label::of(Source::OtherPerson),
        sent_ms: 900,
    }
}

fn notice(missed: &Missed) -> NewOutbound {
    NewOutbound {
        address: missed.address.clone(),
        by: "missed".into(),
        key: missed.messages[0].id.to_string(),
        answers: Some(missed.messages[0].id.clone()),
        run: None,
        body: json!(missed.messages.len()),
        label: Label::NONE,
    }
}

#[tokio::test]
async fn a_message_that_a_platform_repeats_is_one_whatever_changed_in_it() {
    let place = Place::new();
    let records = records_at(&place, 1_000).await;
    let mut changed = records.inbox_changed();
    let first = records.receive(&came("room", "1")).await.unwrap();
    assert!(!first.again && changed.has_changed().unwrap());
    changed.mark_unchanged();
    let other = NewInbound { body: json!("edited"), sent_ms: 1, group: false, ..came("elsewhere", "1") };
    let again = records_at(&place, 2_000).await.receive(&other).await.unwrap();
    assert_eq!(again, Received { id: first.id.clone(), again: true });
    assert!(!changed.has_changed().unwrap(), "nobody is woken for it");
    let kept = records.inbound(&first.id).await.unwrap().unwrap();
    assert_eq!((kept.message, kept.state, kept.received_ms), (came("room", "1"), InboundState::Waiting, 1_000));
    // On another account the same id is another message; a time to come counts as now.
    let elsewhere = NewInbound {
        address: ConversationAddress::parse("chat:other:room").unwrap(),
        sent_ms: 5_000,
        ..came("room", "1")
    };
    let elsewhere = records.receive(&elsewhere).await.unwrap();
    assert!(!elsewhere.again);
    assert_eq!(records.inbound(&elsewhere.id).await.unwrap().unwrap().message.sent_ms, 1_000);
}

#[tokio::test]
async fn what_waits_is_found_by_conversation_in_order_of_arrival() {
    let place = Place::new();
    let records = records_at(&place, 1_000).await;
    let batch = [came("a", "1"), came("b", "2"), came("a", "3"), came("b", "2")];
    let received = records.receive_all(&batch).await.unwrap();
    assert_eq!(received.iter().map(|r| r.again).collect::<Vec<_>>(), [false, false, false, true]);
    let waiting = records_at(&place, 2_000).await.waiting_conversations().await.unwrap();
    let mut counts: Vec<_> =
        waiting.iter().map(|w| (w.address.conversation.as_str(), w.messages, w.since_ms)).collect();
    counts.sort_unstable();
    assert_eq!(counts, [("a", 2, 900), ("b", 1, 900)]);
    let of_a = records.waiting_inbound(&came("a", "").address, 9).await.unwrap();
    let of_a: Vec<_> = of_a.iter().map(|m| (m.position, m.message.platform_id.as_str())).collect();
    assert_eq!(of_a, [(1, "1"), (2, "3")]);
    assert_eq!(records.waiting_inbound(&came("a", "").address, 1).await.unwrap().len(), 1);
    assert_eq!(records.inbox_counts().await.unwrap(), [(InboundState::Waiting, 3)]);
}

#[tokio::test]
async fn a_run_takes_its_messages_and_settles_them_each_in_one_commit() {
    let fixture = Fixture::new().await;
    let records = &fixture.records;
    let ids: Vec<_> = records.receive_all(&[came("a", "1"), came("a", "2"), came("a", "3")]).await.unwrap();
    let ids: Vec<_> = ids.into_iter().map(|received| received.id).collect();
    records.end_run(&fixture.run, &[], RunState::Done, None, &[]).await.unwrap();
    let other = records.begin_session(&person("anna"), "terminal", "main", "other").await.unwrap();
    let begin = async |session: &SessionId, inbound: &[InboundId]| {
        let (run, message) = (Records::fresh_run().unwrap(), said("x", Source::OtherPerson));
        records.begin_run_for(&run, session, "p", &message, (None, None), inbound).await.map(|()| run)
    };
    let run = begin(&fixture.session, &ids[..2]).await.unwrap();
    // One that is taken begins no second run, and nothing of that one is kept.
    let refused = begin(&other, &[ids[2].clone(), ids[1].clone()]).await.unwrap_err();
    assert!(matches!(refused, LedgerError::Conflict { state: "running", .. }), "{refused}");
    assert!(records.runs(&other).await.unwrap().is_empty());
    assert_eq!(records.inbound(&ids[2]).await.unwrap().unwrap().state, InboundState::Waiting);
    assert_eq!(records.inbound_of(&run).await.unwrap().len(), 2);
    // Words that steer a run are its own from then on.
    let mut change = records.ledger().change().await.unwrap();
    records.take_inbound(&mut change.sql(), &run, &ids[2..]).await.unwrap();
    change.commit().await.unwrap();
    let answer = NewOutbound { run: Some(run.clone()), answers: Some(ids[0].clone()), ..queued("a", "answer") };
    let ended = records.end_run_with(&run, &[], RunState::Done, None, &[], std::slice::from_ref(&answer)).await;
    assert!(ended.unwrap());
    for id in &ids {
        let settled = records.inbound(id).await.unwrap().unwrap();
        assert_eq!((settled.state, settled.run.as_ref()), (InboundState::Answered, Some(&run)));
    }
    assert_eq!(records.outbox(None, 9).await.unwrap()[0].message, answer);
    // A run that had ended answers nothing more.
    let late = NewOutbound { key: "late".into(), ..answer };
    assert!(!records.end_run_with(&run, &[], RunState::Done, None, &[], &[late]).await.unwrap());
    assert_eq!(records.outbox(None, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_run_that_ends_otherwise_says_so_and_its_message_can_be_replayed() {
    let fixture = Fixture::new().await;
    let records = &fixture.records;
    records.end_run(&fixture.run, &[], RunState::Done, None, &[]).await.unwrap();
    let ends = [
        (RunState::Failed, InboundState::Failed),
        (RunState::Interrupted, InboundState::Failed),
        (RunState::Cancelled, InboundState::Dropped),
    ];
    for (n, (ended, state)) in ends.into_iter().enumerate() {
        let id = records.receive(&came("a", &n.to_string())).await.unwrap().id;
        let run = Records::fresh_run().unwrap();
        let begun = [id.clone()];
        records
            .begin_run_for(&run, &fixture.session, "p", &said("x", Source::Web), (None, None), &begun)
            .await
            .unwrap();
        let refused = records.replay_inbound(&id, "anna").await.unwrap_err();
        assert!(matches!(refused, LedgerError::Conflict { state: "running", .. }), "{refused}");
        records.end_run(&run, &[], ended, None, &[]).await.unwrap();
        assert_eq!(records.inbound(&id).await.unwrap().unwrap().state, state);
        records.replay_inbound(&id, "anna").await.unwrap();
        let again = records.inbound(&id).await.unwrap().unwrap();
        assert_eq!((again.state, again.run, again.position), (InboundState::Waiting, None, n as u64 + 1));
        records.drop_inbound(&id, "anna").await.unwrap();
        assert!(matches!(records.drop_inbound(&id, "anna").await, Err(LedgerError::Conflict { state: "dropped", .. })));
    }
    let none = records.replay_inbound(&InboundId::parse("i-none").unwrap(), "anna").await.unwrap_err();
    assert!(matches!(none, LedgerError::NoSuch { .. }), "{none}");
    assert_eq!(records.ledger().verify_events().await.unwrap(), 6);
}

#[tokio::test]
async fn what_is_too_old_is_missed_with_one_message_for_each_conversation() {
    let place = Place::new();
    let records = records_at(&place, 10_000).await;
    let old = |room: &str, id: &str| NewInbound { sent_ms: 1_000, ..came(room, id) };
    let young = NewInbound { sent_ms: 9_000, ..came("a", "3") };
    records.receive_all(&[old("a", "1"), old("b", "4"), old("a", "2"), young.clone()]).await.unwrap();
    let mut missed = records.miss(9_000, notice).await.unwrap();
    missed.sort_by_key(|missed| missed.address.clone());
    let counts: Vec<_> = missed.iter().map(|m| (m.address.conversation.as_str(), m.messages.len())).collect();
    assert_eq!(counts, [("a", 2), ("b", 1)]);
    assert!(records.miss(9_000, notice).await.unwrap().is_empty());
    let told = records.outbox(None, 9).await.unwrap();
    assert_eq!(told.len(), 2, "one message for each conversation");
    let waiting = records.waiting_inbound(&young.address, 9).await.unwrap();
    assert_eq!(waiting.into_iter().map(|m| m.message).collect::<Vec<_>>(), [young]);
    let missed = records.inbox(Some(InboundState::Missed), 9).await.unwrap();
    assert_eq!(missed.len(), 3);
    // Who has one answered all the same knows how old it is.
    records.replay_inbound(&missed[0].id, "local:owner").await.unwrap();
    assert!(records.miss(9_000, notice).await.unwrap().is_empty());
    assert_eq!(records.inbound(&missed[0].id).await.unwrap().unwrap().state, InboundState::Waiting);
}

#[tokio::test]
async fn an_inbox_that_is_full_refuses_and_keeps_nothing_of_what_it_refused() {
    let place = Place::new();
    let records = records_at(&place, 1_000).await;
    let room = |room: u64, count: u64| (0..count).map(|n| came(&room.to_string(), &format!("{room}/{n}"))).collect();
    let full: Vec<_> = room(0, MOST_WAITING_OF_ONE);
    records.receive_all(&full).await.unwrap();
    let refused = records.receive_all(&[came("free", "f"), came("0", "more")]).await.unwrap_err();
    assert!(matches!(refused, ReceiveError::Full { of_one: true, waiting: MOST_WAITING_OF_ONE }), "{refused}");
    assert!(refused.to_string().contains("\nhint: "));
    assert!(records.waiting_inbound(&came("free", "").address, 9).await.unwrap().is_empty(), "all or none");
    // What was here before is known all the same, and another conversation has room.
    assert!(records.receive(&full[3]).await.unwrap().again);
    for other in 1..MOST_WAITING / MOST_WAITING_OF_ONE {
        let batch: Vec<_> = room(other, MOST_WAITING_OF_ONE);
        records.receive_all(&batch).await.unwrap();
    }
    let refused = records.receive(&came("free", "f")).await.unwrap_err();
    assert!(matches!(refused, ReceiveError::Full { of_one: false, waiting: MOST_WAITING }), "{refused}");
    let dropped = records.waiting_inbound(&full[0].address, 1).await.unwrap().remove(0);
    records.drop_inbound(&dropped.id, "anna").await.unwrap();
    records.receive(&came("free", "f")).await.unwrap();
    let large = NewInbound { body: json!("x".repeat(MAX_MESSAGE as usize)), ..came("free", "large") };
    let refused = records.receive(&large).await.unwrap_err();
    assert!(matches!(refused, ReceiveError::Ledger(LedgerError::TooLarge { .. })), "{refused}");
}

#[tokio::test]
async fn settled_messages_are_forgotten_and_still_not_taken_twice() {
    let place = Place::new();
    let records = records_at(&place, 1_000).await;
    let ids = records.receive_all(&[came("a", "1"), came("a", "2")]).await.unwrap();
    records.drop_inbound(&ids[0].id, "anna").await.unwrap();
    records.enqueue(&queued("a", "k")).await.unwrap();
    let out = records.outbox(None, 1).await.unwrap().remove(0).id;
    records.drop_outbound(&out, "anna").await.unwrap();
    assert_eq!(records.forget_settled().await.unwrap(), 0);
    let later = records_at(&place, 1_001 + CONTENT_KEPT_MS).await;
    assert_eq!(later.forget_settled().await.unwrap(), 2);
    assert!(later.inbound(&ids[0].id).await.unwrap().is_none() && later.outbound(&out).await.unwrap().is_none());
    assert!(matches!(later.replay_inbound(&ids[0].id, "x").await, Err(LedgerError::NoSuch { .. })));
    assert!(later.receive(&came("a", "1")).await.unwrap().again);
    assert!(later.enqueue(&queued("a", "k")).await.unwrap().again);
    let last = records_at(&place, 1_001 + LOOKUP_KEPT_MS).await;
    last.forget_settled().await.unwrap();
    assert!(!last.receive(&came("a", "1")).await.unwrap().again);
    // What waits is never forgotten.
    assert_eq!(last.waiting_inbound(&came("a", "").address, 9).await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_somebody_said_is_forgotten_when_they_are() {
    let place = Place::new();
    let records = records_at(&place, 1_000).await;
    let anna = cara_authority::PersonAddress::parse("chat:main:anna").unwrap();
    records.receive_all(&[came("a", "1"), NewInbound { sender: anna, ..came("a", "2") }]).await.unwrap();
    let mut change = records.ledger().change().await.unwrap();
    assert_eq!(records.forget_sender(&mut change.sql(), &came("a", "1").sender).await.unwrap(), 1);
    change.commit().await.unwrap();
    let left = records.waiting_inbound(&came("a", "").address, 9).await.unwrap();
    assert_eq!(left.iter().map(|m| m.message.platform_id.as_str()).collect::<Vec<_>>(), ["2"]);
    assert!(records.receive(&came("a", "1")).await.unwrap().again);
}

#[tokio::test]
async fn what_others_wrote_keeps_nobody_out_who_is_there_and_each_is_one_by_its_id() {
    let place = Place::new();
    let records = records_at(&place, 1_000).await;
    let all: Vec<NewInbound> = (0..MOST_WAITING_OF_ONE).map(|at| came("room", &at.to_string())).collect();
    records.receive_all(&all).await.unwrap();
    let own = came("room", "own");
    assert!(matches!(records.receive(&own).await, Err(ReceiveError::Full { of_one: true, .. })));
    let first = records.receive_own(&own).await.unwrap();
    assert_eq!(records.receive_own(&own).await.unwrap(), Received { id: first.id.clone(), again: true });
    assert_eq!(records.received("chat", "main", "own").await.unwrap(), Some(first.id.clone()));
    for (account, platform_id) in [("other", "own"), ("main", "none")] {
        assert_eq!(records.received("chat", account, platform_id).await.unwrap(), None);
    }
    // What was said is forgotten; that it was is known.
    records.receive_own(&came("elsewhere", "stays")).await.unwrap();
    assert_eq!(records.forget_conversation(&own.address).await.unwrap(), MOST_WAITING_OF_ONE + 1);
    assert!(records.inbound(&first.id).await.unwrap().is_none());
    assert!(records.receive_own(&own).await.unwrap().again);
    assert_eq!(records.inbox_counts().await.unwrap(), [(InboundState::Waiting, 1)]);
}
