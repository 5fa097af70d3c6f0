//! A conversation: its messages, and how a turn adds to them.

use crate::event::{Ending, Failure, TurnEvent, Usage};
use cara_authority::Grants;
use cara_kernel::bindings::provider::{Request, ToolChoice};
use cara_kernel::bindings::turn::Event;
use cara_kernel::bindings::types::{Message, Part, Role, Thought, ToolCall};
use cara_kernel::exports::provider::EVENTS_AHEAD;
use cara_kernel::{CallServices, Component, without_placeholders};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Who answers: a component with its powers, and which of its models.
#[derive(Clone)]
pub struct Provider {
    /// The component.
    pub component: Arc<Component>,
    /// What it may do.
    pub grants: Arc<Grants>,
    /// The gates it goes through.
    pub services: CallServices,
    /// The model.
    pub model: String,
}

/// The messages so far, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Conversation {
    system: Option<String>,
    messages: Vec<Message>,
}

impl Conversation {
    /// An empty conversation under the operator's instructions.
    pub fn new(system: Option<String>) -> Self {
        Self { system, messages: Vec::new() }
    }

    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether nothing was said yet.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Says something and passes on what comes back. The turn becomes part of the conversation only when it worked:
    /// after a failure, or when the future is dropped, the conversation is as it was.
    pub async fn turn(
        &mut self,
        provider: &Provider,
        text: &str,
        mut listen: impl FnMut(&TurnEvent) + Send,
    ) -> Result<Ending, Failure> {
        let said = Message { role: Role::User, parts: vec![Part::Text(text.to_owned())] };
        let mut messages = self.messages.clone();
        messages.push(said.clone());
        let request = Request {
            model: provider.model.clone(),
            system: self.system.clone(),
            messages,
            tools: Vec::new(),
            tool_choice: ToolChoice::Auto,
            max_output_tokens: None,
            temperature: None,
            stop: Vec::new(),
            effort: None,
        };
        let (sender, mut events) = mpsc::channel(EVENTS_AHEAD);
        let mut answer = Answer::default();
        let call = provider.component.complete(&provider.grants, &provider.services, request, sender);
        let mut call = std::pin::pin!(call);
        let returned = loop {
            tokio::select! {
                biased;
                Some(event) = events.recv() => answer.take(event, &mut listen),
                returned = &mut call => break returned,
            }
        };
        while let Ok(event) = events.try_recv() {
            answer.take(event, &mut listen);
        }
        let returned = returned.map_err(|fault| Failure::fault(&fault))?;
        let refusals: Vec<String> = returned.refusals.iter().map(ToString::to_string).collect();
        let outcome = returned.answer.map_err(|error| Failure::reported(error, refusals))?;
        self.messages.push(said);
        self.messages.push(Message { role: Role::Assistant, parts: answer.parts.into_iter().map(lasting).collect() });
        Ok(Ending::new(outcome, answer.usage))
    }
}

/// A part as it is kept: an upstream that echoes a credential gives back this call's placeholder, which the next call
/// may not send.
fn lasting(part: Part) -> Part {
    let clean = |text: String| without_placeholders(&text).into_owned();
    match part {
        Part::Text(text) => Part::Text(clean(text)),
        Part::Thinking(thought) => Part::Thinking(Thought { text: clean(thought.text), ..thought }),
        Part::ToolCall(call) => Part::ToolCall(ToolCall { arguments: clean(call.arguments), ..call }),
        other => other,
    }
}

/// An answer as it grows.
#[derive(Default)]
struct Answer {
    parts: Vec<Part>,
    usage: Option<Usage>,
}

impl Answer {
    fn take(&mut self, event: Event, listen: &mut impl FnMut(&TurnEvent)) {
        if let Some(shown) = TurnEvent::of(&event) {
            listen(&shown);
        }
        match event {
            Event::Text(piece) => match self.parts.last_mut() {
                Some(Part::Text(text)) => text.push_str(&piece),
                _ => self.parts.push(Part::Text(piece)),
            },
            Event::Thought(thought) => self.parts.push(Part::Thinking(thought)),
            Event::ToolCall(call) => self.parts.push(Part::ToolCall(call)),
            Event::Usage(usage) => self.usage = Some(usage.into()),
            Event::Thinking(_) | Event::ToolStart(_) | Event::ToolFragment(_) => {}
        }
    }
}
