//! Full-text search over a person's decrypted memory, in main memory only.

use super::Remembered;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use std::collections::BTreeSet;

/// A query of more words is cut: no entry that somebody looks for needs them.
const MAX_WORDS: usize = 64;

/// A person's entries as they were at a revision, indexed.
pub(crate) struct Index {
    revision: u64,
    /// In the order of the rows of the table.
    entries: Vec<Remembered>,
    /// A database of its own without a file. FTS5 keeps the words, not the texts.
    connection: SqliteConnection,
}

impl Index {
    pub(crate) async fn new(revision: u64, entries: Vec<Remembered>) -> sqlx::Result<Self> {
        let options = SqliteConnectOptions::new().in_memory(true).pragma("temp_store", "MEMORY");
        let mut connection = options.disable_statement_logging().connect().await?;
        sqlx::query(
            "CREATE VIRTUAL TABLE entries USING fts5(key, value, content = '', \
             tokenize = 'unicode61 remove_diacritics 2')",
        )
        .execute(&mut connection)
        .await?;
        let mut transaction = connection.begin().await?;
        for (row, entry) in (0_i64..).zip(&entries) {
            sqlx::query("INSERT INTO entries (rowid, key, value) VALUES ($1, $2, $3)")
                .bind(row)
                .bind(&entry.key)
                .bind(&entry.value)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(Self { revision, entries, connection })
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) async fn search(&mut self, query: &str, most: u32) -> Result<Vec<Remembered>, sqlx::Error> {
        let words = words(query);
        if words.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<(i64,)> =
            sqlx::query_as("SELECT rowid FROM entries WHERE entries MATCH $1 ORDER BY bm25(entries), rowid LIMIT $2")
                .bind(words)
                .bind(i64::from(most))
                .fetch_all(&mut self.connection)
                .await?;
        let entry = |(row,): (i64,)| self.entries.get(usize::try_from(row).ok()?).cloned();
        Ok(rows.into_iter().filter_map(entry).collect())
    }
}

/// Every word as a quoted prefix, which FTS5 takes for nothing but a word; between them stands an unwritten AND.
fn words(query: &str) -> String {
    let combines = |c: char| ('\u{300}'..='\u{36f}').contains(&c);
    let split = query.split(|c: char| !c.is_alphanumeric() && !combines(c));
    let split = split.filter(|word| word.contains(char::is_alphanumeric));
    let words: BTreeSet<&str> = split.collect();
    words.into_iter().take(MAX_WORDS).map(|word| format!("\"{word}\"*")).collect::<Vec<_>>().join(" ")
}
