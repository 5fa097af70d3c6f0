//! What runs may: calls, approvals, rules, budgets.
//!
//! Ids, times, counts, labels, states and names of components stand in the file as they are; arguments, destinations,
//! results and reasons only encrypted. Messages, and all that is read to be shown, are for `cara-records`. It decides nothing: what a call may do, and who
//! may approve it, is said elsewhere. What it does enforce is order: a call that began is not begun again, an approval is
//! decided once and spent once, what is reserved never passes a limit.
//!
//! ```text
//! begin ─→ insert_call ─→ (request_approval ─→ decide_approval) ─→ start ─→ end_call ─→ end
//!                      └ reserve ─→ settle | release                          (the effect)
//! ```
//!
//! Three commits do not wait for the disk, for a power cut may undo them without harm: proposing calls, starting those
//! that only read, and reserving. `kill -9` undoes none.

mod approvals;
mod calls;
mod people;
mod rules;
mod runs;
mod seal;
mod starts;
mod usage;

pub use approvals::{
    Approval, ApprovalRow, ApprovalState, DecideError, Decided, Decision, NewApproval, StartRefused, Verdict,
};
pub use calls::{CallSpots, CallState, FinishedCall, NewCall, end_call, insert_call};
pub use cara_authority::words::UnknownWord;
pub use people::{About, Person, about_spot, address_lookup, with_address};
pub use rules::{NewRule, StoredRule};
pub use runs::{Charged, Open, RunState, reason_spot};
pub use seal::{ContentKey, Seal, Spot};
pub use starts::{By, Started};
pub use usage::{Caller, Limit, OverBudget, Reservation, ReservationId, ReserveError, Scope, Spent, settle};

use super::sql::{Sql, query, query_as};
use super::{Ledger, LedgerError};
use std::sync::Arc;

/// The call of a request that an unattended run left: a yes to it is for the same call of a later run in its session.
pub const QUEUED: &str = "unattended";

/// What runs do and may, opened with its key; a clone is the same one. `cara-records` has the conversations around them.
#[derive(Clone)]
pub struct Runs {
    ledger: Ledger,
    seal: Arc<Seal>,
}

impl Ledger {
    /// Opens what is sealed with `key`. The first key that is used is the one from then on.
    ///
    /// Another key is [`LedgerError::WrongKey`]; nothing is read or written with it.
    pub async fn runs(&self, key: ContentKey) -> Result<Runs, LedgerError> {
        let seal = Seal::new(&key, self.place());
        let mut reader = self.reader().await?;
        let known = proof(&mut reader.sql()).await?;
        drop(reader);
        let known = match known {
            Some(known) => known,
            None => self.first_key(&seal).await?,
        };
        if !seal.made(&known) {
            return Err(LedgerError::WrongKey(self.place().clone()));
        }
        Ok(Runs { ledger: self.clone(), seal: Arc::new(seal) })
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
        let used = query_as::<(i64,)>(
            "SELECT CAST(1 AS BIGINT) WHERE EXISTS (SELECT 1 FROM sessions) OR EXISTS (SELECT 1 FROM memories) \
             OR EXISTS (SELECT 1 FROM rules) OR EXISTS (SELECT 1 FROM inbox) OR EXISTS (SELECT 1 FROM outbox)",
        );
        if change.sql().one(used).await?.is_some() {
            return Err(LedgerError::WrongKey(self.place().clone()));
        }
        let proof = seal.proof();
        change.sql().execute(query("INSERT INTO content_key (id, proof) VALUES (1, $1)").bind(&proof[..])).await?;
        change.commit().await?;
        Ok(proof.to_vec())
    }
}

async fn proof(sql: &mut Sql<'_>) -> Result<Option<Vec<u8>>, LedgerError> {
    let row: Option<(Vec<u8>,)> = sql.one(query_as("SELECT proof FROM content_key WHERE id = 1")).await?;
    Ok(row.map(|(proof,)| proof))
}

impl Runs {
    /// Seals and opens content.
    pub fn seal(&self) -> &Arc<Seal> {
        &self.seal
    }

    /// The ledger they are in.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

impl std::fmt::Debug for Runs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runs").field("ledger", &self.ledger).finish_non_exhaustive()
    }
}

/// An id of six random letters after a prefix that no row has, by a statement that finds one.
async fn untaken(sql: &mut Sql<'_>, prefix: &str, taken: &'static str) -> Result<String, LedgerError> {
    loop {
        let id = fresh(prefix, 6)?;
        if sql.one(query_as::<(i64,)>(taken).bind(&id)).await?.is_none() {
            return Ok(id);
        }
    }
}

/// Random lower-case base32 after a prefix, for ids that are typed.
pub fn fresh(prefix: &str, length: usize) -> Result<String, LedgerError> {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut bytes = [0; 32];
    let bytes = &mut bytes[..length.min(32)];
    getrandom::fill(bytes).map_err(LedgerError::Random)?;
    Ok(prefix.chars().chain(bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte & 31)]))).collect())
}
