//! The ledger: what must outlive the process, in one database file.
//!
//! It knows SQLite through sqlx; everything but `open.rs` is SQL that PostgreSQL takes as well. It decides nothing:
//! who may keep state is said by a `Grants`, what a component is granted by the operator's acts.
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

use cara_signing::display_safe;
pub use events::{Break, ChainError};
pub use grants::Granted;
pub use records::{ContentKey, Runs};
pub use state::{ComponentState, Entry};

use crate::clock::Clock;
use crate::files::FileError;
use serde_json::Value;
use sql::Sql;
use sqlx::{Sqlite, SqlitePool, Transaction};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{Mutex, MutexGuard, OnceCell, watch};
use zeroize::Zeroizing;

/// The host's durable memory; a clone is the same ledger.
///
/// Every change is on disk when its call returns. Several processes may use one file: changes wait for each other.
#[derive(Clone)]
pub struct Ledger {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    clock: Clock,
    /// Under which the audit log is chained.
    audit: Zeroizing<[u8; 32]>,
    pool: OnceCell<SqlitePool>,
    /// Whose turn it is to write. The database would make writers of this process wait as well, by sleeping and trying.
    turn: Mutex<()>,
    approvals: watch::Sender<()>,
}

/// Why the ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file cannot be made or is not private.
    #[error(transparent)]
    File(#[from] FileError),
    /// The bytes are not a whole database; the file was left as it is.
    #[error("the ledger `{}` is damaged: {source}\nhint: put a copy of it back from your backup: without it grants, conversations, memory and the state of components are lost. To give them up, move it and the files `{}-*` away", path.display(), path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the database found.
        source: sqlx::Error,
    },
    /// A later cara wrote it; the file was left as it is.
    #[error("the ledger `{}` was written by a newer cara\nhint: run that version or a newer one", .0.display())]
    Newer(PathBuf),
    /// A database with other tables; the file was left as it is.
    #[error("`{}` is not a ledger that this cara wrote\nhint: move it away, or set CARA_HOME to another folder", .0.display())]
    NotLedger(PathBuf),
    /// Somebody else writes and does not end.
    #[error("the ledger `{}` is held by another process\nhint: end what holds it and try again", .0.display())]
    Busy(PathBuf),
    /// The disk is full, failing or not writable, or the query failed.
    #[error("the ledger `{}` cannot be used: {source}\nhint: check that its folder is writable and has room", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What the database said.
        source: sqlx::Error,
    },
    /// The end of the audit log was changed: going on would hide it.
    #[error("the head of the audit log in `{}` was changed or removed, or is of another key\nhint: `cara audit verify` shows what is left; put a copy of the ledger back", .0.display())]
    AuditHead(PathBuf),
    /// Conversations and memory were sealed with another key; nothing was changed.
    #[error("the ledger `{}` was written with another content key\nhint: put `keys/ledger-content` back from your backup: without the key it was written with no conversation and nothing remembered can be read. To give up the whole ledger (grants, conversations, memory), move `ledger.db*` away", .0.display())]
    WrongKey(PathBuf),
    /// A sealed value was changed, or put where another one was.
    #[error("a {column} among the {table} of the ledger `{}` was changed by something else than cara\nhint: put a copy of the ledger back", path.display())]
    Tampered {
        /// The file.
        path: PathBuf,
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
    /// The system gives no random bytes.
    #[error("no random bytes from the system: {0}\nhint: see whether `/dev/urandom` is there")]
    Random(getrandom::Error),
}

impl LedgerError {
    /// Sorts the database's errors by its result codes (<https://www.sqlite.org/rescode.html>).
    fn new(path: &Path, source: sqlx::Error) -> Self {
        let path = path.to_owned();
        let code = source.as_database_error().and_then(|e| e.code()?.parse::<i32>().ok());
        match (code.map(|extended| extended & 0xff), &source) {
            (Some(5 | 6), _) => Self::Busy(path),
            (Some(11 | 26), _) | (_, sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. }) => {
                Self::Damaged { path, source }
            }
            _ => Self::Database { path, source },
        }
    }

    /// Nothing has this id.
    pub fn no_such(what: &'static str, id: &str) -> Self {
        Self::NoSuch { what, id: display_safe(id) }
    }
}

/// One change of the ledger: all of it happens at [`Change::commit`], or nothing.
pub struct Change<'a> {
    /// First, so that it is undone before the turn passes on.
    transaction: Transaction<'static, Sqlite>,
    _turn: MutexGuard<'a, ()>,
    ledger: &'a Ledger,
}

impl Change<'_> {
    /// The statements of the transaction.
    pub fn sql(&mut self) -> Sql<'_> {
        Sql { connection: &mut self.transaction, path: self.ledger.path() }
    }

    /// Adds to the audit log. `kind` is a word of the host's own; the rest may be foreign.
    pub async fn event(&mut self, kind: &'static str, subject: &str, detail: Value) -> Result<(), LedgerError> {
        events::append(self.ledger, &mut self.transaction, kind, subject, detail).await
    }

    /// Makes it happen.
    pub async fn commit(self) -> Result<(), LedgerError> {
        self.transaction.commit().await.map_err(|e| self.ledger.failed(e))
    }
}

impl Ledger {
    /// The ledger in the file at `path`, whose folder exists; the file is opened at the first use. `audit` is the key of
    /// the audit log's chain: who has only the file cannot alter the log without being found.
    pub fn lazy(path: impl Into<PathBuf>, clock: Clock, audit: Zeroizing<[u8; 32]>) -> Self {
        let (pool, turn, approvals) = (OnceCell::new(), Mutex::new(()), watch::Sender::new(()));
        Self { inner: Arc::new(Inner { path: path.into(), clock, audit, pool, turn, approvals }) }
    }

    /// Opens the ledger in the file at `path`, whose folder exists; makes the file (0600) if it is missing.
    ///
    /// A damaged file, one of a newer cara and one of another program are errors, and are left as they are.
    pub async fn open(path: impl Into<PathBuf>, clock: Clock, audit: Zeroizing<[u8; 32]>) -> Result<Self, LedgerError> {
        let ledger = Self::lazy(path, clock, audit);
        ledger.pool().await?;
        Ok(ledger)
    }

    /// Tells who waits for a person that questions were answered or withdrawn: subscribe, then look, then wait.
    pub fn approvals(&self) -> &watch::Sender<()> {
        &self.inner.approvals
    }

    /// Closes the file, after which every call fails. A ledger that is just dropped loses nothing either.
    pub async fn close(&self) {
        if let Some(pool) = self.inner.pool.get() {
            pool.close().await;
        }
    }

    /// Its connections, to read with; what changes something is a [`Change`].
    pub async fn pool(&self) -> Result<&SqlitePool, LedgerError> {
        self.inner.pool.get_or_try_init(|| open::open(&self.inner.path, &self.inner.audit)).await
    }

    /// Begins a change. What it reads is what it changes: no other process writes in between.
    pub async fn change(&self) -> Result<Change<'_>, LedgerError> {
        self.begin("PRAGMA synchronous = FULL; BEGIN IMMEDIATE").await
    }

    /// Like [`Ledger::change`], but the commit does not wait for the disk. Other processes see it and `kill -9` loses
    /// nothing of it; a power cut may undo it together with all after it that did not wait either.
    pub async fn light_change(&self) -> Result<Change<'_>, LedgerError> {
        self.begin("PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE").await
    }

    /// Each change says how far its commit waits: another connection for the one kind would be one more to open.
    async fn begin(&self, how: &'static str) -> Result<Change<'_>, LedgerError> {
        let pool = self.pool().await?;
        let turn = self.inner.turn.lock().await;
        let transaction = pool.begin_with(how).await.map_err(|e| self.failed(e))?;
        Ok(Change { transaction, _turn: turn, ledger: self })
    }

    fn path(&self) -> &Path {
        &self.inner.path
    }

    /// The time by its clock, Unix milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.inner.clock.now_ms()
    }

    /// What the database said, sorted.
    pub fn failed(&self, source: sqlx::Error) -> LedgerError {
        LedgerError::new(&self.inner.path, source)
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("path", &self.inner.path).finish_non_exhaustive()
    }
}

/// A number as the database keeps it. Times, revisions and counts stay far below the end.
pub fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
