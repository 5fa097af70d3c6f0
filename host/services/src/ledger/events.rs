//! The audit log: what was done,
//! in a chain of hashes that shows any later change.
//!
//! Each event's hash is a MAC over the event and the hash before it; the head row says where the chain ends, under a MAC
//! as well. Who has the file but not the key (`keys/audit`) can change, remove, reorder or cut off nothing unseen. What
//! they can do is put back the whole of an older copy: no file shows by itself that it is not the newest. An anchor does,
//! the head of the chain as somebody else keeps it (`cara audit anchor`).

use super::sql::{Number, Query, Sql, query, query_as};
use super::{Ledger, LedgerError, to_sql};
use cara_signing::display_safe;
use futures_util::TryStreamExt;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use subtle::ConstantTimeEq;

type Hash = [u8; 32];
/// Is shown number and hash of an event.
type See<'a> = &'a mut (dyn FnMut(u64, &[u8]) + Send);
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

    /// Number and hash of the newest event, as the head of the chain says; number 0 before the first.
    pub async fn newest_event(&self) -> Result<(u64, Vec<u8>), LedgerError> {
        let newest = head(&mut self.reader().await?.sql(), &self.inner.audit).await?;
        newest.ok_or_else(|| LedgerError::AuditHead(self.place().clone()))
    }

    /// Checks every event against the chain and returns how many there are.
    pub async fn verify_events(&self) -> Result<u64, ChainError> {
        self.see_events(&mut |_, _| ()).await
    }

    /// The same, and shows number and hash of each event that holds.
    pub async fn see_events(&self, see: See<'_>) -> Result<u64, ChainError> {
        // One transaction, so that head and events are of the same moment.
        verify(&mut self.database().await?.snapshot().await?.sql(), &self.inner.audit, see).await
    }
}

/// Adds an event to a change. A head that was changed is not gone on from: a new one over it would hide that.
pub(super) async fn append(
    ledger: &Ledger,
    sql: &mut Sql<'_>,
    kind: &'static str,
    subject: &str,
    detail: Value,
) -> Result<(), LedgerError> {
    let key = &*ledger.inner.audit;
    let Some((last, prev)) = head(sql, key).await? else {
        return Err(LedgerError::AuditHead(ledger.place().clone()));
    };
    let (seq, at_ms) = (to_sql(last + 1), to_sql(ledger.now_ms()));
    let (subject, detail) = (display_safe(subject), shown_json(detail).to_string());
    let hash = hash(key, seq, at_ms, kind, &subject, &detail, &prev);
    let event =
        query("INSERT INTO events (seq, at_ms, kind, subject, detail, prev, hash) VALUES ($1, $2, $3, $4, $5, $6, $7)");
    let event = event.bind(seq).bind(at_ms).bind(kind).bind(subject).bind(detail).bind(prev).bind(&hash[..]);
    sql.execute(event).await?;
    sql.execute(head_at(key, last + 1, &hash)).await.map(drop)
}

/// Says where the chain ends.
pub(super) fn head_at(key: &[u8; 32], seq: u64, hash: &Hash) -> Query {
    let head = query(
        "INSERT INTO event_head (id, seq, hash, mac) VALUES (1, $1, $2, $3) \
         ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, mac = excluded.mac",
    );
    head.bind(to_sql(seq)).bind(&hash[..]).bind(&head_mac(key, to_sql(seq), hash)[..])
}

/// Number and hash of the last event; nothing when the head is missing or not of this key.
async fn head(sql: &mut Sql<'_>, key: &[u8; 32]) -> Result<Option<(u64, Vec<u8>)>, LedgerError> {
    let head = query_as::<(Number, Vec<u8>, Vec<u8>)>("SELECT seq, hash, mac FROM event_head WHERE id = 1");
    let head = sql.one(head).await?;
    let honest = head.filter(|(seq, hash, mac)| head_mac(key, to_sql(seq.0), hash).ct_eq(mac).into());
    Ok(honest.map(|(seq, hash, _)| (seq.0, hash)))
}

async fn verify(sql: &mut Sql<'_>, key: &[u8; 32], see: See<'_>) -> Result<u64, ChainError> {
    let head = head(sql, key).await?;
    let end = head.as_ref().map(|(end, _)| *end);
    let broken = |seq, what| Err(ChainError::Broken { seq, what });
    let (mut count, mut last) = (0_u64, Hash::default().to_vec());
    let events = query_as::<Row>("SELECT seq, at_ms, kind, subject, detail, prev, hash FROM events ORDER BY seq");
    let mut rows = sql.rows(events);
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
        see(count, &last);
    }
    match head {
        None => Err(ChainError::Head { count }),
        Some((end, _)) if count < end => broken(count + 1, Break::Missing),
        Some((_, end_hash)) if last != end_hash => broken(count, Break::Changed),
        Some(_) => Ok(count),
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
