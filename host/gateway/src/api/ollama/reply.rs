//! Answers in Ollama's form: one object, or one a line.

use crate::api::reply::{Encode, Whole, raw};
use crate::refusal::{Refusal, Shape};
use cara_control::completion::Finish;
use cara_control::completion::parts::{Event, StopReason, ToolCall};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

/// Which of the two forms of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Chat,
    Generate,
}

/// An answer as lines.
pub(super) struct Lines {
    form: Form,
    model: String,
    created: String,
    began: Instant,
    /// When the first of it came.
    first: Option<Instant>,
}

#[derive(Default, Serialize)]
struct Line<'a> {
    model: &'a str,
    created_at: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Said<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<&'a str>,
    done: bool,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    ended: Option<Ended>,
}

#[derive(Default, Serialize)]
struct Said<'a> {
    role: &'static str,
    content: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Called<'a>>,
}

#[derive(Serialize)]
struct Called<'a> {
    id: &'a str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: Box<RawValue>,
}

/// The end, with times in nanoseconds.
#[derive(Serialize)]
struct Ended {
    done_reason: &'static str,
    total_duration: u64,
    load_duration: u64,
    prompt_eval_count: u64,
    prompt_eval_duration: u64,
    eval_count: u64,
    eval_duration: u64,
}

fn nanoseconds(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.saturating_duration_since(from).as_nanos()).unwrap_or(u64::MAX)
}

impl<'a> From<&'a ToolCall> for Called<'a> {
    fn from(call: &'a ToolCall) -> Self {
        Self { id: &call.id, function: Function { name: &call.name, arguments: raw(&call.arguments) } }
    }
}

impl Lines {
    pub(super) fn new(form: Form, model: String, created: String, began: Instant) -> Self {
        Self { form, model, created, began, first: None }
    }

    fn ended(&self, finish: &Finish) -> Ended {
        let now = Instant::now();
        let first = self.first.unwrap_or(now);
        Ended {
            done_reason: if finish.stop == StopReason::Length { "length" } else { "stop" },
            total_duration: nanoseconds(self.began, now),
            load_duration: 0,
            prompt_eval_count: finish.usage.input,
            prompt_eval_duration: nanoseconds(self.began, first),
            eval_count: finish.usage.output,
            eval_duration: nanoseconds(first, now),
        }
    }

    fn line(&self, text: &str, thinking: Option<&str>, calls: &[ToolCall], ended: Option<Ended>) -> Vec<u8> {
        let tool_calls = calls.iter().map(Called::from).collect();
        let said = Said { role: "assistant", content: text, thinking, tool_calls };
        let mut line =
            Line { model: &self.model, created_at: &self.created, done: ended.is_some(), ended, ..Line::default() };
        match self.form {
            Form::Chat => line.message = Some(said),
            Form::Generate => (line.response, line.thinking) = (Some(text), thinking),
        }
        serde_json::to_vec(&line).expect("an answer is plain data")
    }
}

/// A whole answer.
pub(super) fn written(lines: Lines, whole: Whole) -> Vec<u8> {
    let thinking = (!whole.thinking.is_empty()).then_some(&*whole.thinking);
    lines.line(&whole.text, thinking, &whole.calls, Some(lines.ended(&whole.finish)))
}

impl Encode for Lines {
    const MEDIA_TYPE: &'static str = "application/x-ndjson";
    const SHAPE: Shape = Shape::Ollama;

    fn begin(&mut self, _: &mut Vec<u8>) {
        self.first = Some(Instant::now());
    }

    fn event(&mut self, event: Event, to: &mut Vec<u8>) {
        let line = match event {
            Event::Text(text) => self.line(&text, None, &[], None),
            Event::Thinking(text) => self.line("", Some(&text), &[], None),
            Event::ToolCall(call) => self.line("", None, &[call], None),
            Event::ToolStart(_) | Event::ToolFragment(_) | Event::Thought(_) | Event::Usage(_) => return,
        };
        to.extend_from_slice(&line);
        to.push(b'\n');
    }

    fn end(&mut self, finish: Finish, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.line("", None, &[], Some(self.ended(&finish))));
        to.push(b'\n');
    }

    fn fail(&mut self, refusal: &Refusal, to: &mut Vec<u8>) {
        to.extend_from_slice(refusal.json(Self::SHAPE).to_string().as_bytes());
        to.push(b'\n');
    }
}
