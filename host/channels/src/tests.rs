//! Tests of the driver: order, deadlines, back-off, its end.

#![allow(clippy::unwrap_used)]

mod account;
mod kill;

use super::*;
use cara_authority::{ConversationAddress, Label};
use cara_records::{Attempt, ContentKey, DeliveryClass, NewOutbound, Outbound, OutboundId, OutboundState, Records};
use cara_services::clock::Clock;
use cara_services::ledger::Ledger;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

type Says = Box<dyn Fn(usize) -> Answer + Send + Sync>;

/// What the channel of the tests does with a message.
enum Answer {
    Takes,
    Fails(SendError),
    Hangs,
    Panics,
}

/// A channel that does what it is told, and remembers.
struct Told {
    class: DeliveryClass,
    says: Says,
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    /// The texts that were taken, by conversation.
    taken: BTreeMap<String, Vec<String>>,
    attempts: BTreeMap<String, usize>,
    at_once: usize,
    most_at_once: usize,
    asked: usize,
}

#[async_trait::async_trait]
impl Channel for Told {
    fn name(&self) -> &str {
        "chat"
    }

    fn class(&self, _: &str) -> Option<DeliveryClass> {
        Some(self.class)
    }

    async fn send(&self, message: &Outbound) -> Result<String, SendError> {
        let (key, room) = (message.message.key.clone(), message.message.address.conversation.clone());
        let attempt = {
            let mut log = self.log.lock().unwrap();
            log.at_once += 1;
            log.most_at_once = log.most_at_once.max(log.at_once);
            *log.attempts.entry(key.clone()).and_modify(|times| *times += 1).or_insert(1)
        };
        // So that others can come between.
        tokio::task::yield_now().await;
        let said = match (self.says)(attempt) {
            Answer::Takes => Ok(()),
            Answer::Fails(error) => Err(error),
            Answer::Hangs => std::future::pending().await,
            Answer::Panics => panic!("a test"),
        };
        let mut log = self.log.lock().unwrap();
        log.at_once -= 1;
        said?;
        log.taken.entry(room).or_default().push(key.clone());
        Ok(format!("m-{key}"))
    }

    async fn confirm(&self, _: &ConversationAddress, _: &str) -> Result<Option<String>, SendError> {
        self.log.lock().unwrap().asked += 1;
        Ok(Some("m-asked".to_owned()))
    }
}

struct Fixture {
    _folder: tempfile::TempDir,
    records: Records,
    channel: Arc<Told>,
    stop: CancellationToken,
    pace: Pace,
}

const PACE: Pace = Pace {
    at_once: 8,
    deadline: Duration::from_millis(50),
    settle: Duration::from_millis(1),
    first_wait: Duration::from_millis(1),
    longest_wait: Duration::from_millis(4),
    attempts: 5,
    time: Duration::from_secs(60),
    grace: Duration::from_millis(20),
};

impl Fixture {
    async fn new(class: DeliveryClass, says: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path().join("ledger.db"), Clock::system(), [7; 32].into()).await.unwrap();
        let records = Records::open(&ledger, ContentKey::new([5; 32].into())).await.unwrap();
        let channel = Arc::new(Told { class, says: Box::new(says), log: Mutex::default() });
        Self { _folder: folder, records, channel, stop: CancellationToken::new(), pace: PACE }
    }

    async fn queue(&self, room: &str, key: &str) -> OutboundId {
        let new = NewOutbound {
            address: ConversationAddress::parse(&format!("chat:main:{room}")).unwrap(),
            by: "a test".into(),
            key: key.into(),
            answers: None,
            run: None,
            body: json!(key),
            label: Label::NONE,
        };
        self.records.enqueue(&new).await.unwrap().id
    }

    fn drive(&self) -> JoinHandle<()> {
        let (records, channel, pace, stop) = (self.records.clone(), self.channel.clone(), self.pace, self.stop.clone());
        tokio::spawn(async move { drive(records, channel, "p-1", &|_| true, pace, stop).await.unwrap() })
    }

    async fn state(&self, id: &OutboundId) -> (OutboundState, u64) {
        let found = self.records.outbound(id).await.unwrap().unwrap();
        (found.state, found.attempts)
    }
}

fn fails(failure: Failure) -> Answer {
    Answer::Fails(SendError::new(failure, "a test"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conversations_go_beside_each_other_and_the_messages_of_one_in_order() {
    let fixture = Fixture::new(DeliveryClass::Blind, |attempt| match attempt {
        1 => fails(Failure::NotSent),
        _ => Answer::Takes,
    });
    let fixture = fixture.await;
    let driven = fixture.drive();
    let mut ids = Vec::new();
    for number in 0..6 {
        for room in ["a", "b", "c"] {
            ids.push(fixture.queue(room, &format!("{room}{number}")).await);
        }
    }
    for id in &ids {
        assert!(matches!(settled(&fixture.records, id).await.unwrap(), Settled::Sent(_)));
    }
    fixture.stop.cancel();
    driven.await.unwrap();
    let log = fixture.channel.log.lock().unwrap();
    for (room, taken) in &log.taken {
        assert_eq!(*taken, (0..6).map(|number| format!("{room}{number}")).collect::<Vec<_>>());
    }
    assert!(log.taken.len() == 3 && (1..=3).contains(&log.most_at_once), "{} at once", log.most_at_once);
}

#[tokio::test]
async fn one_that_is_silent_holds_up_its_conversation_for_the_deadline_and_no_other() {
    let fixture = Fixture::new(DeliveryClass::Blind, |_| Answer::Hangs).await;
    let driven = fixture.drive();
    let began = Instant::now();
    let ids = [fixture.queue("a", "1").await, fixture.queue("a", "2").await, fixture.queue("b", "3").await];
    for id in &ids {
        let Settled::Unknown(why) = settled(&fixture.records, id).await.unwrap() else { panic!() };
        assert!(why.contains("no answer within"), "{why}");
    }
    // Two deadlines one after the other, and the third beside them.
    assert!(began.elapsed() >= PACE.deadline * 2);
    assert_eq!(fixture.channel.log.lock().unwrap().most_at_once, 3, "what was cut off is never counted down");
    fixture.stop.cancel();
    driven.await.unwrap();
}

#[tokio::test]
async fn a_channel_that_fails_is_tried_so_often_and_one_that_panics_breaks_nothing() {
    let fixture = Fixture::new(DeliveryClass::Blind, |_| fails(Failure::NotSent)).await;
    let driven = fixture.drive();
    let id = fixture.queue("a", "1").await;
    assert_eq!(settled(&fixture.records, &id).await.unwrap(), Settled::Dead("a test".into()));
    assert_eq!(fixture.state(&id).await, (OutboundState::Dead, PACE.attempts));
    fixture.stop.cancel();
    driven.await.unwrap();

    let fixture = Fixture::new(DeliveryClass::Keyed { window_ms: 60_000 }, |attempt| match attempt {
        1 => Answer::Panics,
        2 => fails(Failure::Unsure),
        _ => Answer::Takes,
    });
    let fixture = fixture.await;
    let driven = fixture.drive();
    let id = fixture.queue("a", "1").await;
    assert_eq!(settled(&fixture.records, &id).await.unwrap(), Settled::Sent("m-1".into()));
    assert_eq!(fixture.state(&id).await, (OutboundState::Sent, 3));
    fixture.stop.cancel();
    driven.await.unwrap();
}

#[tokio::test]
async fn a_platform_that_says_when_to_come_again_is_not_asked_before() {
    const WISH: Duration = Duration::from_millis(120);
    let fixture = Fixture::new(DeliveryClass::Blind, |attempt| match attempt {
        1 => Answer::Fails(SendError::new(Failure::NotSent, "slow down").retry_after(WISH)),
        _ => Answer::Takes,
    });
    let fixture = fixture.await;
    let driven = fixture.drive();
    let began = Instant::now();
    let id = fixture.queue("a", "1").await;
    assert_eq!(settled(&fixture.records, &id).await.unwrap(), Settled::Sent("m-1".into()));
    assert!(began.elapsed() >= WISH);
    fixture.stop.cancel();
    driven.await.unwrap();
}

#[tokio::test]
async fn what_was_taken_in_time_and_is_begun_too_late_is_not_sent_again() {
    let fixture = Fixture::new(DeliveryClass::Blind, |_| Answer::Takes).await;
    let id = fixture.queue("a", "1").await;
    let queued = fixture.records.outbound(&id).await.unwrap().unwrap();
    for (ago_ms, is_sent) in [(60_000, false), (1_000, true)] {
        let first_ms = Some(fixture.records.ledger().now_ms() - ago_ms);
        let class = Some(DeliveryClass::Keyed { window_ms: 30_000 });
        let message = Outbound { class, first_ms, ..queued.clone() };
        let came = drive::attempt(fixture.records.clone(), fixture.channel.clone(), PACE, message).await;
        assert_eq!(matches!(came, Attempt::Sent(_)), is_sent, "{came:?}");
        assert_eq!(fixture.channel.log.lock().unwrap().attempts.len(), usize::from(is_sent));
    }
}

#[tokio::test]
async fn a_platform_that_can_be_asked_is_asked_before_anything_is_repeated() {
    let fixture = Fixture::new(DeliveryClass::Checkable, |_| fails(Failure::Unsure)).await;
    let driven = fixture.drive();
    let id = fixture.queue("a", "1").await;
    assert_eq!(settled(&fixture.records, &id).await.unwrap(), Settled::Sent("m-asked".into()));
    {
        let log = fixture.channel.log.lock().unwrap();
        assert_eq!((log.asked, log.attempts["1"]), (1, 1));
    }
    fixture.stop.cancel();
    driven.await.unwrap();
}

#[tokio::test]
async fn what_is_under_way_at_the_end_is_judged_and_what_waits_stays() {
    let fixture = Fixture::new(DeliveryClass::Blind, |_| Answer::Hangs).await;
    let fixture = Fixture { pace: Pace { deadline: Duration::from_secs(60), ..PACE }, ..fixture };
    let (first, second) = (fixture.queue("a", "1").await, fixture.queue("a", "2").await);
    let driven = fixture.drive();
    let mut changed = fixture.records.outbox_settled();
    while fixture.state(&first).await.0 != OutboundState::Sending {
        let _turn = tokio::time::timeout(Duration::from_millis(5), changed.changed()).await;
    }
    fixture.stop.cancel();
    driven.await.unwrap();
    assert_eq!(fixture.state(&first).await.0, OutboundState::Unknown);
    assert_eq!(fixture.state(&second).await, (OutboundState::Waiting, 0));
}

#[tokio::test]
async fn nobody_is_lost_who_comes_while_a_message_is_put_away() {
    let fixture = Fixture::new(DeliveryClass::Blind, |attempt| match attempt {
        1..=2 => fails(Failure::Absent),
        _ => Answer::Takes,
    });
    let fixture = fixture.await;
    let driven = fixture.drive();
    let id = fixture.queue("a", "1").await;
    for _ in 0..2 {
        assert_eq!(settled(&fixture.records, &id).await.unwrap(), Settled::Waits);
        fixture.records.wake_outbox("chat", Some("main")).await.unwrap();
        let mut changed = fixture.records.outbox_settled();
        while fixture.state(&id).await.0 == OutboundState::Sending {
            changed.changed().await.unwrap();
        }
    }
    let sent = async {
        while settled(&fixture.records, &id).await.unwrap() == Settled::Waits {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), sent).await.unwrap();
    assert_eq!(fixture.state(&id).await, (OutboundState::Sent, 1), "to be absent is no attempt");
    fixture.stop.cancel();
    driven.await.unwrap();
}

#[test]
fn waits_grow_to_a_longest_and_wishes_are_kept() {
    let pace = Pace::default();
    for attempts in 1..40 {
        let whole = (2_000_u64 << (attempts - 1).min(20)).min(900_000);
        let waits = pace.wait_ms(attempts, None);
        assert!((whole / 2..=whole).contains(&waits), "{attempts}: {waits}");
        let wished = pace.wait_ms(attempts, Some(Duration::from_secs(7)));
        assert!((7_000..=7_700).contains(&wished), "{wished}");
    }
}
