//! Statements and columns, with the errors of the ledger.

use super::LedgerError;

pub use cara_database::{
    As, AssertSqlSafe, Cause, Field, FromRow, InMemory, Number, Query, QueryAs, Row, query, query_as,
};

/// A connection, whose errors are the ledger's.
pub type Sql<'c> = cara_database::Sql<'c, LedgerError>;

/// A connection for reading.
pub type Reader<'a> = cara_database::Reader<'a, LedgerError>;
