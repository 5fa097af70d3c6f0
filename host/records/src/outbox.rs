//! Messages that go: durable before they are sent, each once, those of one
//! conversation in their order.
//!
//! ```text
//! enqueue ─→ waiting ── turn ─→ sending ─→ sent
//!              ↑  └ drop ─→ dropped   ├──→ waiting: it did not get there, or repeating it does no harm
//!              └─ retry ── dead ←─────┤    (refused for good, or tried too often)
//!              └─ retry ── unknown ←──┘    (nobody knows, and nobody can be asked)
//! ```
//!
//! A message is found again by who wants it sent and a key of theirs: the same key twice is one message. A later message never
//! overtakes an earlier one of its conversation that waits or is being sent; one that is dead or unknown is settled, and
//! holds nothing up.

mod sending;

pub use sending::{Attempt, DeliveryClass, Patience, Sender, Turn};

use super::boxes::{InboundId, OutboundId, check_address, check_size, conversation};
use super::{Records, Seal, Spot};
use cara_authority::{ConversationAddress, Label, RunId, SessionId, display_safe};
use cara_services::ledger::sql::{As, Number, Sql, query, query_as};
use cara_services::ledger::{Change, LedgerError, to_sql};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The most messages to one conversation that may wait; answers of runs are taken beyond it.
pub const MOST_QUEUED: u64 = 1_000;

cara_authority::words! {
    /// How far a message that goes is.
    OutboundState {
        /// It is to be sent.
        Waiting = "waiting",
        /// It is being sent.
        Sending = "sending",
        /// The channel has it.
        Sent = "sent",
        /// It may have been sent, and nobody can tell.
        Unknown = "unknown",
        /// It was not sent, and is not tried again.
        Dead = "dead",
        /// Somebody said that it is not to be sent.
        Dropped = "dropped",
    }
}

/// A message that is to go.
#[derive(Debug, Clone, PartialEq)]
pub struct NewOutbound {
    /// Where to.
    pub address: ConversationAddress,
    /// Who wants it sent: a component, or a part of the host such as `run`.
    pub by: String,
    /// The sender's idempotency key: one message for each.
    pub key: String,
    /// The message it answers.
    pub answers: Option<InboundId>,
    /// The run it comes from.
    pub run: Option<RunId>,
    /// What is said; its form is the caller's.
    pub body: Value,
    /// What the body is made of.
    pub label: Label,
}

/// A message that goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Outbound {
    /// The id of the message here, which is also what a platform is given to know it again by.
    pub id: OutboundId,
    /// The message, as it was queued.
    pub message: NewOutbound,
    /// The place among those of its conversation.
    pub position: u64,
    /// How far it is.
    pub state: OutboundState,
    /// How its channel delivers, as that said when it was last asked to send.
    pub class: Option<DeliveryClass>,
    /// How often it was tried.
    pub attempts: u64,
    /// When it was queued, Unix milliseconds.
    pub queued_ms: u64,
    /// When it was first tried without its being known that it did not get there.
    pub first_ms: Option<u64>,
    /// When it is tried next; nothing while another one goes before it, or nobody is there to take it.
    pub next_ms: Option<u64>,
    /// When it was settled.
    pub settled_ms: Option<u64>,
    /// What went wrong last.
    pub error: Option<String>,
    /// What the channel gave for it.
    pub receipt: Option<String>,
}

/// What became of a message that is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// The id of the message here.
    pub id: OutboundId,
    /// Whether there was one with the key before: nothing was queued anew.
    pub again: bool,
}

/// Why a message was not queued.
#[derive(Debug, thiserror::Error)]
pub enum EnqueueError {
    /// Too many wait already.
    #[error(
        "the outbox has no room: {0} messages wait for this conversation\nhint: `cara outbox list --state waiting` shows them and why; `cara outbox drop ID` makes room"
    )]
    Full(u64),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// What is sealed of a message.
#[derive(Serialize, Deserialize)]
struct Content {
    address: String,
    by: String,
    key: String,
    answers: Option<InboundId>,
    body: Value,
}

/// What is sealed of what came of it.
#[derive(Default, Serialize, Deserialize)]
struct Outcome {
    error: Option<String>,
    receipt: Option<String>,
}

/// A query for messages, all their columns in the order of [`Row`].
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, conversation, position, class, state, run, content, outcome, label, attempts, queued_ms, first_ms, \
             next_ms, settled_ms FROM outbox WHERE content IS NOT NULL ",
            $rest
        )
    };
}
use select;

type Row = (
    As<OutboundId>,
    Vec<u8>,
    Number,
    Option<As<DeliveryClass>>,
    As<OutboundState>,
    Option<As<RunId>>,
    Vec<u8>,
    Option<Vec<u8>>,
    As<Label>,
    Number,
    Number,
    Option<Number>,
    Option<Number>,
    Option<Number>,
);

/// Where the content of a message stands; its place, label, run and time cannot be changed beside it.
fn with_spot<T>(
    id: &OutboundId,
    position: u64,
    run: Option<&RunId>,
    label: &Label,
    queued_ms: u64,
    with: impl FnOnce(Spot<'_>) -> T,
) -> T {
    let [position, queued] = [position, queued_ms].map(|number| number.to_string());
    let row = [id.as_str(), &position, run.map_or("", RunId::as_str), &label.to_string(), &queued];
    with(Spot { table: "outbox", column: "content", row: &row })
}

fn outcome_spot<'a>(row: &'a [&'a str; 1]) -> Spot<'a> {
    Spot { table: "outbox", column: "outcome", row }
}

fn lookup(seal: &Seal, by: &str, key: &str) -> [u8; 32] {
    seal.lookup("outbox", &[by.as_bytes(), key.as_bytes()])
}

impl Records {
    /// Queues a message; durable when it returns. The key of one that was queued before is that one, whatever changed in it.
    pub async fn enqueue(&self, new: &NewOutbound) -> Result<Queued, EnqueueError> {
        let mut change = self.ledger.change().await?;
        let sql = &mut change.sql();
        let open = query_as::<(Number,)>(
            "SELECT COUNT(*) FROM outbox WHERE conversation = $1 AND state IN ('waiting', 'sending')",
        );
        let conversation = conversation(&self.seal, &new.address);
        let waiting = sql.one(open.bind(&conversation[..])).await?.map_or(0, |(count,)| count.0);
        let queued = self.enqueue_in(sql, new).await?;
        if queued.again {
            return Ok(queued);
        }
        if waiting >= MOST_QUEUED {
            return Err(EnqueueError::Full(waiting));
        }
        change.commit().await?;
        self.changed.outbox.send_replace(());
        Ok(queued)
    }

    /// Queues a message within a change, so that it goes with what else is in the change or not at all. Who commits it calls
    /// [`Records::tell_boxes`].
    pub async fn enqueue_in(&self, sql: &mut Sql<'_>, new: &NewOutbound) -> Result<Queued, LedgerError> {
        check_size(&new.body)?;
        check_address(&new.address)?;
        let lookup = lookup(&self.seal, &new.by, &new.key);
        let statement = query_as::<(As<OutboundId>,)>("SELECT id FROM outbox WHERE lookup = $1");
        if let Some((id,)) = sql.one(statement.bind(&lookup[..])).await? {
            return Ok(Queued { id: id.0, again: true });
        }
        let conversation = conversation(&self.seal, &new.address);
        let last = query_as::<(Number,)>(
            "SELECT CAST(COALESCE(MAX(position), 0) AS BIGINT) FROM outbox WHERE conversation = $1",
        );
        let last = sql.one(last.bind(&conversation[..])).await?.map_or(0, |(last,)| last.0);
        let open = query_as::<(Number,)>(
            "SELECT position FROM outbox WHERE conversation = $1 AND state IN ('waiting', 'sending') LIMIT 1",
        );
        let is_first = sql.one(open.bind(&conversation[..])).await?.is_none();
        let (id, position, now_ms) = (OutboundId::fresh()?, last + 1, self.ledger.now_ms());
        let content = Content {
            address: new.address.to_string(),
            by: new.by.clone(),
            key: new.key.clone(),
            answers: new.answers.clone(),
            body: new.body.clone(),
        };
        let seal = |spot: Spot<'_>| self.seal.seal_json(spot, &content);
        let content = with_spot(&id, position, new.run.as_ref(), &new.label, now_ms, seal)?;
        let statement = query(
            "INSERT INTO outbox (id, lookup, conversation, position, channel, account, state, run, content, label, \
             attempts, queued_ms, next_ms) VALUES ($1, $2, $3, $4, $5, $6, 'waiting', $7, $8, $9, 0, $10, $11)",
        );
        let statement = statement.bind(id.as_str()).bind(&lookup[..]).bind(&conversation[..]).bind(to_sql(position));
        let statement = statement.bind(&new.address.channel).bind(&new.address.account);
        let statement = statement.bind(new.run.as_ref().map(RunId::as_str)).bind(content).bind(new.label.to_string());
        let next_ms = is_first.then_some(to_sql(now_ms));
        sql.execute(statement.bind(to_sql(now_ms)).bind(next_ms)).await?;
        Ok(Queued { id, again: false })
    }

    /// Lets a message that is dead, unknown or dropped be tried again. Of one that may have been sent, whose channel cannot be
    /// asked and does not know the key any more, that may be a repetition: it is the caller's choice.
    pub async fn retry_outbound(&self, id: &OutboundId, by: &str) -> Result<(), LedgerError> {
        let statement = query(
            "UPDATE outbox SET state = 'waiting', attempts = 0, tried_ms = NULL, settled_ms = NULL, next_ms = NULL, \
             first_ms = CASE WHEN class = 'checkable' THEN first_ms ELSE NULL END \
             WHERE id = $1 AND state IN ('dead', 'unknown', 'dropped') AND content IS NOT NULL",
        );
        let mut change = self.ledger.change().await?;
        let found = change.sql().execute(statement.bind(id.as_str())).await?;
        self.decided(change, id, found, "outbound-retried", by).await
    }

    /// Keeps that a message is not to be sent, which must not be under way.
    pub async fn drop_outbound(&self, id: &OutboundId, by: &str) -> Result<(), LedgerError> {
        let statement = query(
            "UPDATE outbox SET state = 'dropped', next_ms = NULL, settled_ms = $2 \
             WHERE id = $1 AND state IN ('waiting', 'dead', 'unknown')",
        );
        let mut change = self.ledger.change().await?;
        let statement = statement.bind(id.as_str()).bind(to_sql(self.ledger.now_ms()));
        let found = change.sql().execute(statement).await?;
        self.decided(change, id, found, "outbound-dropped", by).await
    }

    /// Goes on after a decision of a person about a message, if its state allowed it.
    async fn decided(
        &self,
        mut change: Change<'_>,
        id: &OutboundId,
        found: u64,
        event: &'static str,
        by: &str,
    ) -> Result<(), LedgerError> {
        let sql = &mut change.sql();
        if found == 0 {
            let statement = query_as::<(As<OutboundState>,)>("SELECT state FROM outbox WHERE id = $1");
            return Err(match sql.one(statement.bind(id.as_str())).await? {
                Some((state,)) => {
                    LedgerError::Conflict { what: "message", id: display_safe(id.as_str()), state: state.0.name() }
                }
                None => LedgerError::no_such("message", id.as_str()),
            });
        }
        let of = query_as::<(Vec<u8>,)>("SELECT conversation FROM outbox WHERE id = $1").bind(id.as_str());
        if let Some((conversation,)) = sql.one(of).await? {
            self.promote(sql, &conversation).await?;
        }
        change.event(event, id.as_str(), json!({ "by": display_safe(by) })).await?;
        change.commit().await?;
        self.tell_boxes();
        Ok(())
    }

    /// Lets the first message of a conversation that waits be tried, if none is being sent.
    async fn promote(&self, sql: &mut Sql<'_>, conversation: &[u8]) -> Result<(), LedgerError> {
        let statement = query(
            "UPDATE outbox SET next_ms = $2 WHERE conversation = $1 AND state = 'waiting' AND next_ms IS NULL \
             AND position = (SELECT MIN(position) FROM outbox WHERE conversation = $1 \
             AND state IN ('waiting', 'sending')) \
             AND NOT EXISTS (SELECT 1 FROM outbox WHERE conversation = $1 AND state = 'sending')",
        );
        sql.execute(statement.bind(conversation).bind(to_sql(self.ledger.now_ms()))).await.map(drop)
    }

    /// A message.
    pub async fn outbound(&self, id: &OutboundId) -> Result<Option<Outbound>, LedgerError> {
        let statement = query_as::<Row>(select!("AND id = $1"));
        let row = self.ledger.reader().await?.sql().one(statement.bind(id.as_str())).await?;
        row.map(|row| self.read_outbound(row)).transpose()
    }

    /// The message that was queued with a key.
    pub async fn outbound_by_key(&self, by: &str, key: &str) -> Result<Option<Outbound>, LedgerError> {
        let statement = query_as::<Row>(select!("AND lookup = $1"));
        let lookup = lookup(&self.seal, by, key);
        let row = self.ledger.reader().await?.sql().one(statement.bind(&lookup[..])).await?;
        row.map(|row| self.read_outbound(row)).transpose()
    }

    /// How many messages there are of each state that has any.
    pub async fn outbox_counts(&self) -> Result<Vec<(OutboundState, u64)>, LedgerError> {
        let statement = query_as::<(As<OutboundState>, Number)>(
            "SELECT state, COUNT(*) FROM outbox WHERE content IS NOT NULL GROUP BY state ORDER BY state",
        );
        let rows = self.ledger.reader().await?.sql().all(statement).await?;
        Ok(rows.into_iter().map(|(state, count)| (state.0, count.0)).collect())
    }

    /// At most `most` messages, of every state or of one, the newest first.
    pub async fn outbox(&self, state: Option<OutboundState>, most: u32) -> Result<Vec<Outbound>, LedgerError> {
        let statement =
            query_as::<Row>(select!("AND ($1 = '' OR state = $1) ORDER BY queued_ms DESC, position DESC LIMIT $2"));
        let statement = statement.bind(state.map_or("", OutboundState::name)).bind(i64::from(most));
        let rows = self.ledger.reader().await?.sql().all(statement).await?;
        rows.into_iter().map(|row| self.read_outbound(row)).collect()
    }

    /// At most `most` messages that were neither sent nor dropped, the newest first.
    pub async fn outbox_unsent(&self, most: u32) -> Result<Vec<Outbound>, LedgerError> {
        let statement = query_as::<Row>(select!(
            "AND state NOT IN ('sent', 'dropped') ORDER BY queued_ms DESC, position DESC LIMIT $1"
        ));
        let rows = self.ledger.reader().await?.sql().all(statement.bind(i64::from(most))).await?;
        rows.into_iter().map(|row| self.read_outbound(row)).collect()
    }

    /// How many messages to a channel are not settled.
    pub async fn outbox_open(&self, channel: &str) -> Result<u64, LedgerError> {
        let statement =
            query_as::<(Number,)>("SELECT COUNT(*) FROM outbox WHERE channel = $1 AND state IN ('waiting', 'sending')");
        let row = self.ledger.reader().await?.sql().one(statement.bind(channel)).await?;
        Ok(row.map_or(0, |(count,)| count.0))
    }

    /// What went to a conversation, or is to go there, and is still kept; the first first.
    pub(crate) async fn outbound_to(
        &self,
        sql: &mut Sql<'_>,
        of: &ConversationAddress,
    ) -> Result<Vec<Outbound>, LedgerError> {
        let statement = query_as::<Row>(select!("AND conversation = $1 ORDER BY position"));
        let rows = sql.all(statement.bind(&conversation(&self.seal, of)[..])).await?;
        rows.into_iter().map(|row| self.read_outbound(row)).collect()
    }

    /// What the runs of a session sent, or have to send, and is still kept; the first first.
    pub(crate) async fn outbound_of(&self, sql: &mut Sql<'_>, of: &SessionId) -> Result<Vec<Outbound>, LedgerError> {
        let statement = query_as::<Row>(select!(
            "AND run IN (SELECT id FROM runs WHERE session = $1) ORDER BY queued_ms, position"
        ));
        let rows = sql.all(statement.bind(of.as_str())).await?;
        rows.into_iter().map(|row| self.read_outbound(row)).collect()
    }

    fn read_outbound(&self, row: Row) -> Result<Outbound, LedgerError> {
        let (id, of, position, class, state, run, content, outcome, label, attempts, queued, first, next, settled) =
            row;
        let (id, position, run, label, queued_ms) = (id.0, position.0, run.map(|run| run.0), label.0, queued.0);
        let open = |spot: Spot<'_>| {
            let content: Content = self.seal.open_json(spot, content)?;
            let address = ConversationAddress::parse(&content.address).map_err(|_| self.seal.tampered(spot))?;
            if conversation(&self.seal, &address)[..] != of[..] {
                return Err(self.seal.tampered(spot));
            }
            let Content { by, key, answers, body, .. } = content;
            Ok(NewOutbound { address, by, key, answers, run: run.clone(), body, label: label.clone() })
        };
        let message = with_spot(&id, position, run.as_ref(), &label, queued_ms, open)?;
        let outcome: Option<Outcome> = self.seal.open_maybe(outcome_spot(&[id.as_str()]), outcome)?;
        let Outcome { error, receipt } = outcome.unwrap_or_default();
        let [first_ms, next_ms, settled_ms] = [first, next, settled].map(|ms| ms.map(|ms| ms.0));
        let (class, state, attempts) = (class.map(|class| class.0), state.0, attempts.0);
        Ok(Outbound {
            id,
            message,
            position,
            state,
            class,
            attempts,
            queued_ms,
            first_ms,
            next_ms,
            settled_ms,
            error,
            receipt,
        })
    }
}

/// Forgets what messages said that were settled before one time, and that there were any settled before another.
pub(crate) async fn forget(sql: &mut Sql<'_>, content_ms: u64, all_ms: u64) -> Result<u64, LedgerError> {
    // What nobody knows, and what is dead, is shown as long as it is known.
    let statement = query(
        "UPDATE outbox SET content = NULL WHERE settled_ms < $1 AND content IS NOT NULL AND state IN ('sent', 'dropped')",
    );
    let forgotten = sql.execute(statement.bind(to_sql(content_ms))).await?;
    sql.execute(query("DELETE FROM outbox WHERE settled_ms < $1").bind(to_sql(all_ms))).await?;
    Ok(forgotten)
}

/// Forgets the messages of a conversation that is deleted, but those that are still to go.
pub(crate) async fn forget_session(sql: &mut Sql<'_>, session: &SessionId) -> Result<(), LedgerError> {
    let statement =
        query("DELETE FROM outbox WHERE settled_ms IS NOT NULL AND run IN (SELECT id FROM runs WHERE session = $1)");
    sql.execute(statement.bind(session.as_str())).await.map(drop)
}
