//! Sending: what is due, and what an attempt came to.
//!
//! ```text
//! turn(attempts that ended) ─→ kept, without waiting for the disk
//!                           ─→ what is due: `sending`, on disk before anybody gets it ─→ the channel
//! ```
//!
//! What may have got there is judged by how the channel delivers: under a key that the platform still knows it is sent again;
//! where the platform can be asked it is asked first; else it is unknown, and only a person decides more.

use super::{Outbound, OutboundId, OutboundState, Outcome, Row, outcome_spot, select};
use crate::Records;
use cara_authority::{display_safe, words::UnknownWord};
use cara_services::ledger::sql::{As, AssertSqlSafe, Number, Sql, query, query_as};
use cara_services::ledger::{LedgerError, to_sql};
use std::fmt;

/// How a channel's account delivers a message that may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryClass {
    /// A message with a key that came before is not delivered again, for so many milliseconds after the first.
    Keyed {
        /// How long the platform knows a key.
        window_ms: u64,
    },
    /// The platform can be asked whether it has a message with a key.
    Checkable,
    /// Neither.
    Blind,
}

impl fmt::Display for DeliveryClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keyed { window_ms } => write!(f, "keyed {window_ms}"),
            Self::Checkable => f.write_str("checkable"),
            Self::Blind => f.write_str("blind"),
        }
    }
}

impl TryFrom<String> for DeliveryClass {
    type Error = UnknownWord;
    fn try_from(text: String) -> Result<Self, UnknownWord> {
        match text.as_str() {
            "checkable" => Ok(Self::Checkable),
            "blind" => Ok(Self::Blind),
            _ => match text.strip_prefix("keyed ").and_then(|window| window.parse().ok()) {
                Some(window_ms) => Ok(Self::Keyed { window_ms }),
                None => Err(UnknownWord(display_safe(&text))),
            },
        }
    }
}

impl DeliveryClass {
    /// Whether a message that may have got there at `first_ms` must not be sent again, so as to arrive at `arrives_ms`.
    pub fn forbids(self, first_ms: Option<u64>, arrives_ms: u64) -> bool {
        match (self, first_ms) {
            (_, None) | (Self::Checkable, _) => false,
            (Self::Blind, Some(_)) => true,
            (Self::Keyed { window_ms }, Some(first)) => arrives_ms >= first.saturating_add(window_ms),
        }
    }
}

/// How long is tried, and waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How often a message is tried at most.
    pub attempts: u64,
    /// For how long, milliseconds since the first attempt.
    pub time_ms: u64,
    /// How long an attempt takes at most: it may arrive as late as that.
    pub deadline_ms: u64,
    /// How long after an attempt began a platform is not yet asked whether the message got there: it may be on its way.
    pub settle_ms: u64,
}

/// What an attempt to send came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// The channel has the message, and gave this for it.
    Sent(String),
    /// It certainly did not get there, and can be tried again.
    NotSent {
        /// Why.
        error: String,
        /// Not before then, Unix milliseconds.
        next_ms: u64,
    },
    /// Nobody is there to take it. That is no attempt: it waits until [`Records::wake_outbox`].
    Absent(String),
    /// Nobody knows whether it got there.
    Unsure {
        /// Why.
        error: String,
        /// If it may be tried again, then not before then, Unix milliseconds.
        next_ms: u64,
    },
    /// It certainly did not get there, and never will.
    Refused(String),
}

/// Who sends the messages of a channel.
pub struct Sender<'a> {
    /// The channel.
    pub channel: &'a str,
    /// Names the process, so that others can tell whether it still lives.
    pub process: &'a str,
    /// How an account of the channel delivers; nothing, where it has no such account.
    pub class: &'a (dyn Fn(&str) -> Option<DeliveryClass> + Send + Sync),
    /// How long is tried.
    pub patience: &'a Patience,
}

/// What is to be sent now.
#[derive(Debug, Default)]
pub struct Turn {
    /// Messages, which are `sending` from now on; of each conversation at most one.
    pub claimed: Vec<Outbound>,
    /// When another one is due; that may have passed, where there were more than asked for.
    pub next_ms: Option<u64>,
}

/// What an attempt begins from.
struct Tried {
    conversation: Vec<u8>,
    class: DeliveryClass,
    attempts: u64,
    tried_ms: u64,
    attempt_ms: u64,
    first_ms: Option<u64>,
}

/// Where a message goes from `sending`.
enum Goes {
    /// It waits again, and is due then; a message that nobody is there for is not.
    Waits(Option<u64>),
    Settled(OutboundState),
}

impl Tried {
    async fn read(sql: &mut Sql<'_>, id: &OutboundId) -> Result<Option<Self>, LedgerError> {
        let statement = query_as::<(Vec<u8>, As<DeliveryClass>, Number, Number, Number, Option<Number>)>(
            "SELECT conversation, class, attempts, tried_ms, attempt_ms, first_ms FROM outbox \
             WHERE id = $1 AND state = 'sending'",
        );
        let row = sql.one(statement.bind(id.as_str())).await?;
        Ok(row.map(|(conversation, class, attempts, tried, attempt, first)| {
            let (attempts, tried_ms, attempt_ms) = (attempts.0, tried.0, attempt.0);
            Self { conversation, class: class.0, attempts, tried_ms, attempt_ms, first_ms: first.map(|ms| ms.0) }
        }))
    }

    fn goes(&mut self, attempt: &Attempt, patience: &Patience, now_ms: u64) -> Goes {
        let next_ms = match attempt {
            Attempt::Sent(_) => return Goes::Settled(OutboundState::Sent),
            Attempt::Refused(_) => return self.gives_up(),
            Attempt::Absent(_) => {
                self.attempts -= 1;
                return Goes::Waits(None);
            }
            Attempt::NotSent { next_ms, .. } => *next_ms,
            Attempt::Unsure { next_ms, .. } => {
                self.first_ms.get_or_insert(self.attempt_ms);
                match self.class {
                    DeliveryClass::Checkable => (*next_ms).max(self.attempt_ms + patience.settle_ms),
                    DeliveryClass::Keyed { .. } | DeliveryClass::Blind => *next_ms,
                }
            }
        };
        let at_ms = next_ms.max(now_ms);
        let too_often = self.attempts >= patience.attempts || at_ms > self.tried_ms.saturating_add(patience.time_ms);
        match too_often || self.class.forbids(self.first_ms, at_ms.saturating_add(patience.deadline_ms)) {
            true => self.gives_up(),
            false => Goes::Waits(Some(next_ms)),
        }
    }

    /// An earlier attempt may have got there, whatever the last one came to.
    fn gives_up(&self) -> Goes {
        Goes::Settled(if self.first_ms.is_some() { OutboundState::Unknown } else { OutboundState::Dead })
    }
}

impl Records {
    /// Keeps what attempts came to, and takes at most `most` messages of a channel that are due, the first of their
    /// conversation each. `class` says how an account of the channel delivers; nothing, where there is none.
    ///
    /// What is taken is on disk as such when this returns. What attempts came to need not be: after a power cut it is found
    /// out as after any other crash.
    pub async fn outbox_turn(
        &self,
        by: &Sender<'_>,
        ended: &[(OutboundId, Attempt)],
        most: u32,
    ) -> Result<Turn, LedgerError> {
        if !ended.is_empty() {
            let mut change = self.ledger.light_change().await?;
            for (id, attempt) in ended {
                self.end_attempt(&mut change.sql(), id, attempt, by.patience).await?;
            }
            change.commit().await?;
            self.changed.settled.send_replace(());
        }
        if most == 0 {
            return Ok(Turn::default());
        }
        let mut change = self.ledger.change().await?;
        let sql = &mut change.sql();
        let now_ms = self.ledger.now_ms();
        let due = select!(
            "AND channel = $1 AND state = 'waiting' AND next_ms <= $2 ORDER BY next_ms, queued_ms, position LIMIT $3"
        );
        // Words of this function and of the database's own, and none of anybody's.
        let statement = query_as::<Row>(AssertSqlSafe(format!("{due}{}", sql.skip_locked())));
        let due = sql.all(statement.bind(by.channel).bind(to_sql(now_ms)).bind(i64::from(most))).await?;
        let any = !due.is_empty();
        let mut claimed = Vec::new();
        for row in due {
            claimed.extend(self.claim_outbound(sql, row, by).await?);
        }
        let next =
            query_as::<(Option<Number>,)>("SELECT MIN(next_ms) FROM outbox WHERE channel = $1 AND state = 'waiting'");
        let next_ms = sql.one(next.bind(by.channel)).await?.and_then(|(next,)| next).map(|next| next.0);
        if any {
            change.commit().await?;
        }
        if any && claimed.is_empty() {
            // All of them were settled instead.
            self.changed.settled.send_replace(());
        }
        Ok(Turn { claimed, next_ms })
    }

    /// Takes one message, if it may be sent.
    async fn claim_outbound(
        &self,
        sql: &mut Sql<'_>,
        row: Row,
        by: &Sender<'_>,
    ) -> Result<Option<Outbound>, LedgerError> {
        let (id, conversation, now_ms) = (row.0.0.clone(), row.1.clone(), self.ledger.now_ms());
        if !is_first(sql, &conversation, row.2.0).await? {
            let statement = query("UPDATE outbox SET next_ms = NULL WHERE id = $1").bind(id.as_str());
            return sql.execute(statement).await.map(|_| None);
        }
        let message = match self.read_outbound(row) {
            Ok(message) => message,
            // One that nobody can read does not hold up the others.
            Err(error @ LedgerError::Tampered { .. }) => {
                self.settle_outbound(sql, &id, OutboundState::Dead, error.to_string()).await?;
                self.promote(sql, &conversation).await?;
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let address = &message.message.address;
        let Some(class) = (by.class)(&address.account) else {
            let error = format!("no account `{}:{}` runs here", address.channel, address.account);
            let outcome = Outcome { error: Some(error), receipt: None };
            let outcome = self.seal.seal_json(outcome_spot(&[id.as_str()]), &outcome)?;
            let statement = query("UPDATE outbox SET next_ms = NULL, outcome = $2 WHERE id = $1");
            sql.execute(statement.bind(id.as_str()).bind(outcome)).await?;
            return Ok(None);
        };
        if class.forbids(message.first_ms, now_ms.saturating_add(by.patience.deadline_ms)) {
            let error = message.error.unwrap_or_else(|| "the platform does not know its key any more".into());
            self.settle_outbound(sql, &id, OutboundState::Unknown, error).await?;
            self.promote(sql, &conversation).await?;
            return Ok(None);
        }
        let statement = query(
            "UPDATE outbox SET state = 'sending', process = $2, class = $3, attempts = attempts + 1, attempt_ms = $4, \
             tried_ms = COALESCE(tried_ms, $4), next_ms = NULL WHERE id = $1",
        );
        let statement = statement.bind(id.as_str()).bind(by.process).bind(class.to_string()).bind(to_sql(now_ms));
        sql.execute(statement).await?;
        let (state, attempts, class) = (OutboundState::Sending, message.attempts + 1, Some(class));
        Ok(Some(Outbound { state, attempts, class, next_ms: None, ..message }))
    }

    /// Keeps what an attempt came to.
    async fn end_attempt(
        &self,
        sql: &mut Sql<'_>,
        id: &OutboundId,
        attempt: &Attempt,
        patience: &Patience,
    ) -> Result<(), LedgerError> {
        let Some(mut tried) = Tried::read(sql, id).await? else { return Ok(()) };
        let now_ms = self.ledger.now_ms();
        let (state, next_ms, settled_ms) = match tried.goes(attempt, patience, now_ms) {
            Goes::Waits(next_ms) => (OutboundState::Waiting, next_ms, None),
            Goes::Settled(state) => (state, None, Some(now_ms)),
        };
        let (error, receipt) = match attempt.clone() {
            Attempt::Sent(receipt) => (None, Some(receipt)),
            Attempt::NotSent { error, .. } | Attempt::Unsure { error, .. } => (Some(error), None),
            Attempt::Absent(error) | Attempt::Refused(error) => (Some(error), None),
        };
        let outcome = self.seal.seal_json(outcome_spot(&[id.as_str()]), &Outcome { error, receipt })?;
        let statement = query(
            "UPDATE outbox SET state = $2, attempts = $3, first_ms = $4, next_ms = $5, settled_ms = $6, outcome = $7 \
             WHERE id = $1",
        );
        let statement = statement.bind(id.as_str()).bind(state.name()).bind(to_sql(tried.attempts));
        let statement =
            statement.bind(tried.first_ms.map(to_sql)).bind(next_ms.map(to_sql)).bind(settled_ms.map(to_sql));
        sql.execute(statement.bind(outcome)).await?;
        match (settled_ms, next_ms) {
            // Nobody is there to take another one either.
            (None, None) => Ok(()),
            _ => self.promote(sql, &tried.conversation).await,
        }
    }

    async fn settle_outbound(
        &self,
        sql: &mut Sql<'_>,
        id: &OutboundId,
        state: OutboundState,
        error: String,
    ) -> Result<(), LedgerError> {
        let outcome = Outcome { error: Some(error), receipt: None };
        let outcome = self.seal.seal_json(outcome_spot(&[id.as_str()]), &outcome)?;
        let statement =
            query("UPDATE outbox SET state = $2, next_ms = NULL, settled_ms = $3, outcome = $4 WHERE id = $1");
        let statement = statement.bind(id.as_str()).bind(state.name()).bind(to_sql(self.ledger.now_ms()));
        sql.execute(statement.bind(outcome)).await.map(drop)
    }

    /// Judges what processes left of a channel that ended while they sent, and lets be tried what waited for somebody to be
    /// there. Returns how many messages were being sent.
    pub async fn recover_outbox(
        &self,
        channel: &str,
        has_ended: &(dyn Fn(&str) -> bool + Send + Sync),
        patience: &Patience,
    ) -> Result<u64, LedgerError> {
        let mut change = self.ledger.change().await?;
        let sql = &mut change.sql();
        let statement = query_as::<(As<OutboundId>, String)>(
            "SELECT id, process FROM outbox WHERE channel = $1 AND state = 'sending' ORDER BY id",
        );
        let now_ms = self.ledger.now_ms();
        let mut left = 0;
        for (id, _) in sql.all(statement.bind(channel)).await?.into_iter().filter(|(_, process)| has_ended(process)) {
            let error = "the process that sent it ended before the channel answered".to_owned();
            self.end_attempt(sql, &id.0, &Attempt::Unsure { error, next_ms: now_ms }, patience).await?;
            left += 1;
        }
        let statement = query(
            "UPDATE outbox SET next_ms = $2 WHERE channel = $1 AND state = 'waiting' AND next_ms IS NULL AND position = \
             (SELECT MIN(earlier.position) FROM outbox AS earlier WHERE earlier.conversation = outbox.conversation \
             AND earlier.state IN ('waiting', 'sending'))",
        );
        sql.execute(statement.bind(channel).bind(to_sql(now_ms))).await?;
        change.commit().await?;
        self.tell_boxes();
        Ok(left)
    }

    /// Lets be tried what waited for somebody to be there, on one account of a channel or on all. Does not wait for the disk.
    pub async fn wake_outbox(&self, channel: &str, account: Option<&str>) -> Result<(), LedgerError> {
        let statement = query(
            "UPDATE outbox SET next_ms = $3 WHERE channel = $1 AND ($2 = '' OR account = $2) AND state = 'waiting' \
             AND next_ms IS NULL AND position = \
             (SELECT MIN(earlier.position) FROM outbox AS earlier WHERE earlier.conversation = outbox.conversation \
             AND earlier.state IN ('waiting', 'sending'))",
        );
        let mut change = self.ledger.light_change().await?;
        let statement = statement.bind(channel).bind(account.unwrap_or_default()).bind(to_sql(self.ledger.now_ms()));
        let woken = change.sql().execute(statement).await?;
        change.commit().await?;
        if woken > 0 {
            self.changed.outbox.send_replace(());
        }
        Ok(())
    }
}

/// Whether a message that waits is the next one of its conversation. One that somebody let be tried again goes before those
/// that came after it, but not while one of them is being sent.
async fn is_first(sql: &mut Sql<'_>, conversation: &[u8], position: u64) -> Result<bool, LedgerError> {
    let statement = query_as::<(i64,)>(
        "SELECT CAST(1 AS BIGINT) FROM outbox WHERE conversation = $1 AND state IN ('waiting', 'sending') \
         AND (position < $2 OR state = 'sending') LIMIT 1",
    );
    Ok(sql.one(statement.bind(conversation).bind(to_sql(position))).await?.is_none())
}
