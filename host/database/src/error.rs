//! Why a database did not do what it was told, sorted by the cure.

use crate::Place;

/// What the database or its client said.
pub use sqlx::Error as Cause;

/// Why a database did not do what it was told. Whoever knows what is kept in it says so, and the cure.
#[derive(Debug, thiserror::Error)]
#[error("the database `{place}`: {failure}")]
pub struct Error {
    /// The database.
    pub place: Place,
    /// What is wrong.
    #[source]
    pub failure: Failure,
}

/// What is wrong with a database.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Somebody else writes and does not end.
    #[error("is held by another process")]
    Busy,
    /// Not a whole database, or a value in it is none that can have been written.
    #[error("is damaged: {0}")]
    Damaged(Cause),
    /// Migrated by a later program.
    #[error("is of a later version")]
    Newer,
    /// A database with other tables.
    #[error("has other tables")]
    Foreign,
    /// The disk is full, failing or not writable, or the statement failed.
    #[error("{0}")]
    Other(Cause),
}

impl Error {
    pub(crate) fn new(place: &Place, failure: Failure) -> Self {
        Self { place: place.clone(), failure }
    }

    /// Sorts what SQLite says by its result codes (<https://www.sqlite.org/rescode.html>), and what PostgreSQL says by its
    /// error codes (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
    pub(crate) fn of(place: &Place, cause: Cause) -> Self {
        let code = cause.as_database_error().and_then(|e| e.code());
        let (busy, damaged) = match (place, code.as_deref()) {
            (_, None) => (false, matches!(cause, Cause::Decode(_) | Cause::ColumnDecode { .. })),
            (Place::Server(_), Some(code)) => (code == "55P03", code.starts_with("XX0")),
            (Place::File(_) | Place::Unknown, Some(code)) => {
                let code = code.parse::<i32>().unwrap_or_default() & 0xff;
                ([5, 6].contains(&code), [11, 26].contains(&code))
            }
        };
        let failure = match (busy, damaged) {
            (true, _) => Failure::Busy,
            (_, true) => Failure::Damaged(cause),
            _ => Failure::Other(cause),
        };
        Self::new(place, failure)
    }

    /// A value that was read is none that can have been written.
    pub fn damaged(place: &Place, cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::new(place, Failure::Damaged(Cause::Decode(Box::new(cause))))
    }
}
