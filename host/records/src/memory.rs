//! What is remembered about a person; the meaning of each call is in
//! `wit/memory.wit`.

use super::Records;
use cara_authority::{ComponentId, Label, PersonId, Refusal, Rule, RunId, SessionId, display_safe};
use cara_services::ledger::records::Spot;
use cara_services::ledger::sql::{As, Number, Sql, query, query_as};
use cara_services::ledger::{LedgerError, to_sql};
use serde::{Deserialize, Serialize};

mod search;

pub(crate) use search::Index;

const MAX_KEY: usize = 128;
const MAX_VALUE: usize = 16 * 1024;
const MAX_ENTRIES: u64 = 1_000;
const MAX_BYTES: u64 = 1024 * 1024;
/// So many people's entries are held ready for search.
const MAX_INDEXES: usize = 16;

/// The memory of one person; entries of another cannot be named.
#[derive(Debug, Clone)]
pub struct Memory {
    records: Records,
    person: PersonId,
    origin: Option<Origin>,
}

/// Where a remembered value came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The conversation.
    pub session: SessionId,
    /// The run.
    pub run: RunId,
    /// The component that wrote it.
    pub component: ComponentId,
    /// For whom the run was.
    pub speaker: PersonId,
}

/// A remembered value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Under which key.
    pub key: String,
    /// What.
    pub value: String,
    /// The label of the entry.
    pub label: Label,
    /// When it was last written, Unix milliseconds.
    pub changed_ms: u64,
    /// Where it came from; nothing in an entry of before that was kept.
    pub origin: Option<Origin>,
}

/// Why something is not remembered or found.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// The caller can do something about it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

type Row = (Vec<u8>, Vec<u8>, As<Label>, Number, Option<Vec<u8>>);

/// Bytes and number of a person's entries, and how often they changed.
#[derive(Clone, Copy, Default)]
struct Totals {
    entries: u64,
    bytes: u64,
    revision: u64,
}

impl Records {
    /// What is remembered about a person.
    pub fn memory(&self, person: &PersonId) -> Memory {
        Memory { records: self.clone(), person: person.clone(), origin: None }
    }
}

impl Memory {
    /// The same memory, whose entries are from now on written from there.
    #[must_use]
    pub fn from(self, origin: Origin) -> Self {
        Self { origin: Some(origin), ..self }
    }

    /// Remembers a value, in place of an earlier one; durable when it returns.
    pub async fn write(&self, key: &str, value: &str, label: Label) -> Result<(), MemoryError> {
        check(key, value)?;
        let now_ms = self.ledger_now();
        let lookup = self.lookup(key);
        let seal = &self.records.seal;
        let entry = self.with_spot("entry", &lookup, &label, now_ms, |spot| seal.seal_json(spot, &(key, value)))?;
        let sealed = |origin| self.with_spot("origin", &lookup, &label, now_ms, |spot| seal.seal_json(spot, origin));
        let origin = self.origin.as_ref().map(sealed).transpose()?;
        let mut change = self.records.ledger.change().await?;
        let sql = &mut change.sql();
        let (mut totals, before) = (self.totals(sql).await?, self.size(sql, &lookup).await?);
        let size = (key.len() + value.len()) as u64;
        let (entries, bytes) = (totals.entries, totals.bytes);
        totals.entries += u64::from(before.is_none());
        totals.bytes = totals.bytes - before.unwrap_or(0).min(totals.bytes) + size;
        if (totals.entries > MAX_ENTRIES && totals.entries > entries)
            || (totals.bytes > MAX_BYTES && totals.bytes > bytes)
        {
            let text =
                format!("no more than {MAX_ENTRIES} entries and {MAX_BYTES} bytes are remembered about a person");
            return Err(Refusal::new(Rule::Limit, text).hint("forget what is no longer needed").into());
        }
        let query = query(
            "INSERT INTO memories (person, lookup, entry, label, size, changed_ms, origin) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (person, lookup) DO UPDATE SET entry = excluded.entry, \
             label = excluded.label, size = excluded.size, changed_ms = excluded.changed_ms, origin = excluded.origin",
        );
        let query = query.bind(self.person.as_str()).bind(&lookup[..]).bind(entry).bind(label.to_string());
        sql.execute(query.bind(to_sql(size)).bind(to_sql(now_ms)).bind(origin)).await?;
        self.put_totals(sql, totals).await?;
        Ok(change.commit().await?)
    }

    /// The entry under a key.
    pub async fn read(&self, key: &str) -> Result<Option<Remembered>, MemoryError> {
        let query = query_as::<Row>(
            "SELECT lookup, entry, label, changed_ms, origin FROM memories WHERE person = $1 AND lookup = $2",
        );
        let query = query.bind(self.person.as_str()).bind(self.lookup(key).to_vec());
        let row = self.records.ledger.reader().await?.sql().one(query).await?;
        Ok(row.map(|row| self.open(row)).transpose()?)
    }

    /// Forgets a key; false when there is none.
    pub async fn delete(&self, key: &str) -> Result<bool, MemoryError> {
        let lookup = self.lookup(key);
        let mut change = self.records.ledger.change().await?;
        let sql = &mut change.sql();
        let Some(size) = self.size(sql, &lookup).await? else { return Ok(false) };
        let mut totals = self.totals(sql).await?;
        let query = query("DELETE FROM memories WHERE person = $1 AND lookup = $2");
        sql.execute(query.bind(self.person.as_str()).bind(&lookup[..])).await?;
        totals.entries = totals.entries.saturating_sub(1);
        totals.bytes = totals.bytes.saturating_sub(size);
        self.put_totals(sql, totals).await?;
        change.commit().await?;
        Ok(true)
    }

    /// The keys that begin with `prefix`, sorted by bytes.
    pub async fn keys(&self, prefix: &str) -> Result<Vec<String>, MemoryError> {
        Ok(self.entries(prefix).await?.into_iter().map(|entry| entry.key).collect())
    }

    /// The entries whose keys begin with `prefix`, sorted by the bytes of their keys.
    pub async fn entries(&self, prefix: &str) -> Result<Vec<Remembered>, MemoryError> {
        let mut all = self.all(&mut self.records.ledger.reader().await?.sql()).await?;
        all.retain(|entry| entry.key.starts_with(prefix));
        all.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(all)
    }

    /// The entries in which all words of `query` occur, the best first, at most `most` (1 to 50).
    pub async fn search(&self, query: &str, most: u32) -> Result<Vec<Remembered>, MemoryError> {
        let revision = self.totals(&mut self.records.ledger.reader().await?.sql()).await?.revision;
        let mut indexes = self.records.indexes.lock().await;
        if indexes.get(&self.person).is_none_or(|index| index.revision() != revision) {
            indexes.remove(&self.person);
            if indexes.len() >= MAX_INDEXES {
                indexes.clear();
            }
            let index = self.index().await?;
            indexes.insert(self.person.clone(), index);
        }
        let index = indexes.get_mut(&self.person).expect("it was just put there");
        Ok(index.search(query, most.clamp(1, 50)).await?)
    }

    /// All entries, ready for search. The revision is read first: what changes meanwhile is found out of date.
    async fn index(&self) -> Result<Index, MemoryError> {
        let mut reader = self.records.ledger.reader().await?;
        let revision = self.totals(&mut reader.sql()).await?.revision;
        let entries = self.all(&mut reader.sql()).await?;
        Ok(Index::new(self.records.ledger.place(), revision, entries).await?)
    }

    async fn all(&self, sql: &mut Sql<'_>) -> Result<Vec<Remembered>, LedgerError> {
        let query = query_as::<Row>("SELECT lookup, entry, label, changed_ms, origin FROM memories WHERE person = $1");
        let rows = sql.all(query.bind(self.person.as_str())).await?;
        rows.into_iter().map(|row| self.open(row)).collect()
    }

    fn open(&self, (lookup, entry, label, changed_ms, origin): Row) -> Result<Remembered, LedgerError> {
        let (label, changed_ms, seal) = (label.0, changed_ms.0, &self.records.seal);
        let open = |spot: Spot<'_>| seal.open_json(spot, entry);
        let (key, value) = self.with_spot("entry", &lookup, &label, changed_ms, open)?;
        let open = |spot: Spot<'_>| seal.open_maybe(spot, origin);
        let origin = self.with_spot("origin", &lookup, &label, changed_ms, open)?;
        Ok(Remembered { key, value, label, changed_ms, origin })
    }

    fn lookup(&self, key: &str) -> [u8; 32] {
        self.records.seal.lookup("memory", &[self.person.as_str().as_bytes(), key.as_bytes()])
    }

    fn ledger_now(&self) -> u64 {
        self.records.ledger.now_ms()
    }

    fn with_spot<T>(
        &self,
        column: &'static str,
        lookup: &[u8],
        label: &Label,
        changed_ms: u64,
        with: impl FnOnce(Spot<'_>) -> T,
    ) -> T {
        let (lookup, label, changed) = (hex::encode(lookup), label.to_string(), changed_ms.to_string());
        with(Spot { table: "memories", column, row: &[self.person.as_str(), &lookup, &label, &changed] })
    }

    async fn size(&self, sql: &mut Sql<'_>, lookup: &[u8]) -> Result<Option<u64>, LedgerError> {
        let query = query_as::<(Number,)>("SELECT size FROM memories WHERE person = $1 AND lookup = $2");
        Ok(sql.one(query.bind(self.person.as_str()).bind(lookup)).await?.map(|(size,)| size.0))
    }

    async fn totals(&self, sql: &mut Sql<'_>) -> Result<Totals, LedgerError> {
        let query = query_as::<(Number, Number, Number)>(
            "SELECT entries, bytes, revision FROM memory_totals WHERE person = $1",
        );
        let row = sql.one(query.bind(self.person.as_str())).await?;
        let read = |(entries, bytes, revision): (Number, Number, Number)| Totals {
            entries: entries.0,
            bytes: bytes.0,
            revision: revision.0,
        };
        Ok(row.map(read).unwrap_or_default())
    }

    async fn put_totals(&self, sql: &mut Sql<'_>, totals: Totals) -> Result<(), LedgerError> {
        let query = query(
            "INSERT INTO memory_totals (person, entries, bytes, revision) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (person) DO UPDATE SET entries = excluded.entries, bytes = excluded.bytes, \
             revision = excluded.revision",
        );
        let query = query.bind(self.person.as_str()).bind(to_sql(totals.entries)).bind(to_sql(totals.bytes));
        sql.execute(query.bind(to_sql(totals.revision + 1))).await.map(drop)
    }
}

fn check(key: &str, value: &str) -> Result<(), Refusal> {
    if !(1..=MAX_KEY).contains(&key.len()) {
        let text = format!("a key of {} bytes to remember something under", key.len());
        return Err(Refusal::new(Rule::Invalid, text).hint("use 1 to 128 bytes"));
    }
    if value.len() > MAX_VALUE {
        let (key, length) = (display_safe(key), value.len());
        let text = format!("a value of {length} bytes for `{key}` is over the {MAX_VALUE} that a key may hold");
        return Err(Refusal::new(Rule::Limit, text).hint("keep it in parts, under several keys"));
    }
    Ok(())
}
