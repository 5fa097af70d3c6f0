//! Calls of tools: what a model asked for, what was decided, what came of it.

use super::Runs;
use super::columns::words;
use super::messages::{NewMessage, Tail};
use super::runs::Open;
use super::seal::{Seal, Spot};
use crate::ledger::sql::{As, Number, Sql};
use crate::ledger::{LedgerError, shown, to_sql};
use cara_authority::{ApprovalId, ComponentId, Label, RunId, ToolName};
use serde_json::Value;
use sqlx::{FromRow, Row, sqlite::SqliteRow};

words! {
    /// How far a call is.
    CallState {
        /// A model asked for it.
        Proposed = "proposed",
        /// A person is asked.
        Waiting = "waiting",
        /// It may begin.
        Allowed = "allowed",
        /// It was refused.
        Denied = "denied",
        /// It began; whether its effect happened is not known.
        Started = "started",
        /// It ended well.
        Done = "done",
        /// It ended with an error.
        Failed = "failed",
        /// It did not end, or never began, and its run goes on or ended without it.
        Interrupted = "interrupted",
    }
}

impl CallState {
    /// Whether nothing comes after it.
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Denied | Self::Done | Self::Failed | Self::Interrupted)
    }

    /// Whether a decision can bring a call here. Only [`Records::start`] begins one.
    fn is_decision(self) -> bool {
        matches!(self, Self::Waiting | Self::Allowed | Self::Denied)
    }
}

/// A call that a model asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct NewCall {
    /// The model's id of it, made unique within the run: a second one of the same id is a conflict.
    pub call_id: String,
    /// Which component.
    pub component: ComponentId,
    /// The digest of that component's package.
    pub digest: [u8; 32],
    /// Which of its tools.
    pub tool: ToolName,
    /// With what.
    pub arguments: Value,
    /// Toward where.
    pub destinations: Vec<String>,
    /// What an approval of it must be bound to; kept only as a MAC.
    pub binding: [u8; 32],
    /// Whether it leaves something behind: then it is never begun twice.
    pub lasting: bool,
    /// `Proposed`, or what policy decided at once: `Waiting`, `Allowed` or `Denied`.
    pub state: CallState,
    /// The decision, when there is one already; its form is the caller's.
    pub decision: Option<Value>,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq)]
pub struct FinishedCall {
    /// Which one.
    pub call_id: String,
    /// `Done`, `Failed`, `Denied` or `Interrupted`.
    pub state: CallState,
    /// What came of it; its form is the caller's.
    pub result: Value,
    /// What the result came from.
    pub label: Label,
}

/// A call as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The run it belongs to.
    pub run: RunId,
    /// The model's id of it.
    pub call_id: String,
    /// Which component.
    pub component: ComponentId,
    /// The digest of that component's package.
    pub digest: [u8; 32],
    /// Which of its tools.
    pub tool: ToolName,
    /// With what.
    pub arguments: Value,
    /// Toward where.
    pub destinations: Vec<String>,
    /// Whether it is never begun twice.
    pub lasting: bool,
    /// How far it is.
    pub state: CallState,
    /// What was decided.
    pub decision: Option<Value>,
    /// The approval that was spent on it.
    pub approval: Option<ApprovalId>,
    /// What came of it.
    pub result: Option<Value>,
    /// What the result came from.
    pub label: Label,
    /// When it was asked for, Unix milliseconds.
    pub proposed_ms: u64,
    /// When it began.
    pub started_ms: Option<u64>,
    /// When it ended.
    pub ended_ms: Option<u64>,
}

impl Runs {
    /// Keeps the calls that a message of the model asks for, with the message. Does not wait for the disk: the start of
    /// the first call that leaves something behind does.
    pub async fn propose(&self, run: &RunId, message: &NewMessage, calls: &[NewCall]) -> Result<(), LedgerError> {
        let now_ms = self.ledger.now_ms();
        let mut change = self.ledger.light_change().await?;
        let sql = &mut change.sql();
        let open = Open::read_running(sql, run).await?;
        let mut tail = Tail::read(sql, &open.session).await?;
        tail.add(sql, &self.seal, Some(run), message, now_ms).await?;
        for (position, call) in calls.iter().enumerate() {
            // Unique over the run: rounds follow one another.
            let position = tail.messages() * 1_000 + position as u64;
            insert(sql, &self.seal, run, position, call, now_ms).await?;
        }
        tail.save(sql, now_ms).await?;
        open.saw(sql, run, message.label).await?;
        change.commit().await
    }

    /// Keeps how a call ended; durable when it returns.
    pub async fn finish(&self, run: &RunId, call: &FinishedCall) -> Result<(), LedgerError> {
        let now_ms = self.ledger.now_ms();
        let mut change = self.ledger.change().await?;
        let sql = &mut change.sql();
        let open = Open::read(sql, run).await?;
        end(sql, &self.seal, run, call, now_ms).await?;
        open.saw(sql, run, call.label).await?;
        change.commit().await
    }

    /// Keeps how calls of a round ended, and the message that tells the model; durable when it returns.
    ///
    /// The message has seen all the results: their labels are joined to its own.
    pub async fn end_calls(
        &self,
        run: &RunId,
        calls: &[FinishedCall],
        message: &NewMessage,
    ) -> Result<(), LedgerError> {
        let now_ms = self.ledger.now_ms();
        let mut change = self.ledger.change().await?;
        let sql = &mut change.sql();
        let open = Open::read_running(sql, run).await?;
        for call in calls {
            end(sql, &self.seal, run, call, now_ms).await?;
        }
        let label = calls.iter().map(|call| call.label).fold(message.label, Label::join);
        let mut tail = Tail::read(sql, &open.session).await?;
        tail.add(sql, &self.seal, Some(run), &NewMessage { label, ..message.clone() }, now_ms).await?;
        tail.save(sql, now_ms).await?;
        open.saw(sql, run, label).await?;
        change.commit().await
    }

    /// The calls of a run, in the order in which they were asked for.
    pub async fn calls(&self, run: &RunId) -> Result<Vec<Call>, LedgerError> {
        let query = sqlx::query_as::<_, Stored>("SELECT * FROM calls WHERE run = $1 ORDER BY position");
        let rows = self.ledger.reader().await?.sql().all(query.bind(run.as_str())).await?;
        rows.into_iter().map(|row| row.open(&self.seal)).collect()
    }

    /// One call.
    pub async fn call(&self, run: &RunId, call_id: &str) -> Result<Option<Call>, LedgerError> {
        let query = sqlx::query_as::<_, Stored>("SELECT * FROM calls WHERE run = $1 AND call_id = $2");
        let row = self.ledger.reader().await?.sql().one(query.bind(run.as_str()).bind(call_id)).await?;
        row.map(|row| row.open(&self.seal)).transpose()
    }
}

/// The error for a call that is not where it would have to be.
pub(super) async fn too_late(sql: &mut Sql<'_>, run: &RunId, call_id: &str) -> LedgerError {
    let query = sqlx::query_as::<_, (As<CallState>,)>("SELECT state FROM calls WHERE run = $1 AND call_id = $2");
    match sql.one(query.bind(run.as_str()).bind(call_id)).await {
        Ok(Some((state,))) => conflict(call_id, state.0.name()),
        Ok(None) => LedgerError::no_such("call", call_id),
        Err(error) => error,
    }
}

fn conflict(call_id: &str, state: &'static str) -> LedgerError {
    LedgerError::Conflict { what: "call", id: shown(call_id), state }
}

/// Where the sealed columns of a call stand.
struct Spots<'a> {
    run: &'a RunId,
    call_id: &'a str,
}

impl Spots<'_> {
    fn with<T>(&self, column: &'static str, more: &[&str], with: impl FnOnce(Spot<'_>) -> T) -> T {
        let row = [&[self.run.as_str(), self.call_id], more].concat();
        with(Spot { table: "calls", column, row: &row })
    }

    fn seal(&self, seal: &Seal, column: &'static str, more: &[&str], value: &Value) -> Result<Vec<u8>, LedgerError> {
        self.with(column, more, |spot| seal.seal_json(spot, value))
    }
}

async fn insert(
    sql: &mut Sql<'_>,
    seal: &Seal,
    run: &RunId,
    position: u64,
    call: &NewCall,
    now_ms: u64,
) -> Result<(), LedgerError> {
    if call.state != CallState::Proposed && !call.state.is_decision() {
        return Err(conflict(&call.call_id, "not proposed by that state"));
    }
    let spots = Spots { run, call_id: &call.call_id };
    // Sealed with what is called: the arguments cannot be given to another tool.
    let digest = hex::encode(call.digest);
    let called = [call.component.as_str(), &digest, call.tool.as_str()];
    let arguments = spots.seal(seal, "arguments", &called, &call.arguments)?;
    let sealed = |spot: Spot<'_>| seal.seal_json(spot, &call.destinations);
    let destinations =
        (!call.destinations.is_empty()).then(|| spots.with("destination", &called, sealed)).transpose()?;
    let decision = call.decision.as_ref().map(|text| spots.seal(seal, "decision", &[], text)).transpose()?;
    let query = sqlx::query(
        "INSERT INTO calls (run, call_id, position, component, digest, tool, arguments, destination, binding, lasting, \
         state, decision, label, proposed_ms, ended_ms) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) \
         ON CONFLICT (run, call_id) DO NOTHING",
    );
    let query = query.bind(run.as_str()).bind(&call.call_id).bind(to_sql(position)).bind(call.component.as_str());
    let query = query.bind(&call.digest[..]).bind(call.tool.as_str()).bind(arguments).bind(destinations);
    let query = query.bind(&binding(seal, &call.binding)[..]).bind(call.lasting).bind(call.state.name());
    let ended = (call.state == CallState::Denied).then(|| to_sql(now_ms));
    let query = query.bind(decision).bind(Label::NONE.to_string()).bind(to_sql(now_ms)).bind(ended);
    match sql.execute(query).await? {
        0 => Err(conflict(&call.call_id, "asked for already in this run")),
        _ => Ok(()),
    }
}

/// What stands in the file for a binding, which may be a digest of content.
pub(super) fn binding(seal: &Seal, binding: &[u8; 32]) -> [u8; 32] {
    seal.lookup("binding", &[binding])
}

async fn end(sql: &mut Sql<'_>, seal: &Seal, run: &RunId, call: &FinishedCall, now_ms: u64) -> Result<(), LedgerError> {
    let label = call.label.to_string();
    let result = Spots { run, call_id: &call.call_id }.seal(seal, "result", &[&label], &call.result)?;
    // What did not begin cannot have been done, and what began not denied. What a decision or the end of the run ended
    // gets its result here, once.
    let query = match call.state {
        CallState::Done | CallState::Failed => sqlx::query(
            "UPDATE calls SET state = $3, result = $4, label = $5, ended_ms = $6 \
             WHERE run = $1 AND call_id = $2 AND state = 'started'",
        ),
        CallState::Denied => sqlx::query(
            "UPDATE calls SET state = $3, result = $4, label = $5, ended_ms = $6 WHERE run = $1 AND call_id = $2 \
             AND (state IN ('proposed', 'waiting', 'allowed') OR (state = 'denied' AND result IS NULL))",
        ),
        CallState::Interrupted => sqlx::query(
            "UPDATE calls SET state = $3, result = $4, label = $5, ended_ms = $6 WHERE run = $1 AND call_id = $2 \
             AND (ended_ms IS NULL OR (state = 'interrupted' AND result IS NULL))",
        ),
        CallState::Proposed | CallState::Waiting | CallState::Allowed | CallState::Started => {
            return Err(conflict(&call.call_id, "not ended by that state"));
        }
    };
    let query = query.bind(run.as_str()).bind(&call.call_id).bind(call.state.name()).bind(result).bind(label);
    match sql.execute(query.bind(to_sql(now_ms))).await? {
        0 => Err(too_late(sql, run, &call.call_id).await),
        _ => Ok(()),
    }
}

/// Destinations as the table has them.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Kept(#[serde(deserialize_with = "cara_authority::approval::kept_destinations")] Vec<String>);

/// A row of the table; more columns than a tuple takes.
struct Stored {
    call: Call,
    arguments: Vec<u8>,
    destinations: Option<Vec<u8>>,
    decision: Option<Vec<u8>>,
    result: Option<Vec<u8>>,
}

impl FromRow<'_, SqliteRow> for Stored {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        let time = |column| Ok::<_, sqlx::Error>(row.try_get::<Option<Number>, _>(column)?.map(|ms| ms.0));
        let digest: Vec<u8> = row.try_get("digest")?;
        let call = Call {
            run: row.try_get::<As<_>, _>("run")?.0,
            call_id: row.try_get("call_id")?,
            component: row.try_get::<As<_>, _>("component")?.0,
            digest: digest.try_into().map_err(|_| sqlx::Error::Decode("a digest of another length".into()))?,
            tool: row.try_get::<As<_>, _>("tool")?.0,
            arguments: Value::Null,
            destinations: Vec::new(),
            lasting: row.try_get("lasting")?,
            state: row.try_get::<As<_>, _>("state")?.0,
            decision: None,
            approval: row.try_get::<Option<As<_>>, _>("approval")?.map(|id| id.0),
            result: None,
            label: row.try_get::<As<_>, _>("label")?.0,
            proposed_ms: row.try_get::<Number, _>("proposed_ms")?.0,
            started_ms: time("started_ms")?,
            ended_ms: time("ended_ms")?,
        };
        let (arguments, destinations) = (row.try_get("arguments")?, row.try_get("destination")?);
        Ok(Self { call, arguments, destinations, decision: row.try_get("decision")?, result: row.try_get("result")? })
    }
}

impl Stored {
    fn open(self, seal: &Seal) -> Result<Call, LedgerError> {
        let Self { mut call, arguments, destinations, decision, result } = self;
        let (digest, label) = (hex::encode(call.digest), call.label.to_string());
        let called = [call.component.as_str(), &digest, call.tool.as_str()];
        let spots = Spots { run: &call.run, call_id: &call.call_id };
        let arguments = spots.with("arguments", &called, |spot| seal.open_json(spot, arguments))?;
        let kept: Option<Kept> = spots.with("destination", &called, |spot| seal.open_maybe(spot, destinations))?;
        let decision = spots.with("decision", &[], |spot| seal.open_maybe(spot, decision))?;
        let result = spots.with("result", &[&label], |spot| seal.open_maybe(spot, result))?;
        call.destinations = kept.map(|kept| kept.0).unwrap_or_default();
        (call.arguments, call.decision, call.result) = (arguments, decision, result);
        Ok(call)
    }
}
