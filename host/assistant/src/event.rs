//! What happens during a turn, in a form to be shown and written as JSON.

use cara_kernel::bindings::provider::{Outcome, StopReason};
use cara_kernel::bindings::turn::Event;
use cara_kernel::bindings::types::{ErrorKind, Usage as Tokens};
use serde::Serialize;

/// One event of a turn. As JSON: one object a line, told apart by `type`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum TurnEvent {
    /// More of the answer.
    Text {
        /// The new piece.
        text: String,
    },
    /// More of the model's reasoning.
    Thinking {
        /// The new piece.
        text: String,
    },
    /// The model begins a tool call.
    ToolStart {
        /// Names the call.
        id: String,
        /// The tool.
        name: String,
    },
    /// The model wants a tool called.
    ToolCall {
        /// Names the call.
        id: String,
        /// The tool.
        name: String,
        /// Its arguments, JSON.
        arguments: String,
    },
    /// Tokens so far.
    Usage(Usage),
}

/// Tokens as the vendor counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Usage {
    /// Of the prompt, the cached ones included.
    pub input: u64,
    /// Of the answer, thinking included.
    pub output: u64,
    /// Of `input`, read from the vendor's cache.
    pub cache_read: u64,
    /// Of `input`, written to it.
    pub cache_write: u64,
}

impl From<Tokens> for Usage {
    fn from(tokens: Tokens) -> Self {
        let Tokens { input, output, cache_read, cache_write } = tokens;
        Self { input, output, cache_read, cache_write }
    }
}

impl TurnEvent {
    /// The event as it is shown; fragments and completed thoughts, which only the conversation keeps, have none.
    pub(crate) fn of(event: &Event) -> Option<Self> {
        match event {
            Event::Text(text) => Some(Self::Text { text: text.clone() }),
            Event::Thinking(text) => Some(Self::Thinking { text: text.clone() }),
            Event::ToolStart(start) => Some(Self::ToolStart { id: start.id.clone(), name: start.name.clone() }),
            Event::ToolCall(call) => {
                let (id, name, arguments) = (call.id.clone(), call.name.clone(), call.arguments.clone());
                Some(Self::ToolCall { id, name, arguments })
            }
            Event::Usage(usage) => Some(Self::Usage((*usage).into())),
            Event::Thought(_) | Event::ToolFragment(_) => None,
        }
    }
}

/// How a turn that worked ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ending {
    /// Why: `complete`, `tool-calls`, `length`, `stop-sequence` or `refused`.
    pub stop: &'static str,
    /// The model that answered.
    pub model: String,
    /// Tokens, when the vendor said.
    pub usage: Option<Usage>,
}

impl Ending {
    pub(crate) fn new(outcome: Outcome, usage: Option<Usage>) -> Self {
        let stop = match outcome.stop {
            StopReason::Complete => "complete",
            StopReason::ToolCalls => "tool-calls",
            StopReason::Length => "length",
            StopReason::StopSequence => "stop-sequence",
            StopReason::Refused => "refused",
        };
        Self { stop, model: outcome.model, usage }
    }
}

/// Why a turn did not work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
#[error("{message}")]
pub struct Failure {
    /// `auth`, `rate-limit`, … as in `error-kind`, or `fault` when the component itself was ended, `cancelled`.
    pub kind: &'static str,
    /// For a person.
    pub message: String,
    /// Whether trying again may help.
    pub retry: bool,
    /// How long to wait first, milliseconds, when the other side said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// What the host refused the component on the way, each with its cure.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<String>,
}

impl Failure {
    pub(crate) fn reported(error: cara_kernel::bindings::types::Error, refusals: Vec<String>) -> Self {
        let kind = match error.kind {
            ErrorKind::Auth => "auth",
            ErrorKind::RateLimit => "rate-limit",
            ErrorKind::Overloaded => "overloaded",
            ErrorKind::ContextTooLong => "context-too-long",
            ErrorKind::Refused => "refused",
            ErrorKind::BadRequest => "bad-request",
            ErrorKind::Network => "network",
            ErrorKind::Unsupported => "unsupported",
            ErrorKind::Other => "other",
        };
        Self { kind, message: error.message, retry: error.retry, retry_after_ms: error.retry_after_ms, refusals }
    }

    pub(crate) fn fault(fault: &cara_kernel::Fault) -> Self {
        Self { kind: "fault", message: fault.to_string(), retry: true, retry_after_ms: None, refusals: Vec::new() }
    }
}
