//! Runs: one message of a person and all that is done to answer it.

use super::approvals::bump_approvals;
use super::columns::words;
use super::messages::{NewMessage, Tail};
use super::seal::Spot;
use super::{ReservationId, Runs, Spent, fresh};
use crate::ledger::sql::{As, Number, Sql};
use crate::ledger::{LedgerError, shown, to_sql};
use cara_authority::{Label, RunId, SessionId};

words! {
    /// How far a run is.
    RunState {
        /// It goes on, or its process died.
        Running = "running",
        /// It was answered.
        Done = "done",
        /// It could not be.
        Failed = "failed",
        /// Somebody stopped it.
        Cancelled = "cancelled",
        /// Its process ended before it.
        Interrupted = "interrupted",
    }
}

/// A run.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its id, `r-` and ten characters.
    pub id: RunId,
    /// The session it belongs to.
    pub session: SessionId,
    /// Who works on it, in the caller's words.
    pub process: String,
    /// How far it is.
    pub state: RunState,
    /// What all its messages and results came from, joined.
    pub label: Label,
    /// Why it ended as it did.
    pub reason: Option<String>,
    /// When it began, Unix milliseconds.
    pub began_ms: u64,
    /// When it ended.
    pub ended_ms: Option<u64>,
}

type Row = (As<RunId>, As<SessionId>, String, As<RunState>, As<Label>, Option<Vec<u8>>, Number, Option<Number>);

fn reason_spot<'a>(row: &'a [&'a str; 1]) -> Spot<'a> {
    Spot { table: "runs", column: "reason", row }
}

impl Runs {
    /// Begins a run with the message that asks for it; durable when it returns. `process` says who works on it, so that
    /// another process can tell whether that one still lives.
    pub async fn begin_run(
        &self,
        session: &SessionId,
        process: &str,
        message: &NewMessage,
    ) -> Result<RunId, LedgerError> {
        let now_ms = self.ledger.now_ms();
        let id = RunId::parse(&fresh("r-", 10)?).expect("base32 after a letter is an id");
        let mut change = self.ledger.change().await?;
        let sql = &mut change.sql();
        let mut tail = Tail::read(sql, session).await?;
        let query = sqlx::query(
            "INSERT INTO runs (id, session, process, state, label, began_ms) VALUES ($1, $2, $3, $4, $5, $6)",
        );
        let query = query.bind(id.as_str()).bind(session.as_str()).bind(process).bind(RunState::Running.name());
        sql.execute(query.bind(message.label.to_string()).bind(to_sql(now_ms))).await?;
        tail.add(sql, &self.seal, Some(&id), message, now_ms).await?;
        tail.save(sql, now_ms).await?;
        change.commit().await?;
        Ok(id)
    }

    /// Ends a run with its last messages and what its last calls of models used; durable when it returns.
    ///
    /// Calls that have not ended are then `interrupted`, approvals that were not spent withdrawn, and what was reserved
    /// for the run is free again. Returns false, and only settles, when the run had ended before.
    pub async fn end_run(
        &self,
        run: &RunId,
        messages: &[NewMessage],
        state: RunState,
        reason: Option<&str>,
        spent: &[(ReservationId, Spent)],
    ) -> Result<bool, LedgerError> {
        let now_ms = self.ledger.now_ms();
        let mut change = self.ledger.change().await?;
        let sql = &mut change.sql();
        for (reservation, spent) in spent {
            super::usage::settle(sql, reservation, spent, now_ms).await?;
        }
        let open = Open::read(sql, run).await?;
        let goes_on = open.state == RunState::Running;
        if goes_on {
            let mut tail = Tail::read(sql, &open.session).await?;
            for message in messages {
                tail.add(sql, &self.seal, Some(run), message, now_ms).await?;
            }
            tail.save(sql, now_ms).await?;
            let label = messages.iter().map(|message| message.label).fold(open.label, Label::join);
            let row = [run.as_str()];
            let reason = reason.map(|reason| self.seal.seal_json(reason_spot(&row), &reason)).transpose()?;
            let query = sqlx::query("UPDATE runs SET state = $2, label = $3, reason = $4, ended_ms = $5 WHERE id = $1");
            let query = query.bind(run.as_str()).bind(state.name()).bind(label.to_string()).bind(reason);
            sql.execute(query.bind(to_sql(now_ms))).await?;
            end_parts(sql, run, now_ms).await?;
        }
        change.commit().await?;
        Ok(goes_on)
    }

    /// A run.
    pub async fn run(&self, id: &RunId) -> Result<Option<Run>, LedgerError> {
        let query = sqlx::query_as::<_, Row>(
            "SELECT id, session, process, state, label, reason, began_ms, ended_ms FROM runs WHERE id = $1",
        );
        let row = self.ledger.reader().await?.sql().one(query.bind(id.as_str())).await?;
        row.map(|row| self.read_run(row)).transpose()
    }

    /// The runs of a session, the first first.
    pub async fn runs(&self, session: &SessionId) -> Result<Vec<Run>, LedgerError> {
        let query = sqlx::query_as::<_, Row>(
            "SELECT id, session, process, state, label, reason, began_ms, ended_ms FROM runs \
             WHERE session = $1 ORDER BY began_ms, id",
        );
        let rows = self.ledger.reader().await?.sql().all(query.bind(session.as_str())).await?;
        rows.into_iter().map(|row| self.read_run(row)).collect()
    }

    /// The runs that have not ended, whoever works on them.
    pub async fn unfinished_runs(&self) -> Result<Vec<Run>, LedgerError> {
        let query = sqlx::query_as::<_, Row>(
            "SELECT id, session, process, state, label, reason, began_ms, ended_ms FROM runs \
             WHERE state = 'running' ORDER BY began_ms, id",
        );
        let rows = self.ledger.reader().await?.sql().all(query).await?;
        rows.into_iter().map(|row| self.read_run(row)).collect()
    }

    /// Makes a run that another process left this one's. False when it ended, or somebody else took it first.
    pub async fn take_run(&self, run: &RunId, from: &str, process: &str) -> Result<bool, LedgerError> {
        let mut change = self.ledger.change().await?;
        let query = sqlx::query("UPDATE runs SET process = $3 WHERE id = $1 AND process = $2 AND state = 'running'");
        let taken = change.sql().execute(query.bind(run.as_str()).bind(from).bind(process)).await?;
        change.commit().await?;
        Ok(taken > 0)
    }

    fn read_run(&self, row: Row) -> Result<Run, LedgerError> {
        let (id, session, process, state, label, reason, began_ms, ended_ms) = row;
        let reason = self.seal.open_maybe(reason_spot(&[id.0.as_str()]), reason)?;
        let (id, session, state, label) = (id.0, session.0, state.0, label.0);
        let (began_ms, ended_ms) = (began_ms.0, ended_ms.map(|ms| ms.0));
        Ok(Run { id, session, process, state, label, reason, began_ms, ended_ms })
    }
}

/// What a change of a run begins from.
pub(super) struct Open {
    pub(super) session: SessionId,
    pub(super) state: RunState,
    pub(super) label: Label,
}

impl Open {
    pub(super) async fn read(sql: &mut Sql<'_>, run: &RunId) -> Result<Self, LedgerError> {
        let query = sqlx::query_as::<_, (As<SessionId>, As<RunState>, As<Label>)>(
            "SELECT session, state, label FROM runs WHERE id = $1",
        );
        match sql.one(query.bind(run.as_str())).await? {
            Some((session, state, label)) => Ok(Self { session: session.0, state: state.0, label: label.0 }),
            None => Err(LedgerError::no_such("run", run.as_str())),
        }
    }

    /// The same for a change that only a run that goes on may have.
    pub(super) async fn read_running(sql: &mut Sql<'_>, run: &RunId) -> Result<Self, LedgerError> {
        let open = Self::read(sql, run).await?;
        match open.state {
            RunState::Running => Ok(open),
            ended => Err(LedgerError::Conflict { what: "run", id: shown(run.as_str()), state: ended.name() }),
        }
    }

    /// Joins a label to the run's.
    pub(super) async fn saw(&self, sql: &mut Sql<'_>, run: &RunId, label: Label) -> Result<(), LedgerError> {
        if self.label.includes(label) {
            return Ok(());
        }
        let label = self.label.join(label).to_string();
        let query = sqlx::query("UPDATE runs SET label = $2 WHERE id = $1").bind(run.as_str()).bind(label);
        sql.execute(query).await.map(drop)
    }
}

/// Ends what is open in a run that ends.
async fn end_parts(sql: &mut Sql<'_>, run: &RunId, now_ms: u64) -> Result<(), LedgerError> {
    let calls =
        sqlx::query("UPDATE calls SET state = 'interrupted', ended_ms = $2 WHERE run = $1 AND ended_ms IS NULL");
    sql.execute(calls.bind(run.as_str()).bind(to_sql(now_ms))).await?;
    sql.execute(sqlx::query("DELETE FROM reservations WHERE run = $1").bind(run.as_str())).await?;
    let approvals = sqlx::query(
        "UPDATE approvals SET state = CASE WHEN state = 'waiting' AND deadline_ms <= $2 THEN 'expired' ELSE 'withdrawn' END \
         WHERE run = $1 AND state IN ('waiting', 'allowed')",
    );
    if sql.execute(approvals.bind(run.as_str()).bind(to_sql(now_ms))).await? > 0 {
        bump_approvals(sql).await?;
    }
    Ok(())
}
