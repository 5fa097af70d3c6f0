//! A database that is open: connections to read with, and transactions.

use crate::migration::Schema;
use crate::sql::Link;
use crate::{Cause, Error, Failure, Place, Sql, postgres, sqlite};
use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqlitePool};
use std::marker::PhantomData;
use std::path::Path;
use tokio::sync::{Mutex, MutexGuard, watch};

/// A database that is open.
///
/// Every change is on disk when its commit returns. Several processes may use one database: changes wait for each other.
pub struct Database {
    place: Place,
    pool: Pool,
    /// Whose turn it is to write. The database would make writers of this process wait as well, each with a connection,
    /// and SQLite by sleeping and trying.
    turn: Mutex<()>,
}

enum Pool {
    Sqlite(SqlitePool),
    Postgres(postgres::Postgres),
}

/// What a commit waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commit {
    /// For the disk.
    Durable,
    /// For nothing. Other processes see the change and `kill -9` loses nothing of it; a power cut may undo it together
    /// with all after it that did not wait either.
    Light,
}

impl Database {
    /// Opens a database and brings it to this version's tables if need be. One of a later program and one with other
    /// tables are errors, and are left as they are. `told` hears what other processes tell by [`Transaction::tell`].
    pub async fn open(place: &Place, schema: &Schema<'_>, told: &watch::Sender<()>) -> Result<Self, Error> {
        let pool = match place {
            Place::File(path) => Pool::Sqlite(sqlite::open(path, place, schema).await?),
            Place::Server(server) => Pool::Postgres(postgres::open(server, place, schema, told.clone()).await?),
            Place::Unknown => return Err(Error::new(place, Failure::Foreign)),
        };
        Ok(Self { place: place.clone(), pool, turn: Mutex::new(()) })
    }

    /// Makes a new database of SQLite in a file that is there and empty. In errors it is called `place`, where it will be
    /// put when it is whole.
    pub async fn create(file: &Path, place: &Place, schema: &Schema<'_>) -> Result<(), Error> {
        sqlite::create(file, place, schema).await
    }

    /// Where it is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// A connection for reading.
    pub async fn reader<E: From<Error>>(&self) -> Result<Reader<'_, E>, E> {
        let link = match &self.pool {
            Pool::Sqlite(pool) => pool.acquire().await.map(Pooled::Sqlite),
            Pool::Postgres(server) => server.pool.acquire().await.map(Pooled::Postgres),
        };
        let link = link.map_err(|cause| Error::of(&self.place, cause))?;
        Ok(Reader { link, place: &self.place, error: PhantomData })
    }

    /// Begins a transaction that reads only, and reads everything as it is at one moment.
    pub async fn snapshot<E: From<Error>>(&self) -> Result<Transaction<'_, E>, E> {
        let begin = match self.pool {
            Pool::Sqlite(_) => "BEGIN",
            Pool::Postgres(_) => postgres::SNAPSHOT,
        };
        self.begin(None, begin).await
    }

    /// Begins a change. What it reads is what it changes: nobody else writes in between.
    pub async fn change<E: From<Error>>(&self, commit: Commit) -> Result<Transaction<'_, E>, E> {
        // Each change says how far its commit waits: another connection for the one kind would be one more to open.
        let begin = match (&self.pool, commit) {
            (Pool::Sqlite(_), Commit::Durable) => "PRAGMA synchronous = FULL; BEGIN IMMEDIATE",
            (Pool::Sqlite(_), Commit::Light) => "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE",
            (Pool::Postgres(_), Commit::Durable) => postgres::DURABLE,
            (Pool::Postgres(_), Commit::Light) => postgres::LIGHT,
        };
        let turn = self.turn.lock().await;
        let mut change = self.begin::<E>(Some(turn), begin).await?;
        if let (Pool::Postgres(server), Begun::Postgres(transaction)) = (&self.pool, &mut change.begun)
            && !server.is_held(transaction).await.map_err(|cause| Error::of(&self.place, cause))?
        {
            return Err(postgres::lost(&self.place).into());
        }
        Ok(change)
    }

    async fn begin<'a, E: From<Error>>(
        &'a self,
        turn: Option<MutexGuard<'a, ()>>,
        begin: &'static str,
    ) -> Result<Transaction<'a, E>, E> {
        let begun = match &self.pool {
            Pool::Sqlite(pool) => pool.begin_with(begin).await.map(Begun::Sqlite),
            Pool::Postgres(server) => server.pool.begin_with(begin).await.map(Begun::Postgres),
        };
        let begun = begun.map_err(|cause| Error::of(&self.place, cause))?;
        Ok(Transaction { begun, failed: false, _turn: turn, place: &self.place, error: PhantomData })
    }

    /// Closes it, after which every call fails.
    pub async fn close(&self) {
        match &self.pool {
            Pool::Sqlite(pool) => pool.close().await,
            Pool::Postgres(server) => server.close().await,
        }
    }
}

enum Pooled {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<sqlx::Postgres>),
}

/// A connection for reading.
pub struct Reader<'a, E> {
    link: Pooled,
    place: &'a Place,
    error: PhantomData<fn() -> E>,
}

impl<E: From<Error>> Reader<'_, E> {
    /// The statements of the connection.
    pub fn sql(&mut self) -> Sql<'_, E> {
        let link = match &mut self.link {
            Pooled::Sqlite(connection) => Link::Sqlite(connection),
            Pooled::Postgres(connection) => Link::Postgres(connection),
        };
        Sql::new(link, self.place)
    }
}

enum Begun {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(sqlx::Transaction<'static, sqlx::Postgres>),
}

/// A transaction: all of it happens at [`Transaction::commit`], or nothing.
pub struct Transaction<'a, E> {
    /// First, so that it is undone before the turn passes on.
    begun: Begun,
    /// A statement failed.
    failed: bool,
    _turn: Option<MutexGuard<'a, ()>>,
    place: &'a Place,
    error: PhantomData<fn() -> E>,
}

impl<E: From<Error>> Transaction<'_, E> {
    /// The statements of the transaction.
    pub fn sql(&mut self) -> Sql<'_, E> {
        let link = match &mut self.begun {
            Begun::Sqlite(transaction) => Link::Sqlite(transaction),
            Begun::Postgres(transaction) => Link::Postgres(transaction),
        };
        Sql::within(link, self.place, &mut self.failed)
    }

    /// Tells the other processes that use the database, with the commit, that they should look again. A file has none.
    pub async fn tell(&mut self) -> Result<(), E> {
        match &mut self.begun {
            Begun::Sqlite(_) => Ok(()),
            Begun::Postgres(transaction) => {
                postgres::tell(transaction).await.map_err(|cause| Error::of(self.place, cause).into())
            }
        }
    }

    /// Makes it happen.
    pub async fn commit(self) -> Result<(), E> {
        let done = match self.begun {
            Begun::Sqlite(transaction) => transaction.commit().await,
            // Its commit would undo all and call that done.
            Begun::Postgres(_) if self.failed => Err(Cause::Protocol("a statement of the transaction failed".into())),
            Begun::Postgres(transaction) => transaction.commit().await,
        };
        done.map_err(|cause| Error::of(self.place, cause).into())
    }
}
