//! Words that are looked for, and texts in which they are: full-text search in
//! main memory only.

use super::Records;
use cara_services::ledger::sql::{InMemory, Sql, query, query_as};
use cara_services::ledger::{LedgerError, Place};
use std::collections::BTreeSet;

/// A query of more words is cut: no text that somebody looks for needs them.
const MAX_WORDS: usize = 64;

/// A table of FTS5 with these columns and options, whose words neither case nor accents tell apart.
macro_rules! words_table {
    ($name:literal, $columns:literal) => {
        concat!(
            "CREATE VIRTUAL TABLE ",
            $name,
            " USING fts5(",
            $columns,
            ", tokenize = 'unicode61 remove_diacritics 2')"
        )
    };
}
pub(crate) use words_table;

/// How many words an excerpt has, about.
const EXCERPT: i64 = 16;

/// Words that are looked for. A text has them when it has each, or a longer word that begins with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words(String);

impl Words {
    /// The words of a text; none where there is no letter in it.
    pub fn of(text: &str) -> Option<Self> {
        let combines = |c: char| ('\u{300}'..='\u{36f}').contains(&c);
        let split = text.split(|c: char| !c.is_alphanumeric() && !combines(c));
        let split = split.filter(|word| word.contains(char::is_alphanumeric));
        let words: BTreeSet<&str> = split.collect();
        // Every word as a quoted prefix, which FTS5 takes for nothing but a word; between them stands an unwritten AND.
        let words: Vec<String> = words.into_iter().take(MAX_WORDS).map(|word| format!("\"{word}\"*")).collect();
        (!words.is_empty()).then(|| Self(words.join(" ")))
    }

    /// The words as FTS5 is asked for them.
    pub(crate) fn as_query(&self) -> &str {
        &self.0
    }
}

/// A text that has the words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Which text, from 0.
    pub text: usize,
    /// What stands around the words, in one line.
    pub excerpt: String,
}

impl Records {
    /// Those of the texts that have all the words, in their order.
    pub async fn texts_with(&self, words: &Words, texts: &[String]) -> Result<Vec<Hit>, LedgerError> {
        hits(self.ledger.place(), words, texts).await
    }
}

async fn hits(place: &Place, words: &Words, texts: &[String]) -> Result<Vec<Hit>, LedgerError> {
    let mut all = InMemory::new(place.clone()).await?;
    let sql: &mut Sql<'_> = &mut all.sql();
    sql.script(words_table!("texts", "text")).await?;
    sql.script("BEGIN").await?;
    for (row, text) in (0_i64..).zip(texts) {
        let insert = query("INSERT INTO texts (rowid, text) VALUES ($1, $2)");
        sql.execute(insert.bind(row).bind(text)).await?;
    }
    sql.script("COMMIT").await?;
    let found = query_as::<(i64, String)>(
        "SELECT rowid, snippet(texts, 0, '', '', '…', $2) FROM texts WHERE texts MATCH $1 ORDER BY rowid",
    );
    let rows = sql.all(found.bind(words.as_query()).bind(EXCERPT)).await?;
    let hit = |(row, excerpt): (i64, String)| {
        let excerpt = excerpt.split_whitespace().collect::<Vec<_>>().join(" ");
        Some(Hit { text: usize::try_from(row).ok()?, excerpt })
    };
    Ok(rows.into_iter().filter_map(hit).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    async fn found(asked: &str, texts: &[&str]) -> Vec<Hit> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        hits(&Place::Unknown, &Words::of(asked).unwrap(), &texts).await.unwrap()
    }

    #[tokio::test]
    async fn neither_case_nor_accents_nor_marks_keep_words_from_being_found() {
        let texts = ["The CAFÉ in Málaga", "cafe\u{301}s, closed", "tea", "Málaga"];
        let rows = |hits: Vec<Hit>| hits.into_iter().map(|hit| hit.text).collect::<Vec<_>>();
        for asked in ["cafe", "CAFÉ", "cafe\u{301}", "caf", "\"café\" -"] {
            assert_eq!(rows(found(asked, &texts).await), [0, 1], "{asked}");
        }
        assert_eq!(rows(found("malaga cafe", &texts).await), [0]);
        // What FTS5 takes for an operator is a word.
        assert!(found("tea OR malaga", &texts).await.is_empty());
        assert_eq!(Words::of(" -\"* "), None);
    }

    #[tokio::test]
    async fn an_excerpt_has_the_words_in_one_line() {
        let text = format!("{}the window\n\tseat{}", "before ".repeat(500), " after".repeat(500));
        let hit = found("window seat", &[&text]).await.remove(0);
        assert!(hit.excerpt.contains("the window seat after") && hit.excerpt.len() < 200, "{}", hit.excerpt);
        assert!(hit.excerpt.starts_with('…') && hit.excerpt.ends_with('…'));
    }
}
