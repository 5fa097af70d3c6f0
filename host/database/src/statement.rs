//! Statements with their arguments, for whichever database they reach.

use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, Postgres};
use sqlx::sqlite::{Sqlite, SqliteArguments};
use sqlx::{Arguments, Database, SqlSafeStr, SqlStr};
use std::marker::PhantomData;

/// An argument. One that is missing has a type too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `BIGINT`.
    Integer(Option<i64>),
    /// `TEXT`.
    Text(Option<String>),
    /// `BLOB`.
    Bytes(Option<Vec<u8>>),
    /// `BOOLEAN`.
    Bool(Option<bool>),
}

/// What can be an argument.
pub trait Bind {
    /// As an argument.
    fn value(self) -> Value;
}

macro_rules! bind {
    ($($type:ty => $kind:ident $own:expr;)*) => {$(
        impl Bind for $type {
            fn value(self) -> Value {
                Value::$kind(Some($own(self)))
            }
        }
        impl Bind for Option<$type> {
            fn value(self) -> Value {
                Value::$kind(self.map($own))
            }
        }
    )*};
}

bind! {
    i64 => Integer std::convert::identity;
    bool => Bool std::convert::identity;
    String => Text std::convert::identity;
    &String => Text String::clone;
    &str => Text str::to_owned;
    Vec<u8> => Bytes std::convert::identity;
    &Vec<u8> => Bytes Vec::clone;
    &[u8] => Bytes <[u8]>::to_vec;
}

/// A statement whose rows, if any, nobody reads.
#[derive(Debug)]
#[must_use = "a statement does nothing until it is run"]
pub struct Query {
    sql: SqlStr,
    arguments: Vec<Value>,
}

/// A statement whose rows are read as `O`.
#[must_use = "a statement does nothing until it is run"]
pub struct QueryAs<O> {
    query: Query,
    row: PhantomData<fn() -> O>,
}

/// A statement; its arguments are written `$1`, `$2`.
pub fn query(sql: impl SqlSafeStr) -> Query {
    Query { sql: sql.into_sql_str(), arguments: Vec::new() }
}

/// A statement whose rows are read as `O`.
pub fn query_as<O>(sql: impl SqlSafeStr) -> QueryAs<O> {
    QueryAs { query: query(sql), row: PhantomData }
}

impl Query {
    /// Adds an argument.
    pub fn bind(mut self, value: impl Bind) -> Self {
        self.arguments.push(value.value());
        self
    }

    /// What is wrong where arguments and statement do not fit: SQLite would ignore one that is over, and read one that is
    /// missing as `NULL`.
    fn misfit(&self) -> Option<String> {
        let (sql, most) = (self.sql.as_str(), self.arguments.len());
        let named = |number: usize| sql.contains(&format!("${number}"));
        let surplus = (1..=most).find(|number| !named(*number));
        let wrong = surplus.or_else(|| Some(most + 1).filter(|missing| named(*missing)));
        wrong.map(|number| format!("a statement and its {most} arguments do not agree on `${number}`"))
    }

    /// As sqlx runs it on one kind of database.
    pub(crate) fn ready<DB: Backend>(self) -> sqlx::query::Query<'static, DB, DB::Arguments>
    where
        DB::Arguments: sqlx::IntoArguments<DB>,
    {
        let mut ready = DB::Arguments::default();
        let added = match self.misfit() {
            Some(misfit) => Err(misfit.into()),
            None => self.arguments.into_iter().try_for_each(|value| DB::add(&mut ready, value)),
        };
        sqlx::__query_with_result(self.sql, added.map(|()| ready))
    }
}

impl<O> QueryAs<O> {
    /// Adds an argument.
    pub fn bind(mut self, value: impl Bind) -> Self {
        self.query = self.query.bind(value);
        self
    }

    pub(crate) fn ready<DB: Backend>(self) -> sqlx::query::Query<'static, DB, DB::Arguments>
    where
        DB::Arguments: sqlx::IntoArguments<DB>,
    {
        self.query.ready()
    }
}

/// A kind of database.
pub(crate) trait Backend: Database {
    fn add(arguments: &mut Self::Arguments, value: Value) -> Result<(), BoxDynError>;
}

macro_rules! backend {
    ($database:ty, $arguments:ty) => {
        impl Backend for $database {
            fn add(arguments: &mut $arguments, value: Value) -> Result<(), BoxDynError> {
                match value {
                    Value::Integer(value) => arguments.add(value),
                    Value::Text(value) => arguments.add(value),
                    Value::Bytes(value) => arguments.add(value),
                    Value::Bool(value) => arguments.add(value),
                }
            }
        }
    };
}

backend!(Sqlite, SqliteArguments);
backend!(Postgres, PgArguments);
