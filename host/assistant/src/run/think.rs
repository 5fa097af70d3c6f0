//! One answer of the model: under the budget, masked as it streams,
//! tried again where that may help.

use super::Run;
use crate::event::{Failure, TurnEvent};
use crate::guards::output::{OutputCheck, Policy};
use crate::metering::Paid;
use crate::part::{Body, Part};
use crate::values::{Filling, Values};
use cara_authority::{Label, Source};
use cara_kernel::bindings::provider::Request;
use cara_kernel::bindings::turn::Event;
use std::time::Duration;

/// How often an answer is asked for again when nothing of it came and the failure may pass.
const TRIES: u32 = 3;

/// The longest time to wait before that; when the other side wants more, the failure is shown.
const PATIENCE: Duration = Duration::from_secs(20);

/// An answer that is complete.
pub(super) struct Answer {
    pub(super) parts: Vec<Part>,
    pub(super) paid: Paid,
}

impl Answer {
    /// The calls it asks for: id, tool, arguments.
    pub(super) fn calls(&self) -> Vec<(String, String, String)> {
        let call = |part: &Part| match &part.body {
            Body::ToolCall { id, name, arguments } => Some((id.clone(), name.clone(), arguments.clone())),
            _ => None,
        };
        self.parts.iter().filter_map(call).collect()
    }
}

impl Run<'_> {
    /// Asks the model, and passes its words on as they come.
    pub(super) async fn think(&mut self) -> Result<Answer, Failure> {
        self.fit().await?;
        let mut tries = 0;
        loop {
            tries += 1;
            let (answered, began) = self.ask().await?;
            let failure = match answered {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            if failure.kind == "context-too-long" && tries < TRIES {
                // The vendor counts more than the host: believe it, and make room.
                self.session.estimate.measured = (self.session.estimate.measured * 1.5).min(8.0);
                self.compact_now().await?;
                continue;
            }
            let wait = Duration::from_millis(failure.retry_after_ms.unwrap_or(500 << tries));
            if began || !failure.retry || tries >= TRIES || wait > PATIENCE.min(self.time_left()) {
                return Err(failure);
            }
            let after_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            let why = failure.message.lines().next().unwrap_or_default().to_owned();
            self.tell(TurnEvent::Retry { after_ms, why });
            tokio::time::sleep(wait).await;
        }
    }

    /// Asks once. The flag says whether anything was shown already.
    async fn ask(&mut self) -> Result<(Result<Answer, Failure>, bool), Failure> {
        let most = self.answer_tokens();
        let prompt = self.prompt();
        let seen = prompt.label().join(&Label::of(Source::Model));
        let request = prompt.request(self.language_model.model(), &self.fence, most);
        let estimated = self.session.estimate.request(&request);
        let listen = self.run_context.listen.clone();
        let listen = &*listen;
        let left = self.time_left();
        let answered = {
            let growing = self.growing.insert(Growing::new(seen, self.assistant.guards.output, self.values.clone()));
            let mut take = |event: Event| growing.take(event, listen);
            let asked = self.meter.complete(&**self.language_model, request, &self.session.estimate, &mut take);
            tokio::time::timeout(left, asked).await
        };
        let Ok(answered) = answered else {
            return Err(Failure::own("limit", "the run took too long\nhint: raise `wall` in `[run]`"));
        };
        let (parts, found) = self.growing.take().map(|growing| growing.finish(listen)).unwrap_or_default();
        let began = !parts.is_empty();
        self.note("answer", found).await?;
        match answered {
            Err(failure) => Ok((Err(failure), began)),
            Ok(paid) => {
                if let Some(usage) = paid.usage {
                    self.session.estimate.learn(estimated, usage.input);
                }
                let mut parts = self.unique(parts);
                parts.append(&mut self.readings);
                Ok((Ok(Answer { parts, paid }), began))
            }
        }
    }

    /// Ids of calls name them within the run; one that was used before gets another.
    fn unique(&mut self, mut parts: Vec<Part>) -> Vec<Part> {
        for part in &mut parts {
            if let Body::ToolCall { id, .. } = &mut part.body {
                let mut number = 2;
                let given = id.clone();
                while !self.used.insert(id.clone()) {
                    *id = format!("{}_{number}", &given[..given.len().min(56)]);
                    number += 1;
                }
            }
        }
        parts
    }

    /// The longest answer there is room for.
    pub(super) fn answer_tokens(&self) -> u32 {
        self.assistant.limits.answer_tokens.min(self.language_model.context_tokens() / 4).max(64)
    }

    /// Asks for a text that nobody is shown: a summary.
    pub(super) async fn ask_aside(&self, request: Request) -> Result<String, Failure> {
        let asked = self.meter.text(&**self.language_model, request, &self.session.estimate);
        let answered = tokio::time::timeout(self.time_left(), asked).await;
        let (text, _) =
            answered.map_err(|_| Failure::own("limit", "the run took too long\nhint: raise `wall` in `[run]`"))??;
        Ok(text)
    }
}

/// An answer as it grows.
pub(super) struct Growing {
    label: Label,
    parts: Vec<Part>,
    policy: Policy,
    /// Finds secrets and personal data; masks them where the operator wants it, in what is kept as well.
    check: OutputCheck,
    /// The shapes that were found.
    found: Vec<String>,
    /// Puts what was read aside into what is told.
    filling: Filling,
}

impl Growing {
    fn new(label: Label, policy: Policy, values: Values) -> Self {
        let check = OutputCheck::new(policy);
        Self { label, parts: Vec::new(), policy, check, found: Vec::new(), filling: Filling::new(values) }
    }

    fn take(&mut self, event: Event, listen: &(dyn Fn(TurnEvent) + Send + Sync)) {
        match event {
            Event::Text(piece) => {
                let clean = self.check.push(&piece);
                self.say(&clean, listen);
            }
            Event::Thought(thought) => {
                self.add(Body::Thinking { text: thought.text, signature: thought.signature });
            }
            Event::ToolCall(call) => {
                self.flush(listen);
                let arguments = call.arguments;
                listen(TurnEvent::ToolCall {
                    id: call.id.clone(),
                    name: call.name.clone(),
                    arguments: arguments.clone(),
                });
                self.add(Body::ToolCall { id: call.id, name: call.name, arguments });
            }
            Event::Thinking(text) => listen(TurnEvent::Thinking { text }),
            Event::ToolStart(start) => listen(TurnEvent::ToolStart { id: start.id, name: start.name }),
            Event::Usage(usage) => listen(TurnEvent::Usage(usage.into())),
            Event::ToolFragment(_) => {}
        }
    }

    fn add(&mut self, body: Body) {
        self.parts.push(Part { label: self.label.clone(), body });
    }

    fn say(&mut self, clean: &str, listen: &(dyn Fn(TurnEvent) + Send + Sync)) {
        if clean.is_empty() {
            return;
        }
        match self.parts.last_mut().map(|part| &mut part.body) {
            Some(Body::Text { text }) => text.push_str(clean),
            _ => self.add(Body::Text { text: clean.to_owned() }),
        }
        let text = self.filling.push(clean);
        if !text.is_empty() {
            listen(TurnEvent::Text { text });
        }
    }

    /// Lets go of what was held back.
    fn flush(&mut self, listen: &(dyn Fn(TurnEvent) + Send + Sync)) {
        let mut check = std::mem::replace(&mut self.check, OutputCheck::new(self.policy));
        let rest = check.finish();
        self.say(&rest, listen);
        let text = self.filling.finish();
        if !text.is_empty() {
            listen(TurnEvent::Text { text });
        }
        for leak in check.findings() {
            if !self.found.iter().any(|kind| kind == leak.kind) {
                self.found.push(leak.kind.to_owned());
            }
        }
    }

    /// The parts, and which shapes were found in them.
    pub(super) fn finish(mut self, listen: &(dyn Fn(TurnEvent) + Send + Sync)) -> (Vec<Part>, Vec<String>) {
        self.flush(listen);
        (self.parts, self.found)
    }
}
