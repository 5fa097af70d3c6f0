//! The stream of a message, decoded as it comes.

use cara_sdk::Error;
use cara_sdk::json::{self, Text};
use cara_sdk::provider::{CallIds, Decoder as Decode, Outcome, Progress, Request, StopReason};
use cara_sdk::sse;
use cara_sdk::turn::{Event, Sink};
use cara_sdk::types::{Thought, Usage};
use cara_wire::answer::{cut_off, report};
use cara_wire::call::{PART_LIMIT, PartialCall};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Fault, REDACTED, explain};

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Start<'a> {
    Text {
        #[serde(borrow)]
        text: Text<'a>,
    },
    Thinking,
    RedactedThinking {
        #[serde(borrow)]
        data: Text<'a>,
    },
    ToolUse {
        #[serde(borrow)]
        id: Text<'a>,
        #[serde(borrow)]
        name: Text<'a>,
    },
    /// Blocks of tools the server runs: never asked for.
    #[serde(other)]
    Other,
}

/// Every event in one: only the fields of its type are there. Reading it into a tagged enum would copy it first.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(default)]
    index: u32,
    #[serde(borrow)]
    message: Option<Head<'a>>,
    #[serde(borrow)]
    content_block: Option<&'a RawValue>,
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
    usage: Option<Tokens>,
    #[serde(borrow)]
    error: Option<Fault<'a>>,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    model: Text<'a>,
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow)]
    text: Option<Text<'a>>,
    #[serde(borrow)]
    thinking: Option<Text<'a>>,
    #[serde(borrow)]
    signature: Option<Text<'a>>,
    #[serde(borrow)]
    partial_json: Option<Text<'a>>,
    #[serde(borrow)]
    stop_reason: Option<Text<'a>>,
    #[serde(borrow)]
    stop_sequence: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Tokens {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    output_tokens_details: Option<OutputTokens>,
}

#[derive(Deserialize)]
struct OutputTokens {
    thinking_tokens: Option<u64>,
}

/// A block that is still coming.
#[derive(Debug)]
enum Block {
    Text,
    Thought { text: String, signature: String },
    Call(PartialCall),
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
    stop_sequence: Option<String>,
    stop: Option<StopReason>,
    done: bool,
    /// Input without what came from or went to the cache, as the vendor counts it.
    input: u64,
    usage: Usage,
    ids: CallIds,
    blocks: Vec<(u32, Block)>,
    /// Calls wait for the reason to stop: it says whether they are whole.
    calls: Vec<PartialCall>,
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
                stop_sequence: None,
                stop: None,
                done: false,
                input: 0,
                usage: Usage::zero(),
                ids: CallIds::after(request),
                blocks: Vec::new(),
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

    fn finish(&mut self, sink: &mut dyn Sink) -> Result<Outcome, Error> {
        let answer = &mut self.answer;
        let Some(stop) = answer.stop else {
            return Err(cut_off());
        };
        // A block cut off by the limit may lack its end.
        for (_, block) in std::mem::take(&mut answer.blocks) {
            answer.close(block, sink)?;
        }
        for call in answer.calls.drain(..) {
            call.complete(stop, sink)?;
        }
        Ok(Outcome {
            request_id: answer.id.take(),
            stop_sequence: answer.stop_sequence.take(),
            ..Outcome::new(stop, std::mem::take(&mut answer.model))
        })
    }
}

impl Answer {
    /// Reads the data of one event. Types that are not known are left out, as the vendor asks.
    fn read(&mut self, data: &[u8], sink: &mut dyn Sink) -> Result<(), Error> {
        if self.done {
            return Ok(());
        }
        let message: Message<'_> = json::read(data)?;
        match &*message.kind {
            "content_block_delta" => match message.delta {
                Some(delta) => self.delta(message.index, delta, sink),
                None => Ok(()),
            },
            "content_block_start" => match message.content_block {
                Some(block) => self.start(message.index, json::read(block.get().as_bytes())?, sink),
                None => Ok(()),
            },
            "content_block_stop" => match self.blocks.iter().position(|(index, _)| *index == message.index) {
                Some(at) => {
                    let (_, block) = self.blocks.remove(at);
                    self.close(block, sink)
                }
                None => Ok(()),
            },
            "message_start" => {
                let Some(head) = message.message else { return Ok(()) };
                self.model = head.model.into_string();
                self.id = head.id.map(Text::into_string);
                self.count(head.usage, sink)
            }
            "message_delta" => {
                if let Some(delta) = message.delta {
                    self.stop = delta.stop_reason.map(|reason| stop(&reason)).or(self.stop);
                    self.stop_sequence = delta.stop_sequence.map(Text::into_string);
                }
                self.count(message.usage, sink)
            }
            "message_stop" => {
                self.done = true;
                Ok(())
            }
            "error" => Err(match &message.error {
                Some(fault) => explain(None, fault),
                None => Error::other("the server ended the answer with an error"),
            }),
            _ => Ok(()),
        }
    }

    fn start(&mut self, index: u32, start: Start<'_>, sink: &mut dyn Sink) -> Result<(), Error> {
        let block = match start {
            Start::Text { text } => {
                sink.text(&text)?;
                Block::Text
            }
            Start::Thinking => Block::Thought { text: String::new(), signature: String::new() },
            Start::RedactedThinking { data } => {
                Block::Thought { text: String::new(), signature: format!("{REDACTED}{}", &*data) }
            }
            Start::ToolUse { id, name } => {
                let mut call = PartialCall::new(self.ids.assign(&id));
                call.name(&name, sink)?;
                Block::Call(call)
            }
            Start::Other => return Ok(()),
        };
        self.blocks.push((index, block));
        Ok(())
    }

    fn delta(&mut self, index: u32, delta: Delta<'_>, sink: &mut dyn Sink) -> Result<(), Error> {
        let Some((_, block)) = self.blocks.iter_mut().find(|(known, _)| *known == index) else {
            return Ok(());
        };
        match block {
            Block::Text => sink.text(delta.text.as_deref().unwrap_or_default()),
            Block::Thought { text, signature } => {
                if let Some(more) = delta.signature {
                    grow(signature, &more)?;
                }
                let Some(more) = delta.thinking.filter(|more| !more.is_empty()) else {
                    return Ok(());
                };
                grow(text, &more)?;
                sink.thinking(&more)
            }
            Block::Call(call) => call.arguments(delta.partial_json.as_deref().unwrap_or_default(), sink),
        }
    }

    /// A block is complete.
    fn close(&mut self, block: Block, sink: &mut dyn Sink) -> Result<(), Error> {
        match block {
            Block::Text => Ok(()),
            Block::Thought { text, signature } => {
                let signature = (!signature.is_empty()).then_some(signature);
                sink.emit(Event::Thought(Thought { text, signature }))
            }
            Block::Call(call) => {
                self.calls.push(call);
                Ok(())
            }
        }
    }

    /// Reports the tokens, when they have changed. The vendor counts cached input apart, the contract as input.
    fn count(&mut self, tokens: Option<Tokens>, sink: &mut dyn Sink) -> Result<(), Error> {
        let Some(tokens) = tokens else {
            return Ok(());
        };
        self.input = tokens.input_tokens.unwrap_or(self.input);
        let cache_read = tokens.cache_read_input_tokens.unwrap_or(self.usage.cache_read);
        let cache_write = tokens.cache_creation_input_tokens.unwrap_or(self.usage.cache_write);
        let input = self.input.saturating_add(cache_read).saturating_add(cache_write);
        let output = tokens.output_tokens.unwrap_or(self.usage.output);
        let details = tokens.output_tokens_details.and_then(|details| details.thinking_tokens);
        let reasoning = details.unwrap_or(self.usage.reasoning);
        report(Usage { input, output, cache_read, cache_write, reasoning }, &mut self.usage, sink)
    }
}

/// Adds to a string that is kept, within its limit.
fn grow(kept: &mut String, more: &str) -> Result<(), Error> {
    kept.push_str(more);
    if kept.len() <= PART_LIMIT {
        return Ok(());
    }
    Err(Error::other(format!("a block of the answer is larger than {PART_LIMIT} bytes")))
}

/// What a reason to stop means. `pause_turn` comes only with tools the server runs, which are never asked for.
fn stop(reason: &str) -> StopReason {
    match reason {
        "tool_use" => StopReason::ToolCalls,
        "max_tokens" | "model_context_window_exceeded" => StopReason::Length,
        "stop_sequence" => StopReason::StopSequence,
        "refusal" => StopReason::Refused,
        _ => StopReason::Complete,
    }
}
