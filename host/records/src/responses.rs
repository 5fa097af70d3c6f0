//! Answers to programs that are kept for their person, so that a program can
//! ask for them again and go on from them.
//!
//! What a program sent and what it was answered are texts in the form of its interface; this knows only whose they are, what
//! they go on from and whether somebody still works at them. Their label is not kept: whoever goes on from one is told that
//! it is words of nobody in particular, which is all that is known of what a program sends.

use super::Records;
use cara_authority::PersonId;
use cara_services::ledger::records::Spot;
use cara_services::ledger::sql::{Number, Sql, query, query_as};
use cara_services::ledger::{LedgerError, to_sql};

/// How long an answer is kept, milliseconds: 30 days.
pub const RESPONSE_KEPT_MS: u64 = 30 * 24 * 3_600 * 1_000;

/// How many answers of one person are kept; older ones go first.
pub const MOST_RESPONSES: u64 = 1_000;

/// The most bytes that are kept of one person together; older answers go first.
pub const MOST_RESPONSE_BYTES: u64 = 256 * 1024 * 1024;

/// The most bytes of what was sent, of an answer and of its events, each.
pub const MAX_RESPONSE: u64 = 16 * 1024 * 1024;

/// An answer to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewResponse<'a> {
    /// Names it, everywhere: `resp_` and random letters.
    pub id: &'a str,
    /// Whose it is.
    pub person: &'a PersonId,
    /// The answer that it goes on from.
    pub previous: Option<&'a str>,
    /// What was sent, JSON.
    pub input: &'a str,
    /// The answer as it is now, JSON.
    pub response: &'a str,
    /// The process that works at it; none where it has ended.
    pub process: Option<&'a str>,
}

/// An answer that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptResponse {
    /// Names it.
    pub id: String,
    /// The answer that it goes on from.
    pub previous: Option<String>,
    /// What was sent, JSON.
    pub input: String,
    /// The answer, JSON.
    pub response: String,
    /// The process that works at it; none where it has ended.
    pub process: Option<String>,
    /// When it was begun, Unix milliseconds.
    pub at_ms: u64,
}

type Row = (String, Option<String>, Vec<u8>, Vec<u8>, Option<String>, Number);

/// Where a part of an answer stands.
struct Key<'a> {
    id: &'a str,
    person: &'a PersonId,
}

impl Key<'_> {
    fn with<T>(&self, column: &'static str, with: impl FnOnce(Spot<'_>) -> T) -> T {
        with(Spot { table: "responses", column, row: &[self.id, self.person.as_str()] })
    }
}

fn check(text: &str) -> Result<(), LedgerError> {
    let bytes = text.len() as u64;
    if bytes <= MAX_RESPONSE {
        return Ok(());
    }
    Err(LedgerError::TooLarge { what: "a response", bytes, max: MAX_RESPONSE })
}

impl Records {
    /// Keeps an answer; durable when it returns. Where the person would have more than [`MOST_RESPONSES`] or [`MOST_RESPONSE_BYTES`], the
    /// oldest that have ended go.
    pub async fn keep_response(&self, new: &NewResponse<'_>) -> Result<(), LedgerError> {
        self.keep_response_within(new, MOST_RESPONSES, MOST_RESPONSE_BYTES).await
    }

    /// The same, with so many answers and bytes of the person together.
    pub(crate) async fn keep_response_within(
        &self,
        new: &NewResponse<'_>,
        most: u64,
        most_bytes: u64,
    ) -> Result<(), LedgerError> {
        let NewResponse { id, person, previous, input, response, process } = *new;
        check(input)?;
        check(response)?;
        let key = Key { id, person };
        let input = key.with("input", |spot| self.seal.seal(spot, input.as_bytes()))?;
        let response = key.with("response", |spot| self.seal.seal(spot, response.as_bytes()))?;
        let now_ms = self.ledger.now_ms();
        let mut change = self.ledger.change().await?;
        let sql = &mut change.sql();
        let oldest = query(
            "DELETE FROM responses WHERE id IN (SELECT id FROM (SELECT id, COUNT(*) OVER newest AS place, \
             SUM(LENGTH(input) + LENGTH(response) + COALESCE(LENGTH(events), 0)) OVER newest AS bytes \
             FROM responses WHERE person = $1 AND process IS NULL WINDOW newest AS (ORDER BY at_ms DESC, id DESC)) AS kept \
             WHERE place > $2 OR bytes > $3)",
        );
        let oldest = oldest.bind(person.as_str()).bind(to_sql(most - 1));
        let left = most_bytes.saturating_sub((input.len() + response.len()) as u64);
        sql.execute(oldest.bind(to_sql(left))).await?;
        let put = query(
            "INSERT INTO responses (id, person, previous, input, response, process, at_ms) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        );
        let put = put.bind(id).bind(person.as_str()).bind(previous).bind(input).bind(response);
        sql.execute(put.bind(process).bind(to_sql(now_ms))).await?;
        change.commit().await
    }

    /// Ends an answer that was worked at: as it is now, with what happened in the meantime; one that is gone, or has ended, stays so.
    pub async fn end_response(
        &self,
        person: &PersonId,
        id: &str,
        response: &str,
        events: Option<&str>,
    ) -> Result<(), LedgerError> {
        check(response)?;
        let key = Key { id, person };
        let response = key.with("response", |spot| self.seal.seal(spot, response.as_bytes()))?;
        let fitting = events.filter(|events| check(events).is_ok());
        let events =
            fitting.map(|events| key.with("events", |spot| self.seal.seal(spot, events.as_bytes()))).transpose()?;
        let mut change = self.ledger.change().await?;
        let ended = query(
            "UPDATE responses SET response = $3, events = $4, process = NULL \
             WHERE person = $1 AND id = $2 AND process IS NOT NULL",
        );
        change.sql().execute(ended.bind(person.as_str()).bind(id).bind(response).bind(events)).await?;
        change.commit().await
    }

    /// An answer that is kept for somebody.
    pub async fn response(&self, person: &PersonId, id: &str) -> Result<Option<KeptResponse>, LedgerError> {
        let found = query_as::<Row>(
            "SELECT id, previous, input, response, process, at_ms FROM responses WHERE person = $1 AND id = $2",
        );
        let row = self.ledger.reader().await?.sql().one(found.bind(person.as_str()).bind(id)).await?;
        row.map(|row| self.open_response(person, row)).transpose()
    }

    /// What happened while an answer came, JSON, where that is kept.
    pub async fn response_events(&self, person: &PersonId, id: &str) -> Result<Option<String>, LedgerError> {
        let found = query_as::<(Option<Vec<u8>>,)>("SELECT events FROM responses WHERE person = $1 AND id = $2");
        let row = self.ledger.reader().await?.sql().one(found.bind(person.as_str()).bind(id)).await?;
        let Some((Some(sealed),)) = row else { return Ok(None) };
        let events = Key { id, person }.with("events", |spot| self.seal.open(spot, sealed))?;
        Ok(Some(String::from_utf8_lossy(&events).into_owned()))
    }

    /// All that is kept for somebody, the first first.
    pub async fn responses_of(&self, person: &PersonId) -> Result<Vec<KeptResponse>, LedgerError> {
        let all = query_as::<Row>(
            "SELECT id, previous, input, response, process, at_ms FROM responses WHERE person = $1 ORDER BY at_ms, id",
        );
        let rows = self.ledger.reader().await?.sql().all(all.bind(person.as_str())).await?;
        rows.into_iter().map(|row| self.open_response(person, row)).collect()
    }

    fn open_response(&self, person: &PersonId, row: Row) -> Result<KeptResponse, LedgerError> {
        let (id, previous, input, response, process, at_ms) = row;
        let key = Key { id: &id, person };
        let input = key.with("input", |spot| self.seal.open(spot, input))?;
        let response = key.with("response", |spot| self.seal.open(spot, response))?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let (input, response) = (text(input), text(response));
        Ok(KeptResponse { id, previous, input, response, process, at_ms: at_ms.0 })
    }

    /// Removes an answer; false where somebody has none of this id.
    pub async fn delete_response(&self, person: &PersonId, id: &str) -> Result<bool, LedgerError> {
        let mut change = self.ledger.change().await?;
        let gone = query("DELETE FROM responses WHERE person = $1 AND id = $2");
        let gone = change.sql().execute(gone.bind(person.as_str()).bind(id)).await?;
        change.commit().await?;
        Ok(gone > 0)
    }

    /// Removes answers that were begun longer ago than [`RESPONSE_KEPT_MS`].
    pub async fn forget_responses(&self) -> Result<u64, LedgerError> {
        let before = self.ledger.now_ms().saturating_sub(RESPONSE_KEPT_MS);
        let mut change = self.ledger.change().await?;
        let gone = change.sql().execute(query("DELETE FROM responses WHERE at_ms < $1").bind(to_sql(before))).await?;
        change.commit().await?;
        Ok(gone)
    }

    /// Removes all of somebody.
    pub(super) async fn forget_responses_of(&self, sql: &mut Sql<'_>, person: &PersonId) -> Result<(), LedgerError> {
        sql.execute(query("DELETE FROM responses WHERE person = $1").bind(person.as_str())).await.map(drop)
    }
}
