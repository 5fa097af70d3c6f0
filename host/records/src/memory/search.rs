//! Full-text search over a person's decrypted memory, in main memory only.

use super::Remembered;
use crate::words::{Words, words_table};
use cara_services::ledger::sql::{InMemory, Sql, query, query_as};
use cara_services::ledger::{LedgerError, Place};

/// A person's entries as they were at a revision, indexed.
pub(crate) struct Index {
    revision: u64,
    /// In the order of the rows of the table.
    entries: Vec<Remembered>,
    words: InMemory,
}

impl Index {
    pub(crate) async fn new(place: &Place, revision: u64, entries: Vec<Remembered>) -> Result<Self, LedgerError> {
        let mut all = InMemory::new(place.clone()).await?;
        let sql: &mut Sql<'_> = &mut all.sql();
        // FTS5 keeps the words, not the texts.
        let table = words_table!("entries", "key, value, content = ''");
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
        let Some(words) = Words::of(asked) else { return Ok(Vec::new()) };
        let query = query_as::<(i64,)>(
            "SELECT rowid FROM entries WHERE entries MATCH $1 ORDER BY bm25(entries), rowid LIMIT $2",
        );
        let rows = self.words.sql::<LedgerError>().all(query.bind(words.as_query()).bind(i64::from(most))).await?;
        let entry = |(row,): (i64,)| self.entries.get(usize::try_from(row).ok()?).cloned();
        Ok(rows.into_iter().filter_map(entry).collect())
    }
}
