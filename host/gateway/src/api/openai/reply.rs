//! Answers in the form of OpenAI's chat: one object, or chunks that end with
//! `[DONE]`.

use crate::api::reply::{Encode, Whole, data};
use crate::refusal::{Refusal, Shape};
use cara_control::completion::parts::{Event, StopReason, ToolCall};
use cara_control::completion::{Answer, Finish};
use serde::Serialize;
use std::collections::HashMap;

/// Tokens, as OpenAI counts them.
#[derive(Debug, Serialize)]
pub(super) struct Tokens {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: PromptDetails,
    completion_tokens_details: CompletionDetails,
}

#[derive(Debug, Serialize)]
struct CompletionDetails {
    reasoning_tokens: u64,
}

#[derive(Debug, Serialize)]
struct PromptDetails {
    cached_tokens: u64,
}

impl From<&Finish> for Tokens {
    fn from(finish: &Finish) -> Self {
        let usage = &finish.usage;
        Self {
            prompt_tokens: usage.input,
            completion_tokens: usage.output,
            total_tokens: usage.input + usage.output,
            prompt_tokens_details: PromptDetails { cached_tokens: usage.cache_read },
            completion_tokens_details: CompletionDetails { reasoning_tokens: usage.reasoning },
        }
    }
}

/// Why an answer ended. What calls tools waits for their results, whatever a vendor calls that.
fn reason(stop: StopReason, calls: bool) -> &'static str {
    match stop {
        _ if calls && matches!(stop, StopReason::Complete | StopReason::ToolCalls) => "tool_calls",
        StopReason::Complete | StopReason::StopSequence | StopReason::ToolCalls => "stop",
        StopReason::Length => "length",
        StopReason::Refused => "content_filter",
    }
}

#[derive(Serialize)]
struct Completed<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: [Choice<'a>; 1],
    usage: Tokens,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_fingerprint: Option<&'a str>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    message: Said<'a>,
    logprobs: Option<()>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct Said<'a> {
    role: &'static str,
    content: Option<&'a str>,
    refusal: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Called<'a>>,
}

#[derive(Serialize)]
struct Called<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

fn id_of(answer: &str) -> String {
    format!("chatcmpl-{answer}")
}

/// A call that came whole.
fn called(call: &ToolCall) -> Called<'_> {
    let function = Function { name: Some(&call.name), arguments: &call.arguments };
    Called { index: None, id: Some(&call.id), kind: Some("function"), function }
}

/// A whole answer.
pub(super) fn written(id: &str, created: u64, whole: Whole) -> String {
    let text = (!whole.text.is_empty() || whole.calls.is_empty()).then_some(whole.text.as_str());
    let message = Said {
        role: "assistant",
        content: text,
        refusal: None,
        reasoning_content: (!whole.thinking.is_empty()).then_some(&*whole.thinking),
        tool_calls: whole.calls.iter().map(called).collect(),
    };
    let finish_reason = reason(whole.finish.stop, !whole.calls.is_empty());
    let completed = Completed {
        id: &id_of(id),
        object: "chat.completion",
        created,
        model: &whole.finish.model,
        choices: [Choice { index: 0, message, logprobs: None, finish_reason }],
        usage: Tokens::from(&whole.finish),
        system_fingerprint: whole.finish.fingerprint.as_deref(),
    };
    serde_json::to_string(&completed).expect("an answer is plain data")
}

/// An answer in chunks.
pub(super) struct Chunks {
    /// What each chunk begins with, up to its choices.
    head: String,
    usage: bool,
    /// The calls by their ids: the place of each, and what was sent of its arguments.
    calls: HashMap<String, (usize, String)>,
}

#[derive(Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[Called<'a>; 1]>,
}

#[derive(Serialize)]
struct Piece<'a> {
    index: u32,
    delta: Delta<'a>,
    logprobs: Option<()>,
    finish_reason: Option<&'static str>,
}

impl Chunks {
    pub(super) fn new(answer: &Answer, created: u64, usage: bool) -> Self {
        let (id, model) = (id_of(answer.id()), serde_json::Value::from(answer.name()));
        let head = format!(
            "data: {{\"id\":\"{id}\",\"object\":\"chat.completion.chunk\",\"created\":{created},\"model\":{model},\"choices\":["
        );
        Self { head, usage, calls: HashMap::new() }
    }

    fn chunk(&self, delta: Delta<'_>, finish_reason: Option<&'static str>, to: &mut Vec<u8>) {
        to.extend_from_slice(self.head.as_bytes());
        let piece = Piece { index: 0, delta, logprobs: None, finish_reason };
        serde_json::to_writer(&mut *to, &piece).expect("a chunk is plain data");
        to.extend_from_slice(if self.usage { b"],\"usage\":null}\n\n" } else { b"]}\n\n" });
    }

    /// A call, or more of one.
    fn call(&self, index: usize, begins: Option<(&str, &str)>, arguments: &str, to: &mut Vec<u8>) {
        let function = Function { name: begins.map(|(_, name)| name), arguments };
        let kind = begins.map(|_| "function");
        let called = Called { index: Some(index), id: begins.map(|(id, _)| id), kind, function };
        self.chunk(Delta { tool_calls: Some([called]), ..Delta::default() }, None, to);
    }

    fn begun(&mut self, id: &str, name: &str, to: &mut Vec<u8>) {
        if !self.calls.contains_key(id) {
            let index = self.calls.len();
            self.calls.insert(id.to_owned(), (index, String::new()));
            self.call(index, Some((id, name)), "", to);
        }
    }

    fn more(&mut self, id: &str, json: &str, to: &mut Vec<u8>) {
        let Some((index, sent)) = self.calls.get_mut(id) else { return };
        sent.push_str(json);
        let index = *index;
        self.call(index, None, json, to);
    }
}

impl Encode for Chunks {
    const MEDIA_TYPE: &'static str = "text/event-stream";
    const SHAPE: Shape = Shape::OpenAi;

    fn begin(&mut self, to: &mut Vec<u8>) {
        self.chunk(Delta { role: Some("assistant"), content: Some(""), ..Delta::default() }, None, to);
    }

    fn event(&mut self, event: Event, to: &mut Vec<u8>) {
        match event {
            Event::Text(text) => self.chunk(Delta { content: Some(&text), ..Delta::default() }, None, to),
            Event::Thinking(text) => {
                self.chunk(Delta { reasoning_content: Some(&text), ..Delta::default() }, None, to);
            }
            Event::ToolStart(start) => self.begun(&start.id, &start.name, to),
            Event::ToolFragment(fragment) => self.more(&fragment.id, &fragment.json, to),
            Event::ToolCall(call) => {
                self.begun(&call.id, &call.name, to);
                let sent = self.calls.get(&call.id).map_or(0, |(_, sent)| sent.len());
                // What came piece by piece is a beginning of the whole.
                if let Some(rest) = call.arguments.get(sent..).filter(|rest| !rest.is_empty()) {
                    let rest = rest.to_owned();
                    self.more(&call.id, &rest, to);
                }
            }
            Event::Thought(_) | Event::Usage(_) => {}
        }
    }

    fn end(&mut self, finish: Finish, to: &mut Vec<u8>) {
        self.chunk(Delta::default(), Some(reason(finish.stop, !self.calls.is_empty())), to);
        if self.usage {
            to.extend_from_slice(self.head.as_bytes());
            to.extend_from_slice(b"],\"usage\":");
            serde_json::to_writer(&mut *to, &Tokens::from(&finish)).expect("numbers are plain data");
            to.extend_from_slice(b"}\n\n");
        }
        to.extend_from_slice(b"data: [DONE]\n\n");
    }

    fn fail(&mut self, refusal: &Refusal, to: &mut Vec<u8>) {
        data(to, &refusal.json(Self::SHAPE));
    }
}
