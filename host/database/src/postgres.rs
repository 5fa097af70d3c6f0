//! What is PostgreSQL's alone: its connections, who writes,
//! and the session that holds the database.
//!
//! ```text
//! session: LISTEN "cara SCHEMA"; the lock HELD, unless the database is shared; a lock of a random key
//! change:  BEGIN; the lock WRITING; the random key is still taken? (or else this process lost the database); …; COMMIT
//! ```

use crate::error::{Cause, Failure};
use crate::migration::{self, Schema, Standing};
use crate::server::Server;
use crate::sql::{Link, Sql};
use crate::{Error, Place};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, PgConnection};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Connections: changes take turns, and many may read meanwhile.
const CONNECTIONS: u32 = 8;

/// How long a start waits for a process of before that is just ending.
const HANDOVER: &str =
    "SET lock_timeout = '3s'; SELECT pg_advisory_lock(1667330658, hashtext(current_schema())); RESET lock_timeout";

/// How long a lost session waits before it tries again.
const AGAIN: Duration = Duration::from_secs(1);

/// The keys of locks are `cara` in ASCII, plus 0 or 1, and the schema. What a change reads is what it changes, whoever else
/// writes.
pub(crate) const DURABLE: &str =
    "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock(1667330657, hashtext(current_schema()))";
pub(crate) const LIGHT: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit = off; \
                                SELECT pg_advisory_xact_lock(1667330657, hashtext(current_schema()))";
pub(crate) const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// The channel on which the processes of a schema tell each other; a name has 63 bytes.
const CHANNEL: &str = "SELECT left('cara ' || coalesce(current_schema(), ''), 63)";

/// A PostgreSQL that is open.
pub(crate) struct Postgres {
    pub(crate) pool: PgPool,
    session: Session,
}

/// Opens a database, and brings it to this version's tables if need be.
pub(crate) async fn open(
    server: &Server,
    place: &Place,
    schema: &Schema<'_>,
    told: watch::Sender<()>,
) -> Result<Postgres, Error> {
    let failed = |cause: Cause| Error::of(place, cause);
    let options = server.options().map_err(failed)?.disable_statement_logging();
    // First, so that nobody else's tables are changed under them.
    let session = Session::open(options.clone(), server.is_alone(), told).await.map_err(failed)?;
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect_with(options).await.map_err(failed)?;
    let mut connection = pool.acquire().await.map_err(failed)?;
    let standing = migration::standing(&mut Sql::new(Link::Postgres(&mut connection), place), place, schema).await?;
    drop(connection);
    if !matches!(standing, Standing::Whole) {
        // Of processes that start at once, one makes the tables and the others find it done.
        let mut transaction = pool.begin_with(DURABLE).await.map_err(failed)?;
        migration::upgrade(&mut Sql::new(Link::Postgres(&mut transaction), place), place, schema).await?;
        transaction.commit().await.map_err(failed)?;
    }
    Ok(Postgres { pool, session })
}

impl Postgres {
    /// Whether the database is still this process's, asked within a change: whoever has it next waits for the change.
    pub(crate) async fn is_held(&self, connection: &mut PgConnection) -> Result<bool, Cause> {
        let Some(key) = &self.session.key else { return Ok(true) };
        let free = sqlx::query_as::<_, (bool,)>("SELECT pg_try_advisory_xact_lock($1)");
        let (free,) = free.bind(key.load(Ordering::SeqCst)).fetch_one(connection).await?;
        Ok(!free)
    }

    /// Lets go of the database.
    pub(crate) async fn close(&self) {
        self.session.task.abort();
        self.pool.close().await;
        self.session.pool.close().await;
    }
}

/// Tells the other processes, with the commit, that they should look again.
pub(crate) async fn tell(connection: &mut PgConnection) -> Result<(), Cause> {
    let (channel,): (String,) = sqlx::query_as(CHANNEL).fetch_one(&mut *connection).await?;
    sqlx::query("SELECT pg_notify($1, '')").bind(channel).execute(connection).await.map(drop)
}

/// The session that holds the database and hears what other processes tell.
struct Session {
    pool: PgPool,
    /// The key of a lock that no other session takes, where the database is not shared.
    key: Option<Arc<AtomicI64>>,
    task: JoinHandle<()>,
}

impl Session {
    async fn open(options: PgConnectOptions, alone: bool, told: watch::Sender<()>) -> Result<Self, Cause> {
        let pool = PgPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
        let pool = pool.connect_with(options).await?;
        let key = alone.then(|| Arc::new(AtomicI64::new(0)));
        let listener = hold(&pool, key.as_deref()).await?;
        let task = tokio::spawn(listen(pool.clone(), key.clone(), listener, told));
        Ok(Self { pool, key, task })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Takes the database, if it is to be had alone, and begins to listen.
async fn hold(pool: &PgPool, key: Option<&AtomicI64>) -> Result<PgListener, Cause> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.eager_reconnect(false);
    if let Some(key) = key {
        sqlx::raw_sql(HANDOVER).execute(&mut listener).await?;
        let own = i64::from_ne_bytes(RandomState::new().hash_one(std::process::id()).to_ne_bytes());
        sqlx::query("SELECT pg_advisory_lock($1)").bind(own).execute(&mut listener).await?;
        key.store(own, Ordering::SeqCst);
    }
    let (channel,): (String,) = sqlx::query_as(CHANNEL).fetch_one(&mut listener).await?;
    listener.listen(&channel).await?;
    Ok(listener)
}

/// Hears what others tell, for as long as there is a session; one that is lost is begun anew.
async fn listen(pool: PgPool, key: Option<Arc<AtomicI64>>, mut listener: PgListener, told: watch::Sender<()>) {
    loop {
        while let Ok(Some(_)) = listener.try_recv().await {
            told.send_replace(());
        }
        drop(listener);
        listener = loop {
            match hold(&pool, key.as_deref()).await {
                Ok(again) => break again,
                Err(Cause::PoolClosed) => return,
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        };
        // What was told meanwhile went unheard.
        told.send_replace(());
    }
}

/// The error for a process that lost the database to another one.
pub(crate) fn lost(place: &Place) -> Error {
    Error::new(place, Failure::Busy)
}
