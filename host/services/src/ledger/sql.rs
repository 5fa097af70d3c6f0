//! Statements whose errors name the file, and columns that come out typed.

use super::{Ledger, LedgerError};
use sqlx::pool::PoolConnection;
use sqlx::query::{Query, QueryAs};
use sqlx::sqlite::{SqliteArguments, SqliteRow, SqliteTypeInfo, SqliteValueRef};
use sqlx::{Decode, FromRow, Sqlite, SqliteConnection, Type};
use std::path::Path;

/// A connection, and the file to name when it fails.
pub struct Sql<'c> {
    pub(super) connection: &'c mut SqliteConnection,
    pub(super) path: &'c Path,
}

impl Sql<'_> {
    /// Runs a statement and says how many rows it touched.
    pub async fn execute(&mut self, query: Query<'_, Sqlite, SqliteArguments>) -> Result<u64, LedgerError> {
        let done = query.execute(&mut *self.connection).await.map_err(|e| LedgerError::new(self.path, e))?;
        Ok(done.rows_affected())
    }

    /// Runs a query for a row, if there is one.
    pub async fn one<O>(&mut self, query: QueryAs<'_, Sqlite, O, SqliteArguments>) -> Result<Option<O>, LedgerError>
    where
        O: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        query.fetch_optional(&mut *self.connection).await.map_err(|e| LedgerError::new(self.path, e))
    }

    /// Runs a query for all its rows.
    pub async fn all<O>(&mut self, query: QueryAs<'_, Sqlite, O, SqliteArguments>) -> Result<Vec<O>, LedgerError>
    where
        O: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        query.fetch_all(&mut *self.connection).await.map_err(|e| LedgerError::new(self.path, e))
    }
}

/// A connection for reading.
pub struct Reader<'a> {
    connection: PoolConnection<Sqlite>,
    path: &'a Path,
}

impl Reader<'_> {
    /// The statements of the connection.
    pub fn sql(&mut self) -> Sql<'_> {
        Sql { connection: &mut self.connection, path: self.path }
    }
}

impl Ledger {
    /// A connection for reading.
    pub async fn reader(&self) -> Result<Reader<'_>, LedgerError> {
        let connection = self.pool().await?.acquire().await.map_err(|e| self.failed(e))?;
        Ok(Reader { connection, path: self.path() })
    }
}

/// A text column that is one of the checked types; a text that is none shows that the ledger is damaged.
#[derive(Debug)]
pub struct As<T>(
    /// The checked value.
    pub T,
);

impl<T> Type<Sqlite> for As<T> {
    fn type_info() -> SqliteTypeInfo {
        <String as Type<Sqlite>>::type_info()
    }

    fn compatible(info: &SqliteTypeInfo) -> bool {
        <String as Type<Sqlite>>::compatible(info)
    }
}

impl<'r, T> Decode<'r, Sqlite> for As<T>
where
    T: TryFrom<String, Error: std::error::Error + Send + Sync + 'static>,
{
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, sqlx::error::BoxDynError> {
        Ok(Self(T::try_from(<String as Decode<'r, Sqlite>>::decode(value)?)?))
    }
}

/// A number column; a negative one was never written.
#[derive(Debug, Clone, Copy)]
pub struct Number(
    /// The number.
    pub u64,
);

impl Type<Sqlite> for Number {
    fn type_info() -> SqliteTypeInfo {
        <i64 as Type<Sqlite>>::type_info()
    }

    fn compatible(info: &SqliteTypeInfo) -> bool {
        <i64 as Type<Sqlite>>::compatible(info)
    }
}

impl<'r> Decode<'r, Sqlite> for Number {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, sqlx::error::BoxDynError> {
        Ok(Self(u64::try_from(<i64 as Decode<'r, Sqlite>>::decode(value)?)?))
    }
}
