//! A tool call that comes in pieces.

use cara_sdk::Error;
use cara_sdk::provider::{StopReason, complete_call};
use cara_sdk::turn::{Event, Sink, ToolFragment, ToolStart};

/// The most bytes of one tool call's arguments, as the contract says; and of any part that is kept until it is whole.
pub const PART_LIMIT: usize = 256 << 10;

/// A tool call that is still coming.
#[derive(Debug)]
pub struct PartialCall {
    id: String,
    name: String,
    arguments: String,
}

impl PartialCall {
    /// A call of which only the id is known.
    #[must_use]
    pub const fn new(id: String) -> Self {
        Self { id, name: String::new(), arguments: String::new() }
    }

    /// Tells which tool is called. The first name that is not empty counts.
    ///
    /// # Errors
    /// What `sink` answers.
    pub fn name(&mut self, name: &str, sink: &mut dyn Sink) -> Result<(), Error> {
        if name.is_empty() || !self.name.is_empty() {
            return Ok(());
        }
        name.clone_into(&mut self.name);
        sink.emit(Event::ToolStart(ToolStart { id: self.id.clone(), name: self.name.clone() }))
    }

    /// Adds a piece of the arguments.
    ///
    /// # Errors
    /// `other` when they are larger than [`PART_LIMIT`], or what `sink` answers.
    pub fn arguments(&mut self, json: &str, sink: &mut dyn Sink) -> Result<(), Error> {
        if json.is_empty() {
            return Ok(());
        }
        self.arguments.push_str(json);
        if self.arguments.len() > PART_LIMIT {
            let name = &self.name;
            return Err(Error::other(format!("the arguments of the tool `{name}` are larger than {PART_LIMIT} bytes")));
        }
        sink.emit(Event::ToolFragment(ToolFragment { id: self.id.clone(), json: json.to_owned() }))
    }

    /// Hands over the whole call. `stop` says why the answer ended: a limit may have cut the arguments off.
    ///
    /// # Errors
    /// As [`complete_call`], or what `sink` answers.
    pub fn complete(self, stop: StopReason, sink: &mut dyn Sink) -> Result<(), Error> {
        sink.emit(Event::ToolCall(complete_call(stop, self.id, self.name, self.arguments)?))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use cara_sdk::types::ToolCall;

    #[test]
    fn arguments_over_the_limit_end_the_call() {
        let mut events = Vec::new();
        let mut call = PartialCall::new("c".to_owned());
        call.name("look", &mut events).unwrap();
        call.name("other", &mut events).unwrap();
        call.arguments(&" ".repeat(PART_LIMIT), &mut events).unwrap();
        let error = call.arguments(" ", &mut events).unwrap_err();
        assert!(error.message.starts_with("the arguments of the tool `look` are larger"), "{}", error.message);
        assert_eq!(events.len(), 2);
        call.arguments.clear();
        call.complete(StopReason::ToolCalls, &mut events).unwrap();
        let whole = ToolCall { id: "c".into(), name: "look".into(), arguments: "{}".into() };
        assert_eq!(events.last(), Some(&Event::ToolCall(whole)));
    }
}
