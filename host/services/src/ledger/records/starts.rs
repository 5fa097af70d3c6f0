//! The moment before an effect: what is begun is on disk first, once.

use super::approvals::{self, StartRefused};
use super::calls::{CallState, binding, too_late};
use super::runs::Open;
use super::{RunState, Runs};
use crate::ledger::sql::{As, Sql, query, query_as};
use crate::ledger::{LedgerError, to_sql};
use cara_authority::{ApprovalId, ComponentId, RuleId, RunId, ToolName};
use serde_json::json;
use subtle::ConstantTimeEq;

/// Having a `Started` tells you: the ledger says that this call began, and who asks to begin it now is refused. If it
/// leaves something behind or spent an approval, that is on disk.
#[derive(Debug, PartialEq, Eq)]
pub struct Started {
    run: RunId,
    call_id: String,
}

impl Started {
    /// The run of the call.
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// The model's id of the call.
    pub fn call_id(&self) -> &str {
        &self.call_id
    }
}

/// By what a call begins.
#[derive(Debug, Clone, Copy)]
pub enum By<'a> {
    /// The policy let it run.
    Policy,
    /// A stored rule lets it run; it must still be stored.
    Rule(&'a RuleId),
    /// A person approved exactly the call of this binding.
    Approval(&'a ApprovalId, &'a [u8; 32]),
}

/// A call that shall begin.
struct Ready {
    component: As<ComponentId>,
    tool: As<ToolName>,
    binding: Vec<u8>,
    lasting: bool,
    state: As<CallState>,
}

impl Ready {
    async fn read(sql: &mut Sql<'_>, run: &RunId, call_id: &str) -> Result<Self, StartRefused> {
        let query = query_as::<(As<ComponentId>, As<ToolName>, Vec<u8>, bool, As<CallState>)>(
            "SELECT component, tool, binding, lasting, state FROM calls WHERE run = $1 AND call_id = $2",
        );
        match sql.one(query.bind(run.as_str()).bind(call_id)).await? {
            Some((component, tool, binding, lasting, state)) => Ok(Self { component, tool, binding, lasting, state }),
            None => Err(LedgerError::no_such("call", call_id).into()),
        }
    }
}

impl Runs {
    /// Begins a call; the effect may follow when this returns, for it is on disk then.
    ///
    /// The same change spends an approval: it must be allowed, not past its time of use, and be of this run, call and
    /// binding. Without one, the call must be `Allowed` and nobody may have been asked about it; the same change then
    /// finds the rule that allowed it, or refuses.
    pub async fn start(&self, run: &RunId, call_id: &str, by: By<'_>) -> Result<Started, StartRefused> {
        let mut change = self.ledger.change().await?;
        let sql = &mut change.sql();
        let session = running(sql, run).await?.session;
        let ready = Ready::read(sql, run, call_id).await?;
        match by {
            By::Policy => may_begin(sql, run, call_id, ready.state.0).await?,
            By::Rule(rule) => {
                may_begin(sql, run, call_id, ready.state.0).await?;
                let used = query("UPDATE rules SET last_used_ms = $2 WHERE id = $1").bind(rule.as_str());
                if sql.execute(used.bind(to_sql(self.ledger.now_ms()))).await? == 0 {
                    return Err(StartRefused::Rule(rule.clone()));
                }
            }
            By::Approval(..)
                if !matches!(ready.state.0, CallState::Proposed | CallState::Waiting | CallState::Allowed) =>
            {
                return Err(StartRefused::Call(ready.state.0));
            }
            By::Approval(approval, wanted) => {
                let wanted = binding(&self.seal, wanted);
                if !bool::from(wanted.ct_eq(&ready.binding)) {
                    return Err(StartRefused::OtherApproval);
                }
                let of = approvals::Spend { approval, session: &session, run, call_id, binding: &wanted };
                of.spend(sql, self).await?;
            }
        }
        let approval = if let By::Approval(approval, _) = by { Some(approval) } else { None };
        mark(sql, run, call_id, approval, self.ledger.now_ms()).await?;
        if let Some(approval) = approval {
            let (component, tool) = (ready.component.0.as_str(), ready.tool.0.as_str());
            let detail = json!({ "run": run, "call": call_id, "component": component, "tool": tool });
            change.event("approval-spent", approval.as_str(), detail).await?;
        }
        change.commit().await?;
        Ok(Started { run: run.clone(), call_id: call_id.to_owned() })
    }

    /// Begins calls that leave nothing behind and need no approval, all or none. Does not wait for the disk.
    pub async fn start_reads(&self, run: &RunId, call_ids: &[&str]) -> Result<Vec<Started>, StartRefused> {
        let mut change = self.ledger.light_change().await?;
        let sql = &mut change.sql();
        running(sql, run).await?;
        let mut started = Vec::new();
        for call_id in call_ids {
            let ready = Ready::read(sql, run, call_id).await?;
            if ready.lasting {
                return Err(StartRefused::Lasting);
            }
            may_begin(sql, run, call_id, ready.state.0).await?;
            mark(sql, run, call_id, None, self.ledger.now_ms()).await?;
            started.push(Started { run: run.clone(), call_id: (*call_id).to_owned() });
        }
        change.commit().await?;
        Ok(started)
    }

    /// Begins once more, after a crash, a call that began and leaves nothing behind.
    pub async fn restart(&self, run: &RunId, call_id: &str) -> Result<Started, StartRefused> {
        let mut reader = self.ledger.reader().await?;
        let sql = &mut reader.sql();
        running(sql, run).await?;
        let ready = Ready::read(sql, run, call_id).await?;
        match ready.state.0 {
            CallState::Started if ready.lasting => Err(StartRefused::Lasting),
            CallState::Started => Ok(Started { run: run.clone(), call_id: call_id.to_owned() }),
            state => Err(StartRefused::Call(state)),
        }
    }
}

async fn running(sql: &mut Sql<'_>, run: &RunId) -> Result<Open, StartRefused> {
    let open = Open::read(sql, run).await?;
    if open.state == RunState::Running { Ok(open) } else { Err(StartRefused::Run(open.state)) }
}

/// Whether a call may begin without an approval.
async fn may_begin(sql: &mut Sql<'_>, run: &RunId, call_id: &str, state: CallState) -> Result<(), StartRefused> {
    if state != CallState::Allowed {
        return Err(StartRefused::Call(state));
    }
    let asked = query_as::<(i64,)>("SELECT CAST(1 AS BIGINT) FROM approvals WHERE run = $1 AND call_id = $2 LIMIT 1");
    match sql.one(asked.bind(run.as_str()).bind(call_id)).await? {
        Some(_) => Err(StartRefused::NeedsApproval),
        None => Ok(()),
    }
}

async fn mark(
    sql: &mut Sql<'_>,
    run: &RunId,
    call_id: &str,
    approval: Option<&ApprovalId>,
    now_ms: u64,
) -> Result<(), LedgerError> {
    let query = query(
        "UPDATE calls SET state = 'started', approval = $3, started_ms = $4 \
         WHERE run = $1 AND call_id = $2 AND state IN ('proposed', 'waiting', 'allowed')",
    );
    let query = query.bind(run.as_str()).bind(call_id).bind(approval.map(ApprovalId::as_str)).bind(to_sql(now_ms));
    match sql.execute(query).await? {
        0 => Err(too_late(sql, run, call_id).await),
        _ => Ok(()),
    }
}
