//! Messages and tools of OpenAI's chat, which its responses have too.

use crate::api::content::{self, Content, Conversation, Raw};
use crate::refusal::Refusal;
use cara_control::completion::parts::{Content as Output, Detail, Part, Role, ToolDefinition};
use serde::Deserialize;

/// A message.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    role: Speaker,
    #[serde(default)]
    content: Option<Content<Piece>>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<Call>>,
    #[serde(default)]
    tool_call_id: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
    /// What a model thought that answered before; nothing shows it to a model again.
    #[serde(default, rename = "reasoning_content")]
    _reasoning: Option<String>,
    #[serde(default, rename = "annotations")]
    _annotations: serde::de::IgnoredAny,
    #[serde(default)]
    audio: crate::api::json::Unsupported,
    #[serde(default)]
    function_call: crate::api::json::Unsupported,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Speaker {
    System,
    Developer,
    User,
    Assistant,
    Tool,
}

/// A part of a message. What belongs to which type is looked at here, so that an error names the field.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Piece {
    #[serde(rename = "type")]
    kind: PieceWord,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
    #[serde(default)]
    image_url: Option<ImageUrl>,
    #[serde(default)]
    input_audio: Option<InputAudio>,
    #[serde(default)]
    file: Option<File>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PieceWord {
    Text,
    Refusal,
    ImageUrl,
    InputAudio,
    File,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageUrl {
    url: String,
    #[serde(default)]
    detail: Option<ImageDetail>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ImageDetail {
    Auto,
    Low,
    High,
    Original,
}

impl ImageDetail {
    /// The word of the contract; what is the vendor's to say has none.
    pub(super) const fn detail(self) -> Option<Detail> {
        match self {
            Self::Auto => None,
            Self::Low => Some(Detail::Low),
            Self::High => Some(Detail::High),
            Self::Original => Some(Detail::Original),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct InputAudio {
    data: String,
    format: AudioWord,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum AudioWord {
    Wav,
    Mp3,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    file_data: Option<String>,
    #[serde(default)]
    filename: Option<String>,
    #[serde(default)]
    file_id: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum FunctionWord {
    Function,
}

/// A call that a model wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    id: String,
    #[serde(rename = "type")]
    _kind: FunctionWord,
    function: CalledFunction,
    #[serde(default, rename = "index")]
    _index: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CalledFunction {
    name: String,
    arguments: String,
}

/// A tool of the client's own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tool {
    #[serde(rename = "type")]
    _kind: FunctionWord,
    function: Function,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Function {
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    parameters: Option<Raw>,
    #[serde(default)]
    strict: Option<bool>,
}

impl Tool {
    pub(super) fn definition(self) -> Result<ToolDefinition, Refusal> {
        let Function { name, description, parameters, strict } = self.function;
        content::tool(name, description, parameters.as_deref(), "parameters", strict)
    }
}

/// Refuses fields that belong to parts of another type.
fn only(piece: &Piece) -> Result<(), Refusal> {
    use PieceWord::{File, ImageUrl, InputAudio, Refusal as Declined, Text};
    let fields = [
        ("text", piece.text.is_some(), Text),
        ("refusal", piece.refusal.is_some(), Declined),
        ("image_url", piece.image_url.is_some(), ImageUrl),
        ("input_audio", piece.input_audio.is_some(), InputAudio),
        ("file", piece.file.is_some(), File),
    ];
    for (name, is_there, kind) in fields {
        if is_there != (kind == piece.kind) {
            let text = if is_there { "belongs to a part of another type" } else { "is missing" };
            return Err(Refusal::field(name, format!("`{name}` {text}")));
        }
    }
    Ok(())
}

impl Piece {
    fn part(self) -> Result<Part, Refusal> {
        only(&self)?;
        if let Some(text) = self.text.or(self.refusal) {
            return Ok(Part::Text(text));
        }
        if let Some(ImageUrl { url, detail }) = self.image_url {
            let detail = detail.and_then(ImageDetail::detail);
            return content::image(content::data_url(&url, None, "image_url.url")?, detail, "image_url.url");
        }
        if let Some(InputAudio { data, format }) = self.input_audio {
            let media_type = match format {
                AudioWord::Wav => "audio/wav",
                AudioWord::Mp3 => "audio/mpeg",
            };
            let data = content::decoded(&data, "input_audio.data")?;
            return Ok(Part::Audio(content::blob(media_type, None, data, "input_audio.data")?));
        }
        let File { file_data, filename, file_id } = self.file.expect("it is there, as was checked");
        if file_id.is_some() {
            return Err(Refusal::unsupported("file.file_id", "no files are kept; send `file.file_data`"));
        }
        let data = file_data.ok_or_else(|| Refusal::missing("file.file_data"))?;
        Ok(Part::File(content::data_url(&data, filename, "file.file_data")?))
    }
}

/// The texts of a content, joined.
fn text(content: Content<Piece>) -> Result<String, Refusal> {
    let texts = content.each(
        |text| text,
        |piece| match piece.part()? {
            Part::Text(text) => Ok(text),
            _ => Err(Refusal::field("type", "only text stands here")),
        },
    );
    Ok(texts?.join("\n"))
}

impl Message {
    fn add(self, to: &mut Conversation) -> Result<(), Refusal> {
        self.audio.refuse("audio", &[], "answers are text")?;
        self.function_call.refuse("function_call", &[], "`tool_calls` took its place")?;
        if self.name.is_some() {
            return Err(Refusal::unsupported("name", "no provider here takes it"));
        }
        let missing = Refusal::missing;
        let is_own = |speaker: Speaker| self.role == speaker;
        if self.tool_call_id.is_some() && !is_own(Speaker::Tool) {
            return Err(Refusal::field("tool_call_id", "`tool_call_id` belongs to the role `tool`"));
        }
        let calls = self.tool_calls.unwrap_or_default();
        if !calls.is_empty() && self.role != Speaker::Assistant {
            return Err(Refusal::field("tool_calls", "`tool_calls` belongs to the role `assistant`"));
        }
        match self.role {
            Speaker::System | Speaker::Developer => {
                to.instruct(&text(self.content.ok_or_else(|| missing("content"))?)?);
                Ok(())
            }
            Speaker::Tool => {
                let content = text(self.content.ok_or_else(|| missing("content"))?)?;
                let id = self.tool_call_id.ok_or_else(|| missing("tool_call_id"))?;
                let result = content::result(id, vec![Output::Text(content)], false, "tool_call_id")?;
                to.say(Role::Tool, vec![result])
            }
            Speaker::User => to.say(Role::User, parts(self.content.ok_or_else(|| missing("content"))?)?),
            Speaker::Assistant => {
                let said = match (self.content, self.refusal) {
                    (Some(content), _) => parts(content)?,
                    (None, Some(refusal)) => vec![Part::Text(refusal)],
                    (None, None) if calls.is_empty() => return Err(missing("content")),
                    (None, None) => Vec::new(),
                };
                let calls = calls.into_iter().enumerate().map(|(place, call)| {
                    let Call { id, function: CalledFunction { name, arguments }, .. } = call;
                    content::call(id, name, arguments)
                        .map_err(|refusal| refusal.within(&format!("tool_calls[{place}]")))
                });
                to.say(Role::Assistant, said.into_iter().map(Ok).chain(calls).collect::<Result<_, _>>()?)
            }
        }
    }
}

fn parts(content: Content<Piece>) -> Result<Vec<Part>, Refusal> {
    if matches!(&content, Content::Text(text) if text.is_empty()) {
        return Ok(Vec::new());
    }
    content.each(Part::Text, Piece::part)
}

/// The messages as one conversation.
pub(super) fn conversation(messages: Vec<Message>) -> Result<Conversation, Refusal> {
    let mut conversation = Conversation::default();
    for (place, message) in messages.into_iter().enumerate() {
        message.add(&mut conversation).map_err(|refusal| refusal.within(&format!("messages[{place}]")))?;
    }
    conversation.check()?;
    Ok(conversation)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_conversation_comes_over_whole() {
        let messages = json!([
            { "role": "system", "content": "be brief" },
            { "role": "developer", "content": [{ "type": "text", "text": "and" }, { "type": "text", "text": "kind" }] },
            { "role": "user", "content": [
                { "type": "text", "text": "what is this?" },
                { "type": "image_url", "image_url": { "url": "data:image/png;base64,AAEC", "detail": "low" } },
                { "type": "file", "file": { "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAEC" } },
                { "type": "input_audio", "input_audio": { "data": "AAEC", "format": "wav" } },
            ] },
            { "role": "assistant", "content": null, "tool_calls": [
                { "id": "call_1", "type": "function", "function": { "name": "look", "arguments": "{\"at\":1}" } },
            ] },
            { "role": "tool", "tool_call_id": "call_1", "content": "a cat" },
            { "role": "user", "content": "thanks" },
            { "role": "user", "content": "and now?" },
        ]);
        let messages: Vec<Message> = serde_json::from_value(messages).unwrap();
        let said = conversation(messages).unwrap();
        assert_eq!(said.instructions, "be brief\n\nand\nkind");
        let roles: Vec<Role> = said.messages.iter().map(|message| message.role).collect();
        assert_eq!(roles, [Role::User, Role::Assistant, Role::Tool, Role::User]);
        let [Part::Text(_), Part::Image(image), Part::File(file), Part::Audio(audio)] = &said.messages[0].parts[..]
        else {
            panic!("{:?}", said.messages[0])
        };
        assert_eq!(
            (&*image.blob.media_type, &image.blob.data[..], image.detail),
            ("image/png", &[0, 1, 2][..], Some(Detail::Low))
        );
        assert_eq!(
            (file.name.as_deref(), &*file.media_type, &*audio.media_type),
            (Some("a.pdf"), "application/pdf", "audio/wav")
        );
        let [Part::ToolCall(call)] = &said.messages[1].parts[..] else { panic!("{:?}", said.messages[1]) };
        assert_eq!((&*call.id, &*call.arguments), ("call_1", "{\"at\":1}"));
        assert_eq!(said.messages[3].parts.len(), 2);
    }
}
