//! What is SQLite's alone: its file, and how its connections are set.

use crate::error::Cause;
use crate::migration::{self, Schema, Standing};
use crate::sql::{Link, Sql};
use crate::{Error, Place};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqlitePool};
use std::path::Path;
use std::time::Duration;

/// Connections: one may change something while another reads. A start waits for each that it opens, since each reads all
/// tables' definitions and syncs the folder at its first commit.
const CONNECTIONS: u32 = 2;

/// How long a change waits for those of other processes.
const BUSY: Duration = Duration::from_secs(10);

/// Opens the file, and brings it to this version's tables if need be.
pub(crate) async fn open(path: &Path, place: &Place, schema: &Schema<'_>) -> Result<SqlitePool, Error> {
    let failed = |cause: Cause| Error::of(place, cause);
    // Nothing is checked before a use and nothing ages: a connection to a file does neither.
    let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS).test_before_acquire(false);
    let pool = pool.idle_timeout(None).max_lifetime(None).connect_with(options(path)).await.map_err(failed)?;
    let mut connection = pool.acquire().await.map_err(failed)?;
    let standing = migration::standing(&mut Sql::new(Link::Sqlite(&mut connection), place), place, schema).await?;
    if !matches!(standing, Standing::Whole) {
        // Of processes that start at once, one upgrades and the others find it done.
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        migration::upgrade(&mut Sql::new(Link::Sqlite(&mut transaction), place), place, schema).await?;
        transaction.commit().await.map_err(failed)?;
    }
    drop(connection);
    Ok(pool)
}

/// What is deleted is overwritten: `secure_delete`.
fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY)
        .pragma("secure_delete", "ON")
        .disable_statement_logging()
}

/// Makes all tables in a new file.
pub(crate) async fn create(file: &Path, place: &Place, schema: &Schema<'_>) -> Result<(), Error> {
    let failed = |cause: Cause| Error::of(place, cause);
    let options = options(file).journal_mode(SqliteJournalMode::Wal);
    let mut connection = options.connect().await.map_err(failed)?;
    let mut transaction = connection.begin().await.map_err(failed)?;
    migration::create(&mut Sql::new(Link::Sqlite(&mut transaction), place), place, schema).await?;
    transaction.commit().await.map_err(failed)?;
    connection.close().await.map_err(failed)
}
