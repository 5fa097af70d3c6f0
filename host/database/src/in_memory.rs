//! A small database of SQLite without a file, to search in.

use crate::sql::Link;
use crate::{Error, Place, Sql};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};

/// A database of its own in main memory, which goes away with its value.
pub struct InMemory {
    connection: SqliteConnection,
    place: Place,
}

impl InMemory {
    /// An empty one. In errors it has the name of the database whose contents it holds.
    pub async fn new(place: Place) -> Result<Self, Error> {
        let options = SqliteConnectOptions::new().in_memory(true).pragma("temp_store", "MEMORY");
        let connection = options.disable_statement_logging().connect().await;
        Ok(Self { connection: connection.map_err(|cause| Error::of(&place, cause))?, place })
    }

    /// The statements of its connection.
    pub fn sql<E: From<Error>>(&mut self) -> Sql<'_, E> {
        Sql::new(Link::Sqlite(&mut self.connection), &self.place)
    }
}
