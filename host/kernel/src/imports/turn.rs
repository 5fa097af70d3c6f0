//! `turn`: a provider's events on their way to whoever waits,
//! with back-pressure.

use super::{Answer, CallState};
use crate::bindings::cara::plugin::turn::{self, Event};
use crate::bindings::types::Refusal as Wit;
use cara_authority::{Refusal, Rule};
use cara_services::egress::{KnownSecrets, TextScrubber};
use std::borrow::Cow;
use tokio::sync::mpsc;

/// The host's end of a turn. Known secrets are taken out of what passes, also where one is spread over events.
pub(crate) struct Turn {
    sender: mpsc::Sender<Event>,
    left: u64,
    known: KnownSecrets,
    text: TextScrubber,
    thinking: TextScrubber,
}

/// Nobody listens any more.
struct Gone;

impl Turn {
    pub(crate) fn new(sender: mpsc::Sender<Event>, output: u64, known: &KnownSecrets) -> Self {
        let scrubber = || TextScrubber::new(known.clone());
        Self { sender, left: output, text: scrubber(), thinking: scrubber(), known: known.clone() }
    }

    /// Passes on what was held back: at the end of the answer, and before an event of another kind.
    pub(crate) async fn flush(&mut self) {
        // The end of the listener shows at the next event, or not at all when this was the last.
        let _ = self.release().await;
    }

    async fn release(&mut self) -> Result<(), Gone> {
        let (thinking, text) = (self.thinking.finish(), self.text.finish());
        if !thinking.is_empty() {
            self.send(Event::Thinking(thinking)).await?;
        }
        if !text.is_empty() {
            self.send(Event::Text(text)).await?;
        }
        Ok(())
    }

    async fn pass(&mut self, event: Event) -> Result<(), Gone> {
        let clean = match event {
            Event::Text(piece) => Event::Text(self.text.push(piece)),
            Event::Thinking(piece) => Event::Thinking(self.thinking.push(piece)),
            other => {
                self.release().await?;
                self.scrubbed(other)
            }
        };
        match &clean {
            // All of it is held back; there is nothing to show yet.
            Event::Text(text) | Event::Thinking(text) if text.is_empty() && !self.sender.is_closed() => Ok(()),
            _ => self.send(clean).await,
        }
    }

    /// Events that come whole. A fragment of arguments is looked through by itself; the call that follows, as a whole.
    fn scrubbed(&self, mut event: Event) -> Event {
        let scrub = |text: &mut String| {
            if let Cow::Owned(scrubbed) = self.known.scrub_text(text) {
                *text = scrubbed;
            }
        };
        match &mut event {
            Event::Thought(thought) => {
                scrub(&mut thought.text);
                thought.signature.iter_mut().for_each(scrub);
            }
            Event::ToolStart(start) => [&mut start.id, &mut start.name].into_iter().for_each(scrub),
            Event::ToolFragment(fragment) => [&mut fragment.id, &mut fragment.json].into_iter().for_each(scrub),
            Event::ToolCall(call) => {
                [&mut call.id, &mut call.name, &mut call.arguments].into_iter().for_each(scrub);
            }
            Event::Text(_) | Event::Thinking(_) | Event::Usage(_) => {}
        }
        event
    }

    async fn send(&self, event: Event) -> Result<(), Gone> {
        match self.sender.try_send(event) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Gone),
            Err(mpsc::error::TrySendError::Full(event)) => self.sender.send(event).await.map_err(|_| Gone),
        }
    }
}

impl turn::Host for CallState {
    async fn emit(&mut self, events: Vec<Event>) -> Answer<()> {
        // Every list and event costs something, so that an endless stream of empty ones ends too.
        let size = events.iter().map(|event| size(event) + 8).sum::<u64>() + 8;
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
        for event in events {
            if turn.pass(event).await.is_err() {
                return Ok(Err(Wit::Cancelled));
            }
            self.call.touch();
        }
        Ok(Ok(()))
    }
}

/// Bytes of an event's text.
fn size(event: &Event) -> u64 {
    (match event {
        Event::Text(text) | Event::Thinking(text) => text.len(),
        Event::Thought(thought) => thought.text.len() + thought.signature.as_ref().map_or(0, String::len),
        Event::ToolStart(start) => start.id.len() + start.name.len(),
        Event::ToolFragment(fragment) => fragment.id.len() + fragment.json.len(),
        Event::ToolCall(call) => call.id.len() + call.name.len() + call.arguments.len(),
        Event::Usage(_) => 32,
    }) as u64
}
