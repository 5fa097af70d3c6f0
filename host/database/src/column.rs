//! Columns that come out typed.

use crate::Cause;
use sqlx::postgres::{PgRow, Postgres};
use sqlx::sqlite::{Sqlite, SqliteRow};
use sqlx::{Decode, Row as _, Type};

/// A row of whichever database.
#[derive(Clone, Copy)]
pub enum Row<'r> {
    /// Of SQLite.
    Sqlite(&'r SqliteRow),
    /// Of PostgreSQL.
    Postgres(&'r PgRow),
}

impl<'r> From<&'r SqliteRow> for Row<'r> {
    fn from(row: &'r SqliteRow) -> Self {
        Self::Sqlite(row)
    }
}

impl<'r> From<&'r PgRow> for Row<'r> {
    fn from(row: &'r PgRow) -> Self {
        Self::Postgres(row)
    }
}

impl Row<'_> {
    /// The column at a place, from 0.
    pub fn at<T: Field>(&self, place: usize) -> Result<T, Cause> {
        T::read(self, place)
    }

    /// The column of that name.
    pub fn named<T: Field>(&self, name: &str) -> Result<T, Cause> {
        let place = match self {
            Self::Sqlite(row) => row.try_column(name).map(sqlx::Column::ordinal),
            Self::Postgres(row) => row.try_column(name).map(sqlx::Column::ordinal),
        };
        T::read(self, place?)
    }

    fn plain<T>(&self, place: usize) -> Result<Option<T>, Cause>
    where
        Option<T>: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>,
    {
        match self {
            Self::Sqlite(row) => row.try_get(place),
            Self::Postgres(row) => row.try_get(place),
        }
    }
}

/// What a column can be read as.
pub trait Column: Sized {
    /// The column's value; nothing when it is null.
    fn read(row: &Row<'_>, place: usize) -> Result<Option<Self>, Cause>;
}

macro_rules! plain {
    ($($type:ty),*) => {$(
        impl Column for $type {
            fn read(row: &Row<'_>, place: usize) -> Result<Option<Self>, Cause> {
                row.plain(place)
            }
        }
    )*};
}

plain!(i64, bool, String, Vec<u8>);

/// A column, or an `Option` of one that may be null.
pub trait Field: Sized {
    /// The column's value.
    fn read(row: &Row<'_>, place: usize) -> Result<Self, Cause>;
}

impl<T: Column> Field for T {
    fn read(row: &Row<'_>, place: usize) -> Result<Self, Cause> {
        let null = || Cause::ColumnDecode { index: place.to_string(), source: "nothing where a value must be".into() };
        <T as Column>::read(row, place)?.ok_or_else(null)
    }
}

impl<T: Column> Field for Option<T> {
    fn read(row: &Row<'_>, place: usize) -> Result<Self, Cause> {
        <T as Column>::read(row, place)
    }
}

/// A text column that is one of the checked types; a text that is none shows that the database is damaged.
#[derive(Debug)]
pub struct As<T>(
    /// The checked value.
    pub T,
);

impl<T> Column for As<T>
where
    T: TryFrom<String, Error: std::error::Error + Send + Sync + 'static>,
{
    fn read(row: &Row<'_>, place: usize) -> Result<Option<Self>, Cause> {
        let text = <String as Column>::read(row, place)?;
        text.map(|text| T::try_from(text).map(Self).map_err(|e| Cause::Decode(Box::new(e)))).transpose()
    }
}

/// A number column; a negative one was never written.
#[derive(Debug, Clone, Copy)]
pub struct Number(
    /// The number.
    pub u64,
);

impl Column for Number {
    fn read(row: &Row<'_>, place: usize) -> Result<Option<Self>, Cause> {
        let number = <i64 as Column>::read(row, place)?;
        number.map(|number| u64::try_from(number).map(Self).map_err(|e| Cause::Decode(Box::new(e)))).transpose()
    }
}

/// What a row can be read as: a tuple of its columns in their order, or a type that says how.
pub trait FromRow: Sized {
    /// Reads a row.
    fn from_row(row: &Row<'_>) -> Result<Self, Cause>;
}

macro_rules! tuples {
    ($($($name:ident $place:tt),*;)*) => {$(
        impl<$($name: Field),*> FromRow for ($($name,)*) {
            fn from_row(row: &Row<'_>) -> Result<Self, Cause> {
                Ok(($(row.at::<$name>($place)?,)*))
            }
        }
    )*};
}

tuples! {
    A 0;
    A 0, B 1;
    A 0, B 1, C 2;
    A 0, B 1, C 2, D 3;
    A 0, B 1, C 2, D 3, E 4;
    A 0, B 1, C 2, D 3, E 4, F 5;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14, P 15;
}
