//! What messages are made of, as all three interfaces have it: texts or lists
//! of parts, files in base64, tools, calls and their results.

use crate::refusal::Refusal;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cara_control::completion::parts::{
    Blob, Content as Output, Detail, Image, Message, Part, Role, ToolCall, ToolDefinition, ToolResult,
};
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use std::marker::PhantomData;

/// The most bytes of the files of one message.
const LARGEST: usize = 8 * 1024 * 1024;

/// A tool that says nothing of its arguments has none.
const NO_ARGUMENTS: &str = r#"{"type":"object","properties":{}}"#;

/// One text, or several parts.
#[derive(Debug)]
pub(super) enum Content<P> {
    Text(String),
    Parts(Vec<P>),
}

impl<'de, P: Deserialize<'de>> Deserialize<'de> for Content<P> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<P>(PhantomData<P>);
        impl<'de, P: Deserialize<'de>> Visitor<'de> for Either<P> {
            type Value = Content<P>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Content::Text(text.to_owned()))
            }
            fn visit_string<E: de::Error>(self, text: String) -> Result<Self::Value, E> {
                Ok(Content::Text(text))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut parts = Vec::new();
                while let Some(part) = list.next_element()? {
                    parts.push(part);
                }
                Ok(Content::Parts(parts))
            }
        }
        deserializer.deserialize_any(Either(PhantomData))
    }
}

impl<P> Content<P> {
    /// What a text or each part stands for; a part that is wrong is told by its place.
    pub(super) fn each<T>(
        self,
        text: impl FnOnce(String) -> T,
        mut part: impl FnMut(P) -> Result<T, Refusal>,
    ) -> Result<Vec<T>, Refusal> {
        let parts = match self {
            Self::Text(whole) => return Ok(vec![text(whole)]),
            Self::Parts(parts) => parts.into_iter().enumerate(),
        };
        let each = parts.map(|(place, one)| part(one).map_err(|refusal| refusal.within(&format!("content[{place}]"))));
        each.collect()
    }
}

impl Content<String> {
    /// The texts.
    pub(super) fn all(self) -> Vec<String> {
        match self {
            Self::Text(text) => vec![text],
            Self::Parts(all) => all,
        }
    }
}

/// A value of any form, as it was written.
pub(super) type Raw = Box<RawValue>;

/// Messages as they are put together, oldest first.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    /// What is wanted beside the conversation.
    pub(super) instructions: String,
    pub(super) messages: Vec<Message>,
}

impl Conversation {
    /// Adds to what is wanted.
    pub(super) fn instruct(&mut self, text: &str) {
        if !self.instructions.is_empty() && !text.is_empty() {
            self.instructions.push_str("\n\n");
        }
        self.instructions.push_str(text);
    }

    /// Adds parts. Vendors want roles to take turns: neighbours of one role become one message.
    pub(super) fn say(&mut self, role: Role, parts: Vec<Part>) -> Result<(), Refusal> {
        let sizes = parts.iter().map(|part| match part {
            Part::Image(image) => image.blob.data.len(),
            Part::Audio(blob) | Part::File(blob) => blob.data.len(),
            _ => 0,
        });
        if sizes.sum::<usize>() > LARGEST {
            return Err(Refusal::field(
                "content",
                "the files of a message have more than 8 MiB\nhint: send smaller ones",
            ));
        }
        match self.messages.last_mut() {
            Some(last) if last.role == role => last.parts.extend(parts),
            _ => self.messages.push(Message { role, parts }),
        }
        Ok(())
    }

    /// Refuses a conversation in which nobody says anything.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        match self.messages.last() {
            Some(_) => Ok(()),
            None => Err(Refusal::field("messages", "nothing is said\nhint: the last message is the user's")),
        }
    }
}

/// Bytes in base64.
pub(super) fn decoded(text: &str, param: &str) -> Result<Vec<u8>, Refusal> {
    if text.len() / 4 * 3 > LARGEST + 4 {
        return Err(Refusal::field(param, "the file has more than 8 MiB\nhint: send a smaller one"));
    }
    let bytes = BASE64_STANDARD.decode(text.trim());
    bytes.map_err(|error| Refusal::field(param, format!("this is no base64: {error}")))
}

/// A file of a media type.
pub(super) fn blob(media_type: &str, name: Option<String>, data: Vec<u8>, param: &str) -> Result<Blob, Refusal> {
    let fits = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte))
    };
    match media_type.split_once('/') {
        Some((kind, subtype)) if media_type.len() <= 127 && fits(kind) && fits(subtype) => {
            Ok(Blob { media_type: media_type.to_ascii_lowercase(), name, data })
        }
        _ => Err(Refusal::field(param, "this is no media type\nhint: write one such as `image/png`")),
    }
}

/// The file in a `data:` URL. Nothing is fetched for a client: whoever named an address would have this host ask there.
pub(super) fn data_url(url: &str, name: Option<String>, param: &str) -> Result<Blob, Refusal> {
    let Some(rest) = url.strip_prefix("data:") else {
        return Err(Refusal::field(
            param,
            "this is no `data:` URL, and nothing is fetched for a client\nhint: send the file itself, as `data:image/png;base64,…`",
        ));
    };
    let Some((head, data)) = rest.split_once(";base64,") else {
        return Err(Refusal::field(param, "this is no `data:` URL in base64\nhint: write `data:image/png;base64,…`"));
    };
    // Parameters of the media type change nothing about the bytes.
    let media_type = head.split(';').next().unwrap_or_default();
    blob(media_type, name, decoded(data, param)?, param)
}

/// What an image is in a message.
pub(super) fn image(blob: Blob, detail: Option<Detail>, param: &str) -> Result<Part, Refusal> {
    if !blob.media_type.starts_with("image/") {
        return Err(Refusal::field(param, "this is no image\nhint: send other files as such"));
    }
    Ok(Part::Image(Image { blob, detail }))
}

fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// The name of a tool or a call.
pub(super) fn word(text: String, param: &str) -> Result<String, Refusal> {
    if is_word(&text) {
        return Ok(text);
    }
    Err(Refusal::field(
        param,
        "this has other letters than `A-Za-z0-9_-`, or not 1 to 64 of them\nhint: choose another one",
    ))
}

/// A tool of the client's own.
pub(super) fn tool(
    name: String,
    description: Option<String>,
    schema: Option<&RawValue>,
    schema_param: &str,
    strict: Option<bool>,
) -> Result<ToolDefinition, Refusal> {
    let input_schema = schema.map_or(NO_ARGUMENTS, RawValue::get).trim().to_owned();
    if !input_schema.starts_with('{') {
        return Err(Refusal::field(schema_param, "this is no JSON Schema\nhint: write an object"));
    }
    Ok(ToolDefinition { name: word(name, "name")?, description: description.unwrap_or_default(), input_schema, strict })
}

/// A call that a model wanted.
pub(super) fn call(id: String, name: String, arguments: String) -> Result<Part, Refusal> {
    let (id, name) = (word(id, "id")?, word(name, "name")?);
    let arguments = if arguments.trim().is_empty() { "{}".to_owned() } else { arguments };
    Ok(Part::ToolCall(ToolCall { id, name, arguments }))
}

/// What came of a call.
pub(super) fn result(call_id: String, content: Vec<Output>, failed: bool, param: &str) -> Result<Part, Refusal> {
    Ok(Part::ToolResult(ToolResult { call_id: word(call_id, param)?, content, failed }))
}
