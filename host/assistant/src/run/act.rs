//! A round of calls: written down, asked about where need be, made,
//! and their results told to the model.

use super::Run;
use super::decide::{Plan, Planned};
use super::outcome::{Outcome, not_begun};
use super::think::Answer;
use crate::approvals::{Question, Settled};
use crate::event::{Denial, Failure, TurnEvent};
use crate::host_services::TurnServices;
use crate::part::{Body, Part, Role};
use crate::session::{lost, stored};
use crate::toolbox::{Offered, Toolbox, full_name};
use cara_authority::tool_call::canonical;
use cara_authority::{
    Action, ApprovalId, Approved, ComponentId, Label, Power, SessionId, Source, Ticket, ToolCall, ToolName,
};
use cara_kernel::bindings::tool::Context;
use cara_kernel::bindings::types::Content;
use cara_kernel::{CallServices, Labels};
use cara_records::{By, Call, CallState, FinishedCall, NewAttachment, NewCall, StartRefused};
use futures_util::stream::{FuturesOrdered, StreamExt};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::time::Instant;

/// How many calls that only read are made at once.
const AT_ONCE: usize = 8;

/// What a person said about a call.
enum Answered {
    /// Yes: the approval to spend.
    Allowed(ApprovalId),
    /// No; and where the words of the reason come from.
    Denied(Denial, Label),
    /// It repeats what was denied before.
    DeniedAlready,
}

/// Why a tool cannot be called any more; the text is for the model.
#[derive(Debug, thiserror::Error)]
enum Gone {
    /// Another version has its name.
    #[error("not done: another version of this tool came into use meanwhile; call it again")]
    Replaced,
    /// The tool is not offered.
    #[error("not done: this tool was switched off meanwhile")]
    Off,
    /// A setting names another server.
    #[error("not done: this tool connects to another server meanwhile; call it again")]
    Moved,
}

/// What a model is told that repeats a denied call.
const DENIED_ALREADY: &str = "denied already in this run, and not asked about again. Do not try to get around this.";

/// A call as it was decided on, from the ledger.
fn made_of(call: &Call, session: &SessionId, toolbox: &Toolbox) -> ToolCall {
    ToolCall {
        component: call.component.clone(),
        digest: call.digest,
        tool: call.tool.clone(),
        destinations: call.destinations.clone(),
        servers: toolbox.of(&call.component, &call.tool).map(|(_, offered)| offered.servers()).unwrap_or_default(),
        arguments: canonical(&call.arguments),
        session: session.clone(),
    }
}

impl Run<'_> {
    /// Makes the calls of an answer.
    pub(super) async fn round(&mut self, answer: Answer, calls: Vec<(String, String, String)>) -> Result<(), Failure> {
        self.meter.settle(&answer.paid).await?;
        let mut plans = Vec::with_capacity(calls.len());
        let most = self.assistant.limits.calls as usize;
        for (place, (id, name, arguments)) in calls.into_iter().enumerate() {
            if place < most {
                plans.push(self.plan(id, name, &arguments).await?);
            } else {
                let text = format!("not made: one answer may make {most} calls; ask for the others in the next one");
                plans.push(Plan::Misfit { id, name, text, carried: Label::NONE });
            }
        }
        let records: Vec<NewCall> = plans
            .iter()
            .filter_map(|plan| if let Plan::Call(planned) = plan { Some(planned.record()) } else { None })
            .collect::<Result<_, _>>()?;
        let message = stored(Role::Assistant, &answer.parts);
        self.assistant.records.propose(&self.id, &message, &records).await.map_err(lost)?;
        self.session.push(Role::Assistant, answer.parts);
        let results = self.make(plans).await?;
        self.end_round(results).await
    }

    /// After a restart: makes what was not made, and says of the rest what is known.
    pub(super) async fn finish_round(&mut self) -> Result<(), Failure> {
        let known = self.calls_before().await?;
        let open = self.open_calls();
        if open.is_empty() {
            return Ok(());
        }
        let arguments = self.open_arguments();
        let (mut results, mut again) = (Vec::new(), Vec::new());
        for (id, name) in open {
            let call = known.iter().find(|call| call.call_id == id);
            let told = |text: &str, label, state, failed| Outcome {
                id: id.clone(),
                name: name.clone(),
                text: text.into(),
                label,
                failed,
                denied: None,
                state,
            };
            match call {
                Some(call) if call.state == CallState::Started && call.lasting => results.push(told(
                    "interrupted: the host was restarted while this was under way; it is not known whether it happened. Look before doing it again.",
                    Label::of(Source::Tool),
                    Some(CallState::Interrupted),
                    true,
                )),
                Some(call) if call.state.is_ended() && call.result.is_some() => {
                    let text = call.result.as_ref().and_then(|result| result.as_str()).unwrap_or_default();
                    results.push(told(text, call.label.clone(), None, call.state != CallState::Done));
                }
                Some(call) if call.state == CallState::Denied => {
                    results.push(told("denied by the policy", Label::of(Source::Tool), None, true));
                }
                _ => {
                    let written = arguments.iter().find(|(call, _)| *call == id).map_or("", |(_, written)| written);
                    let name = call.map_or(name, |call| self.name_of(&call.component, &call.tool));
                    let mut plan = self.plan(id, name, written).await?;
                    if let Plan::Call(planned) = &mut plan {
                        planned.asked = call.is_some_and(|call| call.state == CallState::Waiting);
                    }
                    again.push(plan);
                }
            }
        }
        results.extend(self.make(again).await?);
        self.end_round(results).await
    }

    /// The calls of the run before a restart, whose ids are used, whose clauses have dictated, and whose denials stand; also
    /// where no round is open, as the model was thinking.
    async fn calls_before(&mut self) -> Result<Vec<Call>, Failure> {
        let known = self.assistant.records.calls(&self.id).await.map_err(lost)?;
        self.used.extend(known.iter().map(|call| call.call_id.clone()));
        let done = known.iter().filter(|call| call.state == CallState::Started || call.state.is_ended());
        for call in done {
            let made = made_of(call, self.session.id(), &self.toolbox);
            let offered = self.toolbox.of(&made.component, &made.tool).map(|(_, offered)| offered.clone());
            let clause = offered.and_then(|offered| self.dictates(&offered, &made));
            self.dictated.extend(clause);
        }
        let denied = known.iter().filter(|call| call.state == CallState::Denied);
        self.denied.extend(denied.map(|call| made_of(call, self.session.id(), &self.toolbox).binding().0));
        Ok(known)
    }

    /// What a tool is called by now. One that is not offered is no other component's of that name.
    fn name_of(&self, component: &ComponentId, tool: &ToolName) -> String {
        let offered = self.toolbox.of(component, tool);
        offered.map_or_else(|| full_name(component, tool).to_string(), |(name, _)| name.to_string())
    }

    pub(super) fn open_arguments(&self) -> Vec<(String, String)> {
        let last = self.session.messages.last();
        let calls = last.into_iter().flat_map(|last| &last.parts).filter_map(|part| match &part.body {
            Body::ToolCall { id, arguments, .. } => Some((id.clone(), arguments.clone())),
            _ => None,
        });
        calls.collect()
    }

    /// Makes calls in their order; neighbours that only read at once.
    async fn make(&mut self, plans: Vec<Plan>) -> Result<Vec<Outcome>, Failure> {
        self.share = self.room_for_results() / (plans.len() + 1);
        let order: Vec<String> = plans.iter().map(|plan| plan.id().to_owned()).collect();
        let mut answers = self.ask_person(&plans).await?;
        let (mut results, mut reads) = (Vec::new(), Vec::new());
        for plan in plans {
            match plan {
                Plan::Misfit { id, name, text, carried } => {
                    let label = Label::of(Source::Tool).join(&carried);
                    results.push(Outcome { id, name, text, label, failed: true, denied: None, state: None });
                }
                Plan::Call(planned) if planned.is_free() && !planned.offered.is_lasting() => reads.push(*planned),
                Plan::Call(planned) => {
                    results.extend(self.read_all(std::mem::take(&mut reads)).await?);
                    let answer = answers.remove(&planned.id);
                    results.push(self.one(*planned, answer).await?);
                }
            }
        }
        results.extend(self.read_all(reads).await?);
        results.sort_by_key(|result| order.iter().position(|id| *id == result.id));
        Ok(results)
    }

    async fn read_all(&self, planned: Vec<Planned>) -> Result<Vec<Outcome>, Failure> {
        let mut results = Vec::with_capacity(planned.len());
        let mut waiting = planned.into_iter();
        loop {
            let group: Vec<Planned> = waiting.by_ref().take(AT_ONCE).collect();
            if group.is_empty() {
                return Ok(results);
            }
            let _passed = self.run_context.gate.enter().await;
            let ids: Vec<&str> = group.iter().map(|planned| planned.id.as_str()).collect();
            self.begin_reads(&ids).await?;
            let made: FuturesOrdered<_> =
                group.iter().map(|planned| self.call(planned, self.approved(planned))).collect();
            let made: Vec<Result<Outcome, Failure>> = made.collect().await;
            for result in made {
                results.push(result?);
            }
        }
    }

    /// Marks reads as begun; after a restart they may have begun before, which harms nothing.
    async fn begin_reads(&self, ids: &[&str]) -> Result<(), Failure> {
        match self.assistant.records.start_reads(&self.id, ids).await {
            Ok(_) => return Ok(()),
            Err(StartRefused::Call(CallState::Started)) => {}
            Err(refused) => return Err(Failure::own("ledger", refused.to_string())),
        }
        for id in ids {
            let begun = match self.assistant.records.start(&self.id, id, By::Policy).await {
                Err(StartRefused::Call(CallState::Started)) => self.assistant.records.restart(&self.id, id).await,
                begun => begun,
            };
            begun.map_err(|refused| Failure::own("ledger", refused.to_string()))?;
        }
        Ok(())
    }

    /// The proof for a call that needs no person.
    fn approved(&self, planned: &Planned) -> Result<Approved<ToolCall>, Failure> {
        let (call, decision) = (planned.call.clone(), &planned.decision);
        let approved = match &planned.rule {
            Some(_) => Approved::by_stored_rule(call, decision),
            None => Approved::by_policy(call, decision),
        };
        approved.map_err(|refused| Failure::own("policy", refused.to_string()))
    }

    /// One call that changes something, or that a person was asked about.
    async fn one(&mut self, planned: Planned, answer: Option<Answered>) -> Result<Outcome, Failure> {
        if planned.decision.then() == Action::Deny {
            let why = planned.decision.lines().first().map(|line| format!("{} ({})", line.why, line.name));
            return Ok(self.deny(planned, format!("denied by the policy: {}", why.unwrap_or_default())));
        }
        let binding = planned.call.binding();
        let allowed = match answer {
            Some(Answered::Denied(denial, words)) => {
                let told = format!("{}. Do not try to get around this.", denial.words("the person"));
                let outcome = self.deny(planned, told);
                let label = outcome.label.join(&words);
                return Ok(Outcome { denied: Some(denial), label, ..outcome });
            }
            Some(Answered::DeniedAlready) => return Ok(self.deny(planned, DENIED_ALREADY.to_owned())),
            Some(Answered::Allowed(approval)) => Some(approval),
            None => None,
        };
        // From here on an answer is used up, whatever becomes of the call.
        let by = match (&allowed, &planned.rule) {
            (Some(approval), _) => By::Approval(approval, &binding.0),
            (None, Some(rule)) => By::Rule(rule),
            (None, None) => By::Policy,
        };
        let _passed = self.run_context.gate.enter().await;
        match self.assistant.records.start(&self.id, &planned.id, by).await {
            Ok(_) => {}
            Err(StartRefused::Ledger(error)) => return Err(lost(error)),
            Err(refused) => return Ok(not_begun(planned, refused.to_string())),
        }
        let approved = match &allowed {
            None => self.approved(&planned)?,
            Some(_) => match Approved::by_person(planned.call.clone(), &planned.decision, &Ticket { binding }) {
                Ok(approved) => approved,
                Err(refused) => return Ok(self.deny(planned, refused.to_string())),
            },
        };
        let mut outcome = self.call(&planned, Ok(approved)).await?;
        // What has happened is on disk before anybody is told, and before the next call.
        if let Some(finished) = outcome.finished() {
            self.assistant.records.finish(&self.id, &finished).await.map_err(lost)?;
            outcome.state = None;
            self.told.insert(outcome.id.clone());
            self.tell(outcome.event());
        }
        Ok(outcome)
    }

    /// Asks about all calls of a round that need it, at once: one screen, and nothing of the round is made before it.
    async fn ask_person(&mut self, plans: &[Plan]) -> Result<HashMap<String, Answered>, Failure> {
        let planned = plans.iter().filter_map(|plan| if let Plan::Call(planned) = plan { Some(planned) } else { None });
        let asked = planned.map(|planned| &**planned).filter(|planned| planned.asks());
        let is_denied = |planned: &&Planned| self.denied.contains(&planned.call.binding().0);
        let (denied, asked): (Vec<&Planned>, Vec<&Planned>) = asked.partition(is_denied);
        let known = denied.into_iter().map(|planned| (planned.id.clone(), Answered::DeniedAlready));
        let mut answers: HashMap<String, Answered> = known.collect();
        if asked.is_empty() {
            return Ok(answers);
        }
        let since = Instant::now();
        let earlier = self.assistant.records.approvals_of(&self.id).await.map_err(lost)?;
        let mut deciders = Vec::with_capacity(asked.len());
        for planned in &asked {
            let own = &self.run_context.deciders;
            let of = self.session.context.audience.deciders(&self.assistant.records, &planned.seen, own);
            deciders.push(of.await.map_err(lost)?);
        }
        let mut questions = Vec::with_capacity(asked.len());
        for (planned, deciders) in asked.iter().zip(&deciders) {
            questions.push(Question {
                binding: planned.call.binding(),
                session: self.session.id(),
                run: &self.id,
                call: &planned.id,
                person: self.session.person(),
                deciders,
                earlier: earlier.iter().rfind(|found| found.call_id == planned.id).map(|found| found.id.clone()),
                asked: self.asked(planned),
            });
        }
        let settled =
            self.assistant.approvals.ask(questions, &*self.run_context.approver, &*self.run_context.listen).await?;
        for (planned, (id, settled)) in asked.iter().zip(settled) {
            let words = settled.label(self.run_context.person.as_ref().unwrap_or(self.session.person()));
            let answer = match settled {
                Settled::Allowed { .. } => {
                    self.allowed(planned).await?;
                    Answered::Allowed(id)
                }
                Settled::Denied { by, reason, .. } => Answered::Denied(Denial { by, reason }, words),
            };
            answers.insert(planned.id.clone(), answer);
        }
        self.waited += since.elapsed();
        Ok(answers)
    }

    fn deny(&mut self, planned: Planned, text: String) -> Outcome {
        self.denied.insert(planned.call.binding().0);
        let (id, name) = (planned.id, planned.name);
        let label = Label::of(Source::Tool);
        Outcome { id, name, text, label, failed: true, denied: None, state: Some(CallState::Denied) }
    }

    /// Makes a call that was approved.
    async fn call(&self, planned: &Planned, approved: Result<Approved<ToolCall>, Failure>) -> Result<Outcome, Failure> {
        let approved = approved?;
        let offered = match self.still_offered(planned).await? {
            Ok(offered) => offered,
            Err(gone) => {
                let (id, name, text) = (planned.id.clone(), planned.name.clone(), gone.to_string());
                let label = Label::of(Source::Tool);
                let state = Some(CallState::Failed);
                return Ok(Outcome { id, name, text, label, failed: true, denied: None, state });
            }
        };
        let host_services = Arc::new(self.host_services(planned));
        let services = CallServices { host_services: host_services.offered(), ..self.assistant.services.clone() };
        let context = Context {
            session: self.session.id().to_string(),
            run: self.id.to_string(),
            time_zone: self.assistant.time_zone.clone(),
            language: None,
        };
        let grants = offered.grants_after(&planned.seen, &approved.call().destinations);
        let returned = offered.component.call_tool(&grants, &services, &approved, context).await;
        let result = offered.result_in(&self.session.context.audience);
        let (text, failed) = match returned {
            Err(fault) => (fault.to_string(), true),
            Ok(returned) => match returned.answer {
                Ok(content) => (self.told(content, host_services.label().join(&planned.carried)).await?, false),
                Err(error) => {
                    let refusals = returned.refusals.iter().map(|refusal| format!("\n{refusal}"));
                    (format!("{}{}", error.message, refusals.collect::<String>()), true)
                }
            },
        };
        let (label, found) =
            self.assistant.guards.label_of(&text, result.join(&host_services.seen()).join(&planned.carried));
        self.note("tool-result", found).await?;
        if label.is_untrusted() && !failed {
            self.classify(&text).await?;
        }
        let state = Some(if failed { CallState::Failed } else { CallState::Done });
        let (id, name) = (planned.id.clone(), planned.name.clone());
        Ok(Outcome { id, name, text, label, failed, denied: None, state })
    }

    /// The tool as it may be called at this moment, under whatever name: while a person was asked, it may have been
    /// switched off, replaced, or something taken from it.
    async fn still_offered(&self, planned: &Planned) -> Result<Result<Arc<Offered>, Gone>, Failure> {
        let now = self.assistant.tools.now().await?;
        Ok(match now.of(&planned.call.component, &planned.call.tool) {
            Some((_, offered)) if offered.digest() != planned.call.digest => Err(Gone::Replaced),
            Some((_, offered)) if offered.servers() != planned.call.servers => Err(Gone::Moved),
            Some((_, offered)) => Ok(offered.clone()),
            None => Err(Gone::Off),
        })
    }

    fn host_services(&self, planned: &Planned) -> TurnServices {
        let assistant = self.assistant;
        TurnServices {
            records: assistant.records.clone(),
            approvals: assistant.approvals.clone(),
            outbound: assistant.outbound.clone(),
            configuration: assistant.configuration.clone(),
            person: self.session.person().clone(),
            audience: self.session.context.audience.clone(),
            remembers: self.session.context.remembers,
            session: self.session.id().clone(),
            run: self.id.clone(),
            call: planned.call.clone(),
            call_id: planned.id.clone(),
            before: planned.seen.clone(),
            own: planned.offered.result_in(&self.session.context.audience),
            seen: Mutex::default(),
            meter: self.meter.clone(),
            language_model: self.language_model.clone(),
            run_context: self.run_context.clone(),
        }
    }

    /// What the model is told of a result: its words, cut where they are too many; blobs become attachments.
    async fn told(&self, content: Vec<Content>, label: Label) -> Result<String, Failure> {
        let mut text = String::new();
        for piece in content {
            if !text.is_empty() {
                text.push('\n');
            }
            match piece {
                Content::Text(words) => text.push_str(&words),
                Content::Image(blob) | Content::Audio(blob) | Content::File(blob) => {
                    let media_type = blob.media_type;
                    let new = NewAttachment {
                        media_type,
                        name: blob.name.unwrap_or_default(),
                        content: blob.data,
                        label: label.clone(),
                    };
                    let id = self.assistant.records.attach(self.session.id(), &new).await.map_err(lost)?;
                    text.push_str(&format!("[attachment {id}, {}]", crate::text::harmless(&new.media_type)));
                }
            }
        }
        if text.len() > self.share {
            text = self.cut_result(&text, label).await?;
        }
        Ok(text)
    }

    /// The beginning of a result for which there is no room; all of it becomes an attachment, which a tool can read on.
    async fn cut_result(&self, text: &str, label: Label) -> Result<String, Failure> {
        let (whole, at) = (text.len(), text.floor_char_boundary(self.share));
        let (media_type, content) = ("text/plain".to_owned(), text.as_bytes().to_vec());
        let new = NewAttachment { media_type, name: String::new(), content, label };
        let id = self.assistant.records.attach(self.session.id(), &new).await.map_err(lost)?;
        let reads = |offered: &Offered| offered.grants.power(Power::Attachments, None).is_ok();
        let rest = match self.toolbox.all().any(|(_, offered)| reads(offered)) {
            true => format!("attachment {id}, continue at offset {at}"),
            false => format!("attachment {id}; `cara tools enable attachments` lets a model read on"),
        };
        Ok(format!(
            "{}\n[cut by the host: the first {at} of {whole} bytes are shown; the full text is {rest}]",
            &text[..at]
        ))
    }

    /// Writes down a round: its results and the message with them are one commit.
    async fn end_round(&mut self, results: Vec<Outcome>) -> Result<(), Failure> {
        let finished: Vec<FinishedCall> = results.iter().filter_map(Outcome::finished).collect();
        let events: Vec<TurnEvent> =
            results.iter().filter(|result| !self.told.remove(&result.id)).map(Outcome::event).collect();
        let readings = self.read_results(&results).await?;
        let parts = results.into_iter().map(|result| {
            let Outcome { id, name, text, label, failed, .. } = result;
            Part { label, body: Body::ToolResult { id, name, text, failed } }
        });
        let parts: Vec<Part> = parts.chain(readings).collect();
        let message = stored(Role::Tool, &parts);
        self.assistant.records.end_calls(&self.id, &finished, &message).await.map_err(lost)?;
        self.session.push(Role::Tool, parts);
        events.into_iter().for_each(|event| self.tell(event));
        Ok(())
    }
}
