//! Running statements on a connection: the one place that asks which kind of
//! database it is.

use crate::{Cause, Error, FromRow, Place, Query, QueryAs, Row};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use sqlx::{PgConnection, SqlSafeStr, SqliteConnection};
use std::marker::PhantomData;

/// A connection of whichever database.
pub(crate) enum Link<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

/// Does the same with a connection whatever its kind is.
macro_rules! on {
    ($link:expr, $connection:ident => $work:expr) => {
        match $link {
            $crate::sql::Link::Sqlite($connection) => $work,
            $crate::sql::Link::Postgres($connection) => $work,
        }
    };
}

/// A connection, and the database to name when a statement fails. `E` is the error of whoever keeps things in the
/// database.
pub struct Sql<'c, E> {
    link: Link<'c>,
    place: &'c Place,
    /// Set when a statement fails: PostgreSQL undoes a transaction at its commit then, and says nothing.
    failed: Option<&'c mut bool>,
    error: PhantomData<fn() -> E>,
}

impl<'c, E: From<Error>> Sql<'c, E> {
    pub(crate) fn new(link: Link<'c>, place: &'c Place) -> Self {
        Self { link, place, failed: None, error: PhantomData }
    }

    pub(crate) fn within(link: Link<'c>, place: &'c Place, failed: &'c mut bool) -> Self {
        Self { link, place, failed: Some(failed), error: PhantomData }
    }

    /// Ends a query for rows that this change or run will work on, if other processes may take rows too: rows that
    /// another one has are passed over, and these are this one's until the transaction ends. SQLite has one writer.
    pub fn skip_locked(&self) -> &'static str {
        match self.link {
            Link::Sqlite(_) => "",
            Link::Postgres(_) => " FOR UPDATE SKIP LOCKED",
        }
    }

    fn failed(&mut self, cause: Cause) -> E {
        if let Some(failed) = &mut self.failed {
            **failed = true;
        }
        Error::of(self.place, cause).into()
    }

    /// Runs a statement and says how many rows it touched.
    pub async fn execute(&mut self, query: Query) -> Result<u64, E> {
        let done = on!(&mut self.link, c => query.ready().execute(&mut **c).await.map(|done| done.rows_affected()));
        done.map_err(|cause| self.failed(cause))
    }

    /// Runs several statements without arguments.
    pub async fn script(&mut self, sql: impl SqlSafeStr) -> Result<u64, E> {
        let script = sqlx::raw_sql(sql);
        let done = on!(&mut self.link, c => script.execute(&mut **c).await.map(|done| done.rows_affected()));
        done.map_err(|cause| self.failed(cause))
    }

    /// Runs a query for a row, if there is one.
    pub async fn one<O: FromRow>(&mut self, query: QueryAs<O>) -> Result<Option<O>, E> {
        let found = on!(&mut self.link, c => {
            let found = query.ready().fetch_optional(&mut **c).await;
            found.and_then(|row| row.map(|row| O::from_row(&Row::from(&row))).transpose())
        });
        found.map_err(|cause| self.failed(cause))
    }

    /// Runs a query for all its rows.
    pub async fn all<O: FromRow>(&mut self, query: QueryAs<O>) -> Result<Vec<O>, E> {
        let found = on!(&mut self.link, c => {
            let found = query.ready().fetch_all(&mut **c).await;
            found.and_then(|rows| rows.iter().map(|row| O::from_row(&Row::from(row))).collect())
        });
        found.map_err(|cause| self.failed(cause))
    }

    /// Runs a query for its rows, one after the other: not all of them are held at once.
    pub fn rows<O: FromRow + 'static>(&mut self, query: QueryAs<O>) -> BoxStream<'_, Result<O, E>> {
        let place = self.place;
        let read = move |row: Result<O, Cause>| row.map_err(|cause| Error::of(place, cause).into());
        on!(&mut self.link, c => {
            let rows = query.ready().fetch(&mut **c);
            rows.map(move |row| read(row.and_then(|row| O::from_row(&Row::from(&row))))).boxed()
        })
    }
}
