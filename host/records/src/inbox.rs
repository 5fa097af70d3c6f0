//! Messages that came: durable before anybody is told that they did, and each
//! once.
//!
//! ```text
//! receive ─→ waiting ── a run takes it ─→ running ── the run ends ─→ answered | failed | dropped
//!               │└ drop ─→ dropped                                      │
//!               ├─ miss ─→ missed ──────────── replay ──────────────────┤
//!               └──────────────────────────────────────────────────────-┘
//! ```
//!
//! A run begins and takes its messages in one commit, and ends and settles them in one commit. Whatever a platform repeats
//! is known by its id, for [`LOOKUP_KEPT_MS`](super::LOOKUP_KEPT_MS) after it was settled.

mod by_sender;
mod room;

pub use room::{MOST_WAITING, MOST_WAITING_OF_ONE};

use super::boxes::{CONTENT_KEPT_MS, InboundId, LOOKUP_KEPT_MS, check_address, check_size, conversation};
use super::{Records, RunState, Seal, Spot};
use cara_authority::{ConversationAddress, Label, PersonAddress, RunId, SessionId, display_safe};
use cara_services::ledger::sql::{As, Number, Sql, query, query_as};
use cara_services::ledger::{LedgerError, to_sql};
use room::Room;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

cara_authority::words! {
    /// How far a message that came is.
    InboundState {
        /// No run has it.
        Waiting = "waiting",
        /// A run works on it.
        Running = "running",
        /// Its run ended well.
        Answered = "answered",
        /// Its run failed, or its process ended before the run did.
        Failed = "failed",
        /// It was too old when it could have been answered, and its sender was told so.
        Missed = "missed",
        /// Somebody said that it is not to be answered, or stopped its run.
        Dropped = "dropped",
    }
}

/// A message that comes.
#[derive(Debug, Clone, PartialEq)]
pub struct NewInbound {
    /// Where it was said.
    pub address: ConversationAddress,
    /// By whom.
    pub sender: PersonAddress,
    /// What the sender calls themselves: shown, and never compared with anything.
    pub sender_name: Option<String>,
    /// The platform's id of the message, unique over the account.
    pub platform_id: String,
    /// Whether others than the sender read the conversation.
    pub group: bool,
    /// Whether the message names the assistant.
    pub mentioned: bool,
    /// What was said; its form is the caller's.
    pub body: Value,
    /// What the body is made of.
    pub label: Label,
    /// When the sender sent it, as the platform says; a time to come counts as now.
    pub sent_ms: u64,
}

/// A message that came.
#[derive(Debug, Clone, PartialEq)]
pub struct Inbound {
    /// The id of the message here.
    pub id: InboundId,
    /// The message, as it came.
    pub message: NewInbound,
    /// The place among those of its conversation.
    pub position: u64,
    /// How far it is.
    pub state: InboundState,
    /// The run that works on it, or did.
    pub run: Option<RunId>,
    /// When it came here, Unix milliseconds.
    pub received_ms: u64,
    /// When it was settled.
    pub settled_ms: Option<u64>,
}

/// What became of a message that comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The id of the message here.
    pub id: InboundId,
    /// Whether it was here before: nothing of it was kept anew.
    pub again: bool,
}

/// A conversation in which messages wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The conversation.
    pub address: ConversationAddress,
    /// How many messages wait.
    pub messages: u64,
    /// When the oldest of them was sent, Unix milliseconds.
    pub since_ms: u64,
}

/// Why a message was not taken in: it must not be acknowledged to the platform.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// Too many wait already.
    #[error("the inbox has no room: {waiting} messages wait{}\nhint: `cara inbox list --state waiting` shows them; `cara inbox drop ID` makes room, and so does whatever answers them", if *.of_one { " in this conversation" } else { "" })]
    Full {
        /// How many wait.
        waiting: u64,
        /// Whether in the conversation of the message; else in all.
        of_one: bool,
    },
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// What is sealed of a message.
#[derive(Serialize, Deserialize)]
struct Content {
    address: String,
    sender: String,
    sender_name: Option<String>,
    platform_id: String,
    group: bool,
    mentioned: bool,
    body: Value,
}

/// A query for messages, all their columns in the order of [`Row`].
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, conversation, position, state, run, content, label, sent_ms, received_ms, settled_ms FROM inbox \
             WHERE content IS NOT NULL ",
            $rest
        )
    };
}
use select;

mod missed;

pub use missed::Missed;

type Row = (
    As<InboundId>,
    Vec<u8>,
    Number,
    As<InboundState>,
    Option<As<RunId>>,
    Vec<u8>,
    As<Label>,
    Number,
    Number,
    Option<Number>,
);

/// Where the content of a message stands; its times, place and label cannot be changed beside it.
fn with_spot<T>(id: &InboundId, position: u64, label: &Label, times: [u64; 2], with: impl FnOnce(Spot<'_>) -> T) -> T {
    let [position, sent, received] = [position, times[0], times[1]].map(|number| number.to_string());
    let row = [id.as_str(), &position, &label.to_string(), &sent, &received];
    with(Spot { table: "inbox", column: "content", row: &row })
}

fn lookup(seal: &Seal, channel: &str, account: &str, platform_id: &str) -> [u8; 32] {
    seal.lookup("inbox", &[channel.as_bytes(), account.as_bytes(), platform_id.as_bytes()])
}

fn sender(seal: &Seal, sender: &PersonAddress) -> [u8; 32] {
    seal.lookup("sender", &[sender.to_string().as_bytes()])
}

impl Records {
    /// Takes a message in; durable when it returns, and only then may the platform be told. A message whose platform id was
    /// here before is that one, whatever changed in it.
    pub async fn receive(&self, new: &NewInbound) -> Result<Received, ReceiveError> {
        let mut received = self.receive_all(std::slice::from_ref(new)).await?;
        Ok(received.remove(0))
    }

    /// Takes messages in, in their order and in one commit: all of them or none.
    pub async fn receive_all(&self, new: &[NewInbound]) -> Result<Vec<Received>, ReceiveError> {
        self.receive_in(Room::Counted, new).await
    }

    async fn receive_in(&self, room: Room, new: &[NewInbound]) -> Result<Vec<Received>, ReceiveError> {
        for new in new {
            check_size(&new.body)?;
            check_address(&new.address)?;
            let sender = new.sender.to_string();
            PersonAddress::parse(&sender).map_err(|_| LedgerError::no_such("address", &sender))?;
        }
        let now_ms = self.ledger.now_ms();
        let mut change = self.ledger.change().await?;
        let sql = &mut change.sql();
        let mut received = Vec::with_capacity(new.len());
        for new in new {
            received.push(self.insert_inbound(sql, room, new, now_ms).await?);
        }
        if received.iter().all(|received| received.again) {
            return Ok(received);
        }
        change.commit().await?;
        self.changed.inbox.send_replace(());
        Ok(received)
    }

    async fn insert_inbound(
        &self,
        sql: &mut Sql<'_>,
        room: Room,
        new: &NewInbound,
        now_ms: u64,
    ) -> Result<Received, ReceiveError> {
        let lookup = lookup(&self.seal, &new.address.channel, &new.address.account, &new.platform_id);
        let statement = query_as::<(As<InboundId>,)>("SELECT id FROM inbox WHERE lookup = $1");
        if let Some((id,)) = sql.one(statement.bind(&lookup[..])).await? {
            return Ok(Received { id: id.0, again: true });
        }
        let conversation = conversation(&self.seal, &new.address);
        let position = room::place(sql, room, &conversation).await?;
        let (id, sent_ms) = (InboundId::fresh()?, new.sent_ms.min(now_ms));
        let content = Content {
            address: new.address.to_string(),
            sender: new.sender.to_string(),
            sender_name: new.sender_name.clone(),
            platform_id: new.platform_id.clone(),
            group: new.group,
            mentioned: new.mentioned,
            body: new.body.clone(),
        };
        let seal = |spot: Spot<'_>| self.seal.seal_json(spot, &content);
        let content = with_spot(&id, position, &new.label, [sent_ms, now_ms], seal)?;
        let statement = query(
            "INSERT INTO inbox (id, lookup, conversation, position, channel, account, sender, state, content, label, \
             sent_ms, received_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, 'waiting', $8, $9, $10, $11)",
        );
        let statement = statement.bind(id.as_str()).bind(&lookup[..]).bind(&conversation[..]).bind(to_sql(position));
        let statement = statement.bind(&new.address.channel).bind(&new.address.account);
        let sender = sender(&self.seal, &new.sender);
        let statement = statement.bind(&sender[..]).bind(content).bind(new.label.to_string());
        sql.execute(statement.bind(to_sql(sent_ms)).bind(to_sql(now_ms))).await?;
        Ok(Received { id, again: false })
    }

    /// Takes messages for a run, within the change that begins the run or adds to it. Each must wait.
    pub async fn take_inbound(
        &self,
        sql: &mut Sql<'_>,
        run: &RunId,
        messages: &[InboundId],
    ) -> Result<(), LedgerError> {
        for id in messages {
            let statement = query("UPDATE inbox SET state = 'running', run = $2 WHERE id = $1 AND state = 'waiting'");
            if sql.execute(statement.bind(id.as_str()).bind(run.as_str())).await? == 0 {
                return Err(self.not_in_state(sql, id).await);
            }
        }
        Ok(())
    }

    /// Settles the messages of a run, within the change that ends it.
    pub(crate) async fn settle_inbound(
        &self,
        sql: &mut Sql<'_>,
        run: &RunId,
        ended: RunState,
    ) -> Result<(), LedgerError> {
        let state = match ended {
            RunState::Done => InboundState::Answered,
            RunState::Cancelled => InboundState::Dropped,
            RunState::Failed | RunState::Interrupted | RunState::Running => InboundState::Failed,
        };
        let statement = query("UPDATE inbox SET state = $2, settled_ms = $3 WHERE run = $1 AND state = 'running'");
        let statement = statement.bind(run.as_str()).bind(state.name()).bind(to_sql(self.ledger.now_ms()));
        sql.execute(statement).await.map(drop)
    }

    /// Keeps that messages are not to be answered, which must wait.
    pub async fn drop_inbound(&self, id: &InboundId, by: &str) -> Result<(), LedgerError> {
        let statement =
            query("UPDATE inbox SET state = 'dropped', settled_ms = $2 WHERE id = $1 AND state = 'waiting'");
        let mut change = self.ledger.change().await?;
        let sql = &mut change.sql();
        if sql.execute(statement.bind(id.as_str()).bind(to_sql(self.ledger.now_ms()))).await? == 0 {
            return Err(self.not_in_state(sql, id).await);
        }
        change.event("inbound-dropped", id.as_str(), json!({ "by": display_safe(by) })).await?;
        change.commit().await?;
        self.changed.inbox.send_replace(());
        Ok(())
    }

    /// Lets a message that was settled wait once more, at its place. What it led to before is not undone. It keeps when it was
    /// settled: whoever replays it knows how old it is, and it is not missed for its age.
    pub async fn replay_inbound(&self, id: &InboundId, by: &str) -> Result<(), LedgerError> {
        let statement = query(
            "UPDATE inbox SET state = 'waiting', run = NULL \
             WHERE id = $1 AND state IN ('answered', 'failed', 'missed', 'dropped') AND content IS NOT NULL",
        );
        let mut change = self.ledger.change().await?;
        let sql = &mut change.sql();
        if sql.execute(statement.bind(id.as_str())).await? == 0 {
            return Err(self.not_in_state(sql, id).await);
        }
        change.event("inbound-replayed", id.as_str(), json!({ "by": display_safe(by) })).await?;
        change.commit().await?;
        self.changed.inbox.send_replace(());
        Ok(())
    }

    async fn not_in_state(&self, sql: &mut Sql<'_>, id: &InboundId) -> LedgerError {
        let statement =
            query_as::<(As<InboundState>,)>("SELECT state FROM inbox WHERE id = $1 AND content IS NOT NULL");
        match sql.one(statement.bind(id.as_str())).await {
            Ok(Some((state,))) => {
                LedgerError::Conflict { what: "message", id: display_safe(id.as_str()), state: state.0.name() }
            }
            Ok(None) => LedgerError::no_such("message", id.as_str()),
            Err(error) => error,
        }
    }

    /// The conversations in which messages wait, the one that waits longest first.
    pub async fn waiting_conversations(&self) -> Result<Vec<Waiting>, LedgerError> {
        let statement = query_as::<(Vec<u8>, Number, Number, Number)>(
            "SELECT conversation, COUNT(*), MIN(position), MIN(sent_ms) FROM inbox WHERE state = 'waiting' \
             GROUP BY conversation ORDER BY MIN(received_ms), MIN(id)",
        );
        let mut reader = self.ledger.reader().await?;
        let sql = &mut reader.sql();
        let mut waiting = Vec::new();
        for (conversation, messages, first, since_ms) in sql.all(statement).await? {
            let statement = query_as::<Row>(select!("AND conversation = $1 AND position = $2"));
            if let Some(row) = sql.one(statement.bind(conversation).bind(to_sql(first.0))).await? {
                let address = self.read_inbound(row)?.message.address;
                waiting.push(Waiting { address, messages: messages.0, since_ms: since_ms.0 });
            }
        }
        Ok(waiting)
    }

    /// At most `most` messages that wait in a conversation, the first first.
    pub async fn waiting_inbound(&self, of: &ConversationAddress, most: u32) -> Result<Vec<Inbound>, LedgerError> {
        let statement =
            query_as::<Row>(select!("AND conversation = $1 AND state = 'waiting' ORDER BY position LIMIT $2"));
        let conversation = conversation(&self.seal, of);
        let statement = statement.bind(&conversation[..]).bind(i64::from(most));
        let rows = self.ledger.reader().await?.sql().all(statement).await?;
        rows.into_iter().map(|row| self.read_inbound(row)).collect()
    }

    /// A message.
    pub async fn inbound(&self, id: &InboundId) -> Result<Option<Inbound>, LedgerError> {
        let statement = query_as::<Row>(select!("AND id = $1"));
        let row = self.ledger.reader().await?.sql().one(statement.bind(id.as_str())).await?;
        row.map(|row| self.read_inbound(row)).transpose()
    }

    /// The messages of a run, the first first.
    pub async fn inbound_of(&self, run: &RunId) -> Result<Vec<Inbound>, LedgerError> {
        let statement = query_as::<Row>(select!("AND run = $1 ORDER BY received_ms, position"));
        let rows = self.ledger.reader().await?.sql().all(statement.bind(run.as_str())).await?;
        rows.into_iter().map(|row| self.read_inbound(row)).collect()
    }

    /// At most `most` messages, of every state or of one, the newest first.
    pub async fn inbox(&self, state: Option<InboundState>, most: u32) -> Result<Vec<Inbound>, LedgerError> {
        let statement = query_as::<Row>(select!(
            "AND ($1 = '' OR state = $1) \
             ORDER BY received_ms DESC, position DESC LIMIT $2"
        ));
        let statement = statement.bind(state.map_or("", InboundState::name)).bind(i64::from(most));
        let rows = self.ledger.reader().await?.sql().all(statement).await?;
        rows.into_iter().map(|row| self.read_inbound(row)).collect()
    }

    /// How many messages there are of each state that has any.
    pub async fn inbox_counts(&self) -> Result<Vec<(InboundState, u64)>, LedgerError> {
        let statement = query_as::<(As<InboundState>, Number)>(
            "SELECT state, COUNT(*) FROM inbox WHERE content IS NOT NULL GROUP BY state ORDER BY state",
        );
        let rows = self.ledger.reader().await?.sql().all(statement).await?;
        Ok(rows.into_iter().map(|(state, count)| (state.0, count.0)).collect())
    }

    /// Forgets what settled messages said, seven days later, and ninety days later that there were any. Returns how many were
    /// forgotten of both boxes.
    pub async fn forget_settled(&self) -> Result<u64, LedgerError> {
        let now_ms = self.ledger.now_ms();
        let (content, all) = (now_ms.saturating_sub(CONTENT_KEPT_MS), now_ms.saturating_sub(LOOKUP_KEPT_MS));
        let mut change = self.ledger.light_change().await?;
        let sql = &mut change.sql();
        let statement = query(
            "UPDATE inbox SET content = NULL WHERE settled_ms < $1 AND content IS NOT NULL AND state NOT IN ('waiting', 'running')",
        );
        let mut forgotten = sql.execute(statement.bind(to_sql(content))).await?;
        sql.execute(
            query("DELETE FROM inbox WHERE settled_ms < $1 AND state NOT IN ('waiting', 'running')").bind(to_sql(all)),
        )
        .await?;
        forgotten += super::outbox::forget(sql, content, all).await?;
        change.commit().await?;
        Ok(forgotten)
    }

    /// Forgets what somebody said, within a change; what waits or runs is forgotten as well, and is not answered.
    pub async fn forget_sender(&self, sql: &mut Sql<'_>, of: &PersonAddress) -> Result<u64, LedgerError> {
        let statement = query(
            "UPDATE inbox SET content = NULL, state = CASE WHEN state IN ('waiting', 'running') THEN 'dropped' \
             ELSE state END, settled_ms = COALESCE(settled_ms, $2) WHERE sender = $1 AND content IS NOT NULL",
        );
        let sender = sender(&self.seal, of);
        sql.execute(statement.bind(&sender[..]).bind(to_sql(self.ledger.now_ms()))).await
    }

    fn read_inbound(&self, row: Row) -> Result<Inbound, LedgerError> {
        let (id, of, position, state, run, content, label, sent, received, settled) = row;
        let (id, position, label, sent_ms, received_ms) = (id.0, position.0, label.0, sent.0, received.0);
        let open = |spot: Spot<'_>| {
            let content: Content = self.seal.open_json(spot, content)?;
            let address = ConversationAddress::parse(&content.address).map_err(|_| self.seal.tampered(spot))?;
            let sender = PersonAddress::parse(&content.sender).map_err(|_| self.seal.tampered(spot))?;
            if conversation(&self.seal, &address)[..] != of[..] {
                return Err(self.seal.tampered(spot));
            }
            let Content { sender_name, platform_id, group, mentioned, body, .. } = content;
            Ok(NewInbound {
                address,
                sender,
                sender_name,
                platform_id,
                group,
                mentioned,
                body,
                label: label.clone(),
                sent_ms,
            })
        };
        let message = with_spot(&id, position, &label, [sent_ms, received_ms], open)?;
        let (run, settled_ms) = (run.map(|run| run.0), settled.map(|ms| ms.0));
        Ok(Inbound { id, message, position, state: state.0, run, received_ms, settled_ms })
    }
}

/// Forgets what the messages of a conversation that is deleted said; that they came is still known.
pub(crate) async fn forget_session(sql: &mut Sql<'_>, session: &SessionId) -> Result<(), LedgerError> {
    let statement = query(
        "UPDATE inbox SET content = NULL WHERE settled_ms IS NOT NULL \
         AND run IN (SELECT id FROM runs WHERE session = $1)",
    );
    sql.execute(statement.bind(session.as_str())).await.map(drop)
}
