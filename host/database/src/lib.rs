//! Databases: connections, statements, typed columns, transactions.
//!
//! It knows no table's meaning. What is asked of a database is asked in SQL that every kind of database here takes; which
//! kind it is, is decided once, where a statement reaches its connection.
//!
//! ```text
//! query("…").bind(x) ─→ Sql ─→ Link ─→ SQLite or PostgreSQL
//!        ↑ Row ─→ FromRow       Database ─→ Reader, Transaction: connections out of its pool
//! ```

mod column;
mod database;
mod error;
mod in_memory;
mod migration;
mod place;
mod postgres;
mod server;
mod sql;
mod sqlite;
mod statement;
#[cfg(test)]
mod tests;

pub use column::{As, Column, Field, FromRow, Number, Row};
pub use database::{Commit, Database, Reader, Transaction};
pub use error::{Cause, Error, Failure};
pub use in_memory::InMemory;
pub use migration::{Migration, Schema};
pub use place::Place;
pub use server::{Server, ServerError};
pub use sql::Sql;
pub use sqlx::AssertSqlSafe;
pub use statement::{Bind, Query, QueryAs, Value, query, query_as};
