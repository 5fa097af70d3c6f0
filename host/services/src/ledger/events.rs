//! The audit log: what was done,
//! in a chain of hashes that shows any later change.
//!
//! Each event's hash covers the event and the hash before it; the head row says where the chain ends. It shows what
//! was altered by somebody who does not rewrite all that follows and the head; it is no proof against the file's owner.

use super::{Ledger, LedgerError, from_sql, shown, to_sql};
use futures_util::TryStreamExt;
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::{Connection, SqliteConnection};

type Hash = [u8; 32];
type Row = (i64, i64, String, String, String, Vec<u8>, Vec<u8>);

/// One entry of the audit log.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its number, from 1 without gaps.
    pub seq: u64,
    /// When, Unix milliseconds.
    pub at_ms: u64,
    /// What was done: "grant", "revoke".
    pub kind: String,
    /// To whom or what.
    pub subject: String,
    /// The rest; its strings are escaped and cut.
    pub detail: Value,
}

/// What is wrong at a place of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Break {
    /// The event is not what was written.
    #[error("was changed")]
    Changed,
    /// No event, or another one, stands in its place.
    #[error("is missing")]
    Missing,
    /// The head of the chain says that there is no such event.
    #[error("is not known to the head of the chain")]
    Unknown,
}

/// Why the audit log cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// Somebody altered it.
    #[error(
        "event {seq} of the audit log {what}\nhint: the events before it are whole; compare with a copy of the ledger"
    )]
    Broken {
        /// The first event that is wrong.
        seq: u64,
        /// How.
        what: Break,
    },
    /// It cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Ledger {
    /// Adds an event. `kind` is a word of the host's own; `subject` and the strings in `detail` may be foreign.
    pub async fn append(&self, kind: &'static str, subject: &str, detail: Value) -> Result<(), LedgerError> {
        let mut change = self.change().await?;
        append(&mut change.transaction, self.now_ms(), kind, subject, detail).await.map_err(|e| self.failed(e))?;
        change.commit().await
    }

    /// The last `limit` events, the newest first.
    pub async fn events(&self, limit: u32) -> Result<Vec<Event>, LedgerError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT seq, at_ms, kind, subject, detail, prev, hash FROM events ORDER BY seq DESC LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(self.pool().await?)
        .await
        .map_err(|e| self.failed(e))?;
        rows.into_iter().map(read).collect::<sqlx::Result<_>>().map_err(|e| self.failed(e))
    }

    /// Checks every event against the chain and returns how many there are.
    pub async fn verify_events(&self) -> Result<u64, ChainError> {
        let mut connection = self.pool().await?.acquire().await.map_err(|e| self.failed(e))?;
        match verify(&mut connection).await.map_err(|e| self.failed(e))? {
            Ok(count) => Ok(count),
            Err((seq, what)) => Err(ChainError::Broken { seq, what }),
        }
    }
}

/// Adds an event to a change.
pub(super) async fn append(
    connection: &mut SqliteConnection,
    at_ms: u64,
    kind: &'static str,
    subject: &str,
    detail: Value,
) -> sqlx::Result<()> {
    let (last, prev) = head(connection).await?;
    let (seq, at_ms) = (to_sql(last + 1), to_sql(at_ms));
    let (subject, detail) = (shown(subject), shown_json(detail).to_string());
    let hash = hash(seq, at_ms, kind, &subject, &detail, &prev);
    sqlx::query(
        "INSERT INTO events (seq, at_ms, kind, subject, detail, prev, hash) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(seq)
    .bind(at_ms)
    .bind(kind)
    .bind(subject)
    .bind(detail)
    .bind(&prev[..])
    .bind(&hash[..])
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO event_head (id, seq, hash) VALUES (1, $1, $2) \
         ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, hash = excluded.hash",
    )
    .bind(seq)
    .bind(&hash[..])
    .execute(connection)
    .await?;
    Ok(())
}

/// Number and hash of the last event.
async fn head(connection: &mut SqliteConnection) -> sqlx::Result<(u64, Vec<u8>)> {
    let head: Option<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT seq, hash FROM event_head WHERE id = 1").fetch_optional(connection).await?;
    head.map_or(Ok((0, Hash::default().to_vec())), |(seq, hash)| Ok((from_sql(seq)?, hash)))
}

async fn verify(connection: &mut SqliteConnection) -> sqlx::Result<Result<u64, (u64, Break)>> {
    // One transaction, so that head and events are of the same moment.
    let mut transaction = connection.begin().await?;
    let (end, end_hash) = head(&mut transaction).await?;
    let (mut count, mut last) = (0_u64, Hash::default().to_vec());
    let mut rows =
        sqlx::query_as::<_, Row>("SELECT seq, at_ms, kind, subject, detail, prev, hash FROM events ORDER BY seq")
            .fetch(&mut *transaction);
    while let Some((seq, at_ms, kind, subject, detail, prev, own)) = rows.try_next().await? {
        let expected = count + 1;
        if seq != to_sql(expected) {
            // An event below the first number was put in; above it, one was taken out.
            return Ok(Err((expected, Break::Missing)));
        }
        if expected > end {
            return Ok(Err((expected, Break::Unknown)));
        }
        if prev != last || own != hash(seq, at_ms, &kind, &subject, &detail, &prev) {
            return Ok(Err((expected, Break::Changed)));
        }
        (count, last) = (expected, own);
    }
    Ok(match () {
        () if count < end => Err((count + 1, Break::Missing)),
        () if last != end_hash => Err((count, Break::Changed)),
        () => Ok(count),
    })
}

/// Every field with its length before it: no two events have the same bytes.
pub(super) fn hash(seq: i64, at_ms: i64, kind: &str, subject: &str, detail: &str, prev: &[u8]) -> Hash {
    let mut hasher = Sha256::new_with_prefix(b"cara event 1\0");
    for field in
        [&seq.to_be_bytes()[..], &at_ms.to_be_bytes(), kind.as_bytes(), subject.as_bytes(), detail.as_bytes(), prev]
    {
        hasher.update((field.len() as u64).to_be_bytes());
        hasher.update(field);
    }
    hasher.finalize().into()
}

fn shown_json(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(shown(&text)),
        Value::Array(items) => Value::Array(items.into_iter().map(shown_json).collect()),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(key, value)| (shown(&key), shown_json(value))).collect())
        }
        plain => plain,
    }
}

fn read((seq, at_ms, kind, subject, detail, _, _): Row) -> sqlx::Result<Event> {
    let detail = serde_json::from_str(&detail).map_err(|e| sqlx::Error::Decode(Box::new(e)))?;
    Ok(Event { seq: from_sql(seq)?, at_ms: from_sql(at_ms)?, kind, subject, detail })
}
