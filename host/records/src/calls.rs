//! Calls of tools, kept with the messages around them and read again.

use super::{CallSpots, CallState, FinishedCall, NewCall, NewMessage, Open, Records, Seal, Tail};
use cara_authority::{ApprovalId, ComponentId, Label, RunId, ToolName};
use cara_services::ledger::LedgerError;
use cara_services::ledger::records::{end_call, insert_call};
use cara_services::ledger::sql::{As, Cause, FromRow, Number, Row, query_as};
use serde_json::Value;

/// A call as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The run it belongs to.
    pub run: RunId,
    /// The model's id of it.
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
    /// Whether the call is never begun twice.
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

impl Records {
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
            insert_call(sql, &self.seal, run, position, call, now_ms).await?;
        }
        tail.save(sql, now_ms).await?;
        open.saw(sql, run, &message.label).await?;
        change.commit().await
    }

    /// Keeps how a call ended; durable when it returns.
    pub async fn finish(&self, run: &RunId, call: &FinishedCall) -> Result<(), LedgerError> {
        let now_ms = self.ledger.now_ms();
        let mut change = self.ledger.change().await?;
        let sql = &mut change.sql();
        let open = Open::read(sql, run).await?;
        end_call(sql, &self.seal, run, call, now_ms).await?;
        open.saw(sql, run, &call.label).await?;
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
            end_call(sql, &self.seal, run, call, now_ms).await?;
        }
        let label = calls.iter().map(|call| call.label.clone()).chain([message.label.clone()]).collect::<Label>();
        let mut tail = Tail::read(sql, &open.session).await?;
        tail.add(sql, &self.seal, Some(run), &NewMessage { label: label.clone(), ..message.clone() }, now_ms).await?;
        tail.save(sql, now_ms).await?;
        open.saw(sql, run, &label).await?;
        change.commit().await
    }

    /// The calls of a run, in the order in which they were asked for.
    pub async fn calls(&self, run: &RunId) -> Result<Vec<Call>, LedgerError> {
        let query = query_as::<Stored>("SELECT * FROM calls WHERE run = $1 ORDER BY position");
        let rows = self.ledger.reader().await?.sql().all(query.bind(run.as_str())).await?;
        rows.into_iter().map(|row| row.open(&self.seal)).collect()
    }

    /// One call.
    pub async fn call(&self, run: &RunId, call_id: &str) -> Result<Option<Call>, LedgerError> {
        let query = query_as::<Stored>("SELECT * FROM calls WHERE run = $1 AND call_id = $2");
        let row = self.ledger.reader().await?.sql().one(query.bind(run.as_str()).bind(call_id)).await?;
        row.map(|row| row.open(&self.seal)).transpose()
    }
}

/// A row of the table; more columns than a tuple takes.
struct Stored {
    call: Call,
    arguments: Vec<u8>,
    destinations: Option<Vec<u8>>,
    decision: Option<Vec<u8>>,
    result: Option<Vec<u8>>,
}

impl FromRow for Stored {
    fn from_row(row: &Row<'_>) -> Result<Self, Cause> {
        let time = |column| Ok::<_, Cause>(row.named::<Option<Number>>(column)?.map(|ms| ms.0));
        let digest: Vec<u8> = row.named("digest")?;
        let call = Call {
            run: row.named::<As<_>>("run")?.0,
            call_id: row.named("call_id")?,
            component: row.named::<As<_>>("component")?.0,
            digest: digest.try_into().map_err(|_| Cause::Decode("a digest of another length".into()))?,
            tool: row.named::<As<_>>("tool")?.0,
            arguments: Value::Null,
            destinations: Vec::new(),
            lasting: row.named("lasting")?,
            state: row.named::<As<_>>("state")?.0,
            decision: None,
            approval: row.named::<Option<As<_>>>("approval")?.map(|id| id.0),
            result: None,
            label: row.named::<As<_>>("label")?.0,
            proposed_ms: row.named::<Number>("proposed_ms")?.0,
            started_ms: time("started_ms")?,
            ended_ms: time("ended_ms")?,
        };
        let (arguments, destinations) = (row.named("arguments")?, row.named("destination")?);
        Ok(Self { call, arguments, destinations, decision: row.named("decision")?, result: row.named("result")? })
    }
}

impl Stored {
    fn open(self, seal: &Seal) -> Result<Call, LedgerError> {
        let Self { mut call, arguments, destinations, decision, result } = self;
        let (digest, label) = (hex::encode(call.digest), call.label.to_string());
        let called = [call.component.as_str(), &digest, call.tool.as_str()];
        let spots = CallSpots { run: &call.run, call_id: &call.call_id };
        let arguments = spots.with("arguments", &called, |spot| seal.open_json(spot, arguments))?;
        let kept: Option<Vec<String>> =
            spots.with("destination", &called, |spot| seal.open_maybe(spot, destinations))?;
        let decision = spots.with("decision", &[], |spot| seal.open_maybe(spot, decision))?;
        let result = spots.with("result", &[&label], |spot| seal.open_maybe(spot, result))?;
        call.destinations = kept.unwrap_or_default();
        (call.arguments, call.decision, call.result) = (arguments, decision, result);
        Ok(call)
    }
}
