//! The stream of a chat completion, decoded as it comes.

use cara_sdk::Error;
use cara_sdk::json::{self, Text};
use cara_sdk::provider::{CallIds, Decoder as Decode, Outcome, Progress, Request, StopReason};
use cara_sdk::sse;
use cara_sdk::turn::Sink;
use cara_sdk::types::Usage;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Fault, explain};
use crate::answer::{cut_off, report};
use crate::call::PartialCall;

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    system_fingerprint: Option<Text<'a>>,
    #[serde(borrow)]
    model: Option<Text<'a>>,
    #[serde(borrow)]
    choices: Option<Vec<Choice<'a>>>,
    usage: Option<Tokens>,
    #[serde(borrow)]
    error: Option<Fault<'a>>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    index: u32,
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
    #[serde(borrow)]
    finish_reason: Option<Text<'a>>,
    /// vLLM: the stop string that ended the answer, or a token's number.
    #[serde(borrow)]
    stop_reason: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow)]
    content: Option<Text<'a>>,
    #[serde(borrow)]
    refusal: Option<Text<'a>>,
    /// DeepSeek, llama.cpp, older vLLM.
    #[serde(borrow)]
    reasoning_content: Option<Text<'a>>,
    /// Reasoning under its newer name.
    #[serde(borrow)]
    reasoning: Option<Text<'a>>,
    #[serde(borrow)]
    tool_calls: Option<Vec<CallDelta<'a>>>,
}

#[derive(Deserialize)]
struct CallDelta<'a> {
    index: Option<u32>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    function: Option<FunctionDelta<'a>>,
}

#[derive(Deserialize)]
struct FunctionDelta<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    arguments: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Tokens {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    prompt_tokens_details: Option<PromptTokens>,
    completion_tokens_details: Option<CompletionTokens>,
}

#[derive(Deserialize)]
struct CompletionTokens {
    reasoning_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct PromptTokens {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
}

/// A tool call that is still coming, and what tells it from others.
#[derive(Debug)]
struct Call {
    index: Option<u32>,
    vendor_id: String,
    call: PartialCall,
}

/// Decodes the answer to one request.
#[derive(Debug)]
pub struct Decoder {
    parser: sse::Parser,
    answer: Answer,
}

/// What is known of the answer so far.
#[derive(Debug)]
struct Answer {
    model: String,
    id: Option<String>,
    fingerprint: Option<String>,
    stop_sequence: Option<String>,
    stop: Option<StopReason>,
    refused: bool,
    done: bool,
    usage: Usage,
    ids: CallIds,
    calls: Vec<Call>,
}

impl Decoder {
    /// A decoder at the beginning of the answer to `request`.
    #[must_use]
    pub fn new(request: &Request) -> Self {
        Self {
            parser: sse::Parser::new(),
            answer: Answer {
                model: request.model.clone(),
                id: None,
                fingerprint: None,
                stop_sequence: None,
                stop: None,
                refused: false,
                done: false,
                usage: Usage::zero(),
                ids: CallIds::after(request),
                calls: Vec::new(),
            },
        }
    }
}

impl Decode for Decoder {
    fn feed(&mut self, piece: &[u8], sink: &mut dyn Sink) -> Result<Progress, Error> {
        let Self { parser, answer } = self;
        parser.push(piece, |event| answer.read(event.data, sink))?;
        Ok(if answer.done { Progress::Done } else { Progress::More })
    }

    /// A server may leave out `[DONE]`; without it and without a reason to stop, the stream was cut off.
    fn finish(&mut self, sink: &mut dyn Sink) -> Result<Outcome, Error> {
        let answer = &mut self.answer;
        let stop = match answer.stop {
            _ if answer.refused => StopReason::Refused,
            Some(StopReason::Complete) | None if !answer.calls.is_empty() => StopReason::ToolCalls,
            Some(stop) => stop,
            None => StopReason::Complete,
        };
        if answer.stop.is_none() && !answer.done {
            return Err(cut_off());
        }
        for Call { call, .. } in answer.calls.drain(..) {
            call.complete(stop, sink)?;
        }
        Ok(Outcome {
            stop,
            model: std::mem::take(&mut answer.model),
            request_id: answer.id.take(),
            stop_sequence: answer.stop_sequence.take(),
            fingerprint: answer.fingerprint.take(),
        })
    }
}

impl Answer {
    /// Reads the data of one event.
    fn read(&mut self, data: &[u8], sink: &mut dyn Sink) -> Result<(), Error> {
        if self.done {
            return Ok(());
        }
        if data.trim_ascii() == b"[DONE]" {
            self.done = true;
            return Ok(());
        }
        let chunk: Chunk<'_> = json::read(data)?;
        if let Some(fault) = &chunk.error {
            return Err(explain(None, fault));
        }
        let Some(choices) = chunk.choices else {
            return self.without_choices(data, chunk.usage, sink);
        };
        if let Some(model) = chunk.model.filter(|model| !model.is_empty() && **model != *self.model) {
            self.model = model.into_string();
        }
        keep(&mut self.id, chunk.id);
        keep(&mut self.fingerprint, chunk.system_fingerprint);
        for choice in choices.into_iter().filter(|choice| choice.index == 0) {
            self.choose(choice, sink)?;
        }
        self.count(chunk.usage, sink)
    }

    /// Older vLLM reports a failure as an object that is the error itself.
    fn without_choices(&mut self, data: &[u8], usage: Option<Tokens>, sink: &mut dyn Sink) -> Result<(), Error> {
        match serde_json::from_slice::<Fault<'_>>(data) {
            Ok(fault) => Err(explain(None, &fault)),
            Err(_) => self.count(usage, sink),
        }
    }

    fn choose(&mut self, choice: Choice<'_>, sink: &mut dyn Sink) -> Result<(), Error> {
        if let Some(delta) = choice.delta {
            let thinking = delta.reasoning_content.or(delta.reasoning);
            sink.thinking(thinking.as_deref().unwrap_or_default())?;
            sink.text(delta.content.as_deref().unwrap_or_default())?;
            if let Some(text) = delta.refusal.filter(|text| !text.is_empty()) {
                self.refused = true;
                sink.text(&text)?;
            }
            for call in delta.tool_calls.into_iter().flatten() {
                self.call(call, sink)?;
            }
        }
        let Some(reason) = choice.finish_reason else {
            return Ok(());
        };
        self.stop = Some(match (&*reason, choice.stop_reason) {
            ("length", _) => StopReason::Length,
            ("tool_calls" | "function_call", _) => StopReason::ToolCalls,
            ("content_filter", _) => StopReason::Refused,
            (_, Some(text)) if text.get().starts_with('"') => {
                self.stop_sequence = json::read::<Text<'_>>(text.get().as_bytes()).ok().map(Text::into_string);
                StopReason::StopSequence
            }
            _ => StopReason::Complete,
        });
        Ok(())
    }

    /// Adds a piece of a tool call to the call it belongs to.
    fn call(&mut self, delta: CallDelta<'_>, sink: &mut dyn Sink) -> Result<(), Error> {
        let vendor_id = delta.id.as_deref().unwrap_or_default();
        let (name, arguments) = match delta.function {
            Some(function) => (function.name, function.arguments),
            None => (None, None),
        };
        // Without index and id, a name is the only sign of another call.
        let begins = delta.index.is_none() && vendor_id.is_empty() && name.is_some();
        let at = match self.find(delta.index, vendor_id) {
            Some(at) if !begins => at,
            _ => {
                let call = PartialCall::new(self.ids.assign(vendor_id));
                self.calls.push(Call { index: delta.index, vendor_id: vendor_id.to_owned(), call });
                self.calls.len() - 1
            }
        };
        let call = &mut self.calls[at].call;
        call.name(name.as_deref().unwrap_or_default(), sink)?;
        call.arguments(arguments.as_deref().unwrap_or_default(), sink)
    }

    /// The call a piece belongs to: by index; a new id on a known index is another call, as servers without
    /// indexes count them all 0; a piece with neither continues the last.
    fn find(&self, index: Option<u32>, vendor_id: &str) -> Option<usize> {
        let fits = |call: &Call| {
            let same_id = vendor_id.is_empty() || call.vendor_id.is_empty() || call.vendor_id == vendor_id;
            same_id && (index.is_none() || call.index == index)
        };
        self.calls.iter().rposition(fits)
    }

    /// Reports the tokens, when they have changed.
    fn count(&mut self, tokens: Option<Tokens>, sink: &mut dyn Sink) -> Result<(), Error> {
        let Some(tokens) = tokens else {
            return Ok(());
        };
        let details = tokens.prompt_tokens_details.as_ref();
        let usage = Usage {
            input: tokens.prompt_tokens.unwrap_or_default(),
            output: tokens.completion_tokens.unwrap_or_default(),
            cache_read: details.and_then(|tokens| tokens.cached_tokens).unwrap_or_default(),
            cache_write: details.and_then(|tokens| tokens.cache_write_tokens).unwrap_or_default(),
            reasoning: tokens.completion_tokens_details.and_then(|tokens| tokens.reasoning_tokens).unwrap_or_default(),
        };
        report(usage, &mut self.usage, sink)
    }
}

/// Keeps what each chunk says again; the first that is not empty counts.
fn keep(known: &mut Option<String>, said: Option<Text<'_>>) {
    if known.is_none() {
        *known = said.filter(|said| !said.is_empty()).map(Text::into_string);
    }
}
