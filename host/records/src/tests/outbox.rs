//! What goes is here once, goes in order, and is judged by how its channel
//! delivers.

use super::*;

const PATIENCE: Patience = Patience { attempts: 3, time_ms: 100_000, deadline_ms: 1_000, settle_ms: 5_000 };

/// A turn of the channel that delivers so.
async fn turn(records: &Records, ended: &[(OutboundId, Attempt)], most: u32, class: Option<DeliveryClass>) -> Turn {
    let by = Sender { channel: "chat", process: "p 1", class: &move |_| class, patience: &PATIENCE };
    records.outbox_turn(&by, ended, most).await.unwrap()
}

/// All messages that are due.
async fn take(records: &Records, class: Option<DeliveryClass>) -> Vec<Outbound> {
    turn(records, &[], 99, class).await.claimed
}

/// Keeps what the attempt of a message came to.
async fn end(records: &Records, message: &Outbound, attempt: Attempt) -> Outbound {
    let ended = [(message.id.clone(), attempt)];
    turn(records, &ended, 0, None).await;
    records.outbound(&message.id).await.unwrap().unwrap()
}

/// Sends a message that waits.
pub(super) async fn sent(records: &Records, id: &OutboundId) {
    let taken = take(records, BLIND).await;
    let message = taken.iter().find(|message| message.id == *id).unwrap();
    end(records, message, Attempt::Sent("canary-receipt".into())).await;
}

fn unsure(next_ms: u64) -> Attempt {
    Attempt::Unsure { error: "no answer".into(), next_ms }
}

fn keys(messages: &[Outbound]) -> Vec<&str> {
    messages.iter().map(|message| message.message.key.as_str()).collect()
}

const BLIND: Option<DeliveryClass> = Some(DeliveryClass::Blind);
const KEYED: Option<DeliveryClass> = Some(DeliveryClass::Keyed { window_ms: 10_000 });
const CHECKABLE: Option<DeliveryClass> = Some(DeliveryClass::Checkable);

#[tokio::test]
async fn one_key_of_one_sender_is_one_message() {
    let place = Place::new();
    let records = records_at(&place, 1_000).await;
    let mut changed = records.outbox_changed();
    let first = records.enqueue(&queued("a", "k")).await.unwrap();
    assert!(!first.again && changed.has_changed().unwrap());
    changed.mark_unchanged();
    let other = NewOutbound { body: json!("another"), ..queued("b", "k") };
    assert_eq!(records.enqueue(&other).await.unwrap(), Queued { id: first.id.clone(), again: true });
    assert!(!changed.has_changed().unwrap());
    let elsewhere = NewOutbound { by: "other".into(), ..queued("a", "k") };
    assert!(!records.enqueue(&elsewhere).await.unwrap().again);
    let kept = records_at(&place, 2_000).await.outbound_by_key("run", "k").await.unwrap().unwrap();
    assert_eq!((kept.id, kept.message, kept.state), (first.id, queued("a", "k"), OutboundState::Waiting));
}

#[tokio::test]
async fn those_of_one_conversation_go_in_order_and_conversations_beside_each_other() {
    let place = Place::new();
    let records = records_at(&place, 1_000).await;
    for key in ["a1", "a2", "a3", "b1"] {
        records.enqueue(&queued(&key[..1], key)).await.unwrap();
    }
    let first = take(&records, BLIND).await;
    assert_eq!(keys(&first), ["a1", "b1"]);
    assert!(take(&records, BLIND).await.is_empty(), "none is taken twice, and none overtakes");
    // One that is tried again is still before the next.
    let waits = end(&records, &first[0], Attempt::NotSent { error: "refused".into(), next_ms: 5_000 }).await;
    assert_eq!(
        (waits.state, waits.next_ms, waits.error.as_deref()),
        (OutboundState::Waiting, Some(5_000), Some("refused"))
    );
    let turn = turn(&records, &[], 9, BLIND).await;
    assert_eq!((turn.claimed.len(), turn.next_ms), (0, Some(5_000)));
    let later = records_at(&place, 5_000).await;
    let again = take(&later, BLIND).await;
    assert_eq!((keys(&again), again[0].attempts), (vec!["a1"], 2));
    let sent = end(&later, &again[0], Attempt::Sent("m-1".into())).await;
    assert_eq!((sent.state, sent.receipt.as_deref(), sent.error), (OutboundState::Sent, Some("m-1"), None));
    // What is unknown or dead is settled: it holds nothing up.
    let second = take(&later, BLIND).await;
    assert_eq!(keys(&second), ["a2"]);
    assert_eq!(end(&later, &second[0], unsure(0)).await.state, OutboundState::Unknown);
    let third = take(&later, BLIND).await;
    assert_eq!(keys(&third), ["a3"]);
    assert_eq!(end(&later, &third[0], Attempt::Refused("blocked".into())).await.state, OutboundState::Dead);
}

#[tokio::test]
async fn what_may_have_got_there_is_judged_by_how_the_channel_delivers() {
    for (class, at_ms, state, next_ms) in [
        (BLIND, 2_000, OutboundState::Unknown, None),
        (KEYED, 2_000, OutboundState::Waiting, Some(2_000)),
        // The last try must arrive while the platform knows the key.
        (KEYED, 9_999, OutboundState::Waiting, Some(9_999)),
        (KEYED, 10_000, OutboundState::Unknown, None),
        // It may be on its way for a while.
        (CHECKABLE, 2_000, OutboundState::Waiting, Some(6_000)),
        (CHECKABLE, 90_000, OutboundState::Waiting, Some(90_000)),
    ] {
        // By what the channel says, and by what a process left that was killed.
        for killed in [false, true] {
            let place = Place::new();
            let records = records_at(&place, 1_000).await;
            records.enqueue(&queued("a", "k")).await.unwrap();
            let taken = take(&records, class).await;
            let found = if killed {
                let next = records_at(&place, at_ms).await;
                assert_eq!(next.recover_outbox("other", &|_| true, &PATIENCE).await.unwrap(), 0, "another channel's");
                assert_eq!(next.recover_outbox("chat", &|_| false, &PATIENCE).await.unwrap(), 0, "who lives goes on");
                assert_eq!(next.recover_outbox("chat", &|process| process == "p 1", &PATIENCE).await.unwrap(), 1);
                next.outbound(&taken[0].id).await.unwrap().unwrap()
            } else {
                end(&records, &taken[0], unsure(at_ms)).await
            };
            assert_eq!(
                (found.state, found.next_ms, found.first_ms),
                (state, next_ms, Some(1_000)),
                "{class:?} {at_ms}"
            );
        }
    }
}

#[tokio::test]
async fn a_key_that_the_platform_may_have_forgotten_is_not_sent_again() {
    let place = Place::new();
    let records = records_at(&place, 1_000).await;
    records.enqueue(&queued("a", "k")).await.unwrap();
    let taken = take(&records, KEYED).await;
    end(&records, &taken[0], unsure(2_000)).await;
    // Nobody came to it in time.
    let late = records_at(&place, 10_000).await;
    assert!(take(&late, KEYED).await.is_empty());
    let found = late.outbound(&taken[0].id).await.unwrap().unwrap();
    assert_eq!((found.state, found.error.as_deref()), (OutboundState::Unknown, Some("no answer")));
    // Nor where the channel says meanwhile that it knows no keys.
    records.enqueue(&queued("b", "k2")).await.unwrap();
    let taken = take(&records, KEYED).await;
    end(&records, &taken[0], unsure(1_000)).await;
    assert!(take(&records, BLIND).await.is_empty());
    assert_eq!(records.outbound(&taken[0].id).await.unwrap().unwrap().state, OutboundState::Unknown);
    // Only a person lets it be sent again.
    records.retry_outbound(&taken[0].id, "anna").await.unwrap();
    assert_eq!(keys(&take(&records, BLIND).await), ["k2"]);
}

#[tokio::test]
async fn what_is_tried_too_often_or_too_long_is_dead_or_unknown() {
    for (first, then, state) in [
        (None, Attempt::NotSent { error: "down".into(), next_ms: 0 }, OutboundState::Dead),
        (Some(unsure(0)), Attempt::NotSent { error: "down".into(), next_ms: 0 }, OutboundState::Unknown),
        (Some(unsure(0)), Attempt::Refused("no".into()), OutboundState::Unknown),
        (None, Attempt::NotSent { error: "later".into(), next_ms: 101_001 }, OutboundState::Dead),
    ] {
        let place = Place::new();
        let records = records_at(&place, 1_000).await;
        records.enqueue(&queued("a", "k")).await.unwrap();
        let mut attempts = first.into_iter().chain(std::iter::repeat(then.clone()));
        for _ in 0..3 {
            let Some(message) = take(&records, KEYED).await.pop() else { break };
            end(&records, &message, attempts.next().unwrap()).await;
        }
        let found = records.outbox(None, 1).await.unwrap().remove(0);
        assert_eq!(found.state, state, "{then:?}");
        records.retry_outbound(&found.id, "anna").await.unwrap();
        assert_eq!(take(&records, KEYED).await[0].attempts, 1);
    }
}

#[tokio::test]
async fn what_nobody_is_there_for_waits_and_is_no_attempt() {
    let place = Place::new();
    let records = records_at(&place, 1_000).await;
    for key in ["a1", "a2"] {
        records.enqueue(&queued("a", key)).await.unwrap();
    }
    for _ in 0..9 {
        let taken = take(&records, BLIND).await;
        assert_eq!(keys(&taken), ["a1"]);
        let waits = end(&records, &taken[0], Attempt::Absent("nobody".into())).await;
        assert_eq!((waits.state, waits.attempts, waits.next_ms), (OutboundState::Waiting, 0, None));
        assert!(take(&records, BLIND).await.is_empty());
        records.wake_outbox("chat", Some("other")).await.unwrap();
        assert!(take(&records, BLIND).await.is_empty());
        records.wake_outbox("chat", Some("main")).await.unwrap();
    }
    // Nor is it lost where no such channel runs.
    assert!(take(&records, None).await.is_empty());
    assert!(take(&records, BLIND).await.is_empty());
    records.recover_outbox("chat", &|_| true, &PATIENCE).await.unwrap();
    assert_eq!(keys(&take(&records, BLIND).await), ["a1"]);
}

#[tokio::test]
async fn a_person_drops_and_retries_and_both_are_audited() {
    let place = Place::new();
    let records = records_at(&place, 1_000).await;
    for key in ["a1", "a2"] {
        records.enqueue(&queued("a", key)).await.unwrap();
    }
    let [second, first] = &records.outbox(None, 9).await.unwrap()[..] else { panic!() };
    let refused = records.retry_outbound(&first.id, "anna").await.unwrap_err();
    assert!(matches!(refused, LedgerError::Conflict { state: "waiting", .. }), "{refused}");
    records.drop_outbound(&first.id, "anna").await.unwrap();
    let taken = take(&records, BLIND).await;
    assert_eq!(taken[0].id, second.id, "the next one goes");
    let refused = records.drop_outbound(&second.id, "anna").await.unwrap_err();
    assert!(matches!(refused, LedgerError::Conflict { state: "sending", .. }), "{refused}");
    records.retry_outbound(&first.id, "anna").await.unwrap();
    assert!(take(&records, BLIND).await.is_empty(), "one of a conversation at a time");
    assert_eq!(records.ledger().verify_events().await.unwrap(), 2);
    let none = records.drop_outbound(&OutboundId::parse("o-none").unwrap(), "anna").await.unwrap_err();
    assert!(matches!(none, LedgerError::NoSuch { .. }), "{none}");
}

#[tokio::test]
async fn an_outbox_that_is_full_refuses() {
    let place = Place::new();
    let records = records_at(&place, 1_000).await;
    let mut change = records.ledger().change().await.unwrap();
    for n in 0..MOST_QUEUED {
        records.enqueue_in(&mut change.sql(), &queued("a", &n.to_string())).await.unwrap();
    }
    change.commit().await.unwrap();
    let refused = records.enqueue(&queued("a", "more")).await.unwrap_err();
    assert!(
        matches!(refused, EnqueueError::Full(MOST_QUEUED)) && refused.to_string().contains("\nhint: "),
        "{refused}"
    );
    assert!(records.outbound_by_key("run", "more").await.unwrap().is_none());
    assert!(records.enqueue(&queued("a", "7")).await.unwrap().again);
    records.enqueue(&queued("b", "b")).await.unwrap();
}

#[tokio::test]
async fn one_that_was_altered_is_dead_and_holds_nothing_up() {
    let place = Place::new();
    let records = records_at(&place, 1_000).await;
    for key in ["a1", "a2"] {
        records.enqueue(&queued("a", key)).await.unwrap();
    }
    tamper(records.ledger(), "UPDATE outbox SET label = 'owner' WHERE position = 1").await;
    assert!(take(&records, BLIND).await.is_empty());
    assert_eq!(keys(&take(&records, BLIND).await), ["a2"]);
    let dead = records.outbox(Some(OutboundState::Dead), 9).await.unwrap_err();
    assert!(dead.to_string().contains("outbox"), "{dead}");
}
