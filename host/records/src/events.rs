//! The audit log as listed; `cara-services` writes it and checks its chain.

use cara_services::ledger::sql::{Number, query_as};
use cara_services::ledger::{Ledger, LedgerError};
use serde_json::Value;

/// One entry of the audit log.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The entry's number, from 1 without gaps.
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

/// The last `limit` events, the newest first. What cannot be read as JSON is given as text.
pub async fn events(ledger: &Ledger, limit: u32) -> Result<Vec<Event>, LedgerError> {
    let query = query_as::<(Number, Number, String, String, String)>(
        "SELECT seq, at_ms, kind, subject, detail FROM events ORDER BY seq DESC LIMIT $1",
    );
    let rows = ledger.reader().await?.sql().all(query.bind(i64::from(limit))).await?;
    let read = |(seq, at_ms, kind, subject, detail): (Number, Number, String, String, String)| {
        let detail = serde_json::from_str(&detail).unwrap_or(Value::String(detail));
        Event { seq: seq.0, at_ms: at_ms.0, kind, subject, detail }
    };
    Ok(rows.into_iter().map(read).collect())
}

/// The hash of an event, as it stands there: whether it holds is not looked at. Nothing where there is no such event.
pub async fn event_hash(ledger: &Ledger, seq: u64) -> Result<Option<Vec<u8>>, LedgerError> {
    let query = query_as::<(Vec<u8>,)>("SELECT hash FROM events WHERE seq = $1");
    let found = ledger.reader().await?.sql().one(query.bind(i64::try_from(seq).unwrap_or(i64::MAX))).await?;
    Ok(found.map(|(hash,)| hash))
}
