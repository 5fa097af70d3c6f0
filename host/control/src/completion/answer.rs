//! An answer as it comes: what is there at once, then its end.
//!
//! Whoever wants the next step drives the work itself: no task stands between a provider and a door, and one that goes away
//! ends the call at once.

use super::account::Account;
use super::agent::OfAgent;
use super::finish::Finish;
use super::parts::{Event, Request, ToolFragment};
use super::unanswered::Unanswered;
use cara_assistant::event::Usage;
use cara_assistant::guards::output::{OutputCheck, Policy};
use cara_assistant::{Failure, LanguageModel, Provider};
use cara_kernel::bindings::provider::Outcome;
use cara_kernel::exports::provider::EVENTS_AHEAD;
use cara_services::egress::{KnownSecrets, TextScrubber};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use tokio::sync::mpsc;

/// An answer under way. Dropped, it ends the work for it.
pub struct Answer(Of);

enum Of {
    Model(Box<Raw>),
    Agent(Box<OfAgent>),
}

impl From<Raw> for Answer {
    fn from(raw: Raw) -> Self {
        Self(Of::Model(Box::new(raw)))
    }
}

impl From<OfAgent> for Answer {
    fn from(agent: OfAgent) -> Self {
        Self(Of::Agent(Box::new(agent)))
    }
}

impl Answer {
    /// Names the answer: the call in the audit log, or the run.
    pub fn id(&self) -> &str {
        match &self.0 {
            Of::Model(raw) => raw.account.id(),
            Of::Agent(agent) => agent.id(),
        }
    }

    /// Who answers: `provider:model` or `agent:NAME`.
    pub fn name(&self) -> &str {
        match &self.0 {
            Of::Model(raw) => &raw.name,
            Of::Agent(agent) => agent.name(),
        }
    }

    /// Waits for more of the answer and adds it to `events`, or tells how it ended; after that it is not asked again. What
    /// the answer used is written down by then.
    ///
    /// # Errors
    ///
    /// The answer is incomplete, and why.
    pub async fn step(&mut self, events: &mut Vec<Event>) -> Result<Option<Finish>, Unanswered> {
        match &mut self.0 {
            Of::Model(raw) => raw.step(events).await,
            Of::Agent(agent) => agent.step(events).await,
        }
    }
}

type Call = Pin<Box<dyn Future<Output = Result<Outcome, Failure>> + Send>>;

/// The answer of a model.
pub(super) struct Raw {
    call: Call,
    events: mpsc::Receiver<Event>,
    policy: Policy,
    /// Masks what looks like a secret, where the operator wants it; none where no text came since the last time.
    check: Option<OutputCheck>,
    /// The shapes that were found.
    found: Vec<String>,
    /// Takes secrets out of the arguments of calls that come piece by piece, by the ids of the calls.
    scrubbers: HashMap<String, TextScrubber>,
    known: KnownSecrets,
    name: String,
    account: Account,
}

/// What a step came to.
enum Came {
    Event(Event),
    End(Result<Outcome, Failure>),
}

impl Raw {
    pub(super) fn new(provider: &Provider, request: Request, policy: Policy, account: Account) -> Self {
        let (sender, events) = mpsc::channel(EVENTS_AHEAD);
        let name = format!("{}:{}", provider.id, provider.model);
        let (provider, known) = (provider.clone(), provider.services.egress.known().clone());
        let call: Call = Box::pin(async move { provider.complete(request, sender).await });
        Self { call, events, policy, check: None, found: Vec::new(), scrubbers: HashMap::new(), known, name, account }
    }

    async fn step(&mut self, events: &mut Vec<Event>) -> Result<Option<Finish>, Unanswered> {
        loop {
            let came = tokio::select! {
                biased;
                ended = &mut self.call => Came::End(ended),
                Some(event) = self.events.recv() => Came::Event(event),
            };
            if let Came::Event(event) = came {
                self.take(event, events)?;
                self.drain(events)?;
                if !events.is_empty() {
                    return Ok(None);
                }
                continue;
            }
            self.drain(events)?;
            self.release(events);
            let Came::End(ended) = came else { continue };
            return self.finish(ended).map(Some);
        }
    }

    fn drain(&mut self, events: &mut Vec<Event>) -> Result<(), Unanswered> {
        while let Ok(event) = self.events.try_recv() {
            self.take(event, events)?;
        }
        Ok(())
    }

    fn take(&mut self, event: Event, events: &mut Vec<Event>) -> Result<(), Unanswered> {
        if let Err(over) = self.account.saw(&event) {
            self.release(events);
            self.account.settle("budget", &self.found)?;
            return Err(over);
        }
        match event {
            Event::Text(piece) => {
                let policy = self.policy;
                let text = self.check.get_or_insert_with(|| OutputCheck::new(policy)).push(&piece);
                if !text.is_empty() {
                    events.push(Event::Text(text));
                }
            }
            // It is told at the end, once.
            Event::Usage(_) => {}
            // A secret can be spread over pieces, each of which is nothing by itself.
            Event::ToolFragment(ToolFragment { id, json }) => {
                let known = &self.known;
                let scrubber = self.scrubbers.entry(id.clone()).or_insert_with(|| TextScrubber::new(known.clone()));
                let json = scrubber.push(json);
                if !json.is_empty() {
                    events.push(Event::ToolFragment(ToolFragment { id, json }));
                }
            }
            other => {
                self.release(events);
                // What is held back of its arguments stands in the whole call.
                if let Event::ToolCall(call) = &other {
                    self.scrubbers.remove(&call.id);
                }
                events.push(other);
            }
        }
        Ok(())
    }

    /// Lets go of text that was held back, before anything of another kind.
    fn release(&mut self, events: &mut Vec<Event>) {
        let Some(mut check) = self.check.take() else { return };
        let text = check.finish();
        if !text.is_empty() {
            events.push(Event::Text(text));
        }
        for leak in check.findings() {
            if !self.found.iter().any(|kind| kind == leak.kind) {
                self.found.push(leak.kind.to_owned());
            }
        }
    }

    fn finish(&mut self, ended: Result<Outcome, Failure>) -> Result<Finish, Unanswered> {
        match ended {
            Ok(outcome) => {
                self.account.answered(&outcome.model, Some(outcome.stop));
                self.account.settle("complete", &self.found)?;
                let spent = self.account.spent();
                let counted = Usage { input: spent.input, output: spent.output, ..Usage::default() };
                let usage = self.account.metered().usage().unwrap_or(counted);
                let Outcome { stop, stop_sequence, fingerprint, .. } = outcome;
                Ok(Finish { stop, model: self.name.clone(), stop_sequence, fingerprint, usage })
            }
            Err(failure) => {
                self.account.settle(&failure.kind, &self.found)?;
                Err(failure.into())
            }
        }
    }
}
