//! Questions to a person, as they are listed.

use super::{Approval, ApprovalRow, Records};
use cara_authority::{ApprovalId, RunId};
use cara_services::ledger::sql::query_as;
use cara_services::ledger::{LedgerError, to_sql};

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
