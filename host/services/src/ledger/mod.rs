//! The ledger: what must outlive the process, in one database file.
//!
//! It knows SQLite through sqlx; everything but `open.rs` is SQL that PostgreSQL takes as well. It decides nothing:
//! who may keep state is said by a `Grants`, what a component is granted by the operator's acts.
//!
//! ```text
//! Grants ──→ state()  ─→ ComponentState: get, put, delete, keys
//! operator ─→ grant(), revoke() ─→ grants + one event in the same transaction
//! verify() ←─ floor(), seen()   ─→ the highest version of each component
//! ```

mod events;
mod grants;
mod open;
mod state;
#[cfg(test)]
mod tests;
mod versions;

pub use events::{Break, ChainError, Event};
pub use grants::Granted;
pub use state::{ComponentState, Entry};

use crate::clock::Clock;
use crate::files::FileError;
use sqlx::{Sqlite, SqlitePool, Transaction};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{Mutex, MutexGuard, OnceCell};

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
    pool: OnceCell<SqlitePool>,
    /// Whose turn it is to write. The database would make writers of this process wait as well, by sleeping and trying.
    turn: Mutex<()>,
}

/// Why the ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file cannot be made or is not private.
    #[error(transparent)]
    File(#[from] FileError),
    /// The bytes are not a whole database; the file was left as it is.
    #[error("the ledger `{}` is damaged: {source}\nhint: put a copy of it back, or move it and the files `{}-*` away: cara then starts anew, without grants and state", path.display(), path.display())]
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
}

/// One change of the ledger: all of it happens at [`Change::commit`], or nothing.
struct Change<'a> {
    /// First, so that it is undone before the turn passes on.
    transaction: Transaction<'static, Sqlite>,
    _turn: MutexGuard<'a, ()>,
    path: &'a Path,
}

impl Change<'_> {
    async fn commit(self) -> Result<(), LedgerError> {
        let path = self.path;
        self.transaction.commit().await.map_err(|e| LedgerError::new(path, e))
    }
}

impl Ledger {
    /// The ledger in the file at `path`, whose folder exists; the file is opened at the first use.
    pub fn lazy(path: impl Into<PathBuf>, clock: Clock) -> Self {
        let inner = Inner { path: path.into(), clock, pool: OnceCell::new(), turn: Mutex::new(()) };
        Self { inner: Arc::new(inner) }
    }

    /// Opens the ledger in the file at `path`, whose folder exists; makes the file (0600) if it is missing.
    ///
    /// A damaged file, one of a newer cara and one of another program are errors, and are left as they are.
    pub async fn open(path: impl Into<PathBuf>, clock: Clock) -> Result<Self, LedgerError> {
        let ledger = Self::lazy(path, clock);
        ledger.pool().await?;
        Ok(ledger)
    }

    /// Closes the file, after which every call fails. A ledger that is just dropped loses nothing either.
    pub async fn close(&self) {
        if let Some(pool) = self.inner.pool.get() {
            pool.close().await;
        }
    }

    async fn pool(&self) -> Result<&SqlitePool, LedgerError> {
        self.inner.pool.get_or_try_init(|| open::open(&self.inner.path)).await
    }

    /// Begins a change. What it reads is what it changes: no other process writes in between.
    async fn change(&self) -> Result<Change<'_>, LedgerError> {
        let pool = self.pool().await?;
        let turn = self.inner.turn.lock().await;
        let transaction = pool.begin_with("BEGIN IMMEDIATE").await.map_err(|e| self.failed(e))?;
        Ok(Change { transaction, _turn: turn, path: &self.inner.path })
    }

    fn now_ms(&self) -> u64 {
        self.inner.clock.now_ms()
    }

    fn failed(&self, source: sqlx::Error) -> LedgerError {
        LedgerError::new(&self.inner.path, source)
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("path", &self.inner.path).finish_non_exhaustive()
    }
}

/// A number as the database keeps it. Times, revisions and counts stay far below the end.
fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number that the database kept; a negative one was never written.
fn from_sql(number: i64) -> sqlx::Result<u64> {
    u64::try_from(number).map_err(|e| sqlx::Error::Decode(Box::new(e)))
}

/// Foreign text made safe to show and keep: control, bidi and invisible characters escaped, at most 256 bytes.
fn shown(text: &str) -> String {
    const MAX: usize = 256;
    const CUT: char = '…';
    let mut shown = String::new();
    for c in text.chars() {
        let before = shown.len();
        match c {
            '"' | '\'' => shown.push(c),
            _ => shown.extend(c.escape_debug()),
        }
        if shown.len() > MAX {
            // What was added last goes, and more until the mark fits.
            let mut end = before.min(MAX - CUT.len_utf8());
            while !shown.is_char_boundary(end) {
                end -= 1;
            }
            shown.truncate(end);
            shown.push(CUT);
            break;
        }
    }
    shown
}
