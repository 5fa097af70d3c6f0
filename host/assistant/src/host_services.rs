//! What the assistant does for a tool: in the name of one person, in one call.
//!
//! One file for each interface. What a tool reads through it joins the label of the call's result, so nothing private or
//! untrusted comes in unseen.

mod approvals;
mod attachments;
mod configuration;
mod memory;
mod messaging;
mod models;
mod sessions;

use crate::approvals::{Approvals, Question, Settled};
use crate::assistant::RunContext;
use crate::audience::Audience;
use crate::event::{Asked, NOBODY};
use crate::language_model::LanguageModel;
use crate::metering::Meter;
use crate::outbound::Outbound;
use cara_authority::tool_call::canonical;
use cara_authority::{Label, PersonId, Refusal, Rule, RunId, ServiceGrant, SessionId, Source, ToolCall, ToolName};
use cara_kernel::{HostServices, Labels};
use cara_records::Records;
use cara_services::ledger::LedgerError;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};

/// The services that the host offers to one call.
pub(crate) struct TurnServices {
    pub(crate) records: Records,
    pub(crate) approvals: Approvals,
    pub(crate) outbound: Arc<dyn Outbound>,
    pub(crate) configuration: Arc<Value>,
    pub(crate) person: PersonId,
    /// Who reads the answers of the session.
    pub(crate) audience: Audience,
    /// Whether the session has a memory.
    pub(crate) remembers: bool,
    pub(crate) session: SessionId,
    pub(crate) run: RunId,
    pub(crate) call: ToolCall,
    pub(crate) call_id: String,
    /// What the run had seen before the call, and what its arguments were made of.
    pub(crate) before: Label,
    /// What the component may bring in by itself.
    pub(crate) own: Label,
    pub(crate) seen: Mutex<Label>,
    pub(crate) meter: Meter,
    pub(crate) language_model: Arc<dyn LanguageModel>,
    pub(crate) run_context: RunContext,
}

impl TurnServices {
    /// All of them, as the kernel takes them.
    pub(crate) fn offered(self: &Arc<Self>) -> HostServices {
        HostServices {
            // A tool is called, and no channel.
            inbox: None,
            sent: None,
            labels: Some(self.clone()),
            approvals: Some(self.clone()),
            attachments: Some(self.clone()),
            configuration: Some(self.clone()),
            memory: Some(self.clone()),
            messaging: Some(self.clone()),
            models: Some(self.clone()),
            sessions: Some(self.clone()),
        }
    }

    /// Whether the owner alone asks and reads.
    fn is_for_owner(&self) -> bool {
        let asks = self.run_context.person.as_ref().unwrap_or(&self.person);
        *asks == PersonId::owner() && !self.audience.is_group()
    }

    /// What the call has read through them.
    pub(crate) fn seen(&self) -> Label {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks a person about something that the approval of the call does not cover.
    async fn ask_person(&self, what: &ToolCall, why: String) -> Result<Settled, Refusal> {
        let deciders = self.audience.deciders(&self.records, &self.label(), &self.run_context.deciders).await;
        let deciders = deciders.map_err(ledger)?;
        let asked = Asked::about(what, self.label(), vec![why], self.approvals.deadline_ms());
        let question = Question {
            binding: what.binding(),
            session: &self.session,
            run: &self.run,
            call: &self.call_id,
            person: &self.person,
            deciders: &deciders,
            earlier: None,
            asked,
        };
        let asked = self.approvals.ask(vec![question], &*self.run_context.approver, &*self.run_context.listen).await;
        let settled = asked.map_err(|failure| unavailable(&failure.message))?.pop();
        let (id, settled) = settled.ok_or_else(|| unavailable("nobody was asked"))?;
        let is_left = !self.run_context.approver.waits() && matches!(settled, Settled::Allowed { .. });
        // A yes that was given after an earlier run is good for one time here too.
        if is_left && !self.records.use_queued(&id).await.map_err(ledger)? {
            return Ok(Settled::of_host(NOBODY, "the approval was used already"));
        }
        self.saw(&settled.label(self.run_context.person.as_ref().unwrap_or(&self.person)));
        Ok(settled)
    }

    /// A call of the host's own kind in the name of the component, for a question of its own.
    fn own_call(&self, tool: &str, arguments: &Value, destinations: Vec<String>) -> Result<ToolCall, Refusal> {
        let tool = ToolName::parse(tool).map_err(|error| Refusal::new(Rule::Invalid, error.to_string()))?;
        Ok(ToolCall { tool, arguments: canonical(arguments), destinations, ..self.call.clone() })
    }
}

impl Labels for TurnServices {
    fn person(&self) -> &PersonId {
        &self.person
    }

    fn label(&self) -> Label {
        self.before.join(&Label::of(Source::Model)).join(&self.own).join(&self.seen())
    }

    fn saw(&self, label: &Label) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = seen.join(label);
    }
}

/// Refuses what the call's memory has no room for.
fn fits(by: &ServiceGrant, size: u64, room: u64) -> Result<(), Refusal> {
    if size <= room {
        return Ok(());
    }
    let (component, power) = (by.component(), by.power());
    let text = format!("component `{component}` asks `{power}` for {size} bytes, its memory has room for {room}");
    Err(Refusal::new(Rule::Limit, text).hint("to allow more, raise `memory` in its limits"))
}

fn unavailable(text: &str) -> Refusal {
    Refusal::new(Rule::Unavailable, text.to_owned())
}

/// A component learns that the ledger failed, not how.
fn ledger(error: LedgerError) -> Refusal {
    tracing::warn!(%error, "the ledger failed in a tool's call");
    unavailable("what the assistant keeps cannot be used now").hint("the host's log says why")
}
