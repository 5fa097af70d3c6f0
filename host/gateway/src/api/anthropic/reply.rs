//! Answers in Anthropic's form: one message, or events of its blocks.

use crate::api::reply::{Encode, Whole, raw};
use crate::refusal::{Refusal, Shape};
use cara_control::completion::parts::{Event, StopReason};
use cara_control::completion::{Answer, Finish};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

fn id_of(answer: &str) -> String {
    format!("msg_{answer}")
}

/// Why an answer ended. What calls tools waits for their results, whatever a vendor calls that.
fn reason(stop: StopReason, calls: bool) -> &'static str {
    match stop {
        _ if calls && matches!(stop, StopReason::Complete | StopReason::ToolCalls) => "tool_use",
        StopReason::Complete | StopReason::ToolCalls => "end_turn",
        StopReason::StopSequence => "stop_sequence",
        StopReason::Length => "max_tokens",
        StopReason::Refused => "refusal",
    }
}

/// Tokens; those of the cache stand apart.
fn usage(finish: &Finish) -> Value {
    let usage = &finish.usage;
    json!({
        "input_tokens": usage.input.saturating_sub(usage.cache_read + usage.cache_write),
        "output_tokens": usage.output,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation_input_tokens": usage.cache_write,
    })
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block<'a> {
    Thinking { thinking: &'a str, signature: &'a str },
    RedactedThinking { data: &'a str },
    Text { text: &'a str, citations: Option<()> },
    ToolUse { id: &'a str, name: &'a str, input: Box<RawValue> },
}

#[derive(Serialize)]
struct Message<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    model: &'a str,
    content: Vec<Block<'a>>,
    stop_reason: &'static str,
    stop_sequence: Option<&'a str>,
    usage: Value,
}

/// A whole answer.
pub(super) fn written(id: &str, whole: Whole) -> String {
    let mut content = Vec::new();
    for thought in &whole.thoughts {
        let signature = thought.signature.as_deref().unwrap_or_default();
        content.push(match thought.text.is_empty() {
            true => Block::RedactedThinking { data: signature },
            false => Block::Thinking { thinking: &thought.text, signature },
        });
    }
    if whole.thoughts.is_empty() && !whole.thinking.is_empty() {
        content.push(Block::Thinking { thinking: &whole.thinking, signature: "" });
    }
    if !whole.text.is_empty() {
        content.push(Block::Text { text: &whole.text, citations: None });
    }
    for call in &whole.calls {
        content.push(Block::ToolUse { id: &call.id, name: &call.name, input: raw(&call.arguments) });
    }
    let message = Message {
        id: &id_of(id),
        kind: "message",
        role: "assistant",
        model: &whole.finish.model,
        stop_reason: reason(whole.finish.stop, !whole.calls.is_empty()),
        content,
        stop_sequence: whole.finish.stop_sequence.as_deref(),
        usage: usage(&whole.finish),
    };
    serde_json::to_string(&message).expect("an answer is plain data")
}

/// What block is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Open {
    Nothing,
    Text,
    Thinking,
    Call { id: String, sent: usize },
}

/// An answer as events.
pub(super) struct Events {
    id: String,
    model: String,
    open: Open,
    index: usize,
    calls: bool,
    /// What came while a call was under way: one block ends before the next begins.
    held: Vec<Event>,
}

#[derive(Serialize)]
struct Delta<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    index: usize,
    delta: Of<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum Of<'a> {
    #[serde(rename = "text_delta")]
    Text { text: &'a str },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: &'a str },
    #[serde(rename = "signature_delta")]
    Signature { signature: &'a str },
    #[serde(rename = "input_json_delta")]
    InputJson { partial_json: &'a str },
}

fn event(to: &mut Vec<u8>, name: &str, data: &impl Serialize) {
    to.extend_from_slice(b"event: ");
    to.extend_from_slice(name.as_bytes());
    to.push(b'\n');
    crate::api::reply::data(to, data);
}

impl Events {
    pub(super) fn new(answer: &Answer) -> Self {
        let (id, model) = (id_of(answer.id()), answer.name().to_owned());
        Self { id, model, open: Open::Nothing, index: 0, calls: false, held: Vec::new() }
    }

    fn close(&mut self, to: &mut Vec<u8>) {
        if std::mem::replace(&mut self.open, Open::Nothing) != Open::Nothing {
            event(to, "content_block_stop", &json!({ "type": "content_block_stop", "index": self.index }));
            self.index += 1;
        }
    }

    fn open(&mut self, open: Open, block: &Value, to: &mut Vec<u8>) {
        self.close(to);
        self.open = open;
        let start = json!({ "type": "content_block_start", "index": self.index, "content_block": block });
        event(to, "content_block_start", &start);
    }

    fn delta(&self, delta: Of<'_>, to: &mut Vec<u8>) {
        event(to, "content_block_delta", &Delta { kind: "content_block_delta", index: self.index, delta });
    }

    fn thinking(&mut self, to: &mut Vec<u8>) {
        if self.open != Open::Thinking {
            self.open(Open::Thinking, &json!({ "type": "thinking", "thinking": "", "signature": "" }), to);
        }
    }

    fn begun(&mut self, id: &str, name: &str, to: &mut Vec<u8>) {
        self.calls = true;
        let block = json!({ "type": "tool_use", "id": id, "name": name, "input": {} });
        self.open(Open::Call { id: id.to_owned(), sent: 0 }, &block, to);
    }

    /// How much was sent of the arguments of the call under way.
    fn sent(&self) -> usize {
        if let Open::Call { sent, .. } = self.open { sent } else { 0 }
    }

    /// Whether an event has to wait until the call under way is whole.
    fn waits(&self, event: &Event) -> bool {
        let Open::Call { id, .. } = &self.open else { return false };
        match event {
            Event::ToolFragment(fragment) => fragment.id != *id,
            Event::ToolCall(call) => call.id != *id,
            _ => true,
        }
    }

    /// Tells what waited.
    fn release(&mut self, to: &mut Vec<u8>) {
        self.close(to);
        for event in std::mem::take(&mut self.held) {
            Encode::event(self, event, to);
        }
    }

    fn more(&mut self, json: &str, to: &mut Vec<u8>) {
        if let Open::Call { sent, .. } = &mut self.open {
            *sent += json.len();
            self.delta(Of::InputJson { partial_json: json }, to);
        }
    }
}

impl Encode for Events {
    const MEDIA_TYPE: &'static str = "text/event-stream";
    const SHAPE: Shape = Shape::Anthropic;

    fn begin(&mut self, to: &mut Vec<u8>) {
        let message = json!({
            "id": self.id, "type": "message", "role": "assistant", "model": self.model, "content": [],
            "stop_reason": null, "stop_sequence": null, "usage": { "input_tokens": 0, "output_tokens": 0 },
        });
        event(to, "message_start", &json!({ "type": "message_start", "message": message }));
    }

    fn event(&mut self, event: Event, to: &mut Vec<u8>) {
        if self.waits(&event) {
            return self.held.push(event);
        }
        match event {
            Event::Text(text) => {
                if self.open != Open::Text {
                    self.open(Open::Text, &json!({ "type": "text", "text": "" }), to);
                }
                self.delta(Of::Text { text: &text }, to);
            }
            Event::Thinking(thinking) => {
                self.thinking(to);
                self.delta(Of::Thinking { thinking: &thinking }, to);
            }
            Event::Thought(thought) if thought.text.is_empty() && self.open != Open::Thinking => {
                let data = thought.signature.unwrap_or_default();
                self.open(Open::Thinking, &json!({ "type": "redacted_thinking", "data": data }), to);
                self.close(to);
            }
            Event::Thought(thought) => {
                if self.open != Open::Thinking {
                    self.thinking(to);
                    self.delta(Of::Thinking { thinking: &thought.text }, to);
                }
                if let Some(signature) = &thought.signature {
                    self.delta(Of::Signature { signature }, to);
                }
                self.close(to);
            }
            Event::ToolStart(start) => self.begun(&start.id, &start.name, to),
            Event::ToolFragment(fragment) => self.more(&fragment.json, to),
            Event::ToolCall(call) => {
                if !matches!(self.open, Open::Call { .. }) {
                    self.begun(&call.id, &call.name, to);
                }
                // What came piece by piece is a beginning of the whole.
                if let Some(rest) = call.arguments.get(self.sent()..).filter(|rest| !rest.is_empty()) {
                    self.more(rest, to);
                }
                self.release(to);
            }
            Event::Usage(_) => {}
        }
    }

    fn end(&mut self, finish: Finish, to: &mut Vec<u8>) {
        while self.open != Open::Nothing || !self.held.is_empty() {
            self.release(to);
        }
        let delta = json!({ "stop_reason": reason(finish.stop, self.calls), "stop_sequence": finish.stop_sequence });
        event(to, "message_delta", &json!({ "type": "message_delta", "delta": delta, "usage": usage(&finish) }));
        event(to, "message_stop", &json!({ "type": "message_stop" }));
    }

    fn fail(&mut self, refusal: &Refusal, to: &mut Vec<u8>) {
        event(to, "error", &refusal.json(Self::SHAPE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cara_control::completion::parts::{ToolCall, ToolFragment, ToolStart};

    #[test]
    fn calls_that_come_side_by_side_are_blocks_one_after_the_other() {
        let mut events =
            Events { id: "i".into(), model: "m".into(), open: Open::Nothing, index: 0, calls: false, held: Vec::new() };
        let start = |id: &str| Event::ToolStart(ToolStart { id: id.into(), name: "f".into() });
        let more = |id: &str, json: &str| Event::ToolFragment(ToolFragment { id: id.into(), json: json.into() });
        let whole = |id: &str, json: &str| {
            Event::ToolCall(ToolCall { id: id.into(), name: "f".into(), arguments: json.into() })
        };
        let mut to = Vec::new();
        for event in [
            Event::Text("x".into()),
            start("a"),
            start("b"),
            more("b", "{\"n\":"),
            more("a", "{"),
            whole("b", "{\"n\":2}"),
            whole("a", "{}"),
        ] {
            Encode::event(&mut events, event, &mut to);
        }
        let text = String::from_utf8_lossy(&to).into_owned();
        let place = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what}: {text}"));
        assert!(
            place("\"id\":\"a\"") < place("\"index\":1,\"type\":\"content_block_stop\"").min(place("\"id\":\"b\""))
        );
        assert_eq!(text.matches("content_block_start\"").count(), 3);
        assert_eq!(text.matches("event: content_block_stop").count(), 3);
        assert!(text.contains(r#""partial_json":"{\"n\":""#) && text.contains(r#""partial_json":"2}""#), "{text}");
    }
}
