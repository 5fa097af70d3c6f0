//! What goes over the wire: the parts of the Bot API that are used.

use cara_sdk::{Error, ErrorKind};
use serde::{Deserialize, Serialize};

/// Every answer.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer<T> {
    ok: bool,
    result: Option<T>,
    error_code: Option<u16>,
    description: Option<String>,
    parameters: Option<Parameters>,
}

#[derive(Debug, Deserialize)]
struct Parameters {
    retry_after: Option<u64>,
    migrate_to_chat_id: Option<i64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct User {
    pub(crate) id: i64,
    #[serde(default)]
    pub(crate) is_bot: bool,
    pub(crate) first_name: String,
    pub(crate) last_name: Option<String>,
    pub(crate) username: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Chat {
    pub(crate) id: i64,
    #[serde(rename = "type")]
    pub(crate) kind: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Update {
    pub(crate) update_id: i64,
    /// Read on its own: one that is not as documented keeps no other back.
    pub(crate) message: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Message {
    pub(crate) message_id: i64,
    pub(crate) message_thread_id: Option<i64>,
    #[serde(default)]
    pub(crate) is_topic_message: bool,
    pub(crate) from: Option<User>,
    pub(crate) sender_chat: Option<Chat>,
    pub(crate) forward_origin: Option<serde_json::Value>,
    pub(crate) via_bot: Option<serde_json::Value>,
    #[serde(default)]
    pub(crate) is_automatic_forward: bool,
    pub(crate) chat: Chat,
    /// Unix seconds.
    pub(crate) date: u64,
    pub(crate) text: Option<String>,
    #[serde(default)]
    pub(crate) entities: Vec<Entity>,
    pub(crate) caption: Option<String>,
    #[serde(default)]
    pub(crate) caption_entities: Vec<Entity>,
    pub(crate) reply_to_message: Option<Box<Replied>>,
    pub(crate) photo: Option<Vec<serde_json::Value>>,
    pub(crate) document: Option<Document>,
    pub(crate) voice: Option<serde_json::Value>,
    pub(crate) audio: Option<serde_json::Value>,
    pub(crate) video: Option<serde_json::Value>,
    pub(crate) sticker: Option<Sticker>,
    pub(crate) location: Option<Location>,
}

/// A message that is replied to: whose it is.
#[derive(Debug, Deserialize)]
pub(crate) struct Replied {
    pub(crate) from: Option<User>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Document {
    pub(crate) file_name: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Sticker {
    pub(crate) emoji: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Location {
    pub(crate) latitude: f64,
    pub(crate) longitude: f64,
}

/// A stretch of a text that means something; counted in UTF-16 units.
#[derive(Debug, Deserialize)]
pub(crate) struct Entity {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) offset: usize,
    pub(crate) length: usize,
    pub(crate) user: Option<User>,
}

#[derive(Debug, Serialize)]
pub(crate) struct GetUpdates {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) offset: Option<i64>,
    /// The most updates of one answer.
    pub(crate) limit: u32,
    /// Seconds.
    pub(crate) timeout: u32,
    pub(crate) allowed_updates: [&'static str; 1],
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct SendMessage {
    pub(crate) chat_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message_thread_id: Option<i64>,
    pub(crate) text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parse_mode: Option<&'static str>,
    pub(crate) link_preview_options: LinkPreview,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reply_parameters: Option<ReplyParameters>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct LinkPreview {
    pub(crate) is_disabled: bool,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct ReplyParameters {
    pub(crate) message_id: i64,
    pub(crate) allow_sending_without_reply: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct ChatAction {
    pub(crate) chat_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message_thread_id: Option<i64>,
    pub(crate) action: &'static str,
}

/// A message that was sent.
#[derive(Debug, Deserialize)]
pub(crate) struct Sent {
    pub(crate) message_id: i64,
    pub(crate) chat: Chat,
}

impl<T> Answer<T> {
    /// The result, or what the failure means.
    pub(crate) fn result(self) -> Result<T, Error> {
        if let (true, Some(result)) = (self.ok, self.result) {
            return Ok(result);
        }
        let said = cara_sdk::error::excerpt(self.description.unwrap_or_default().as_bytes());
        let parameters = self.parameters;
        let retry_ms =
            parameters.as_ref().and_then(|parameters| parameters.retry_after).map(|s| s.saturating_mul(1_000));
        if let Some(chat) = parameters.and_then(|parameters| parameters.migrate_to_chat_id) {
            return Err(Error::bad_request(format!("the group became the supergroup {chat}: write to that")));
        }
        Err(match self.error_code.unwrap_or_default() {
            401 | 404 => Error::auth(format!(
                "Telegram does not know the token: {said}; `cara secrets set telegram/bot-token@ACCOUNT` stores another one"
            )),
            403 => Error::new(ErrorKind::Refused, format!("Telegram refused: {said}")),
            409 => Error::network(format!(
                "another program takes the messages of this bot, or a webhook (`deleteWebhook` takes that away): {said}"
            )),
            429 => Error::new(ErrorKind::RateLimit, format!("Telegram asks to wait: {said}")).after(retry_ms),
            400..=499 => Error::bad_request(format!("Telegram refused: {said}")),
            _ => Error::network(format!("Telegram failed: {said}")),
        })
    }
}
