//! A script: turns, each with what it expects and the steps it answers with.
//!
//! Knows nothing of a host. The format is documented in `docs/rehearsal-script.md`; reading it is in `table.rs`.

use cara_sdk::Error;
use cara_sdk::provider::StopReason;
use cara_sdk::types::Usage;

use crate::conversation::{Conversation, quoted};

mod node;
mod table;
#[cfg(test)]
mod tests;

/// A script that was read and checked: it has a turn, every step does one thing, nothing follows an end.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    order: Order,
    honours: Vec<&'static str>,
    turns: Vec<Turn>,
}

/// The order of the turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The first turn answers first, and so on; after the last there is none.
    #[default]
    Once,
    /// After the last turn the first is due again.
    Loop,
    /// Always the first turn that fits.
    Any,
}

/// One answer.
#[derive(Debug, Clone, PartialEq)]
struct Turn {
    expectations: Vec<(Subject, Expectation)>,
    steps: Vec<Step>,
}

/// What an expectation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    Message,
    ToolResult,
    System,
}

/// What a text must be like; what is `None` does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Expectation {
    contains: Option<String>,
    exact: Option<String>,
    absent: Option<String>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What.
    pub act: Act,
    /// In which pieces.
    pub pieces: Pieces,
    /// How often.
    pub repeat: u64,
    /// How long to wait before each event, milliseconds.
    pub delay_ms: u64,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// Nothing but wait.
    Wait,
    /// Says something.
    Text(String),
    /// Thinks aloud.
    Thinking {
        /// The reasoning.
        text: String,
        /// What must be sent back with it.
        signature: Option<String>,
    },
    /// Calls a tool.
    ToolCall {
        /// The tool.
        name: String,
        /// JSON, sent as it is.
        arguments: String,
    },
    /// Reports usage.
    Usage(Usage),
    /// Fails; ends the turn.
    Fail(Error),
    /// Ends the turn.
    Stop(StopReason),
}

/// How a text is cut into events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pieces {
    /// One event.
    Whole,
    /// An event for each word.
    Words,
    /// An event for so many characters; at least 1.
    Characters(usize),
}

impl Step {
    /// Does it once, whole and without waiting.
    #[must_use]
    pub const fn new(act: Act) -> Self {
        Self { act, pieces: Pieces::Whole, repeat: 1, delay_ms: 0 }
    }
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// `bad-request` with the line that is wrong.
    pub fn parse(text: &str) -> Result<Self, Error> {
        table::parse(text)
    }

    /// The options of a request that its answers keep to, as its author says.
    #[must_use]
    pub fn honours(&self) -> &[&'static str] {
        &self.honours
    }

    /// The steps of the turn that is due.
    ///
    /// # Errors
    /// `bad-request` when it expects something else, saying what came instead, or when there is none.
    pub fn select(&self, conversation: &Conversation) -> Result<&[Step], Error> {
        let count = self.turns.len();
        let index = match self.order {
            Order::Any => return self.first_fit(conversation),
            Order::Loop => conversation.answers % count,
            Order::Once => conversation.answers,
        };
        let Some(turn) = self.turns.get(index) else {
            return Err(Error::bad_request(format!(
                "the script ends after turn {count}, but turn {} is due and {} came",
                index + 1,
                quoted(&conversation.came())
            )));
        };
        match turn.misfit(conversation) {
            None => Ok(&turn.steps),
            Some(misfit) => Err(Error::bad_request(format!("turn {} of the script {misfit}", index + 1))),
        }
    }

    fn first_fit(&self, conversation: &Conversation) -> Result<&[Step], Error> {
        let turn = self.turns.iter().find(|turn| turn.misfit(conversation).is_none());
        turn.map(|turn| turn.steps.as_slice()).ok_or_else(|| {
            let (count, came) = (self.turns.len(), quoted(&conversation.came()));
            Error::bad_request(format!("none of the {count} turns of the script fits: {came} came"))
        })
    }
}

impl Turn {
    /// What it expects and does not find; `None` when it fits.
    fn misfit(&self, conversation: &Conversation) -> Option<String> {
        self.expectations.iter().find_map(|(subject, expectation)| {
            let text = match subject {
                Subject::Message => conversation.came(),
                Subject::ToolResult => conversation.result_text(),
                Subject::System => conversation.system.clone(),
            };
            let wanted = expectation.unmet(text.trim())?;
            let name = match subject {
                Subject::Message => "a message",
                Subject::ToolResult => "a tool result",
                Subject::System => "a system prompt",
            };
            Some(format!("expects {name} {wanted}, but {} came", quoted(&text)))
        })
    }
}

impl Expectation {
    fn unmet(&self, text: &str) -> Option<String> {
        let unless =
            |fits: bool, relation: &str, wanted: &str| (!fits).then(|| format!("{relation} {}", quoted(wanted)));
        let contains = self.contains.as_deref().and_then(|part| unless(text.contains(part), "that contains", part));
        let exact = || self.exact.as_deref().and_then(|all| unless(text == all.trim(), "that is", all));
        let absent = || self.absent.as_deref().and_then(|part| unless(!text.contains(part), "without", part));
        contains.or_else(exact).or_else(absent)
    }
}
