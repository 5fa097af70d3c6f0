//! The way of a message out to a channel.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cara_authority::{ConversationAddress, Refusal, messaging::BadAddress};
use cara_kernel::bindings::messaging::Address;
use cara_kernel::bindings::types::{Blob, Content};
use cara_records::NewOutbound;
use serde::{Deserialize, Serialize};

pub use cara_kernel::bindings::messaging::Receipt;

/// Sends messages to the channels there are.
#[async_trait::async_trait]
pub trait Outbound: Send + Sync {
    /// The channels, for checking the policy.
    fn channels(&self) -> Vec<String>;
    /// Has a message sent, which is on disk before it is; the same key of the same sender twice is one message. The receipt
    /// is the platform's where that has the message already, and else the host's own.
    async fn send(&self, message: NewOutbound) -> Result<Receipt, Refusal>;
}

/// What a message says, as the outbox keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MessageBody {
    /// Its pieces.
    pub parts: Vec<Piece>,
    /// The platform's id of the message it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
}

/// A piece of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Piece {
    /// Words.
    Text(String),
    /// A picture.
    Image(File),
    /// Something to hear.
    Audio(File),
    /// Any other file.
    File(File),
}

/// A file in a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct File {
    /// What it is said to be: `image/png`.
    pub media_type: String,
    /// The file's name.
    pub name: Option<String>,
    /// Its content, base64.
    pub data: String,
}

impl From<Blob> for File {
    fn from(blob: Blob) -> Self {
        let Blob { media_type, name, data } = blob;
        Self { media_type, name, data: BASE64_STANDARD.encode(data) }
    }
}

impl From<Content> for Piece {
    fn from(content: Content) -> Self {
        match content {
            Content::Text(text) => Self::Text(text),
            Content::Image(blob) => Self::Image(blob.into()),
            Content::Audio(blob) => Self::Audio(blob.into()),
            Content::File(blob) => Self::File(blob.into()),
        }
    }
}

impl Piece {
    /// The piece as a component takes it; none, where the bytes of a file are damaged.
    pub fn into_content(self) -> Option<Content> {
        let blob = |File { media_type, name, data }: File| {
            Some(Blob { media_type, name, data: BASE64_STANDARD.decode(data).ok()? })
        };
        Some(match self {
            Self::Text(text) => Content::Text(text),
            Self::Image(file) => Content::Image(blob(file)?),
            Self::Audio(file) => Content::Audio(blob(file)?),
            Self::File(file) => Content::File(blob(file)?),
        })
    }
}

impl MessageBody {
    /// Words alone.
    pub fn text(text: impl Into<String>) -> Self {
        Self { parts: vec![Piece::Text(text.into())], reply_to: None }
    }

    /// Each piece as a text: of a file its kind and size.
    pub fn shown(&self) -> Vec<String> {
        let shown = self.parts.iter().map(|part| match part {
            Piece::Text(text) => text.clone(),
            Piece::Image(file) | Piece::Audio(file) | Piece::File(file) => {
                format!("[{}, {} bytes]", file.media_type, file.bytes())
            }
        });
        shown.collect()
    }
}

impl File {
    /// How many bytes it has.
    fn bytes(&self) -> usize {
        let padding = self.data.bytes().rev().take_while(|byte| *byte == b'=').count();
        (self.data.len() / 4 * 3).saturating_sub(padding)
    }
}

/// An address as the host has it; in each part `%` and `:` are percent-encoded, so no two addresses have the same text.
pub(crate) fn conversation(address: &Address) -> Result<ConversationAddress, BadAddress> {
    let Address { channel, account, conversation, thread } = address.clone();
    ConversationAddress::parse(&ConversationAddress { channel, account, conversation, thread }.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_body_comes_back_as_it_was_kept_and_shows_no_bytes_of_files() {
        for length in 0..5 {
            let blob = Blob { media_type: "image/png".into(), name: None, data: vec![7; length] };
            let parts = vec![Content::Text("hello".into()).into(), Content::Image(blob).into()];
            let body = MessageBody { parts, reply_to: Some("m-1".into()) };
            let kept = serde_json::to_value(&body).unwrap();
            assert_eq!(serde_json::from_value::<MessageBody>(kept).unwrap(), body);
            assert_eq!(body.shown(), ["hello".to_owned(), format!("[image/png, {length} bytes]")]);
        }
    }
}
