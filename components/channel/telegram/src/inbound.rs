//! Updates as messages of the assistant.

use crate::wire::{Entity, Message, Update, User};
use cara_sdk::channel::Identity;
use cara_sdk::inbox::{Inbound, conversation_of};
use cara_sdk::log::{self, Level};
use cara_sdk::types::Content;

/// The message of an update, if it is one that somebody wrote.
pub(crate) fn inbound(update: Update, me: &Identity) -> Option<Inbound> {
    let message: Message = match serde_json::from_value(update.message?) {
        Ok(message) => message,
        Err(error) => {
            let error = error.to_string();
            log::write(Level::Warn, "an update is left out: it is not as documented", &[("error", &error)]);
            return None;
        }
    };
    let from = message.from.as_ref()?;
    let group = match message.chat.kind.as_str() {
        "private" => false,
        "group" | "supergroup" => true,
        _ => return None,
    };
    let text = text(&message);
    if text.is_empty() {
        return None;
    }
    let thread = message.message_thread_id.filter(|_| message.is_topic_message).map(|id| id.to_string());
    Some(Inbound {
        address: conversation_of(&message.chat.id.to_string(), thread.as_deref()),
        // Each bot counts the messages of a private chat for itself.
        message_id: format!("{}:{}:{}", me.id, message.chat.id, message.message_id),
        sender_id: from.id.to_string(),
        sender_name: Some(name(from)),
        group,
        mentioned: !group || mentions(&message, me),
        // Who writes as a channel or as the group itself has no id of their own.
        automated: from.is_bot || message.sender_chat.is_some(),
        quoted: message.forward_origin.is_some() || message.via_bot.is_some() || message.is_automatic_forward,
        content: vec![Content::Text(text)],
        sent_ms: message.date.saturating_mul(1_000),
    })
}

fn name(user: &User) -> String {
    let last = user.last_name.as_ref().map(|last| format!(" {last}")).unwrap_or_default();
    format!("{}{last}", user.first_name)
}

/// The words of a message, and of what else is in it that it is there.
fn text(message: &Message) -> String {
    let mut parts: Vec<String> = message.text.iter().chain(&message.caption).cloned().collect();
    let there = |what: &str| format!("[{what}]");
    parts.extend(message.photo.as_ref().map(|_| there("photo")));
    parts.extend(message.document.as_ref().map(|document| match &document.file_name {
        Some(name) => format!("[document {name}]"),
        None => there("document"),
    }));
    parts.extend(message.voice.as_ref().map(|_| there("voice message")));
    parts.extend(message.audio.as_ref().map(|_| there("audio")));
    parts.extend(message.video.as_ref().map(|_| there("video")));
    parts.extend(
        message.sticker.as_ref().map(|sticker| format!("[sticker {}]", sticker.emoji.as_deref().unwrap_or(""))),
    );
    parts.extend(message.location.as_ref().map(|at| format!("[location {}, {}]", at.latitude, at.longitude)));
    parts.join("\n")
}

/// Whether a message in a group is meant for the bot: by its username, by a command, or as an answer to it.
fn mentions(message: &Message, me: &Identity) -> bool {
    let is_me = |user: &User| user.id.to_string() == me.id;
    if message.reply_to_message.as_ref().and_then(|replied| replied.from.as_ref()).is_some_and(is_me) {
        return true;
    }
    let at_me = format!("@{}", me.name);
    let mut all = [(&message.text, &message.entities), (&message.caption, &message.caption_entities)].into_iter();
    all.any(|(text, entities)| {
        let Some(text) = text else { return false };
        entities.iter().any(|entity| match entity.kind.as_str() {
            "mention" => stretch(text, entity).eq_ignore_ascii_case(&at_me),
            // Without a name it is for every bot of the group.
            "bot_command" => match stretch(text, entity).split_once('@') {
                Some((_, name)) => name.eq_ignore_ascii_case(&me.name),
                None => true,
            },
            "text_mention" => entity.user.as_ref().is_some_and(is_me),
            _ => false,
        })
    })
}

/// The stretch of a text that an entity names.
fn stretch(text: &str, entity: &Entity) -> String {
    let units: Vec<u16> = text.encode_utf16().skip(entity.offset).take(entity.length).collect();
    String::from_utf16_lossy(&units)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::{Value, json};

    fn read(message: Value) -> Option<Inbound> {
        let me = Identity { id: "77".to_owned(), name: "cara_bot".to_owned() };
        inbound(serde_json::from_value(json!({ "update_id": 1, "message": message })).unwrap(), &me)
    }

    fn message(change: impl FnOnce(&mut Value)) -> Value {
        let anna = json!({ "id": 4711, "is_bot": false, "first_name": "Anna", "username": "anna" });
        let mut message = json!({ "message_id": 5, "date": 1_700_000_000, "from": anna, "text": "hello",
            "chat": { "id": -100, "type": "supergroup", "title": "Us" } });
        change(&mut message);
        message
    }

    #[test]
    fn a_direct_message_is_for_the_bot_and_known_by_ids() {
        let came = read(message(|message| message["chat"] = json!({ "id": 4711, "type": "private" }))).unwrap();
        assert_eq!((came.sender_id.as_str(), came.message_id.as_str()), ("4711", "77:4711:5"));
        assert_eq!((came.address.conversation.as_str(), came.address.thread), ("4711", None));
        assert!(!came.group && came.mentioned && !came.automated);
        assert_eq!((came.sender_name.as_deref(), came.sent_ms), (Some("Anna"), 1_700_000_000_000));
    }

    #[test]
    fn a_group_is_for_the_bot_when_it_says_so_and_a_name_that_looks_like_it_is_not_enough() {
        let entity =
            |kind: &str, offset: usize, length: usize| json!([{ "type": kind, "offset": offset, "length": length }]);
        for (text, entities, meant) in [
            ("hello", json!([]), false),
            ("@cara_bot hello", json!([]), false),
            ("@Cara_Bot hello", entity("mention", 0, 9), true),
            ("🦜🦜 @cara_bot", entity("mention", 5, 9), true),
            ("@cara_bot_two", entity("mention", 0, 13), false),
            ("/new", entity("bot_command", 0, 4), true),
            ("/new@cara_bot", entity("bot_command", 0, 13), true),
            ("/new@other_bot", entity("bot_command", 0, 14), false),
            ("x", entity("mention", 900, 9), false),
        ] {
            let came = read(message(|message| {
                message["text"] = json!(text);
                message["entities"] = entities.clone();
            }));
            assert_eq!(came.unwrap().mentioned, meant, "{text}");
        }
        let user = |id: i64| json!({ "id": id, "is_bot": true, "first_name": "x" });
        for (id, meant) in [(77, true), (78, false)] {
            let came =
                read(message(|message| message["reply_to_message"] = json!({ "from": user(id), "message_id": 1 })));
            assert_eq!(came.unwrap().mentioned, meant);
        }
    }

    #[test]
    fn what_programs_and_channels_post_is_told_apart_and_what_is_no_message_is_left_out() {
        assert!(read(message(|message| message["from"]["is_bot"] = json!(true))).unwrap().automated);
        assert!(read(message(|m| m["sender_chat"] = json!({ "id": -100, "type": "supergroup" }))).unwrap().automated);
        for foreign in ["forward_origin", "via_bot"] {
            assert!(read(message(|message| message[foreign] = json!({ "type": "user" }))).unwrap().quoted, "{foreign}");
        }
        assert!(!read(message(|_| {})).unwrap().quoted);
        assert!(read(message(|message| message["chat"]["type"] = json!("channel"))).is_none());
        assert!(read(message(|message| message["text"] = Value::Null)).is_none());
        assert!(read(message(|message| message["from"] = Value::Null)).is_none());
        let topic = read(message(|message| {
            message["message_thread_id"] = json!(9);
            message["is_topic_message"] = json!(true);
        }));
        assert_eq!(topic.unwrap().address.thread.as_deref(), Some("9"));
        let photo = read(message(|message| {
            message["text"] = Value::Null;
            message["caption"] = json!("look");
            message["photo"] = json!([{}]);
        }));
        assert_eq!(photo.unwrap().content, [Content::Text("look\n[photo]".to_owned())]);
    }
}
