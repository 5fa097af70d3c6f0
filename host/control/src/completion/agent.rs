//! An agent's answer to a program: a run in a conversation of its own, with
//! the agent's tools, policy and instructions.
//!
//! Nobody waits at it: a call that a person has to decide is denied, and its question stays. What a program sends can be
//! anybody's words, whatever role it gives them, so what would need a person after strangers' words needs one here.

use super::finish::Finish;
use super::parts::{self, Blob, Event as Told, Message, Part as Piece, Role, StopReason};
use super::unanswered::{Unanswered, Why};
use super::{Completion, speaks_for_operator, words};
use crate::active_runs::{Active, Ended};
use crate::answering::{self, Answered, Answers, Respondent};
use crate::application::Application;
use crate::deciding::{self, Asks};
use crate::event::{Event, Events, Reader};
use crate::model_selection::Naming;
use crate::names::PROGRAMS;
use crate::variables::Variables;
use cara_assistant::event::Usage;
use cara_assistant::part::{Body, Part};
use cara_assistant::text::without_secrets;
use cara_assistant::{Audience, Input, Session, SessionContext, TurnEvent};
use cara_authority::{Label, PersonRole, Principal, Source};
use cara_records::{Records, Role as Kept};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The answer of an agent. Dropped, it stops the run.
pub(super) struct OfAgent {
    id: String,
    active: Arc<Active>,
    reader: Reader,
    name: String,
    audience: Audience,
    /// Whether the person may read whatever the run has seen.
    reads_all: bool,
    usage: Usage,
    /// What the answer of the model that is under way used.
    last: Usage,
    /// Whether text came, and tools were called since.
    said: bool,
    broken: bool,
}

fn refused(text: impl Into<String>) -> Unanswered {
    Unanswered::new(Why::Invalid, text)
}

/// A conversation as a program sends it: what came before, and what is said now.
struct Sent {
    before: Vec<(Kept, Vec<Part>)>,
    now: Input,
    files: Vec<Blob>,
}

impl Sent {
    fn read(
        by: &Principal,
        operator: bool,
        instructions: &str,
        mut messages: Vec<Message>,
    ) -> Result<Self, Unanswered> {
        let Some(last) = messages.pop().filter(|last| last.role == Role::User) else {
            return Err(refused("the last message is not the user's\nhint: an agent answers what a user says"));
        };
        let composed = words::composed(by);
        let mut before = Vec::new();
        if !instructions.is_empty() && !operator {
            let label = composed.clone();
            before.push((Kept::User, vec![Part { label, body: Body::Text { text: instructions.to_owned() } }]));
        }
        for Message { role, parts } in messages {
            // What a model is said to have answered can be anybody's words.
            let (role, label) = match role {
                Role::User => (Kept::User, words::asked(by)),
                Role::Assistant => (Kept::Assistant, composed.clone()),
                Role::Tool | Role::System => return Err(no_tools()),
            };
            let parts = parts.into_iter().map(|part| match part {
                Piece::Text(text) => Ok(Some(Part { label: label.clone(), body: Body::Text { text } })),
                Piece::Thinking(_) | Piece::CachePoint(_) => Ok(None),
                Piece::ToolCall(_) | Piece::ToolResult(_) => Err(no_tools()),
                Piece::Image(_) | Piece::Audio(_) | Piece::File(_) => Err(refused(
                    "a file stands in an earlier message\nhint: an agent takes files with the last message",
                )),
            });
            let parts: Vec<Part> = parts.filter_map(Result::transpose).collect::<Result<_, _>>()?;
            before.push((role, parts));
        }
        let (mut now, mut files) = (Input::default(), Vec::new());
        for part in last.parts {
            match part {
                Piece::Text(text) => now = now.and_said(words::asked(by), text),
                Piece::Image(image) => files.push(image.blob),
                Piece::Audio(blob) | Piece::File(blob) => files.push(blob),
                Piece::CachePoint(_) => {}
                _ => return Err(no_tools()),
            }
        }
        if now.words().trim().is_empty() {
            return Err(refused("the last message is empty\nhint: say what the agent should do"));
        }
        Ok(Self { before, now, files })
    }
}

fn no_tools() -> Unanswered {
    refused(
        "an agent has its own tools, and takes no calls and results of others\nhint: name a model to use tools of your own",
    )
}

/// What of a request an agent has of its own, and takes from no program.
fn check(request: &parts::Request) -> Result<(), Unanswered> {
    if !request.tools.is_empty() {
        return Err(no_tools());
    }
    // Each is named, so that what is added to a request does not compile before it is decided on here.
    let parts::Request {
        model,
        system,
        messages: _,
        tools: _,
        tool_choice,
        parallel_tool_calls,
        response_format,
        max_output_tokens,
        temperature,
        top_p,
        top_k,
        presence_penalty,
        frequency_penalty,
        seed,
        stop,
        effort,
    } = request;
    let sampling = [temperature, top_p, presence_penalty, frequency_penalty];
    let is_plain = model.is_empty()
        && system.is_none()
        && *tool_choice == parts::ToolChoice::None
        && parallel_tool_calls.is_none()
        && *response_format == parts::ResponseFormat::Text
        && max_output_tokens.is_none()
        && sampling.into_iter().all(Option::is_none)
        && top_k.is_none()
        && seed.is_none()
        && stop.is_empty()
        && effort.is_none();
    if !is_plain {
        return Err(refused("an agent answers as the operator set it\nhint: name a model to choose how it answers"));
    }
    Ok(())
}

/// Begins a run that answers a program.
pub(super) async fn begin(
    application: &Arc<Application>,
    by: &Principal,
    agent: &str,
    completion: Completion,
) -> Result<OfAgent, Unanswered> {
    let Completion { instructions, request, .. } = completion;
    check(&request)?;
    words::refuse_secrets(application, &instructions, &request)?;
    if application.holder.stop.is_cancelled() {
        return Err(Unanswered::new(Why::Overloaded, "the process that holds the home is ending\nhint: try again"));
    }
    let operator = speaks_for_operator(by);
    let Sent { before, now, files } = Sent::read(by, operator, &instructions, request.messages)?;
    let (records, config) = (application.records().await?, application.config()?);
    let rights = config.role.of(Some(by.role()));
    let brought = application.brought(&BTreeMap::new(), &Variables::default())?;
    let chosen = answering::chosen(application, &config, &rights, agent, Naming::by(by), &brought).await?;
    let own = config.agent.get(agent).and_then(|agent| agent.system.clone()).or_else(|| config.chat.system.clone());
    let asked = (operator && !instructions.is_empty()).then_some(instructions);
    let system: Vec<String> = own.into_iter().chain(asked).collect();
    let respondent = Respondent {
        model: format!("{}:{}", chosen.id, chosen.model),
        agent: Some(agent.to_owned()),
        system: (!system.is_empty()).then(|| system.join("\n\n")),
        no_tools: rights.have_no_tools(),
        unattended: true,
        ..Respondent::default()
    };
    let run = Records::fresh_run()?;
    let person = by.person().clone();
    let asks = Asks { person: &person, role: by.role(), in_group: false };
    let answered = Answered {
        context: SessionContext::direct(person.clone(), PROGRAMS, agent),
        deciders: deciding::deciders(&config.approvals, &asks),
        person: person.clone(),
        reply: None,
    };
    let answers = Answers::of(application, &run, &respondent, false).await?.to(application, answered);
    let answers = answers.charging(application, by).await?;
    let title = without_secrets(application.services.egress.known(), &now.words());
    let mut session = Session::begin(records, answers.context.clone(), &title).await?;
    session.seed(records, before).await?;
    for file in files {
        session.attach(records, file, Label::of(Source::File).private_to(&person)).await?;
    }
    let beginning = application.active_runs.begin().await;
    let ending = || Unanswered::new(Why::Overloaded, "the process that holds the home is ending\nhint: try again");
    let beginning = beginning.ok_or_else(ending)?;
    let session = application.active_runs.keep(session).lock_owned().await;
    let id = run.to_string();
    let active = answers.start(application, run, session, Some(now));
    drop(beginning);
    let reader = active.events.read();
    let (usage, last, said, broken) = Default::default();
    let (audience, reads_all) = (Audience::Person(person), by.role() == PersonRole::Owner);
    let name = format!("agent:{agent}");
    Ok(OfAgent { id, active, reader, name, audience, reads_all, usage, last, said, broken })
}

impl OfAgent {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) async fn step(&mut self, events: &mut Vec<Told>) -> Result<Option<Finish>, Unanswered> {
        while let Some(event) = self.reader.next().await {
            if let Event::Run { event } = &*event {
                self.take(event, events)?;
            }
            if !events.is_empty() {
                return Ok(None);
            }
        }
        match self.active.follow(&Events::nobody(), 0).await {
            Ended::Done(ending) => {
                let stop = match &*ending.stop {
                    "length" => StopReason::Length,
                    "refused" => StopReason::Refused,
                    "stop-sequence" => StopReason::StopSequence,
                    _ => StopReason::Complete,
                };
                self.count();
                let (model, usage) = (self.name.clone(), self.usage);
                Ok(Some(Finish { stop, model, stop_sequence: None, fingerprint: None, usage }))
            }
            Ended::Error(failure) => Err(failure.into()),
        }
    }

    /// Adds up what the answer of a model used that has ended.
    fn count(&mut self) {
        let last = std::mem::take(&mut self.last);
        self.usage.input += last.input;
        self.usage.output += last.output;
        self.usage.cache_read += last.cache_read;
        self.usage.cache_write += last.cache_write;
        self.usage.reasoning += last.reasoning;
    }

    fn take(&mut self, event: &TurnEvent, events: &mut Vec<Told>) -> Result<(), Unanswered> {
        match event {
            TurnEvent::Text { text } => {
                // What is said before and after a tool are two paragraphs of one answer.
                let broken = std::mem::take(&mut self.broken) && self.said;
                self.said = true;
                events.push(Told::Text(if broken { format!("\n\n{text}") } else { text.clone() }));
            }
            TurnEvent::Thinking { text } => events.push(Told::Thinking(text.clone())),
            TurnEvent::ToolResult { .. } => {
                self.broken = true;
                self.count();
            }
            TurnEvent::Usage(usage) => self.last = *usage,
            // What is said from here on is made of this as well.
            TurnEvent::Seen { label } if !self.reads_all && !self.audience.others(label).is_empty() => {
                self.active.cancel.cancel();
                let text = "the answer would be made of what is private to others\nhint: ask them, or the owner";
                return Err(Unanswered::new(Why::Refused, text));
            }
            _ => {}
        }
        Ok(())
    }
}

impl Drop for OfAgent {
    fn drop(&mut self) {
        // One that has ended is stopped by nothing.
        self.active.cancel.cancel();
    }
}
