//! What people and models said and did; every content sealed.
//!
//! Ids, times, counts, labels, states and names of components stand in the file as they are; titles, messages, arguments,
//! destinations, results, reasons and what is remembered only encrypted. It decides nothing: what a call may do, and who
//! may approve it, is said elsewhere. What it does enforce is order: a call that began is not begun again, an approval is
//! decided once and spent once, what is reserved never passes a limit.
//!
//! ```text
//! begin_session ─→ begin_run ─→ propose ─→ (request_approval ─→ decide_approval) ─→ start ─→ end_calls ─→ end_run
//!                      └ reserve ─→ settle | release                              (the effect)
//! ```
//!
//! Three commits do not wait for the disk, for a power cut may undo them without harm: proposing calls, starting those
//! that only read, and reserving. `kill -9` undoes none.

mod approvals;
mod attachments;
mod calls;
mod columns;
mod memory;
mod messages;
mod rules;
mod runs;
mod seal;
mod search;
mod sessions;
mod starts;
mod summaries;
mod totals;
mod usage;

pub use approvals::{Approval, ApprovalState, DecideError, Decided, Decision, NewApproval, Verdict};
pub use attachments::{Attached, Attachment, MAX_ATTACHMENT, NewAttachment};
pub use calls::{Call, CallState, FinishedCall, NewCall};
pub use columns::UnknownWord;
pub use memory::{Memory, MemoryError, Remembered};
pub use messages::{Message, NewMessage, Role};
pub use rules::{NewRule, StoredRule};
pub use runs::{Run, RunState};
pub use seal::ContentKey;
pub use sessions::Session;
pub use starts::{By, StartRefused, Started};
pub use summaries::Summary;
pub use totals::{UsageBy, UsageTotal};
pub use usage::{Limit, OverBudget, Reservation, ReservationId, ReserveError, Scope, Spent};

use super::{Ledger, LedgerError, sql::Sql};
use cara_authority::PersonId;
use seal::Seal;
use search::Index;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::Mutex;

/// The part of the ledger that holds content, opened with its key; a clone is the same one.
#[derive(Clone)]
pub struct Records {
    ledger: Ledger,
    seal: Arc<Seal>,
    /// What people asked to search in, decrypted and in memory only.
    indexes: Arc<Mutex<HashMap<PersonId, Index>>>,
}

impl Ledger {
    /// Opens what is sealed with `key`. The first key that is used is the one from then on.
    ///
    /// Another key is [`LedgerError::WrongKey`]; nothing is read or written with it.
    pub async fn records(&self, key: ContentKey) -> Result<Records, LedgerError> {
        let seal = Seal::new(&key, self.path());
        let mut reader = self.reader().await?;
        let known = proof(&mut reader.sql()).await?;
        drop(reader);
        let known = match known {
            Some(known) => known,
            None => self.first_key(&seal).await?,
        };
        if !seal.made(&known) {
            return Err(LedgerError::WrongKey(self.path().to_owned()));
        }
        Ok(Records { ledger: self.clone(), seal: Arc::new(seal), indexes: Arc::default() })
    }

    /// Whether something was sealed, so that a key for it has to be somewhere.
    pub async fn has_content_key(&self) -> Result<bool, LedgerError> {
        Ok(proof(&mut self.reader().await?.sql()).await?.is_some())
    }

    /// Keeps the proof of the first key, and returns the one that is kept.
    async fn first_key(&self, seal: &Seal) -> Result<Vec<u8>, LedgerError> {
        let mut change = self.change().await?;
        if let Some(known) = proof(&mut change.sql()).await? {
            return Ok(known);
        }
        // Somebody who removed the row must not make another key look like the first.
        let used = sqlx::query_as::<_, (i64,)>(
            "SELECT CAST(1 AS BIGINT) WHERE EXISTS (SELECT 1 FROM sessions) OR EXISTS (SELECT 1 FROM memories) \
             OR EXISTS (SELECT 1 FROM rules)",
        );
        if change.sql().one(used).await?.is_some() {
            return Err(LedgerError::WrongKey(self.path().to_owned()));
        }
        let proof = seal.proof();
        change
            .sql()
            .execute(sqlx::query("INSERT INTO content_key (id, proof) VALUES (1, $1)").bind(&proof[..]))
            .await?;
        change.commit().await?;
        Ok(proof.to_vec())
    }
}

async fn proof(sql: &mut Sql<'_>) -> Result<Option<Vec<u8>>, LedgerError> {
    let row: Option<(Vec<u8>,)> = sql.one(sqlx::query_as("SELECT proof FROM content_key WHERE id = 1")).await?;
    Ok(row.map(|(proof,)| proof))
}

impl Records {
    /// The ledger they are in.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records").field("ledger", &self.ledger).finish_non_exhaustive()
    }
}

/// Random lower-case base32 after a prefix, for ids that are typed.
fn fresh(prefix: &str, length: usize) -> Result<String, LedgerError> {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut bytes = [0; 32];
    let bytes = &mut bytes[..length.min(32)];
    getrandom::fill(bytes).map_err(LedgerError::Random)?;
    Ok(prefix.chars().chain(bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte & 31)]))).collect())
}
