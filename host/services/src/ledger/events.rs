//! The audit log: what was done,
//! in a chain of hashes that shows any later change.
//!
//! Each event's hash is a MAC over the event and the hash before it; the head row says where the chain ends, under a MAC
//! as well. Who has the file but not the key (`keys/audit`) can change, remove, reorder or cut off nothing unseen. What
//! they can do is put back the whole of an older copy: no file shows by itself that it is not the newest.

use super::sql::Number;
use super::{Ledger, LedgerError, to_sql};
use cara_signing::display_safe;
use futures_util::TryStreamExt;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use sqlx::{Connection, SqliteConnection};
use subtle::ConstantTimeEq;

type Hash = [u8; 32];
type Row = (i64, i64, String, String, String, Vec<u8>, Vec<u8>);

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
    /// The row that says where the log ends was removed, or not written with this key.
    #[error(
        "the head of the audit log was changed or removed, so events after {count} may be missing\nhint: the events up to {count} are whole; compare with a copy of the ledger"
    )]
    Head {
        /// How many events there are.
        count: u64,
    },
    /// The log cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Ledger {
    /// Adds an event. `kind` is a word of the host's own; `subject` and the strings in `detail` may be foreign.
    pub async fn append(&self, kind: &'static str, subject: &str, detail: Value) -> Result<(), LedgerError> {
        let mut change = self.change().await?;
        change.event(kind, subject, detail).await?;
        change.commit().await
    }

    /// Checks every event against the chain and returns how many there are.
    pub async fn verify_events(&self) -> Result<u64, ChainError> {
        let mut connection = self.pool().await?.acquire().await.map_err(|e| self.failed(e))?;
        verify(&mut connection, &self.inner.audit).await.map_err(|e| self.failed(e))?
    }
}

/// Adds an event to a change. A head that was changed is not gone on from: a new one over it would hide that.
pub(super) async fn append(
    ledger: &Ledger,
    connection: &mut SqliteConnection,
    kind: &'static str,
    subject: &str,
    detail: Value,
) -> Result<(), LedgerError> {
    let (key, failed) = (&*ledger.inner.audit, |e| ledger.failed(e));
    let Some((last, prev)) = head(connection, key).await.map_err(failed)? else {
        return Err(LedgerError::AuditHead(ledger.path().to_owned()));
    };
    let (seq, at_ms) = (to_sql(last + 1), to_sql(ledger.now_ms()));
    let (subject, detail) = (display_safe(subject), shown_json(detail).to_string());
    let hash = hash(key, seq, at_ms, kind, &subject, &detail, &prev);
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
    .await
    .map_err(failed)?;
    put_head(connection, key, last + 1, &hash).await.map_err(failed)
}

/// Says where the chain ends.
pub(super) async fn put_head(
    connection: &mut SqliteConnection,
    key: &[u8; 32],
    seq: u64,
    hash: &Hash,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO event_head (id, seq, hash, mac) VALUES (1, $1, $2, $3) \
         ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, mac = excluded.mac",
    )
    .bind(to_sql(seq))
    .bind(&hash[..])
    .bind(&head_mac(key, to_sql(seq), hash)[..])
    .execute(connection)
    .await
    .map(drop)
}

/// Number and hash of the last event; nothing when the head is missing or not of this key.
async fn head(connection: &mut SqliteConnection, key: &[u8; 32]) -> sqlx::Result<Option<(u64, Vec<u8>)>> {
    let head: Option<(Number, Vec<u8>, Vec<u8>)> =
        sqlx::query_as("SELECT seq, hash, mac FROM event_head WHERE id = 1").fetch_optional(connection).await?;
    let honest = head.filter(|(seq, hash, mac)| head_mac(key, to_sql(seq.0), hash).ct_eq(mac).into());
    Ok(honest.map(|(seq, hash, _)| (seq.0, hash)))
}

async fn verify(connection: &mut SqliteConnection, key: &[u8; 32]) -> sqlx::Result<Result<u64, ChainError>> {
    // One transaction, so that head and events are of the same moment.
    let mut transaction = connection.begin().await?;
    let head = head(&mut transaction, key).await?;
    let end = head.as_ref().map(|(end, _)| *end);
    let broken = |seq, what| Ok(Err(ChainError::Broken { seq, what }));
    let (mut count, mut last) = (0_u64, Hash::default().to_vec());
    let mut rows =
        sqlx::query_as::<_, Row>("SELECT seq, at_ms, kind, subject, detail, prev, hash FROM events ORDER BY seq")
            .fetch(&mut *transaction);
    while let Some((seq, at_ms, kind, subject, detail, prev, own)) = rows.try_next().await? {
        let expected = count + 1;
        if seq != to_sql(expected) {
            // An event below the first number was put in; above it, one was taken out.
            return broken(expected, Break::Missing);
        }
        if end.is_some_and(|end| expected > end) {
            return broken(expected, Break::Unknown);
        }
        if prev != last || own != hash(key, seq, at_ms, &kind, &subject, &detail, &prev) {
            return broken(expected, Break::Changed);
        }
        (count, last) = (expected, own);
    }
    match head {
        None => Ok(Err(ChainError::Head { count })),
        Some((end, _)) if count < end => broken(count + 1, Break::Missing),
        Some((_, end_hash)) if last != end_hash => broken(count, Break::Changed),
        Some(_) => Ok(Ok(count)),
    }
}

/// A MAC over every field with its length before it: no two events have the same bytes.
pub(super) fn hash(key: &[u8; 32], seq: i64, at_ms: i64, kind: &str, subject: &str, detail: &str, prev: &[u8]) -> Hash {
    let (seq, at_ms) = (seq.to_be_bytes(), at_ms.to_be_bytes());
    let fields = [&seq[..], &at_ms, kind.as_bytes(), subject.as_bytes(), detail.as_bytes(), prev];
    mac(key, b"cara event 2\0", &fields)
}

fn head_mac(key: &[u8; 32], seq: i64, hash: &[u8]) -> Hash {
    mac(key, b"cara event head 1\0", &[&seq.to_be_bytes(), hash])
}

/// HMAC-SHA256 over a purpose and fields, each field with its length before it.
pub(super) fn mac(key: &[u8; 32], purpose: &[u8], fields: &[&[u8]]) -> Hash {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    mac.update(purpose);
    for field in fields {
        mac.update(&(field.len() as u64).to_be_bytes());
        mac.update(field);
    }
    mac.finalize().into_bytes().into()
}

fn shown_json(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(display_safe(&text)),
        Value::Array(items) => Value::Array(items.into_iter().map(shown_json).collect()),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(key, value)| (display_safe(&key), shown_json(value))).collect())
        }
        plain => plain,
    }
}
