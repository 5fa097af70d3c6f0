//! An answer as typed events, each with its number, and as the items of a
//! response.
//!
//! ```text
//! Event ─→ Writer ─┬─ told: `response.output_text.delta` and the like, in order
//!                  └─ output: messages, reasoning, calls, as the response has them in the end
//! ```

use super::object::Object;
use crate::refusal::{Refusal, Shape};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cara_control::completion::Finish;
use cara_control::completion::parts::{Event, StopReason, Thought};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A thought as it has to come back: opaque to a client.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sealed {
    pub(super) text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) signature: Option<String>,
}

/// What is open at the end of the answer so far.
enum Open {
    Text { index: usize, id: String, text: String },
    Reasoning { index: usize, id: String, text: String },
}

/// A call that comes in pieces.
struct Call {
    index: usize,
    id: String,
    call_id: String,
    name: String,
    sent: String,
}

/// Puts an answer into events and items.
pub(super) struct Writer {
    object: Object,
    /// What is told and was not taken yet.
    told: Vec<String>,
    number: u64,
    output: Vec<Value>,
    open: Option<Open>,
    calls: Vec<Call>,
}

#[derive(Serialize)]
struct Delta<'a> {
    r#type: &'static str,
    sequence_number: u64,
    item_id: &'a str,
    output_index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_index: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary_index: Option<u32>,
    delta: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<[(); 0]>,
}

impl Writer {
    pub(super) fn new(object: Object) -> Self {
        let (told, number, output, open, calls) = Default::default();
        Self { object, told, number, output, open, calls }
    }

    /// What is new, in order: each a server-sent event.
    pub(super) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }

    pub(super) fn object(&self) -> &Object {
        &self.object
    }

    fn tell(&mut self, kind: &str, mut event: Value) {
        event["type"] = kind.into();
        event["sequence_number"] = self.number.into();
        self.number += 1;
        self.told.push(format!("event: {kind}\ndata: {event}\n\n"));
    }

    fn delta(&mut self, delta: Delta<'_>) {
        self.number += 1;
        let data = serde_json::to_string(&delta).expect("texts and numbers are plain data");
        self.told.push(format!("event: {}\ndata: {data}\n\n", delta.r#type));
    }

    fn place(&self, prefix: &str) -> (usize, String) {
        let index = self.output.len();
        (index, format!("{prefix}_{}{index}", self.object.suffix()))
    }

    /// The beginning, before anything came.
    pub(super) fn begin(&mut self) {
        let response = self.object.told("in_progress", &[]);
        self.tell("response.created", json!({ "response": response }));
        self.tell("response.in_progress", json!({ "response": response }));
    }

    /// More of the answer.
    pub(super) fn event(&mut self, event: Event) {
        match event {
            Event::Text(text) => self.text(&text),
            Event::Thinking(text) => self.thinking(&text),
            Event::Thought(thought) => self.thought(thought),
            Event::ToolStart(start) => {
                self.called(&start.id, &start.name);
            }
            Event::ToolFragment(fragment) => self.fragment(&fragment.id, &fragment.json),
            Event::ToolCall(call) => {
                let at = self.called(&call.id, &call.name);
                let sent = self.calls[at].sent.len();
                // What came piece by piece is a beginning of the whole.
                if let Some(rest) = call.arguments.get(sent..).filter(|rest| !rest.is_empty()) {
                    self.fragment(&call.id, rest);
                }
                self.end_call(at, &call.arguments);
            }
            Event::Usage(_) => {}
        }
    }

    fn text(&mut self, piece: &str) {
        if !matches!(self.open, Some(Open::Text { .. })) {
            self.close(None);
            let (index, id) = self.place("msg");
            let item =
                json!({ "id": id, "type": "message", "status": "in_progress", "role": "assistant", "content": [] });
            self.tell("response.output_item.added", json!({ "output_index": index, "item": item }));
            self.output.push(item);
            let part = json!({ "type": "output_text", "text": "", "annotations": [], "logprobs": [] });
            let added = json!({ "item_id": id, "output_index": index, "content_index": 0, "part": part });
            self.tell("response.content_part.added", added);
            self.open = Some(Open::Text { index, id, text: String::new() });
        }
        let Some(Open::Text { index, id, mut text }) = self.open.take() else { return };
        text.push_str(piece);
        self.delta(Delta {
            r#type: "response.output_text.delta",
            sequence_number: self.number,
            item_id: &id,
            output_index: index,
            content_index: Some(0),
            summary_index: None,
            delta: piece,
            logprobs: Some([]),
        });
        self.open = Some(Open::Text { index, id, text });
    }

    fn reason(&mut self) {
        if matches!(self.open, Some(Open::Reasoning { .. })) {
            return;
        }
        self.close(None);
        let (index, id) = self.place("rs");
        let item = json!({ "id": id, "type": "reasoning", "summary": [] });
        self.tell("response.output_item.added", json!({ "output_index": index, "item": item }));
        self.output.push(item);
        if self.object.summarizes() {
            let part = json!({ "type": "summary_text", "text": "" });
            let added = json!({ "item_id": id, "output_index": index, "summary_index": 0, "part": part });
            self.tell("response.reasoning_summary_part.added", added);
        }
        self.open = Some(Open::Reasoning { index, id, text: String::new() });
    }

    fn thinking(&mut self, piece: &str) {
        self.reason();
        let Some(Open::Reasoning { index, id, mut text }) = self.open.take() else { return };
        text.push_str(piece);
        if self.object.summarizes() {
            self.delta(Delta {
                r#type: "response.reasoning_summary_text.delta",
                sequence_number: self.number,
                item_id: &id,
                output_index: index,
                content_index: None,
                summary_index: Some(0),
                delta: piece,
                logprobs: None,
            });
        }
        self.open = Some(Open::Reasoning { index, id, text });
    }

    fn thought(&mut self, thought: Thought) {
        self.reason();
        let Thought { text, signature } = thought;
        self.close(Some(Sealed { text, signature }));
    }

    /// The place of a call among those that are known, which it is from here on.
    fn called(&mut self, call_id: &str, name: &str) -> usize {
        if let Some(at) = self.calls.iter().position(|call| call.call_id == call_id) {
            return at;
        }
        self.close(None);
        let (index, id) = self.place("fc");
        let item = json!({
            "id": id, "type": "function_call", "status": "in_progress", "call_id": call_id, "name": name, "arguments": "",
        });
        self.tell("response.output_item.added", json!({ "output_index": index, "item": item }));
        self.output.push(item);
        let (call_id, name, sent) = (call_id.to_owned(), name.to_owned(), String::new());
        self.calls.push(Call { index, id, call_id, name, sent });
        self.calls.len() - 1
    }

    fn fragment(&mut self, call_id: &str, json: &str) {
        let Some(at) = self.calls.iter().position(|call| call.call_id == call_id) else { return };
        let mut call = self.calls.swap_remove(at);
        call.sent.push_str(json);
        self.delta(Delta {
            r#type: "response.function_call_arguments.delta",
            sequence_number: self.number,
            item_id: &call.id,
            output_index: call.index,
            content_index: None,
            summary_index: None,
            delta: json,
            logprobs: None,
        });
        self.calls.push(call);
        let last = self.calls.len() - 1;
        self.calls.swap(at, last);
    }

    fn end_call(&mut self, at: usize, arguments: &str) {
        let Call { index, id, call_id, name, .. } = &self.calls[at];
        let (index, id) = (*index, id.clone());
        let done = json!({ "item_id": id, "output_index": index, "name": name, "arguments": arguments });
        let item = json!({
            "id": id, "type": "function_call", "status": "completed", "call_id": call_id, "name": name,
            "arguments": arguments,
        });
        self.tell("response.function_call_arguments.done", done);
        self.tell("response.output_item.done", json!({ "output_index": index, "item": item }));
        self.output[index] = item;
    }

    /// Ends what is open; `thought` is what has to come back of a reasoning.
    fn close(&mut self, thought: Option<Sealed>) {
        match self.open.take() {
            None => {}
            Some(Open::Text { index, id, text }) => {
                let done = json!({
                    "item_id": id, "output_index": index, "content_index": 0, "text": text, "logprobs": [],
                });
                self.tell("response.output_text.done", done);
                let part = json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] });
                let done = json!({ "item_id": id, "output_index": index, "content_index": 0, "part": part });
                self.tell("response.content_part.done", done);
                let item = json!({
                    "id": id, "type": "message", "status": "completed", "role": "assistant", "content": [part],
                });
                self.finish_item(index, item);
            }
            Some(Open::Reasoning { index, id, text }) => {
                let mut summary = Vec::new();
                if self.object.summarizes() {
                    let done = json!({ "item_id": id, "output_index": index, "summary_index": 0, "text": text });
                    self.tell("response.reasoning_summary_text.done", done);
                    let part = json!({ "type": "summary_text", "text": text });
                    let done = json!({ "item_id": id, "output_index": index, "summary_index": 0, "part": part });
                    self.tell("response.reasoning_summary_part.done", done);
                    if !text.is_empty() {
                        summary.push(part);
                    }
                }
                let sealed = thought.unwrap_or(Sealed { text, signature: None });
                let sealed = serde_json::to_vec(&sealed).expect("two texts are plain data");
                let sealed = BASE64_STANDARD.encode(sealed);
                let item = json!({ "id": id, "type": "reasoning", "summary": summary, "encrypted_content": sealed });
                self.finish_item(index, item);
            }
        }
    }

    fn finish_item(&mut self, index: usize, item: Value) {
        let shown = self.object.shown(&item);
        self.tell("response.output_item.done", json!({ "output_index": index, "item": shown }));
        self.output[index] = item;
    }

    /// The end: the response as it is to be kept, which is not told before [`Writer::conclude`].
    pub(super) fn end(&mut self, finish: &Finish) -> Value {
        self.close(None);
        let reason = match finish.stop {
            StopReason::Length => Some("max_output_tokens"),
            StopReason::Refused => Some("content_filter"),
            StopReason::Complete | StopReason::ToolCalls | StopReason::StopSequence => None,
        };
        self.object.ended(finish, reason, &self.output)
    }

    /// Tells the end.
    pub(super) fn conclude(&mut self, response: &Value) {
        let is_whole = response["incomplete_details"].is_null();
        let kind = if is_whole { "response.completed" } else { "response.incomplete" };
        let shown = self.object.shown(response);
        self.tell(kind, json!({ "response": shown }));
    }

    /// The end of an answer that is incomplete by no wish of its own.
    pub(super) fn fail(&mut self, refusal: &Refusal) -> Value {
        let error = refusal.json(Shape::OpenAi)["error"].take();
        let code = match error["code"].as_str() {
            Some("rate_limit_exceeded" | "insufficient_quota") => "rate_limit_exceeded",
            _ => "server_error",
        };
        let mut response = self.object.told("failed", &self.output);
        response["error"] = json!({ "code": code, "message": error["message"] });
        let shown = self.object.shown(&response);
        self.tell("response.failed", json!({ "response": shown }));
        response
    }

    /// The end of an answer that nobody wants any more.
    pub(super) fn cancel(&mut self) -> Value {
        self.object.told("cancelled", &self.output)
    }
}
