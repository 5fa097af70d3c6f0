//! Calls of tools: what a model asked for, what was decided, what came of it.

use super::seal::{Seal, Spot};
use crate::ledger::sql::{As, Sql, query, query_as};
use crate::ledger::{LedgerError, to_sql};
use cara_authority::{ComponentId, Label, RunId, ToolName, display_safe};
use serde_json::Value;

cara_authority::words! {
    /// How far a call is.
    CallState {
        /// A model asked for it.
        Proposed = "proposed",
        /// A person is asked.
        Waiting = "waiting",
        /// The call may begin.
        Allowed = "allowed",
        /// The call was refused.
        Denied = "denied",
        /// It began; whether its effect happened is not known.
        Started = "started",
        /// The call ended well.
        Done = "done",
        /// The call ended with an error.
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

    /// Whether a decision can bring a call here. Only [`super::Runs::start`] begins one.
    fn is_decision(self) -> bool {
        matches!(self, Self::Waiting | Self::Allowed | Self::Denied)
    }
}

/// A call that a model asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct NewCall {
    /// The model's id of it, made unique within the run: a second one of the same id is a conflict.
    pub call_id: String,
    /// The component that is called.
    pub component: ComponentId,
    /// The digest of that component's package.
    pub digest: [u8; 32],
    /// The component's tool.
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
    /// The id of the call.
    pub call_id: String,
    /// `Done`, `Failed`, `Denied` or `Interrupted`.
    pub state: CallState,
    /// What came of it; its form is the caller's.
    pub result: Value,
    /// What the result came from.
    pub label: Label,
}

/// The error for a call that is not where it would have to be.
pub(super) async fn too_late(sql: &mut Sql<'_>, run: &RunId, call_id: &str) -> LedgerError {
    let query = query_as::<(As<CallState>,)>("SELECT state FROM calls WHERE run = $1 AND call_id = $2");
    match sql.one(query.bind(run.as_str()).bind(call_id)).await {
        Ok(Some((state,))) => conflict(call_id, state.0.name()),
        Ok(None) => LedgerError::no_such("call", call_id),
        Err(error) => error,
    }
}

fn conflict(call_id: &str, state: &'static str) -> LedgerError {
    LedgerError::Conflict { what: "call", id: display_safe(call_id), state }
}

/// Where the sealed columns of a call stand.
pub struct CallSpots<'a> {
    /// The run of the call.
    pub run: &'a RunId,
    /// The model's id of it.
    pub call_id: &'a str,
}

impl CallSpots<'_> {
    /// The spot of a column, sealed together with `more`.
    pub fn with<T>(&self, column: &'static str, more: &[&str], with: impl FnOnce(Spot<'_>) -> T) -> T {
        let row = [&[self.run.as_str(), self.call_id], more].concat();
        with(Spot { table: "calls", column, row: &row })
    }
}

/// Keeps a call that a model asks for, at a place of its own in the run.
pub async fn insert_call(
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
    let spots = CallSpots { run, call_id: &call.call_id };
    // Sealed with what is called: the arguments cannot be given to another tool.
    let digest = hex::encode(call.digest);
    let called = [call.component.as_str(), &digest, call.tool.as_str()];
    let arguments = spots.with("arguments", &called, |spot| seal.seal_json(spot, &call.arguments))?;
    let sealed = |spot: Spot<'_>| seal.seal_json(spot, &call.destinations);
    let destinations =
        (!call.destinations.is_empty()).then(|| spots.with("destination", &called, sealed)).transpose()?;
    let sealed = |text| spots.with("decision", &[], |spot| seal.seal_json(spot, text));
    let decision = call.decision.as_ref().map(sealed).transpose()?;
    let query = query(
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

/// Keeps how a call ended.
pub async fn end_call(
    sql: &mut Sql<'_>,
    seal: &Seal,
    run: &RunId,
    call: &FinishedCall,
    now_ms: u64,
) -> Result<(), LedgerError> {
    let label = call.label.to_string();
    let spots = CallSpots { run, call_id: &call.call_id };
    let result = spots.with("result", &[&label], |spot| seal.seal_json(spot, &call.result))?;
    // What did not begin cannot have been done, and what began not denied. What a decision or the end of the run ended
    // gets its result here, once.
    let query = match call.state {
        CallState::Done | CallState::Failed => query(
            "UPDATE calls SET state = $3, result = $4, label = $5, ended_ms = $6 \
             WHERE run = $1 AND call_id = $2 AND state = 'started'",
        ),
        CallState::Denied => query(
            "UPDATE calls SET state = $3, result = $4, label = $5, ended_ms = $6 WHERE run = $1 AND call_id = $2 \
             AND (state IN ('proposed', 'waiting', 'allowed') OR (state = 'denied' AND result IS NULL))",
        ),
        CallState::Interrupted => query(
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
