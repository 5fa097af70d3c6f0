//! What becomes of each call that the model asks for,
//! before any of them is made.

use super::Run;
use crate::approvals::{always_text, covers};
use crate::dictation::dictating;
use crate::event::{Asked, Failure, TurnEvent};
use crate::part::{Message, Role};
use crate::provenance::Found;
use crate::query::own_words;
use crate::session::lost;
use crate::toolbox::{BUILT_IN, Offered, full_name};
use cara_authority::manifest::Effect;
use cara_authority::policy::{LABEL_FOLLOWED, LABEL_QUERY, Situation};
use cara_authority::{Action, Decision, Label, Needed, Policy, Provenance, RuleId, ToolCall};
use cara_records::{CallState, NewCall};
use serde_json::{Value, json};
use std::sync::Arc;

/// How often each bit counts that a hit or a query tells after private content: twelve of them may go unasked in a
/// session, less than a number of four digits has.
const PRIVATE: u64 = 10;

/// A call that fits its tool, and what was decided about it.
pub(crate) struct Planned {
    pub(crate) id: String,
    /// What the model called the tool by.
    pub(super) name: String,
    pub(crate) offered: Arc<Offered>,
    pub(crate) call: ToolCall,
    pub(super) decision: Decision,
    /// The stored rule that answers in a person's place.
    pub(super) rule: Option<RuleId>,
    /// What the run had seen when it was decided.
    pub(crate) seen: Label,
    /// Whether a person was asked about it before a restart: then their answer counts, and nothing in its place.
    pub(super) asked: bool,
    /// What words came from that were put into its arguments.
    pub(super) carried: Label,
}

/// What becomes of one thing the model asked for.
pub(super) enum Plan {
    /// It is no call of a tool there is; the text says why, for the model.
    Misfit { id: String, name: String, text: String, carried: Label },
    /// The call can be made.
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
    /// Whether the call is made without asking.
    pub(super) fn runs(&self) -> bool {
        !self.asked && (self.decision.then() == Action::Allow || self.rule.is_some())
    }

    /// Whether the policy alone lets it run.
    pub(super) fn is_free(&self) -> bool {
        self.runs() && self.rule.is_none()
    }

    /// Whether a person is asked about it.
    pub(super) fn asks(&self) -> bool {
        self.decision.then() != Action::Deny && !self.runs()
    }

    /// As the ledger keeps it.
    pub(super) fn record(&self) -> Result<NewCall, Failure> {
        let arguments: Value = serde_json::from_str(&self.call.arguments)
            .map_err(|error| Failure::own("ledger", format!("canonical arguments: {error}")))?;
        let state = match self.decision.then() {
            Action::Deny => CallState::Denied,
            _ if self.runs() => CallState::Allowed,
            Action::Allow => CallState::Allowed,
            Action::Ask => CallState::Waiting,
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
        let (arguments, carried) = self.values.fill_arguments(arguments);
        let read = self.toolbox.get(&name).and_then(|offered| {
            let call = offered.read(&arguments, self.session.id())?;
            Ok((offered.clone(), call))
        });
        let (offered, call) = match read {
            Ok(read) => read,
            Err(misfit) => return Ok(Plan::Misfit { id, name, text: misfit.to_string(), carried }),
        };
        let rules = self.assistant.rules.now();
        self.sources.update(&self.session.messages, &rules.policy);
        let (decision, seen) = self.decide(&rules.policy, &id, &offered, &call, carried.clone()).await?;
        let rule = if decision.may_be_answered_by_rule() { self.stored_rule(&offered, &call).await? } else { None };
        let then = if rule.is_some() { Action::Allow } else { decision.then() };
        self.tell(TurnEvent::ToolDecision {
            id: id.clone(),
            name: name.clone(),
            then,
            lines: decision.lines().to_vec(),
        });
        Ok(Plan::Call(Box::new(Planned { id, name, offered, call, decision, rule, seen, asked: false, carried })))
    }

    async fn decide(
        &mut self,
        policy: &Policy,
        id: &str,
        offered: &Offered,
        call: &ToolCall,
        carried: Label,
    ) -> Result<(Decision, Label), Failure> {
        let own = self.seen();
        let seen = own.join(&carried);
        let found: Vec<Found> = call.destinations.iter().map(|to| self.sources.find(to, policy)).collect();
        // A link that a planner names, who saw no stranger's words, was put there before it was chosen, and nobody who
        // steers was told anything private: to read it tells as little as one that the owner wrote.
        let named = carried != Label::NONE && !own.is_untrusted() && !carried.is_private() && !offered.is_lasting();
        // So is a hit of the person's own query, as long as nothing private came in that whoever steers may have had
        // fetched: what stood there before can be told by the choice among hits alone, which is counted.
        let hit = |found: &Found| found.hit && !offered.is_lasting() && !self.has_new_private();
        let provenance = found.iter().map(|found| match found.provenance {
            Provenance::Content if named || hit(found) => Provenance::Owner,
            provenance => provenance,
        });
        let provenance = provenance.max();
        let weight = |found: &Found| if seen.is_private() && !named && hit(found) { PRIVATE } else { 1 };
        let link = |found: &Found| u64::from(found.bits) * weight(found);
        let query = self.own_query(offered, call);
        let asks = if seen.is_private() && seen.is_untrusted() { query.unwrap_or_default() } else { 0 };
        let bits = found.iter().map(link).sum::<u64>() + u64::from(asks) * PRIVATE;
        let followed = if bits == 0 { 0 } else { self.session.followed + bits };
        let dictated = self.dictates(offered, call);
        let context = &self.session.context;
        let decision = policy.decide(&Situation {
            call,
            full_name: &full_name(&call.component, &call.tool),
            unclear: self.toolbox.is_shared(&call.tool) || offered.belief.signer != BUILT_IN,
            effects: &offered.effects,
            agent: &context.agent,
            channel: &context.channel,
            person: &context.person,
            seen: &seen,
            provenance,
            followed,
            dictated: dictated.is_some(),
            queries: offered.queries(call) && !self.queried && query.is_none(),
        });
        if query.is_some() {
            self.sources.own_query(id);
        }
        self.dictated.extend(dictated);
        if followed > 0 && seen.is_untrusted() {
            self.follow(followed).await?;
        }
        Ok((decision, seen))
    }

    /// What a query tells that is made of the person's own words, bits. The engine is one that the operator believes, and
    /// nothing private came in with these words.
    fn own_query(&self, offered: &Offered, call: &ToolCall) -> Option<u32> {
        let message = self.session.messages.iter().rfind(|message| message.role == Role::User)?;
        let asks = offered.belief.component && offered.queries(call) && !self.has_new_private();
        asks.then(|| own_words(call, &offered.tool.input, message)).flatten()
    }

    /// Whether anything private came in with the message that is being answered, or since.
    fn has_new_private(&self) -> bool {
        let messages = &self.session.messages;
        let from = messages.iter().rposition(|message| message.role == Role::User).unwrap_or_default();
        let others = messages[from..].iter().filter(|message| message.role != Role::Assistant);
        others.map(Message::label).any(|label| label.is_private())
    }

    /// The clause of the message that is being answered that dictates the call, if it dictated none yet.
    pub(super) fn dictates(&self, offered: &Offered, call: &ToolCall) -> Option<usize> {
        // A name that others have does not say which of them the person means, and a stranger's tool is called as its
        // author likes.
        if self.toolbox.is_shared(&call.tool) || !offered.belief.component || !self.speaker_decides() {
            return None;
        }
        let message = self.session.messages.iter().rfind(|message| message.role == Role::User)?;
        let sends = offered.effects.contains(&Effect::SendsOutside);
        let found = || dictating(call, &offered.tool.input, sends, message, &self.dictated);
        offered.is_lasting().then(found).flatten()
    }

    /// Whether whoever speaks could allow alone what is asked in the run: else their words do not either.
    fn speaker_decides(&self) -> bool {
        let deciders = &self.run_context.deciders;
        let speaker = self.run_context.person.as_ref().unwrap_or(self.session.person());
        deciders.needed() == 1 && deciders.persons.contains(speaker)
    }

    /// Keeps what following links may have told.
    async fn follow(&mut self, bits: u64) -> Result<(), Failure> {
        self.session.followed = bits;
        self.assistant.records.set_followed(self.session.id(), bits).await.map_err(lost)
    }

    /// What else a person's yes to a call allows: as many links again, and further queries of this run.
    pub(super) async fn allowed(&mut self, planned: &Planned) -> Result<(), Failure> {
        let asked = |name: &str| planned.decision.lines().iter().any(|line| line.name == name);
        self.queried |= asked(LABEL_QUERY);
        if asked(LABEL_FOLLOWED) { self.follow(0).await } else { Ok(()) }
    }

    /// The rule of this person that covers exactly such a call.
    async fn stored_rule(&self, offered: &Offered, call: &ToolCall) -> Result<Option<RuleId>, Failure> {
        if self.session.context.audience.is_group() {
            return Ok(None);
        }
        let rules = self.assistant.records.rules().await.map_err(lost)?;
        let found =
            rules.into_iter().find(|stored| covers(stored, call, &offered.belief.signer, self.session.person()));
        Ok(found.map(|stored| stored.id))
    }

    /// What a person is asked about a call.
    pub(super) fn asked(&self, planned: &Planned) -> Asked {
        let Planned { offered, call, decision, .. } = planned;
        let only_own_store =
            offered.effects.iter().all(|effect| !effect.reaches_out() || *effect == Effect::ChangesState);
        let asks = decision.lines().iter().filter(|line| line.then == Action::Ask).map(|line| line.why.clone());
        let deadline_ms = self.assistant.approvals.deadline_ms();
        let mut asked = Asked {
            signer: Some(offered.belief.signer.clone()),
            within_session: only_own_store && offered.tool.destination.is_empty(),
            ..Asked::about(call, planned.seen.clone(), asks.collect(), deadline_ms)
        };
        let one_decides = self.run_context.deciders.needed == Needed::Any && !self.session.context.audience.is_group();
        asked.always = (one_decides && decision.may_be_answered_by_rule()).then(|| always_text(&asked));
        asked
    }
}
