//! Messages and tools in Anthropic's form.

use crate::api::content::{self, Content, Conversation, Raw};
use crate::api::json::{NO_PROVIDER, Unsupported};
use crate::refusal::Refusal;
use cara_control::completion::parts::{Blob, CachePoint, Content as Output, Part, Role, Thought, ToolDefinition};
use serde::Deserialize;

/// A message.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    role: Speaker,
    content: Content<Block>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Speaker {
    User,
    Assistant,
}

/// A block of a message. What belongs to which type is looked at here, so that an error names the field.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Block {
    #[serde(rename = "type")]
    kind: BlockWord,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    citations: Unsupported,
    #[serde(default)]
    source: Option<Source>,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    context: Unsupported,
    #[serde(default)]
    thinking: Option<String>,
    #[serde(default)]
    signature: Option<String>,
    #[serde(default)]
    data: Option<String>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    input: Option<Raw>,
    #[serde(default)]
    caller: Unsupported,
    #[serde(default)]
    tool_use_id: Option<String>,
    #[serde(default)]
    content: Option<Content<Box<Block>>>,
    #[serde(default)]
    is_error: Option<bool>,
    #[serde(default)]
    cache_control: Option<CacheControl>,
}

/// A mark up to which a vendor may keep the prompt.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CacheControl {
    #[serde(rename = "type")]
    _kind: CacheWord,
    #[serde(default)]
    ttl: Option<TimeWord>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum CacheWord {
    Ephemeral,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum TimeWord {
    #[serde(rename = "5m")]
    Minutes,
    #[serde(rename = "1h")]
    Hour,
}

impl CacheControl {
    pub(super) fn point(self) -> CachePoint {
        if self.ttl == Some(TimeWord::Hour) { CachePoint::Long } else { CachePoint::Short }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum BlockWord {
    Text,
    Image,
    Document,
    Thinking,
    RedactedThinking,
    ToolUse,
    ToolResult,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    #[serde(rename = "type")]
    kind: SourceWord,
    media_type: String,
    data: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SourceWord {
    Base64,
    Text,
}

/// A tool of the client's own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tool {
    #[serde(default, rename = "type")]
    _kind: Option<ToolWord>,
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    input_schema: Option<Raw>,
    #[serde(default)]
    cache_control: Option<CacheControl>,
    #[serde(default)]
    strict: Option<bool>,
    #[serde(default)]
    defer_loading: Unsupported,
    #[serde(default)]
    eager_input_streaming: Unsupported,
    #[serde(default)]
    allowed_callers: Unsupported,
    #[serde(default)]
    input_examples: Unsupported,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ToolWord {
    Custom,
}

impl Tool {
    /// Whether the tools are worth keeping.
    pub(super) fn cached(&self) -> Option<CachePoint> {
        self.cache_control.map(CacheControl::point)
    }

    pub(super) fn definition(self) -> Result<ToolDefinition, Refusal> {
        for (field, name, harmless) in [
            (&self.defer_loading, "defer_loading", &["false"][..]),
            (&self.eager_input_streaming, "eager_input_streaming", &["false"]),
            (&self.allowed_callers, "allowed_callers", &["[\"direct\"]"]),
            (&self.input_examples, "input_examples", &[]),
        ] {
            field.refuse(name, harmless, NO_PROVIDER)?;
        }
        content::tool(self.name, self.description, self.input_schema.as_deref(), "input_schema", self.strict)
    }
}

impl Source {
    fn blob(self, name: Option<String>) -> Result<Blob, Refusal> {
        let data = match self.kind {
            SourceWord::Base64 => content::decoded(&self.data, "source.data")?,
            SourceWord::Text => self.data.into_bytes(),
        };
        content::blob(&self.media_type, name, data, "source.media_type")
    }
}

impl Block {
    fn check(&self) -> Result<(), Refusal> {
        self.context.refuse("context", &[], NO_PROVIDER)?;
        self.caller.refuse("caller", &["{\"type\":\"direct\"}"], NO_PROVIDER)?;
        // What a model answered has this field, and an answer without citations says so.
        self.citations.refuse("citations", &["{\"enabled\":false}"], NO_PROVIDER)
    }

    fn text(self) -> Result<String, Refusal> {
        self.check()?;
        match (self.kind, self.text) {
            (BlockWord::Text, Some(text)) => Ok(text),
            (BlockWord::Text, None) => Err(Refusal::missing("text")),
            _ => Err(Refusal::field("type", "only text stands here")),
        }
    }

    fn part(self, role: Speaker) -> Result<Part, Refusal> {
        self.check()?;
        let fits = match self.kind {
            BlockWord::Text => true,
            BlockWord::Image | BlockWord::Document | BlockWord::ToolResult => role == Speaker::User,
            BlockWord::Thinking | BlockWord::RedactedThinking | BlockWord::ToolUse => role == Speaker::Assistant,
        };
        if !fits {
            return Err(Refusal::field("type", "a block of this `type` is not of this role"));
        }
        match self.kind {
            BlockWord::Text => self.text.map(Part::Text).ok_or_else(|| Refusal::missing("text")),
            BlockWord::Image => content::image(
                self.source.ok_or_else(|| Refusal::missing("source"))?.blob(None)?,
                None,
                "source.media_type",
            ),
            BlockWord::Document => {
                Ok(Part::File(self.source.ok_or_else(|| Refusal::missing("source"))?.blob(self.title)?))
            }
            BlockWord::Thinking => {
                let text = self.thinking.ok_or_else(|| Refusal::missing("thinking"))?;
                Ok(Part::Thinking(Thought { text, signature: self.signature }))
            }
            BlockWord::RedactedThinking => {
                let signature = Some(self.data.ok_or_else(|| Refusal::missing("data"))?);
                Ok(Part::Thinking(Thought { text: String::new(), signature }))
            }
            BlockWord::ToolUse => {
                let input = self.input.map(|input| input.get().to_owned()).unwrap_or_default();
                let (id, name) = (
                    self.id.ok_or_else(|| Refusal::missing("id"))?,
                    self.name.ok_or_else(|| Refusal::missing("name"))?,
                );
                content::call(id, name, input)
            }
            BlockWord::ToolResult => {
                let id = self.tool_use_id.ok_or_else(|| Refusal::missing("tool_use_id"))?;
                let content =
                    self.content.unwrap_or(Content::Parts(Vec::new())).each(Output::Text, |block| block.output())?;
                content::result(id, content, self.is_error == Some(true), "tool_use_id")
            }
        }
    }

    /// As what a tool answered.
    fn output(self) -> Result<Output, Refusal> {
        match self.part(Speaker::User)? {
            Part::Text(text) => Ok(Output::Text(text)),
            Part::Image(image) => Ok(Output::Image(image.blob)),
            Part::File(blob) => Ok(Output::File(blob)),
            _ => Err(Refusal::field("type", "a result holds text, images and documents")),
        }
    }
}

/// System prompt and messages as one conversation. Results of tools stand apart from what the user says.
pub(super) fn conversation(
    mut cached: Option<CachePoint>,
    system: Option<Content<Block>>,
    messages: Vec<Message>,
) -> Result<Conversation, Refusal> {
    let mut conversation = Conversation::default();
    if let Some(system) = system {
        let texts = system.each(
            |text| text,
            |block| {
                // Instructions are one text: what is kept of them is kept as a whole.
                cached = block.cache_control.map(CacheControl::point).or(cached);
                block.text()
            },
        );
        let texts = texts.map_err(|refusal| refusal.within("system"))?;
        texts.iter().for_each(|text| conversation.instruct(text));
    }
    for (place, Message { role, content }) in messages.into_iter().enumerate() {
        let parts = content.each(
            |text| [Some(Part::Text(text)), None],
            |block| {
                let cached = block.cache_control.map(|cached| Part::CachePoint(cached.point()));
                Ok([Some(block.part(role)?), cached])
            },
        );
        let at = format!("messages[{place}]");
        let parts = parts.map_err(|refusal| refusal.within(&at))?;
        let (results, said): (Vec<Part>, Vec<Part>) = apart(parts.into_iter().flatten().flatten());
        let role = if role == Speaker::User { Role::User } else { Role::Assistant };
        for (role, parts) in [(Role::Tool, results), (role, said)] {
            if !parts.is_empty() {
                conversation.say(role, parts).map_err(|refusal| refusal.within(&at))?;
            }
        }
    }
    conversation.check()?;
    if let (Some(cached), Some(first)) = (cached, conversation.messages.first_mut()) {
        first.parts.insert(0, Part::CachePoint(cached));
    }
    Ok(conversation)
}

/// Results of tools, and what is said beside them; a mark of the cache stays with what stands before it.
fn apart(parts: impl Iterator<Item = Part>) -> (Vec<Part>, Vec<Part>) {
    let (mut results, mut said) = (Vec::new(), Vec::new());
    let mut after_result = false;
    for part in parts {
        after_result = match part {
            Part::CachePoint(_) => after_result,
            _ => matches!(part, Part::ToolResult(_)),
        };
        if after_result { results.push(part) } else { said.push(part) }
    }
    (results, said)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_conversation_comes_over_whole() {
        let messages = json!([
            { "role": "user", "content": [
                { "type": "text", "text": "what is this?" },
                { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "AAEC" } },
                { "type": "document", "title": "a", "source": { "type": "text", "media_type": "text/plain", "data": "hi" } },
            ] },
            { "role": "assistant", "content": [
                { "type": "thinking", "thinking": "hm", "signature": "s" },
                { "type": "text", "text": "let me look", "citations": null },
                { "type": "tool_use", "id": "toolu_1", "name": "look", "input": { "at": 1 } },
            ] },
            { "role": "user", "content": [
                { "type": "tool_result", "tool_use_id": "toolu_1", "content": [{ "type": "text", "text": "a cat" }], "is_error": false },
                { "type": "text", "text": "and?" },
            ] },
        ]);
        let system =
            Some(Content::Parts(vec![serde_json::from_value(json!({ "type": "text", "text": "be brief" })).unwrap()]));
        let said = conversation(None, system, serde_json::from_value(messages).unwrap()).unwrap();
        assert_eq!(said.instructions, "be brief");
        let roles: Vec<Role> = said.messages.iter().map(|message| message.role).collect();
        assert_eq!(roles, [Role::User, Role::Assistant, Role::Tool, Role::User]);
        let [Part::Text(_), Part::Image(_), Part::File(file)] = &said.messages[0].parts[..] else { panic!() };
        assert_eq!((&file.data[..], file.name.as_deref()), (&b"hi"[..], Some("a")));
        let [Part::Thinking(_), Part::Text(_), Part::ToolCall(call)] = &said.messages[1].parts[..] else { panic!() };
        assert_eq!(call.arguments, "{ \"at\": 1 }".replace(' ', ""));
        let [Part::ToolResult(result)] = &said.messages[2].parts[..] else { panic!() };
        assert_eq!((&*result.call_id, result.failed), ("toolu_1", false));
    }
}
