//! Messages through the inbox and the outbox, beside appends to a file that
//! are synced: with the ledger in a file, and on a PostgreSQL where one can be had.

use crate::Counts;
use crate::samples::timed_in_turns;
use crate::table::{Aim, Row, Unit};
use anyhow::{Result, ensure};
use cara_authority::{ConversationAddress, Label, PersonAddress, Source};
use cara_channels::{Channel, Pace, SendError, drive};
use cara_harness::Testbed;
use cara_postgres::Postgres;
use cara_records::{ContentKey, DeliveryClass, NewInbound, NewOutbound, Outbound, Records};
use cara_services::clock::Clock;
use cara_services::ledger::Ledger;
use serde_json::{Value, json};
use std::io::{Seek, SeekFrom, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// Messages in one sample.
const MESSAGES: usize = 40;

/// Conversations that they are of.
const ROOMS: usize = 8;

/// Messages that a platform hands over at once.
const BATCH: usize = 20;

/// What a message says.
fn body() -> Value {
    json!({ "parts": [{ "text": "what is six times seven, and how do you know?".repeat(10) }] })
}

fn room(number: usize) -> String {
    format!("chat:main:room-{}", number % ROOMS)
}

fn came(number: usize) -> Result<NewInbound> {
    Ok(NewInbound {
        address: ConversationAddress::parse(&room(number))?,
        sender: PersonAddress::parse("chat:main:ben")?,
        sender_name: None,
        platform_id: number.to_string(),
        group: false,
        mentioned: false,
        body: body(),
        label: Label::of(Source::OtherPerson),
        sent_ms: 0,
    })
}

/// A channel that takes everything at once.
struct Taking;

#[async_trait::async_trait]
impl Channel for Taking {
    fn name(&self) -> &str {
        "chat"
    }

    fn class(&self, _: &str) -> Option<DeliveryClass> {
        Some(DeliveryClass::Blind)
    }

    async fn send(&self, message: &Outbound) -> Result<String, SendError> {
        Ok(message.id.to_string())
    }

    async fn confirm(&self, _: &ConversationAddress, _: &str) -> Result<Option<String>, SendError> {
        Ok(None)
    }
}

/// Where the ledger is.
#[derive(Clone, Copy)]
enum Store {
    File,
    Server(&'static Postgres),
}

impl Store {
    /// A figure's name with the store in it, where that is not the usual one.
    fn named(self, what: &str) -> String {
        match self {
            Self::File => format!("boxes: {what}, durable"),
            Self::Server(_) => format!("boxes: {what}, durable, PostgreSQL"),
        }
    }
}

/// A ledger, and a file beside it.
struct Place {
    _testbed: Testbed,
    records: Records,
    file: Mutex<std::fs::File>,
    next: AtomicUsize,
}

impl Place {
    async fn new(store: Store) -> Result<Self> {
        let testbed = Testbed::new().await;
        let ledger = match store {
            Store::File => testbed.services.ledger.clone(),
            Store::Server(postgres) => {
                let place: cara_services::ledger::Server = postgres.url(&postgres.user()).parse()?;
                Arc::new(Ledger::open(place, Clock::system(), [7; 32].into()).await?)
            }
        };
        let records = Records::open(&ledger, ContentKey::new([9; 32].into())).await?;
        let file = Mutex::new(tempfile::tempfile_in(testbed.home())?);
        Ok(Self { _testbed: testbed, records, file, next: AtomicUsize::new(0) })
    }

    /// A number that no message had.
    fn fresh(&self) -> usize {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Appends as many bytes as the messages have, and syncs the file so many times.
    async fn append(&self, synced: usize) -> Result<()> {
        let (mut file, bytes) = (self.file.lock().await, body().to_string().into_bytes());
        for _ in 0..synced {
            file.seek(SeekFrom::End(0))?;
            for _ in 0..MESSAGES / synced {
                file.write_all(&bytes)?;
            }
            file.sync_data()?;
        }
        Ok(())
    }

    /// Keeps what came from being in the way of what comes.
    async fn empty(&self) -> Result<()> {
        let mut change = self.records.ledger().change().await?;
        let ben = PersonAddress::parse("chat:main:ben")?;
        self.records.forget_sender(&mut change.sql(), &ben).await?;
        Ok(change.commit().await?)
    }
}

/// Measures all of it.
pub(crate) async fn measure(counts: Counts) -> Result<Vec<Row>> {
    let mut stores = vec![Store::File];
    if let Some(postgres) = cara_postgres::server() {
        postgres.flushes().await;
        stores.push(Store::Server(postgres));
    }
    let mut rows = Vec::new();
    for store in stores {
        rows.extend([inbox(counts, store, 1).await?, inbox(counts, store, BATCH).await?, outbox(counts, store).await?]);
    }
    Ok(rows)
}

/// Messages into the inbox, so many in a commit.
async fn inbox(counts: Counts, store: Store, at_once: usize) -> Result<Row> {
    let place = Place::new(store).await?;
    let place = &place;
    let ours = || async move {
        for _ in 0..MESSAGES / at_once {
            let came = (0..at_once).map(|_| came(place.fresh())).collect::<Result<Vec<_>>>()?;
            let received = place.records.receive_all(&came).await?;
            ensure!(received.iter().all(|received| !received.again), "a new message was taken for an old one");
        }
        place.empty().await
    };
    let floor = || async move { place.append(MESSAGES / at_once).await };
    let (ours, floor) = timed_in_turns(counts.samples, ours, floor).await?;
    Ok(Row {
        name: store.named(&format!("a message into the inbox, {at_once} at once")),
        against: "an append of as many bytes, with as many fdatasync",
        ours: ours.each(MESSAGES),
        floor: floor.each(MESSAGES),
        unit: Unit::Time,
        aim: Aim::None,
    })
}

/// Messages through the outbox to a channel that takes them at once: each queued durably by itself, and marked as being
/// sent on disk before it is.
async fn outbox(counts: Counts, store: Store) -> Result<Row> {
    let place = Place::new(store).await?;
    let stop = CancellationToken::new();
    let driven = {
        let (records, stop) = (place.records.clone(), stop.clone());
        tokio::spawn(async move { drive(records, Arc::new(Taking), "bench", &|_| true, Pace::default(), stop).await })
    };
    let place = &place;
    let ours = || async move {
        for _ in 0..MESSAGES {
            let number = place.fresh();
            let new = NewOutbound {
                address: ConversationAddress::parse(&room(number))?,
                by: "bench".into(),
                key: number.to_string(),
                answers: None,
                run: None,
                body: body(),
                label: Label::NONE,
            };
            place.records.enqueue(&new).await?;
        }
        let mut settled = place.records.outbox_settled();
        while place.records.outbox_open("chat").await? > 0 {
            settled.changed().await?;
        }
        Ok(())
    };
    let floor = || async move { place.append(MESSAGES).await };
    let (ours, floor) = timed_in_turns(counts.samples, ours, floor).await?;
    stop.cancel();
    driven.await??;
    Ok(Row {
        name: store.named("a message through the outbox"),
        against: "an append and fdatasync of as many bytes",
        ours: ours.each(MESSAGES),
        floor: floor.each(MESSAGES),
        unit: Unit::Time,
        aim: Aim::None,
    })
}
