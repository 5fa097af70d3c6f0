//! Runs: one message of a person and all that is done to answer it.

use super::Runs;
use super::seal::Spot;
use crate::ledger::sql::{As, Sql, query, query_as};
use crate::ledger::{LedgerError, to_sql};
use cara_authority::{CredentialId, Label, PersonId, Principal, RunId, SessionId, display_safe};

cara_authority::words! {
    /// How far a run is.
    RunState {
        /// It goes on, or its process died.
        Running = "running",
        /// The message was answered.
        Done = "done",
        /// The message could not be answered.
        Failed = "failed",
        /// Somebody stopped it.
        Cancelled = "cancelled",
        /// The run's process ended before the run did.
        Interrupted = "interrupted",
    }
}

/// The credential that a run is counted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charged {
    /// The credential.
    pub credential: CredentialId,
    /// What all its runs may use in one day, UTC.
    pub tokens_per_day: Option<u64>,
}

impl Charged {
    /// The one that somebody showed.
    pub fn of(by: &Principal) -> Option<Self> {
        let tokens_per_day = by.allowance().tokens_per_day;
        by.credential().map(|credential| Self { credential: credential.clone(), tokens_per_day })
    }
}

/// Where the reason of a run stands.
pub fn reason_spot<'a>(row: &'a [&'a str; 1]) -> Spot<'a> {
    Spot { table: "runs", column: "reason", row }
}

impl Runs {
    /// Begins a run of an id that no run has, in a session in which none goes on; for a person, where that is not the one of
    /// the session; with the credential that it is counted to. `process` says who works on it, so that another process can tell whether that one still lives.
    pub async fn begin(
        &self,
        sql: &mut Sql<'_>,
        id: &RunId,
        session: &SessionId,
        process: &str,
        label: &Label,
        (person, charged): (Option<&PersonId>, Option<&Charged>),
    ) -> Result<(), LedgerError> {
        let busy = query_as::<(i64,)>("SELECT CAST(1 AS BIGINT) FROM runs WHERE session = $1 AND state = 'running'");
        if sql.one(busy.bind(session.as_str())).await?.is_some() {
            let (what, state) = ("session", "in use: a run goes on in it");
            return Err(LedgerError::Conflict { what, id: display_safe(session.as_str()), state });
        }
        let query = query(
            "INSERT INTO runs (id, session, process, state, label, began_ms, person, credential, credential_tokens) \
             VALUES ($1, $2, $3, 'running', $4, $5, $6, $7, $8)",
        );
        let query = query.bind(id.as_str()).bind(session.as_str()).bind(process).bind(label.to_string());
        let query = query.bind(to_sql(self.ledger.now_ms())).bind(person.map(PersonId::as_str));
        let query = query.bind(charged.map(|charged| charged.credential.as_str()));
        sql.execute(query.bind(charged.and_then(|charged| charged.tokens_per_day).map(to_sql))).await.map(drop)
    }

    /// Ends a run that goes on. Calls that have not ended are then `interrupted`, approvals that were not spent
    /// withdrawn, and what was reserved for the run is free again. Who commits it tells [`Ledger::approvals`].
    pub async fn end(
        &self,
        sql: &mut Sql<'_>,
        run: &RunId,
        state: RunState,
        label: &Label,
        reason: Option<&str>,
    ) -> Result<(), LedgerError> {
        let now_ms = to_sql(self.ledger.now_ms());
        let reason = reason.map(|reason| self.seal.seal_json(reason_spot(&[run.as_str()]), &reason)).transpose()?;
        let ended = query("UPDATE runs SET state = $2, label = $3, reason = $4, ended_ms = $5 WHERE id = $1");
        let ended = ended.bind(run.as_str()).bind(state.name()).bind(label.to_string()).bind(reason);
        sql.execute(ended.bind(now_ms)).await?;
        let calls = query("UPDATE calls SET state = 'interrupted', ended_ms = $2 WHERE run = $1 AND ended_ms IS NULL");
        sql.execute(calls.bind(run.as_str()).bind(now_ms)).await?;
        sql.execute(query("DELETE FROM reservations WHERE run = $1").bind(run.as_str())).await?;
        let approvals = query(
            "UPDATE approvals SET state = CASE WHEN state = 'waiting' AND deadline_ms <= $2 THEN 'expired' \
             ELSE 'withdrawn' END WHERE run = $1 AND state IN ('waiting', 'allowed') AND call_id <> 'unattended'",
        );
        sql.execute(approvals.bind(run.as_str()).bind(now_ms)).await?;
        Ok(())
    }

    /// Makes a run that another process left this one's. False when it ended, or somebody else took it first.
    pub async fn take_run(&self, run: &RunId, from: &str, process: &str) -> Result<bool, LedgerError> {
        let mut change = self.ledger.change().await?;
        let query = query("UPDATE runs SET process = $3 WHERE id = $1 AND process = $2 AND state = 'running'");
        let taken = change.sql().execute(query.bind(run.as_str()).bind(from).bind(process)).await?;
        change.commit().await?;
        Ok(taken > 0)
    }
}

/// What a change of a run begins from.
pub struct Open {
    /// The session of the run.
    pub session: SessionId,
    /// How far it is.
    pub state: RunState,
    /// The label of all that the run has seen.
    pub label: Label,
}

impl Open {
    /// As the run is.
    pub async fn read(sql: &mut Sql<'_>, run: &RunId) -> Result<Self, LedgerError> {
        let query = query_as::<(As<SessionId>, As<RunState>, As<Label>)>(
            "SELECT session, state, label FROM runs WHERE id = $1",
        );
        match sql.one(query.bind(run.as_str())).await? {
            Some((session, state, label)) => Ok(Self { session: session.0, state: state.0, label: label.0 }),
            None => Err(LedgerError::no_such("run", run.as_str())),
        }
    }

    /// The same for a change that only a run that goes on may have.
    pub async fn read_running(sql: &mut Sql<'_>, run: &RunId) -> Result<Self, LedgerError> {
        let open = Self::read(sql, run).await?;
        match open.state {
            RunState::Running => Ok(open),
            ended => Err(LedgerError::Conflict { what: "run", id: display_safe(run.as_str()), state: ended.name() }),
        }
    }

    /// Joins a label to the run's.
    pub async fn saw(&self, sql: &mut Sql<'_>, run: &RunId, label: &Label) -> Result<(), LedgerError> {
        if self.label.includes(label) {
            return Ok(());
        }
        let label = self.label.join(label).to_string();
        let query = query("UPDATE runs SET label = $2 WHERE id = $1").bind(run.as_str()).bind(label);
        sql.execute(query).await.map(drop)
    }
}
