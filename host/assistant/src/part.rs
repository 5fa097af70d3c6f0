//! What a conversation is made of, in the form the ledger keeps:
//! every part with its label.

use crate::audience::Speaker;
use crate::reading::{Findings, Reading};
use cara_authority::{Label, Source};
pub use cara_records::Role;
use serde::{Deserialize, Serialize};

/// One piece of a message, and where it came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Part {
    /// Its sources, and whether it is private.
    pub label: Label,
    /// The piece.
    #[serde(flatten)]
    pub body: Body,
}

/// The piece itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Body {
    /// Words.
    Text {
        /// The words.
        text: String,
    },
    /// A file the person or a tool handed in; its bytes are in the ledger.
    Attachment {
        /// The id of the stored attachment.
        id: String,
        /// IANA media type.
        media_type: String,
        /// The file's name, where it has one.
        name: Option<String>,
    },
    /// The model's reasoning.
    Thinking {
        /// What is readable of it.
        text: String,
        /// The vendor's proof, to be sent back.
        signature: Option<String>,
    },
    /// The model wants a tool called.
    ToolCall {
        /// Names the call.
        id: String,
        /// The tool, as the model wrote it.
        name: String,
        /// The arguments, as the model wrote them.
        arguments: String,
    },
    /// What came of a call.
    ToolResult {
        /// The call.
        id: String,
        /// The tool.
        name: String,
        /// What the model is told.
        text: String,
        /// Whether it failed or was not made.
        failed: bool,
    },
    /// What a reader without tools found in another part. The model that calls tools is not shown it.
    Read(Findings),
    /// The person stopped the answer here: what stands before it is all that came.
    Stopped,
}

/// How a model is told of an answer that was stopped.
pub const STOPPED: &str = "[the person stopped this answer here]";

/// A message with its place in the conversation, from 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The message's place in the session.
    pub place: u64,
    /// The speaker.
    pub role: Role,
    /// The parts of the message.
    pub parts: Vec<Part>,
    /// Who said it, where that is not the person of the session.
    pub speaker: Option<Speaker>,
}

impl Part {
    /// Words of one source.
    pub fn text(source: Source, text: impl Into<String>) -> Self {
        Self { label: Label::of(source), body: Body::Text { text: text.into() } }
    }

    /// Whether the model that calls tools is not shown its words: a quarantined agent is shown no tool's result and no
    /// file that a stranger may have written.
    pub fn is_held_back(&self, role: Role, reading: Reading) -> bool {
        let foreign = match role {
            Role::Tool => true,
            Role::User => !self.label.has(Source::Owner),
            Role::Assistant => false,
        };
        let finding = matches!(self.body, Body::Read(_));
        reading == Reading::Quarantined && foreign && !finding && foreign_sources(&self.label).next().is_some()
    }

    /// What a model that is shown it has seen. The shape of a reading is the host's, and has few forms.
    pub fn label_shown(&self, role: Role, reading: Reading) -> Label {
        match self.body {
            Body::Read(_) => Label::NONE,
            _ if self.is_held_back(role, reading) => Label::of(Source::Tool),
            _ => self.label.clone(),
        }
    }

    /// Takes out what is private: its place says that something stood there.
    pub(crate) fn hold_back(&mut self) {
        let gone = || "[private: it stays with the message that asked for it]".to_owned();
        match &mut self.body {
            Body::Text { text } | Body::ToolResult { text, .. } => *text = gone(),
            Body::ToolCall { arguments, .. } => *arguments = "{}".to_owned(),
            body @ (Body::Thinking { .. } | Body::Attachment { .. } | Body::Read(_)) => {
                *body = Body::Text { text: gone() }
            }
            Body::Stopped => {}
        }
        self.label = self.label.public();
    }

    /// Everything in it that a model reads, as text.
    pub fn readable(&self) -> &str {
        match &self.body {
            Body::Text { text } | Body::Thinking { text, .. } | Body::ToolResult { text, .. } => text,
            Body::ToolCall { arguments, .. } => arguments,
            Body::Attachment { id, .. } => id,
            Body::Stopped => STOPPED,
            Body::Read(_) => "",
        }
    }
}

/// Why a model is shown words as material, and not as what is asked of it. What a program asks is asked, though nobody typed
/// it.
pub(crate) fn foreign_sources(label: &Label) -> impl Iterator<Item = Source> {
    label.sources().filter(|source| source.is_untrusted() && *source != Source::Program)
}

/// What all parts together have seen.
pub fn label_of(parts: &[Part]) -> Label {
    parts.iter().map(|part| part.label.clone()).collect()
}

impl Message {
    /// The label of all parts together.
    pub fn label(&self) -> Label {
        label_of(&self.parts)
    }

    /// What a model that is shown it has seen.
    pub fn label_shown(&self, reading: Reading) -> Label {
        self.parts.iter().map(|part| part.label_shown(self.role, reading)).collect()
    }

    /// The name of one of its parts, for what is found in it.
    pub fn part_name(&self, index: usize) -> String {
        match &self.parts[index].body {
            Body::ToolResult { id, .. } => format!("{}.{id}", self.place),
            _ => format!("{}.{index}", self.place),
        }
    }

    /// The words of the message alone.
    pub fn words(&self) -> String {
        let words = self.parts.iter().filter_map(|part| match &part.body {
            Body::Text { text } => Some(text.as_str()),
            _ => None,
        });
        words.collect::<Vec<_>>().join("\n")
    }
}
