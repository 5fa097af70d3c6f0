//! `turn`: a provider's events on their way to whoever waits, with back-pressure.

use crate::bindings::cara::plugin::turn::{self, Event};
use crate::bindings::types::Refusal as Wit;
use crate::call::CallState;
use cara_authority::{Refusal, Rule};
use tokio::sync::mpsc;

/// The host's end of a turn.
pub(crate) struct Turn {
    sender: mpsc::Sender<Event>,
    left: u64,
}

impl Turn {
    pub(crate) fn new(sender: mpsc::Sender<Event>, output: u64) -> Self {
        Self { sender, left: output }
    }
}

impl turn::Host for CallState {
    async fn emit(&mut self, event: Event) -> wasmtime::Result<Result<(), Wit>> {
        let size = size(&event);
        let id = self.call.grants.component();
        let Some(turn) = &mut self.turn else {
            let refusal = Refusal::new(Rule::Unavailable, format!("component `{id}` is not in a turn"));
            return Ok(self.answer(Err(refusal)));
        };
        if size > turn.left {
            let limit = self.call.grants.limits().output;
            let refusal = Refusal::new(Rule::Limit, format!("component `{id}`: its output is over {limit} bytes"));
            return Ok(self.answer(Err(refusal)));
        }
        turn.left -= size;
        let sent = match turn.sender.try_send(event) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(event)) => turn.sender.send(event).await.is_ok(),
        };
        self.call.touch();
        Ok(if sent { Ok(()) } else { Err(Wit::Cancelled) })
    }
}

/// Bytes of an event's text.
fn size(event: &Event) -> u64 {
    let bytes = match event {
        Event::Text(text) | Event::Thinking(text) => text.len(),
        Event::Thought(thought) => thought.text.len() + thought.signature.as_ref().map_or(0, String::len),
        Event::ToolStart(start) => start.id.len() + start.name.len(),
        Event::ToolFragment(fragment) => fragment.id.len() + fragment.json.len(),
        Event::ToolCall(call) => call.id.len() + call.name.len() + call.arguments.len(),
        Event::Usage(_) => 32,
    };
    // Every event costs something, so that an endless stream of empty ones ends too.
    bytes as u64 + 8
}
