//! The stream of a chat, decoded as it comes.

use cara_sdk::Error;
use cara_sdk::json::{self, Text};
use cara_sdk::ndjson::Lines;
use cara_sdk::provider::{CallIds, Decoder as Decode, Outcome, Progress, Request, StopReason, complete_call};
use cara_sdk::turn::{Event, Sink, ToolFragment, ToolStart};
use cara_sdk::types::Usage;
use cara_wire::answer::cut_off;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::explain;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    model: Option<Text<'a>>,
    #[serde(borrow)]
    message: Option<Message<'a>>,
    #[serde(default)]
    done: bool,
    #[serde(borrow)]
    done_reason: Option<Text<'a>>,
    prompt_eval_count: Option<u64>,
    eval_count: Option<u64>,
    #[serde(borrow)]
    error: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: Option<Text<'a>>,
    #[serde(borrow)]
    thinking: Option<Text<'a>>,
    #[serde(borrow)]
    tool_calls: Option<Vec<Call<'a>>>,
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    function: Function<'a>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

/// Decodes the answer to one request.
#[derive(Debug)]
pub struct Decoder {
    lines: Option<Lines>,
    answer: Answer,
}

/// What is known of the answer so far.
#[derive(Debug)]
struct Answer {
    model: String,
    stop: Option<StopReason>,
    ids: CallIds,
    called: bool,
}

impl Decoder {
    /// A decoder at the beginning of the answer to `request`.
    #[must_use]
    pub fn new(request: &Request) -> Self {
        Self {
            lines: Some(Lines::new()),
            answer: Answer { model: request.model.clone(), stop: None, ids: CallIds::after(request), called: false },
        }
    }
}

impl Decode for Decoder {
    fn feed(&mut self, piece: &[u8], sink: &mut dyn Sink) -> Result<Progress, Error> {
        let Self { lines, answer } = self;
        if let Some(lines) = lines {
            lines.push(piece, |line| answer.read(line, sink))?;
        }
        Ok(if answer.stop.is_some() { Progress::Done } else { Progress::More })
    }

    fn finish(&mut self, sink: &mut dyn Sink) -> Result<Outcome, Error> {
        let Self { lines, answer } = self;
        if let Some(lines) = lines.take() {
            lines.finish(|line| answer.read(line, sink))?;
        }
        match answer.stop {
            Some(stop) => Ok(Outcome::new(stop, std::mem::take(&mut answer.model))),
            None => Err(cut_off()),
        }
    }
}

impl Answer {
    fn read(&mut self, line: &[u8], sink: &mut dyn Sink) -> Result<(), Error> {
        if self.stop.is_some() {
            return Ok(());
        }
        let line: Line<'_> = json::read(line)?;
        if let Some(said) = &line.error {
            return Err(explain(None, said));
        }
        if let Some(message) = line.message {
            self.message(message, sink)?;
        }
        if !line.done {
            return Ok(());
        }
        if let Some(model) = line.model.filter(|model| !model.is_empty()) {
            self.model = model.into_string();
        }
        self.stop = Some(match line.done_reason.as_deref() {
            Some("length") => StopReason::Length,
            _ if self.called => StopReason::ToolCalls,
            _ => StopReason::Complete,
        });
        sink.emit(Event::Usage(Usage {
            input: line.prompt_eval_count.unwrap_or_default(),
            output: line.eval_count.unwrap_or_default(),
            ..Usage::zero()
        }))
    }

    fn message(&mut self, message: Message<'_>, sink: &mut dyn Sink) -> Result<(), Error> {
        sink.thinking(message.thinking.as_deref().unwrap_or_default())?;
        sink.text(message.content.as_deref().unwrap_or_default())?;
        for call in message.tool_calls.into_iter().flatten() {
            self.call(call.function, sink)?;
        }
        Ok(())
    }

    /// A call comes whole. Its id is made here, so that the same conversation has the same ids with every server.
    fn call(&mut self, function: Function<'_>, sink: &mut dyn Sink) -> Result<(), Error> {
        let id = self.ids.assign("");
        let name = function.name.into_string();
        let json = function.arguments.map_or("{}", RawValue::get).to_owned();
        let call = complete_call(StopReason::ToolCalls, id, name, json)?;
        self.called = true;
        sink.emit(Event::ToolStart(ToolStart { id: call.id.clone(), name: call.name.clone() }))?;
        sink.emit(Event::ToolFragment(ToolFragment { id: call.id.clone(), json: call.arguments.clone() }))?;
        sink.emit(Event::ToolCall(call))
    }
}
