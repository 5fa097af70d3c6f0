//! Opening the database file; the only part of the ledger that is SQLite's
//! alone.

use super::{LedgerError, events};
use crate::files;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqlSafeStr, SqliteConnection, SqlitePool};
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

/// All versions of the tables; one that was released is never changed. By hand and not by `sqlx::migrate!`, which would
/// build a second SQLite for the compiler.
static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let versions = [
        (1, "ledger", include_str!("../../migrations/0001_ledger.sql")),
        (2, "records", include_str!("../../migrations/0002_records.sql")),
        (3, "labels", include_str!("../../migrations/0003_labels.sql")),
        (4, "model", include_str!("../../migrations/0004_model.sql")),
        (5, "sends", include_str!("../../migrations/0005_sends.sql")),
    ];
    let migration = |(number, name, sql): (_, &'static str, &'static str)| {
        Migration::new(number, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(versions.map(migration).to_vec())
});

/// Connections: one may change something while another reads. A start waits for each that it opens, since each reads all
/// tables' definitions and syncs the folder at its first commit.
const CONNECTIONS: u32 = 2;

/// How long a change waits for those of other processes.
const BUSY: Duration = Duration::from_secs(10);

/// Opens the file at `path`, made and brought to this version's tables if need be.
pub(super) async fn open(path: &Path, audit: &[u8; 32]) -> Result<SqlitePool, LedgerError> {
    if files::private_len(path)?.is_none() {
        create(path, audit).await?;
    }
    let failed = |e| LedgerError::new(path, e);
    // Nothing is checked before a use and nothing ages: a connection to a file does neither.
    let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS).test_before_acquire(false);
    let pool = pool.idle_timeout(None).max_lifetime(None).connect_with(options(path)).await.map_err(failed)?;
    let mut connection = pool.acquire().await.map_err(failed)?;
    if is_behind(&mut connection, path).await? {
        upgrade(&mut connection, path).await?;
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

/// Makes a new ledger beside `path` and puts it there when it is whole, so that a crash leaves all of it or none, and of
/// processes that start at once all get the first one's.
async fn create(path: &Path, audit: &[u8; 32]) -> Result<(), LedgerError> {
    let failed = |e| LedgerError::new(path, e);
    let temporary = files::temporary_beside(path)?;
    let options = options(&temporary).journal_mode(SqliteJournalMode::Wal);
    let mut connection = options.connect().await.map_err(failed)?;
    MIGRATIONS.run_direct(None, &mut connection, false).await.map_err(|e| migrating(path, e))?;
    // Only here: a head that is missing later was removed.
    events::put_head(&mut connection, audit, 0, &[0; 32]).await.map_err(failed)?;
    connection.close().await.map_err(failed)?;
    files::publish(temporary, path)?;
    Ok(())
}

/// Whether tables of this version are missing; an error if the file is not ours to use.
async fn is_behind(connection: &mut SqliteConnection, path: &Path) -> Result<bool, LedgerError> {
    let failed = |e| LedgerError::new(path, e);
    let table = sqlx::query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'")
        .fetch_optional(&mut *connection);
    if table.await.map_err(failed)?.is_none() {
        return Err(LedgerError::NotLedger(path.to_owned()));
    }
    let applied: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations ORDER BY version")
            .fetch_all(connection)
            .await
            .map_err(failed)?;
    let newest = MIGRATIONS.iter().map(|migration| migration.version).max();
    for (version, checksum) in &applied {
        match MIGRATIONS.iter().find(|migration| migration.version == *version) {
            Some(migration) if migration.checksum[..] == checksum[..] => {}
            None if Some(*version) > newest => return Err(LedgerError::Newer(path.to_owned())),
            _ => return Err(LedgerError::NotLedger(path.to_owned())),
        }
    }
    Ok(applied.len() < MIGRATIONS.iter().count())
}

async fn upgrade(connection: &mut SqliteConnection, path: &Path) -> Result<(), LedgerError> {
    let failed = |e| LedgerError::new(path, e);
    // Of processes that start at once, one upgrades and the others find it done.
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    MIGRATIONS.run_direct(None, &mut *transaction, false).await.map_err(|e| migrating(path, e))?;
    transaction.commit().await.map_err(failed)
}

fn migrating(path: &Path, error: MigrateError) -> LedgerError {
    match error {
        MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => LedgerError::new(path, source),
        MigrateError::VersionMissing(_) => LedgerError::Newer(path.to_owned()),
        _ => LedgerError::NotLedger(path.to_owned()),
    }
}
