//! Full-text search over a person's decrypted memory, in main memory only.

use super::Remembered;
use cara_services::ledger::sql::{InMemory, Sql, query, query_as};
use cara_services::ledger::{LedgerError, Place};
use std::collections::BTreeSet;

/// A query of more words is cut: no entry that somebody looks for needs them.
const MAX_WORDS: usize = 64;

/// A person's entries as they were at a revision, indexed.
pub(crate) struct Index {
    revision: u64,
    /// In the order of the rows of the table.
    entries: Vec<Remembered>,
    /// FTS5 keeps the words, not the texts.
    words: InMemory,
}

impl Index {
    pub(crate) async fn new(place: &Place, revision: u64, entries: Vec<Remembered>) -> Result<Self, LedgerError> {
        let mut all = InMemory::new(place.clone()).await?;
        let sql: &mut Sql<'_> = &mut all.sql();
        let table = "CREATE VIRTUAL TABLE entries USING fts5(key, value, content = '', \
                     tokenize = 'unicode61 remove_diacritics 2')";
        sql.script(table).await?;
        sql.script("BEGIN").await?;
        for (row, entry) in (0_i64..).zip(&entries) {
            let insert = query("INSERT INTO entries (rowid, key, value) VALUES ($1, $2, $3)");
            sql.execute(insert.bind(row).bind(&entry.key).bind(&entry.value)).await?;
        }
        sql.script("COMMIT").await?;
        Ok(Self { revision, entries, words: all })
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) async fn search(&mut self, asked: &str, most: u32) -> Result<Vec<Remembered>, LedgerError> {
        let words = words(asked);
        if words.is_empty() {
            return Ok(Vec::new());
        }
        let query = query_as::<(i64,)>(
            "SELECT rowid FROM entries WHERE entries MATCH $1 ORDER BY bm25(entries), rowid LIMIT $2",
        );
        let rows = self.words.sql::<LedgerError>().all(query.bind(words).bind(i64::from(most))).await?;
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
