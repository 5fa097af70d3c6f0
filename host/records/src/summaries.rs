//! What a model is shown in place of a session's first messages.

use super::{Records, Tail};
use cara_authority::{Label, SessionId};
use cara_services::ledger::records::Spot;
use cara_services::ledger::sql::{As, Number, Sql, query, query_as};
use cara_services::ledger::{LedgerError, to_sql};
use serde_json::Value;

/// A summary of the messages up to a place. They stay; a model is shown the summary and what comes after.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The last place it covers.
    pub upto_place: u64,
    /// What it says; its form is the caller's.
    pub body: Value,
    /// What all it covers came from, and what the caller said of it.
    pub label: Label,
}

fn with_spot<T>(session: &SessionId, upto: u64, label: &Label, with: impl FnOnce(Spot<'_>) -> T) -> T {
    let (upto, label) = (upto.to_string(), label.to_string());
    with(Spot { table: "summaries", column: "body", row: &[session.as_str(), &upto, &label] })
}

impl Records {
    /// Puts a summary in place of an earlier one. Its label becomes that of all it covers, joined with `label`: whoever
    /// wrote it, it cannot lose where its content came from.
    pub async fn set_summary(
        &self,
        session: &SessionId,
        upto_place: u64,
        body: &Value,
        label: Label,
    ) -> Result<(), LedgerError> {
        let now_ms = self.ledger.now_ms();
        let mut change = self.ledger.change().await?;
        let sql = &mut change.sql();
        let mut tail = Tail::read(sql, session).await?;
        let upto_place = upto_place.min(tail.messages());
        let covered =
            query_as::<(As<Label>,)>("SELECT DISTINCT label FROM messages WHERE session = $1 AND place <= $2");
        let covered = sql.all(covered.bind(session.as_str()).bind(to_sql(upto_place))).await?;
        let label = covered.into_iter().map(|(label,)| label.0).chain([label]).collect::<Label>();
        tail.saw(&label);
        self.put_summary(sql, session, &Summary { upto_place, body: body.clone(), label }, now_ms).await?;
        tail.save(sql, now_ms).await?;
        change.commit().await
    }

    /// The summary of a session, if it has one.
    pub async fn summary(&self, session: &SessionId) -> Result<Option<Summary>, LedgerError> {
        self.read_summary(&mut self.ledger.reader().await?.sql(), session).await
    }

    async fn read_summary(&self, sql: &mut Sql<'_>, session: &SessionId) -> Result<Option<Summary>, LedgerError> {
        let query = query_as::<(Number, Vec<u8>, As<Label>)>(
            "SELECT upto_place, body, label FROM summaries WHERE session = $1",
        );
        let Some((upto, body, label)) = sql.one(query.bind(session.as_str())).await? else { return Ok(None) };
        let body = with_spot(session, upto.0, &label.0, |spot| self.seal.open_json(spot, body))?;
        Ok(Some(Summary { upto_place: upto.0, body, label: label.0 }))
    }

    async fn put_summary(
        &self,
        sql: &mut Sql<'_>,
        session: &SessionId,
        summary: &Summary,
        now_ms: u64,
    ) -> Result<(), LedgerError> {
        let Summary { upto_place, body, label } = summary;
        let body = with_spot(session, *upto_place, label, |spot| self.seal.seal_json(spot, body))?;
        let query = query(
            "INSERT INTO summaries (session, upto_place, body, label, at_ms) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (session) DO UPDATE SET upto_place = excluded.upto_place, body = excluded.body, \
             label = excluded.label, at_ms = excluded.at_ms",
        );
        let query = query.bind(session.as_str()).bind(to_sql(*upto_place)).bind(body).bind(label.to_string());
        sql.execute(query.bind(to_sql(now_ms))).await.map(drop)
    }

    /// Gives a fork the summary of its parent, unless it says more than the fork holds.
    pub(super) async fn copy_summary(
        &self,
        sql: &mut Sql<'_>,
        parent: &SessionId,
        fork: &mut Tail,
        now_ms: u64,
    ) -> Result<(), LedgerError> {
        match self.read_summary(sql, parent).await? {
            Some(summary) if summary.upto_place <= fork.messages() => {
                fork.saw(&summary.label);
                self.put_summary(sql, fork.session(), &summary, now_ms).await
            }
            _ => Ok(()),
        }
    }
}
