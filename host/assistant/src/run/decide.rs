//! What becomes of each call that the model asks for,
//! before any of them is made.

use super::Run;
use crate::desk::{always_text, covers};
use crate::event::{Asked, Failure, TurnEvent};
use crate::session::lost;
use crate::standing::standing;
use crate::toolbox::Offered;
use cara_authority::manifest::Effect;
use cara_authority::policy::Situation;
use cara_authority::{Decision, Label, RuleId, Standing, Then, ToolCall};
use cara_services::ledger::records::{CallState, NewCall};
use serde_json::{Value, json};
use std::sync::Arc;

/// A call that fits its tool, and what was decided about it.
pub(crate) struct Planned {
    pub(crate) id: String,
    pub(crate) offered: Arc<Offered>,
    pub(crate) call: ToolCall,
    pub(super) decision: Decision,
    /// The stored rule that answers in a person's place.
    pub(super) rule: Option<RuleId>,
    /// What the run had seen when it was decided.
    pub(crate) seen: Label,
    /// Whether a person was asked about it before a restart: then their answer counts, and nothing in its place.
    pub(super) asked: bool,
}

/// What becomes of one thing the model asked for.
pub(super) enum Plan {
    /// It is no call of a tool there is; the text says why, for the model.
    Misfit { id: String, name: String, text: String },
    /// It is one.
    Call(Box<Planned>),
}

impl Plan {
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Misfit { id, .. } => id,
            Self::Call(planned) => &planned.id,
        }
    }
}

impl Planned {
    /// Whether it is made without asking.
    pub(super) fn runs(&self) -> bool {
        !self.asked && (self.decision.then() == Then::Run || self.rule.is_some())
    }

    /// Whether the policy alone lets it run.
    pub(super) fn is_free(&self) -> bool {
        self.runs() && self.rule.is_none()
    }

    /// Whether a person is asked about it.
    pub(super) fn asks(&self) -> bool {
        self.decision.then() != Then::Deny && !self.runs()
    }

    /// As the ledger keeps it.
    pub(super) fn record(&self) -> Result<NewCall, Failure> {
        let arguments: Value = serde_json::from_str(&self.call.arguments)
            .map_err(|error| Failure::own("ledger", format!("canonical arguments: {error}")))?;
        let state = match self.decision.then() {
            Then::Deny => CallState::Denied,
            _ if self.runs() => CallState::Allowed,
            Then::Run => CallState::Allowed,
            Then::Ask => CallState::Waiting,
        };
        let decision = json!({
            "then": self.decision.then(),
            "lines": self.decision.lines(),
            "seen": self.seen,
            "stored-rule": self.rule.as_ref().map(ToString::to_string),
        });
        Ok(NewCall {
            call_id: self.id.clone(),
            component: self.call.component.clone(),
            digest: self.call.digest,
            tool: self.call.tool.clone(),
            arguments,
            destinations: self.call.destinations.clone(),
            binding: self.call.binding().0,
            lasting: self.offered.is_lasting(),
            state,
            decision: Some(decision),
        })
    }
}

impl Run<'_> {
    /// Decides on one call.
    pub(super) async fn plan(&mut self, id: String, name: String, arguments: &str) -> Result<Plan, Failure> {
        let read = self.toolbox.get(&name).and_then(|offered| {
            let call = offered.read(arguments, self.session.id())?;
            Ok((offered.clone(), call))
        });
        let (offered, call) = match read {
            Ok(read) => read,
            Err(misfit) => return Ok(Plan::Misfit { id, name, text: misfit.to_string() }),
        };
        let (decision, seen, standing) = self.decide(&offered, &call);
        if standing == Some(Standing::Read) && self.seen().is_untrusted() {
            self.followed += 1;
        }
        let rule = if decision.may_be_answered_by_rule() { self.stored_rule(&call).await? } else { None };
        let then = if rule.is_some() { Then::Run } else { decision.then() };
        self.tell(TurnEvent::ToolDecision { id: id.clone(), name, then, lines: decision.lines().to_vec() });
        Ok(Plan::Call(Box::new(Planned { id, offered, call, decision, rule, seen, asked: false })))
    }

    fn decide(&self, offered: &Offered, call: &ToolCall) -> (Decision, Label, Option<Standing>) {
        let seen = self.seen();
        let of = |to: &String| standing(to, &self.session.messages, &self.assistant.policy);
        let standing = call.destinations.iter().map(of).max();
        let circumstances = &self.session.circumstances;
        let decision = self.assistant.policy.decide(&Situation {
            call,
            effects: &offered.effects,
            agent: &circumstances.agent,
            channel: &circumstances.channel,
            person: &circumstances.person,
            seen,
            standing,
            followed: self.followed,
        });
        (decision, seen, standing)
    }

    /// The rule of this person that covers exactly such a call.
    async fn stored_rule(&self, call: &ToolCall) -> Result<Option<RuleId>, Failure> {
        let rules = self.assistant.records.rules().await.map_err(lost)?;
        let found = rules.into_iter().find(|stored| covers(stored, call, self.session.person()));
        Ok(found.map(|stored| stored.id))
    }

    /// What a person is asked about a call.
    pub(super) fn asked(&self, planned: &Planned) -> Asked {
        let Planned { offered, call, decision, .. } = planned;
        let only_own_store =
            offered.effects.iter().all(|effect| !effect.reaches_out() || *effect == Effect::ChangesState);
        let mut asked = Asked {
            id: String::new(),
            component: call.component.to_string(),
            digest: hex::encode(call.digest),
            tool: call.tool.to_string(),
            arguments: call.arguments.clone(),
            destinations: call.destinations.clone(),
            session: call.session.to_string(),
            seen: planned.seen,
            why: decision.lines().iter().filter(|line| line.then == Then::Ask).map(|line| line.why.clone()).collect(),
            always: None,
            within_session: only_own_store && offered.tool.destination.is_empty(),
            deadline_ms: self.assistant.desk.deadline_ms(),
        };
        asked.always = decision.may_be_answered_by_rule().then(|| always_text(&asked));
        asked
    }
}
