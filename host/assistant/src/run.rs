//! A run: one message of a person, and all that is done to answer it.
//!
//! ```text
//! fit (compaction) ─→ think (meter, provider) ─→ text: done
//!        ▲                     └─→ tool calls ─→ decide ─→ approvals ─→ act ─→ results ─┐
//!        └──────────────────────────────────────────────────────────────────────────┘
//! ```

mod act;
mod answer;
mod begin;
mod classify;
mod compact;
mod decide;
mod outcome;
mod read;
mod think;

use crate::assistant::{Assistant, RunContext, Steered};
use crate::event::{Ending, Failure, TurnEvent};
use crate::fence::Fence;
use crate::language_model::LanguageModel;
use crate::metering::Meter;
use crate::part::{Body, Part, Role};
use crate::prompt::Prompt;
use crate::provenance::Sources;
use crate::session::{Session, lost, stored, stored_of};
use crate::toolbox::Toolbox;
use crate::values::Values;
use cara_authority::{Label, RunId};
use cara_kernel::bindings::types::ToolDefinition;
use cara_records::{CallState, Caller, FinishedCall, QUEUED, RunState};
use serde_json::json;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use think::Growing;
use tokio::time::Instant;

/// A run under way.
pub(crate) struct Run<'a> {
    assistant: &'a Assistant,
    session: &'a mut Session,
    language_model: &'a Arc<dyn LanguageModel>,
    run_context: RunContext,
    id: RunId,
    meter: Meter,
    /// Messages that the call which is under way sent.
    fence: Fence,
    toolbox: Arc<Toolbox>,
    /// What the model is told of them.
    tools: Vec<ToolDefinition>,
    /// Ids of calls that were used in this run.
    used: HashSet<String>,
    /// Calls of this round whose results were told already.
    told: HashSet<String>,
    /// Where the addresses of the session stand.
    sources: Sources,
    /// Clauses of the message that dictated a call which was made, or will be: each once.
    dictated: HashSet<usize>,
    /// Whether a person allowed queries after private and strangers' content.
    queried: bool,
    /// What came so far of the answer that is under way.
    growing: Option<Growing>,
    /// What readers found in this session.
    values: Values,
    /// Readings of files, to be kept with the next answer.
    readings: Vec<Part>,
    /// Calls that were denied: such a call is not asked about again.
    denied: HashSet<[u8; 32]>,
    /// Bytes that one result of this round may have.
    share: usize,
    /// Time in which a person was waited for.
    waited: Duration,
    began: Instant,
    shown: Label,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        assistant: &'a Assistant,
        session: &'a mut Session,
        language_model: &'a Arc<dyn LanguageModel>,
        id: RunId,
        run_context: RunContext,
    ) -> Result<Self, Failure> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| Failure::own("random", error.to_string()))?;
        let (records, rules, caller) = (assistant.records.clone(), assistant.rules.clone(), Caller::Run(id.clone()));
        let meter = Meter::new(records, rules, assistant.services.clock, caller);
        let meter = meter.observed(run_context.observer.clone());
        Ok(Self {
            toolbox: Arc::default(),
            tools: Vec::new(),
            fence: Fence::new(random),
            // No call has the id of what unattended runs ask.
            used: HashSet::from([QUEUED.to_owned()]),
            told: HashSet::new(),
            sources: Sources::default(),
            dictated: HashSet::new(),
            queried: false,
            growing: None,
            values: Values::of(&session.messages),
            readings: Vec::new(),
            denied: HashSet::new(),
            share: assistant.limits.result_bytes,
            waited: Duration::ZERO,
            began: Instant::now(),
            shown: Label::NONE,
            assistant,
            session,
            language_model,
            run_context,
            id,
            meter,
        })
    }

    /// Goes on until the model has answered.
    pub(crate) async fn go(mut self) -> Result<Ending, Failure> {
        let cancel = self.run_context.cancel.clone();
        let ended = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Failure::own("cancelled", "the run was stopped")),
            ended = self.turns() => ended,
        };
        self.close(ended).await
    }

    /// Goes on where a process that died left it.
    pub(crate) async fn take_up(mut self) -> Result<Ending, Failure> {
        let cancel = self.run_context.cancel.clone();
        let ended = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Failure::own("cancelled", "the run was stopped")),
            ended = async {
                self.look_for_tools().await?;
                self.finish_round().await?;
                self.turns().await
            } => ended,
        };
        self.close(ended).await
    }

    async fn turns(&mut self) -> Result<Ending, Failure> {
        let limits = self.assistant.limits;
        for _ in 0..limits.turns {
            self.look_for_tools().await?;
            self.steer().await?;
            self.read_files().await?;
            self.tell_seen();
            let answer = self.think().await?;
            let calls = answer.calls();
            if calls.is_empty() {
                return self.answered(answer).await;
            }
            self.round(answer, calls).await?;
            if self.time_left().is_zero() {
                let most = limits.wall.0.as_secs();
                return Err(Failure::own(
                    "limit",
                    format!("the run took longer than {most} s\nhint: raise `wall` in `[run]`"),
                ));
            }
        }
        let most = limits.turns;
        Err(Failure::own(
            "limit",
            format!("the model was asked {most} times and wants more\nhint: raise `turns` in `[run]`, or say `go on`"),
        ))
    }

    /// Adds what came meanwhile.
    async fn steer(&mut self) -> Result<(), Failure> {
        for Steered { input, speaker, inbound } in self.run_context.steering.take() {
            let (parts, found) = self.assistant.examined(input);
            let message = stored_of(Role::User, &parts, speaker.as_ref());
            self.assistant.records.steer_run(&self.id, &message, &inbound).await.map_err(lost)?;
            self.session.context.speaker = speaker;
            self.session.push(Role::User, parts);
            self.note("message", found).await?;
        }
        Ok(())
    }

    /// Takes the tools as they are now.
    async fn look_for_tools(&mut self) -> Result<(), Failure> {
        let now = self.assistant.tools.now().await?;
        if !Arc::ptr_eq(&now, &self.toolbox) {
            (self.tools, self.toolbox) = (now.definitions(), now);
        }
        Ok(())
    }

    /// The last answer: it, what it cost and the end of the run are one commit.
    async fn answered(&mut self, mut answer: think::Answer) -> Result<Ending, Failure> {
        let reply = self.reply(&mut answer.parts).await?;
        let message = stored(Role::Assistant, &answer.parts);
        let (spent, reply) = (self.meter.left(), reply.as_slice());
        let records = &self.assistant.records;
        let ended = records.end_run_with(&self.id, &[message], RunState::Done, None, &spent, reply).await;
        ended.map_err(lost)?;
        self.session.push(Role::Assistant, answer.parts);
        Ok(Ending::new(self.id.to_string(), answer.paid.outcome, answer.paid.usage))
    }

    /// Writes down how a run ended that was not answered, and leaves a conversation that can go on.
    async fn close(&mut self, ended: Result<Ending, Failure>) -> Result<Ending, Failure> {
        let Err(failure) = ended else { return ended };
        let state = if failure.kind == "cancelled" { RunState::Cancelled } else { RunState::Failed };
        let closed = async {
            self.interrupt_round().await?;
            let stopped = if state == RunState::Cancelled { self.stopped() } else { Vec::new() };
            let message = (!stopped.is_empty()).then(|| stored(Role::Assistant, &stopped));
            let (reason, spent) = (Some(failure.message.as_str()), self.meter.left());
            let told = self.run_context.reply.as_ref().filter(|_| state == RunState::Failed);
            let told = told
                .map(|reply| reply.messages(&self.id, &answer::unanswered(&failure), &Label::NONE))
                .unwrap_or_default();
            let records = &self.assistant.records;
            let ended =
                records.end_run_with(&self.id, message.as_slice(), state, reason, &spent, told.as_slice()).await;
            if ended.map_err(lost)? && !stopped.is_empty() {
                self.session.push(Role::Assistant, stopped);
            } else if self.session.messages.last().is_some_and(|last| last.role == Role::User) {
                self.session.messages.pop();
            }
            Ok::<(), Failure>(())
        };
        if let Err(worse) = closed.await {
            tracing::warn!(run = %self.id, error = %worse, "the end of a run could not be written down");
        }
        Err(failure)
    }

    /// The words that came of an answer before the person stopped it, and the mark that they did. A call in it was never
    /// made, and is left out.
    fn stopped(&mut self) -> Vec<Part> {
        let listen = self.run_context.listen.clone();
        let (mut parts, _) = self.growing.take().map(|growing| growing.finish(&*listen)).unwrap_or_default();
        parts.retain(|part| matches!(part.body, Body::Text { .. }));
        let label = self.prompt().label().join(&Label::of(cara_authority::Source::Model));
        parts.push(Part { label, body: Body::Stopped });
        parts.append(&mut self.readings);
        parts
    }

    /// Calls that were asked for and have no result get one, so that every call of a conversation has its pair.
    async fn interrupt_round(&mut self) -> Result<(), Failure> {
        let open = self.open_calls();
        if open.is_empty() {
            return Ok(());
        }
        let known = self.assistant.records.calls(&self.id).await.map_err(lost)?;
        let (mut parts, mut finished) = (Vec::new(), Vec::new());
        for (call_id, name) in open {
            let call = known.iter().find(|call| call.call_id == call_id);
            let kept = call.and_then(|call| Some((call.result.as_ref()?.as_str()?, call.state != CallState::Done)));
            let text = match call {
                _ if kept.is_some() => kept.map_or("", |(text, _)| text),
                Some(call) if call.state == CallState::Started && call.lasting => {
                    "interrupted: it is not known whether this happened; look before doing it again"
                }
                _ => "not done: the run was stopped before it",
            };
            if let Some(call) = call.filter(|call| !call.state.is_ended()) {
                let state = CallState::Interrupted;
                let (call_id, result, label) = (call.call_id.clone(), json!(text), Label::NONE);
                finished.push(FinishedCall { call_id, state, result, label });
            }
            let label =
                Label::of(cara_authority::Source::Tool).join(&call.map_or(Label::NONE, |call| call.label.clone()));
            let failed = kept.is_none_or(|(_, failed)| failed);
            parts.push(Part { label, body: Body::ToolResult { id: call_id, name, text: text.into(), failed } });
        }
        let message = stored(Role::Tool, &parts);
        self.assistant.records.end_calls(&self.id, &finished, &message).await.map_err(lost)?;
        self.session.push(Role::Tool, parts);
        Ok(())
    }

    /// The calls of the last message, when they have no results yet.
    fn open_calls(&self) -> Vec<(String, String)> {
        let Some(last) = self.session.messages.last().filter(|last| last.role == Role::Assistant) else {
            return Vec::new();
        };
        let call = |part: &Part| match &part.body {
            Body::ToolCall { id, name, .. } => Some((id.clone(), name.clone())),
            _ => None,
        };
        last.parts.iter().filter_map(call).collect()
    }

    /// What the model is shown now.
    fn prompt(&self) -> Prompt<'_> {
        Prompt {
            system: self.session.context.system.as_deref(),
            summary: self.session.summary.as_ref(),
            messages: &self.session.messages,
            attachments: &self.session.blobs,
            tools: &self.tools,
            reading: self.session.context.reading,
            values: &self.values,
        }
    }

    /// What the run has seen.
    fn seen(&self) -> Label {
        self.session.seen()
    }

    fn tell(&self, event: TurnEvent) {
        (self.run_context.listen)(event);
    }

    fn tell_seen(&mut self) {
        let seen = self.seen();
        if seen != self.shown {
            self.shown = seen.clone();
            self.tell(TurnEvent::Seen { label: seen });
        }
    }

    /// Says and writes down what a guard found.
    pub(crate) async fn note(&self, place: &'static str, rules: Vec<String>) -> Result<(), Failure> {
        if rules.is_empty() {
            return Ok(());
        }
        let detail = json!({ "place": place, "rules": rules });
        self.assistant.records.ledger().append("guard", self.id.as_str(), detail).await.map_err(lost)?;
        self.tell(TurnEvent::Guard { place: place.into(), rules });
        Ok(())
    }

    fn time_left(&self) -> Duration {
        (self.assistant.limits.wall.0 + self.waited).saturating_sub(self.began.elapsed())
    }
}
