//! A database that is open: connections to read with, and transactions.

use crate::migration::Schema;
use crate::sql::Link;
use crate::{Error, Place, Sql, sqlite};
use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqlitePool};
use std::marker::PhantomData;
use std::path::Path;
use tokio::sync::{Mutex, MutexGuard};

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

pub(crate) enum Pool {
    Sqlite(SqlitePool),
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
    /// tables are errors, and are left as they are.
    pub async fn open(place: &Place, schema: &Schema<'_>) -> Result<Self, Error> {
        let pool = match place {
            Place::File(path) => Pool::Sqlite(sqlite::open(path, place, schema).await?),
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
        };
        let link = link.map_err(|cause| Error::of(&self.place, cause))?;
        Ok(Reader { link, place: &self.place, error: PhantomData })
    }

    /// Begins a transaction that reads only, and reads everything as it is at one moment.
    pub async fn snapshot<E: From<Error>>(&self) -> Result<Transaction<'_, E>, E> {
        self.begin(None, "BEGIN").await
    }

    /// Begins a change. What it reads is what it changes: nobody else writes in between.
    pub async fn change<E: From<Error>>(&self, commit: Commit) -> Result<Transaction<'_, E>, E> {
        // Each change says how far its commit waits: another connection for the one kind would be one more to open.
        let begin = match commit {
            Commit::Durable => "PRAGMA synchronous = FULL; BEGIN IMMEDIATE",
            Commit::Light => "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE",
        };
        let turn = self.turn.lock().await;
        self.begin(Some(turn), begin).await
    }

    async fn begin<'a, E: From<Error>>(
        &'a self,
        turn: Option<MutexGuard<'a, ()>>,
        begin: &'static str,
    ) -> Result<Transaction<'a, E>, E> {
        let begun = match &self.pool {
            Pool::Sqlite(pool) => pool.begin_with(begin).await.map(Begun::Sqlite),
        };
        let begun = begun.map_err(|cause| Error::of(&self.place, cause))?;
        Ok(Transaction { begun, _turn: turn, place: &self.place, error: PhantomData })
    }

    /// Closes it, after which every call fails.
    pub async fn close(&self) {
        match &self.pool {
            Pool::Sqlite(pool) => pool.close().await,
        }
    }
}

enum Pooled {
    Sqlite(PoolConnection<Sqlite>),
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
        };
        Sql::new(link, self.place)
    }
}

enum Begun {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
}

/// A transaction: all of it happens at [`Transaction::commit`], or nothing.
pub struct Transaction<'a, E> {
    /// First, so that it is undone before the turn passes on.
    begun: Begun,
    _turn: Option<MutexGuard<'a, ()>>,
    place: &'a Place,
    error: PhantomData<fn() -> E>,
}

impl<E: From<Error>> Transaction<'_, E> {
    /// The statements of the transaction.
    pub fn sql(&mut self) -> Sql<'_, E> {
        let link = match &mut self.begun {
            Begun::Sqlite(transaction) => Link::Sqlite(transaction),
        };
        Sql::new(link, self.place)
    }

    /// Makes it happen.
    pub async fn commit(self) -> Result<(), E> {
        let done = match self.begun {
            Begun::Sqlite(transaction) => transaction.commit().await,
        };
        done.map_err(|cause| Error::of(self.place, cause).into())
    }
}
