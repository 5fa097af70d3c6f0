//! The ledger: what must outlive the process, in one database file.
//!
//! `cara-database` runs its statements, whatever kind of database it is. It decides nothing: who may keep state is said by a `Grants`, what a component is granted by the operator's acts.
//!
//! ```text
//! Grants ──→ state()  ─→ ComponentState: get, put, delete, keys
//! operator ─→ grant(), revoke() ─→ grants + one event in the same transaction
//! verify() ←─ floor(), seen()   ─→ the highest version of each component
//! content key ─→ runs()         ─→ Runs: messages, runs, calls, approvals, rules, usage; content only encrypted
//! ```

mod events;
mod grants;
mod open;
pub mod records;
pub mod sql;
mod state;
#[cfg(test)]
mod tests;
mod versions;

pub use cara_database::{Migration, Place, Server};
use cara_signing::display_safe;
pub use events::{Break, ChainError};
pub use grants::Granted;
pub use open::MIGRATIONS;
pub use records::{ContentKey, Runs};
pub use state::{ComponentState, Entry, after, owned_by};

use crate::clock::Clock;
use crate::files::FileError;
use cara_database::{Cause, Commit, Database, Failure, Transaction};
use serde_json::Value;
use sql::{Reader, Sql};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::sync::{OnceCell, watch};
use zeroize::Zeroizing;

/// The host's durable memory; a clone is the same ledger.
///
/// Every change is on disk when its call returns. Several processes may use one file: changes wait for each other.
#[derive(Clone)]
pub struct Ledger {
    inner: Arc<Inner>,
}

struct Inner {
    place: Place,
    clock: Clock,
    /// Under which the audit log is chained.
    audit: Zeroizing<[u8; 32]>,
    database: OnceCell<Database>,
    approvals: watch::Sender<()>,
    /// How often grants were changed.
    grants: AtomicU64,
}

/// Why the ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file cannot be made or is not private.
    #[error(transparent)]
    File(#[from] FileError),
    /// The bytes are not a whole database; the file was left as it is.
    #[error(
        "the ledger `{place}` is damaged: {source}\nhint: put a copy of it back from your backup: without it grants, conversations, memory and the state of components are lost. To give them up, {how}", how = give_up(place)
    )]
    Damaged {
        /// The database.
        place: Place,
        /// What the database found.
        source: Cause,
    },
    /// A later cara wrote it; the file was left as it is.
    #[error(
        "the ledger `{0}` was written by a newer cara\nhint: run that version or a newer one; it can take the ledger back with `cara ledger downgrade --to {known}`, and says what that loses", known = MIGRATIONS.len()
    )]
    Newer(Place),
    /// A database with other tables; the file was left as it is.
    #[error("`{0}` is not a ledger that this cara wrote\nhint: {hint}", hint = cure(.0, "move it away, or set CARA_HOME to another folder", "let `ledger.url` name an empty database, made with `createdb -O USER NAME`"))]
    NotLedger(Place),
    /// Somebody else writes and does not end.
    #[error("the ledger `{0}` is held by another process\nhint: {hint}", hint = cure(.0, "end what holds it and try again", "another cara uses that database, perhaps on another machine: end it and try again, or give this one a database of its own"))]
    Busy(Place),
    /// The disk is full, failing or not writable, or the query failed.
    #[error(
        "the ledger `{place}` cannot be used: {source}\nhint: {hint}", hint = cure(
            place,
            "check that its folder is writable and has room",
            "check that the server runs, has room and lets this user in; a password stands in `~/.pgpass` (chmod 600) or in PGPASSWORD"
        )
    )]
    Database {
        /// The database.
        place: Place,
        /// What the database said.
        source: Cause,
    },
    /// The end of the audit log was changed: going on would hide it.
    #[error(
        "the head of the audit log in `{0}` was changed or removed, or is of another key\nhint: `cara audit verify` shows what is left; put a copy of the ledger back"
    )]
    AuditHead(Place),
    /// Conversations and memory were sealed with another key; nothing was changed.
    #[error(
        "the ledger `{0}` was written with another content key\nhint: put `keys/ledger-content` back from your backup: without the key it was written with no conversation and nothing remembered can be read. To give up the whole ledger (grants, conversations, memory), {how}", how = give_up(.0)
    )]
    WrongKey(Place),
    /// A sealed value was changed, or put where another one was.
    #[error(
        "a {column} among the {table} of the ledger `{place}` was changed by something else than cara\nhint: put a copy of the ledger back"
    )]
    Tampered {
        /// The database.
        place: Place,
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// Nothing has this id.
    #[error("there is no {what} `{id}`\nhint: it may have been deleted; `cara sessions list` shows what there is")]
    NoSuch {
        /// "session", "run", "call", "approval", "reservation".
        what: &'static str,
        /// What was asked for; escaped and cut.
        id: String,
    },
    /// The record is in another state than was asked for.
    #[error("{what} `{id}` is {state}\nhint: `cara explain` shows what happened in a run")]
    Conflict {
        /// "run", "call".
        what: &'static str,
        /// The record's id; escaped and cut.
        id: String,
        /// The state of the record.
        state: &'static str,
    },
    /// More than is kept.
    #[error("{what} of {bytes} bytes is over the {max} that the ledger keeps\nhint: use a smaller one")]
    TooLarge {
        /// "an attachment".
        what: &'static str,
        /// How large it is.
        bytes: u64,
        /// The most.
        max: u64,
    },
    /// What the operator wrote about it cannot be read: another ledger in its place would be none.
    #[error(
        "it is not known where the ledger is, since the configuration cannot be read\nhint: `cara config check` says what is wrong with it"
    )]
    NoPlace,
    /// The system gives no random bytes.
    #[error("no random bytes from the system: {0}\nhint: see whether `/dev/urandom` is there")]
    Random(getrandom::Error),
}

/// What is to be done about a file, or else about a server.
fn cure(place: &Place, file: &'static str, server: &'static str) -> &'static str {
    if let Place::Server(_) = place { server } else { file }
}

/// How a ledger is given up.
fn give_up(place: &Place) -> &'static str {
    cure(
        place,
        "move `ledger.db` and all files beside it that begin so away",
        "let `ledger.url` name an empty database",
    )
}

impl LedgerError {
    /// Nothing has this id.
    pub fn no_such(what: &'static str, id: &str) -> Self {
        Self::NoSuch { what, id: display_safe(id) }
    }
}

impl From<cara_database::Error> for LedgerError {
    fn from(cara_database::Error { place, failure }: cara_database::Error) -> Self {
        match failure {
            Failure::Busy => Self::Busy(place),
            Failure::Damaged(source) => Self::Damaged { place, source },
            Failure::Newer => Self::Newer(place),
            Failure::Foreign => Self::NotLedger(place),
            Failure::Other(source) => Self::Database { place, source },
        }
    }
}

/// One change of the ledger: all of it happens at [`Change::commit`], or nothing.
pub struct Change<'a> {
    transaction: Transaction<'a, LedgerError>,
    answers: bool,
    ledger: &'a Ledger,
}

impl Change<'_> {
    /// The statements of the transaction.
    pub fn sql(&mut self) -> Sql<'_> {
        self.transaction.sql()
    }

    /// Adds to the audit log. `kind` is a word of the host's own; the rest may be foreign.
    pub async fn event(&mut self, kind: &'static str, subject: &str, detail: Value) -> Result<(), LedgerError> {
        events::append(self.ledger, &mut self.transaction.sql(), kind, subject, detail).await
    }

    /// Says that the change answers or withdraws questions: who waits for an answer looks again at the commit.
    pub async fn answers(&mut self) -> Result<(), LedgerError> {
        self.answers = true;
        self.transaction.tell().await
    }

    /// Makes it happen.
    pub async fn commit(self) -> Result<(), LedgerError> {
        self.transaction.commit().await?;
        if self.answers {
            self.ledger.inner.approvals.send_replace(());
        }
        Ok(())
    }
}

impl Ledger {
    /// The ledger at a place, such as a file whose folder exists; it is opened at the first use. `audit` is the key of
    /// the audit log's chain: who has only the file cannot alter the log without being found.
    pub fn lazy(place: impl Into<Place>, clock: Clock, audit: Zeroizing<[u8; 32]>) -> Self {
        let (database, approvals, grants) = (OnceCell::new(), watch::Sender::new(()), AtomicU64::new(0));
        Self { inner: Arc::new(Inner { place: place.into(), clock, audit, database, approvals, grants }) }
    }

    /// Opens the ledger at a place, such as a file whose folder exists; makes the file (0600) if it is missing.
    ///
    /// A damaged file, one of a newer cara and one of another program are errors, and are left as they are.
    pub async fn open(place: impl Into<Place>, clock: Clock, audit: Zeroizing<[u8; 32]>) -> Result<Self, LedgerError> {
        let ledger = Self::lazy(place, clock, audit);
        ledger.database().await?;
        Ok(ledger)
    }

    /// Tells who waits for a person that questions were answered or withdrawn: subscribe, then look, then wait.
    pub fn approvals(&self) -> &watch::Sender<()> {
        &self.inner.approvals
    }

    /// Closes the file, after which every call fails. A ledger that is just dropped loses nothing either.
    pub async fn close(&self) {
        if let Some(database) = self.inner.database.get() {
            database.close().await;
        }
    }

    async fn database(&self) -> Result<&Database, LedgerError> {
        let Inner { place, audit, approvals, database, .. } = &*self.inner;
        database.get_or_try_init(|| open::open(place, audit, approvals)).await
    }

    /// A connection for reading.
    pub async fn reader(&self) -> Result<Reader<'_>, LedgerError> {
        self.database().await?.reader().await
    }

    /// Begins a change. What it reads is what it changes: no other process writes in between.
    pub async fn change(&self) -> Result<Change<'_>, LedgerError> {
        self.begin(Commit::Durable).await
    }

    /// Like [`Ledger::change`], but the commit does not wait for the disk. Other processes see it and `kill -9` loses
    /// nothing of it; a power cut may undo it together with all after it that did not wait either.
    pub async fn light_change(&self) -> Result<Change<'_>, LedgerError> {
        self.begin(Commit::Light).await
    }

    async fn begin(&self, commit: Commit) -> Result<Change<'_>, LedgerError> {
        let transaction = self.database().await?.change(commit).await?;
        Ok(Change { transaction, answers: false, ledger: self })
    }

    /// Whether it was begun: a file that is missing was not, and of a server nobody knows before it is asked.
    pub fn is_there(&self) -> bool {
        !matches!(self.place(), Place::File(path) if !path.exists())
    }

    /// Where it is.
    pub fn place(&self) -> &Place {
        &self.inner.place
    }

    /// The time by its clock, Unix milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.inner.clock.now_ms()
    }

    /// The error for a value that is none that can have been written.
    fn damaged(&self, cause: impl std::error::Error + Send + Sync + 'static) -> LedgerError {
        cara_database::Error::damaged(self.place(), cause).into()
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("place", &self.inner.place).finish_non_exhaustive()
    }
}

/// A number as the database keeps it. Times, revisions and counts stay far below the end.
pub fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
