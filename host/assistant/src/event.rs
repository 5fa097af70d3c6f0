//! What happens during a turn, in a form to be shown and written as JSON.

use cara_authority::policy::Line;
use cara_authority::{Action, Label};
use cara_kernel::bindings::provider::{Outcome, StopReason};
use cara_kernel::bindings::types::{ErrorKind, Usage as Tokens};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// One event of a turn. As JSON: one object a line, told apart by `type`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
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
        /// The arguments of the call, JSON.
        arguments: String,
    },
    /// A call was decided on: it runs, a person is asked, or it is denied.
    ToolDecision {
        /// Names the call.
        id: String,
        /// The tool.
        name: String,
        /// `run`, `ask` or `deny`.
        then: Action,
        /// The lines that spoke; the first one decided.
        lines: Vec<Line>,
    },
    /// A person is asked.
    Approval(Box<Asked>),
    /// A person, a rule or the deadline answered.
    ApprovalDecided {
        /// Names the request.
        id: String,
        /// Whether the call may be made.
        allowed: bool,
        /// The door or deadline that answered.
        by: String,
    },
    /// A call is done.
    ToolResult {
        /// Names the call.
        id: String,
        /// The tool.
        name: String,
        /// What the model is told.
        text: String,
        /// Whether it failed or was not made.
        failed: bool,
        /// Who denied it, where it was asked about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        denied: Option<Denial>,
        /// What the result came from.
        label: Label,
    },
    /// What the run has seen by now.
    Seen {
        /// Sources, and whether anything was private.
        label: Label,
    },
    /// A guard found something.
    Guard {
        /// In what: `message`, `tool-result`, `answer`.
        place: Cow<'static, str>,
        /// The rules that the text met.
        rules: Vec<String>,
    },
    /// Earlier messages were replaced by a summary.
    Compacted {
        /// Up to which place.
        upto: u32,
        /// Tokens before and after, as the host counts them.
        tokens: [u32; 2],
    },
    /// The model gave no answer, and is asked again.
    Retry {
        /// After how long, milliseconds.
        after_ms: u64,
        /// Why it gave none.
        why: String,
    },
    /// Tokens so far.
    Usage(Usage),
}

/// A call was asked about, and was answered with no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Denial {
    /// The door or deadline that answered; `prompt` is the person of the conversation.
    pub by: String,
    /// The reason that was given.
    pub reason: Option<String>,
}

impl Denial {
    /// Who denied it, and why; `person` is what the person of the conversation is called here.
    pub fn words(&self, person: &str) -> String {
        let by = match self.by.as_str() {
            PROMPT => person,
            DEADLINE => "the deadline",
            NOBODY => "the host, as nobody was there to be asked",
            other => other,
        };
        let reason = self.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        format!("denied by {by}{reason}")
    }
}

/// Who answered, where the person of the conversation was asked.
pub const PROMPT: &str = "prompt";

/// What denied, where nobody answered.
pub const DEADLINE: &str = "deadline";

/// What denied, where nobody was there to be asked.
pub(crate) const NOBODY: &str = "nobody";

/// What a person is asked, whole: every byte of it is shown, escaped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Asked {
    /// Names the request.
    pub id: String,
    /// The component whose tool it is.
    pub component: String,
    /// SHA-256 of its code.
    pub digest: String,
    /// Who signed it: a key, an identity with its issuer, or `built-in`.
    #[serde(default)]
    pub signer: Option<String>,
    /// The tool, or the component's own question.
    pub tool: String,
    /// The arguments, canonical JSON; or the question.
    pub arguments: String,
    /// Where data goes.
    pub destinations: Vec<String>,
    /// The servers that settings of the component name: where it connects, whatever the arguments say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<String>,
    /// The session.
    pub session: String,
    /// What the run has seen.
    pub seen: Label,
    /// Why it is asked.
    pub why: Vec<String>,
    /// What "allow always" would store, in words; none when it cannot be given here.
    pub always: Option<String>,
    /// Whether "always" would hold in this session only.
    #[serde(default)]
    pub within_session: bool,
    /// When silence becomes a denial, Unix milliseconds.
    pub deadline_ms: u64,
}

/// Tokens as the vendor counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
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
    /// Of `output`, spent on reasoning, where the vendor tells it apart.
    #[serde(default)]
    pub reasoning: u64,
}

impl From<Tokens> for Usage {
    fn from(tokens: Tokens) -> Self {
        // No answer has more. What a vendor says is added up, here and in the ledger, so it is no number that overflows.
        let Tokens { input, output, cache_read, cache_write, reasoning } = tokens;
        let [input, output, cache_read, cache_write, reasoning] =
            [input, output, cache_read, cache_write, reasoning].map(|most| most.min(u32::MAX.into()));
        Self { input, output, cache_read, cache_write, reasoning }
    }
}

/// How a turn that worked ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Ending {
    /// The run.
    pub run: String,
    /// Why: `complete`, `tool-calls`, `length`, `stop-sequence` or `refused`.
    pub stop: Cow<'static, str>,
    /// The model that answered.
    pub model: String,
    /// Tokens, when the vendor said.
    pub usage: Option<Usage>,
}

impl Ending {
    pub(crate) fn new(run: String, outcome: Outcome, usage: Option<Usage>) -> Self {
        let stop = match outcome.stop {
            StopReason::Complete => "complete",
            StopReason::ToolCalls => "tool-calls",
            StopReason::Length => "length",
            StopReason::StopSequence => "stop-sequence",
            StopReason::Refused => "refused",
        };
        Self { run, stop: stop.into(), model: outcome.model, usage }
    }

    /// How a run ended whose answer is kept and told again: what it used was told before.
    pub fn kept(run: String, model: String) -> Self {
        Self { run, stop: "complete".into(), model, usage: None }
    }
}

/// Why a turn did not work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[error("{message}")]
pub struct Failure {
    /// `auth`, `rate-limit`, … as in `error-kind`, or `fault` when the component itself was ended, `cancelled`.
    pub kind: Cow<'static, str>,
    /// For a person.
    pub message: String,
    /// Whether trying again may help.
    pub retry: bool,
    /// How long to wait first, milliseconds, when the other side said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// What the host refused the component on the way, each with its cure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
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
            ErrorKind::Fault => "fault",
            ErrorKind::Other => "other",
        };
        Self {
            kind: kind.into(),
            message: error.message,
            retry: error.retry,
            retry_after_ms: error.retry_after_ms,
            refusals,
        }
    }

    /// What a person is told: what happened, and what the host refused on the way, each said once and with its cure.
    pub fn told(&self) -> String {
        let mut told = self.message.clone();
        for refusal in &self.refusals {
            let (what, cure) = refusal.split_once("\nhint: ").unwrap_or((refusal, ""));
            if !told.contains(what) {
                told = format!("{told}\n{refusal}");
            } else if !told.contains(cure) {
                // A component that passes the host's words on does not know the cure.
                told = format!("{told}\nhint: {cure}");
            }
        }
        told
    }

    /// A failure of the host's own.
    pub fn own(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind: kind.into(), message: message.into(), retry: false, retry_after_ms: None, refusals: Vec::new() }
    }

    pub(crate) fn fault(fault: &cara_kernel::Fault) -> Self {
        Self {
            kind: "fault".into(),
            message: fault.to_string(),
            retry: true,
            retry_after_ms: None,
            refusals: Vec::new(),
        }
    }
}
