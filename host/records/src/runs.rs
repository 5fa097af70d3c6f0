//! Runs with their messages: one message of a person and all that answers it.

use super::{Charged, InboundId, NewMessage, NewOutbound, Open, Records, ReservationId, RunState, Spent, Tail};
use cara_authority::{Label, PersonId, RunId, SessionId};
use cara_services::ledger::LedgerError;
use cara_services::ledger::records::{reason_spot, settle};
use cara_services::ledger::sql::{As, Number, query, query_as};

/// A run.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The run's id, `r-` and ten characters.
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

impl Records {
    /// Begins a run with the message that asks for it; durable when it returns. `process` says who works on it, so that
    /// another process can tell whether that one still lives.
    pub async fn begin_run(
        &self,
        session: &SessionId,
        process: &str,
        message: &NewMessage,
    ) -> Result<RunId, LedgerError> {
        let id = Self::fresh_run()?;
        self.begin_run_as(&id, session, process, message).await?;
        Ok(id)
    }

    /// The same under an id that no run has yet.
    pub async fn begin_run_as(
        &self,
        id: &RunId,
        session: &SessionId,
        process: &str,
        message: &NewMessage,
    ) -> Result<(), LedgerError> {
        self.begin_run_for(id, session, process, message, (None, None), &[]).await
    }

    /// The same for a person, where that is not the one of the session, with the credential that it is counted to; and for
    /// messages that wait in the inbox: each is taken in the same commit, or the run does not begin.
    pub async fn begin_run_for(
        &self,
        id: &RunId,
        session: &SessionId,
        process: &str,
        message: &NewMessage,
        of: (Option<&PersonId>, Option<&Charged>),
        inbound: &[InboundId],
    ) -> Result<(), LedgerError> {
        let now_ms = self.ledger.now_ms();
        let mut change = self.ledger.change().await?;
        let sql = &mut change.sql();
        let mut tail = Tail::read(sql, session).await?;
        self.runs.begin(sql, id, session, process, &message.label, of).await?;
        self.take_inbound(sql, id, inbound).await?;
        tail.add(sql, &self.seal, Some(id), message, now_ms).await?;
        tail.save(sql, now_ms).await?;
        change.commit().await
    }

    /// Adds messages of before to a session, which belong to no run; durable when it returns.
    pub async fn seed_session(&self, session: &SessionId, messages: &[NewMessage]) -> Result<(), LedgerError> {
        let now_ms = self.ledger.now_ms();
        let mut change = self.ledger.change().await?;
        let sql = &mut change.sql();
        let mut tail = Tail::read(sql, session).await?;
        for message in messages {
            tail.add(sql, &self.seal, None, message, now_ms).await?;
        }
        tail.save(sql, now_ms).await?;
        change.commit().await
    }

    /// Adds a message to a run that goes on, with messages of the inbox that it takes; durable when it returns.
    pub async fn steer_run(&self, run: &RunId, message: &NewMessage, inbound: &[InboundId]) -> Result<(), LedgerError> {
        let now_ms = self.ledger.now_ms();
        let mut change = self.ledger.change().await?;
        let sql = &mut change.sql();
        let open = Open::read_running(sql, run).await?;
        self.take_inbound(sql, run, inbound).await?;
        let mut tail = Tail::read(sql, &open.session).await?;
        tail.add(sql, &self.seal, Some(run), message, now_ms).await?;
        tail.save(sql, now_ms).await?;
        open.saw(sql, run, &message.label).await?;
        change.commit().await
    }

    /// Ends a run with its last messages and what its last calls of models used; durable when it returns. The messages of the
    /// inbox that it took are settled with it.
    ///
    /// Returns false, and only settles, when the run had ended before.
    pub async fn end_run(
        &self,
        run: &RunId,
        messages: &[NewMessage],
        state: RunState,
        reason: Option<&str>,
        spent: &[(ReservationId, Spent)],
    ) -> Result<bool, LedgerError> {
        self.end_run_with(run, messages, state, reason, spent, &[]).await
    }

    /// The same with its answers, which are in the outbox in the same commit.
    pub async fn end_run_with(
        &self,
        run: &RunId,
        messages: &[NewMessage],
        state: RunState,
        reason: Option<&str>,
        spent: &[(ReservationId, Spent)],
        answers: &[NewOutbound],
    ) -> Result<bool, LedgerError> {
        let now_ms = self.ledger.now_ms();
        let mut change = self.ledger.change().await?;
        let sql = &mut change.sql();
        for (reservation, spent) in spent {
            settle(sql, reservation, spent, now_ms).await?;
        }
        let open = Open::read(sql, run).await?;
        let goes_on = open.state == RunState::Running;
        if goes_on {
            let mut tail = Tail::read(sql, &open.session).await?;
            for message in messages {
                tail.add(sql, &self.seal, Some(run), message, now_ms).await?;
            }
            tail.save(sql, now_ms).await?;
            let label = messages.iter().map(|message| message.label.clone()).chain([open.label]).collect::<Label>();
            self.runs.end(sql, run, state, &label, reason).await?;
            self.settle_inbound(sql, run, state).await?;
            for answer in answers {
                self.enqueue_in(sql, answer).await?;
            }
        }
        change.answers().await?;
        change.commit().await?;
        self.tell_boxes();
        Ok(goes_on)
    }

    /// Gives back what a process reserved that has ended. Returns how many there were.
    pub async fn release_process(&self, process: &str) -> Result<u64, LedgerError> {
        let mut change = self.ledger.light_change().await?;
        let gone = change.sql().execute(query("DELETE FROM reservations WHERE process = $1").bind(process)).await?;
        change.commit().await?;
        Ok(gone)
    }

    /// The person for whom a run is.
    pub async fn person_of(&self, run: &RunId) -> Result<PersonId, LedgerError> {
        let statement = query_as::<(As<PersonId>,)>(
            "SELECT COALESCE(runs.person, sessions.person) FROM runs JOIN sessions ON sessions.id = runs.session \
             WHERE runs.id = $1",
        );
        let row = self.ledger.reader().await?.sql().one(statement.bind(run.as_str())).await?;
        row.map(|(person,)| person.0).ok_or_else(|| LedgerError::no_such("run", run.as_str()))
    }

    /// An id for a run that is to begin.
    pub fn fresh_run() -> Result<RunId, LedgerError> {
        Ok(RunId::parse(&cara_services::ledger::records::fresh("r-", 10)?).expect("base32 after a letter is an id"))
    }

    /// A run.
    pub async fn run(&self, id: &RunId) -> Result<Option<Run>, LedgerError> {
        let query = query_as::<Row>(
            "SELECT id, session, process, state, label, reason, began_ms, ended_ms FROM runs WHERE id = $1",
        );
        let row = self.ledger.reader().await?.sql().one(query.bind(id.as_str())).await?;
        row.map(|row| self.read_run(row)).transpose()
    }

    /// The runs of a session, the first first.
    pub async fn runs(&self, session: &SessionId) -> Result<Vec<Run>, LedgerError> {
        let query = query_as::<Row>(
            "SELECT id, session, process, state, label, reason, began_ms, ended_ms FROM runs \
             WHERE session = $1 ORDER BY began_ms, id",
        );
        let rows = self.ledger.reader().await?.sql().all(query.bind(session.as_str())).await?;
        rows.into_iter().map(|row| self.read_run(row)).collect()
    }

    /// The runs that have not ended, whoever works on them.
    pub async fn unfinished_runs(&self) -> Result<Vec<Run>, LedgerError> {
        let query = query_as::<Row>(
            "SELECT id, session, process, state, label, reason, began_ms, ended_ms FROM runs \
             WHERE state = 'running' ORDER BY began_ms, id",
        );
        let rows = self.ledger.reader().await?.sql().all(query).await?;
        rows.into_iter().map(|row| self.read_run(row)).collect()
    }

    fn read_run(&self, row: Row) -> Result<Run, LedgerError> {
        let (id, session, process, state, label, reason, began_ms, ended_ms) = row;
        let reason = self.seal.open_maybe(reason_spot(&[id.0.as_str()]), reason)?;
        let (id, session, state, label) = (id.0, session.0, state.0, label.0);
        let (began_ms, ended_ms) = (began_ms.0, ended_ms.map(|ms| ms.0));
        Ok(Run { id, session, process, state, label, reason, began_ms, ended_ms })
    }
}
