//! Questions to a person, as they are listed.

use super::{Approval, ApprovalRow, Records};
use cara_authority::{ApprovalId, RunId, SessionId};
use cara_services::ledger::records::QUEUED;
use cara_services::ledger::sql::{query, query_as};
use cara_services::ledger::{LedgerError, to_sql};
use serde_json::json;

impl Records {
    /// The questions that wait for an answer and are not past their deadline, the first first.
    pub async fn waiting_approvals(&self) -> Result<Vec<Approval>, LedgerError> {
        let query = query_as::<ApprovalRow>(
            "SELECT id, session, run, call_id, person, binding, shown, state, verdict, asked_ms, deadline_ms, spent_ms, \
             deciders, agreed FROM approvals WHERE state = 'waiting' AND deadline_ms > $1 ORDER BY asked_ms, id",
        );
        let rows = self.ledger.reader().await?.sql().all(query.bind(to_sql(self.ledger.now_ms()))).await?;
        rows.into_iter().map(|row| Approval::open(row, &self.seal, self.ledger.now_ms())).collect()
    }

    /// A question.
    pub async fn approval(&self, id: &ApprovalId) -> Result<Option<Approval>, LedgerError> {
        self.read_approval(&mut self.ledger.reader().await?.sql(), id).await
    }

    /// The questions that unattended runs of a session left, the newest first.
    pub async fn queued_approvals(&self, session: &SessionId) -> Result<Vec<Approval>, LedgerError> {
        let query = query_as::<ApprovalRow>(
            "SELECT id, session, run, call_id, person, binding, shown, state, verdict, asked_ms, deadline_ms, spent_ms, \
             deciders, agreed FROM approvals WHERE session = $1 AND call_id = $2 ORDER BY asked_ms DESC, id",
        );
        let rows = self.ledger.reader().await?.sql().all(query.bind(session.as_str()).bind(QUEUED)).await?;
        rows.into_iter().map(|row| Approval::open(row, &self.seal, self.ledger.now_ms())).collect()
    }

    /// Uses the yes to a question that an unattended run left and that is about no call; false where it was used before.
    pub async fn use_queued(&self, id: &ApprovalId) -> Result<bool, LedgerError> {
        let query = query(
            "UPDATE approvals SET state = 'spent', spent_ms = $2 WHERE id = $1 AND state = 'allowed' AND call_id = $3",
        );
        let now_ms = self.ledger.now_ms();
        let query = query.bind(id.as_str()).bind(to_sql(now_ms)).bind(QUEUED);
        let mut change = self.ledger.change().await?;
        // Nor is the yes of somebody used who may not decide any more, or one that is too old.
        let roles = self.deciding(&mut change.sql()).await?;
        let found = self.read_approval(&mut change.sql(), id).await?;
        let in_time = |found: &Approval| found.verdict.as_ref().is_some_and(|verdict| now_ms < verdict.use_by_ms);
        if !found.is_some_and(|found| found.stands(&roles) && in_time(&found)) {
            return Ok(false);
        }
        let used = change.sql().execute(query).await?;
        change.event("approval-spent", id.as_str(), json!({})).await?;
        change.commit().await?;
        Ok(used > 0)
    }

    /// All questions of a run, the first first.
    pub async fn approvals_of(&self, run: &RunId) -> Result<Vec<Approval>, LedgerError> {
        let query = query_as::<ApprovalRow>(
            "SELECT id, session, run, call_id, person, binding, shown, state, verdict, asked_ms, deadline_ms, spent_ms, \
             deciders, agreed FROM approvals WHERE run = $1 ORDER BY asked_ms, id",
        );
        let rows = self.ledger.reader().await?.sql().all(query.bind(run.as_str())).await?;
        rows.into_iter().map(|row| Approval::open(row, &self.seal, self.ledger.now_ms())).collect()
    }
}
