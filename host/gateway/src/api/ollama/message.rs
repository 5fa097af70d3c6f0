//! Messages in Ollama's form.

use crate::api::content::{self, Conversation, Raw};
use crate::refusal::Refusal;
use cara_control::completion::parts::{Content as Output, Part, Role};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    role: Speaker,
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    thinking: Option<String>,
    #[serde(default)]
    images: Option<Vec<String>>,
    #[serde(default)]
    tool_calls: Option<Vec<Call>>,
    #[serde(default)]
    tool_name: Option<String>,
    #[serde(default)]
    tool_call_id: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Speaker {
    System,
    User,
    Assistant,
    Tool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    #[serde(default)]
    id: Option<String>,
    #[serde(default, rename = "type")]
    _kind: Option<FunctionWord>,
    function: CalledFunction,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CalledFunction {
    name: String,
    #[serde(default)]
    arguments: Option<Raw>,
    #[serde(default, rename = "index")]
    _index: Option<u32>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum FunctionWord {
    Function,
}

/// Images, each in base64; what they are, their first bytes say.
pub(super) fn images(images: Option<Vec<String>>) -> Result<Vec<Part>, Refusal> {
    let image = |(place, data): (usize, String)| {
        let at = format!("images[{place}]");
        let data = content::decoded(&data, &at)?;
        let media_type = match &data[..] {
            [0x89, b'P', b'N', b'G', ..] => "image/png",
            [0xff, 0xd8, 0xff, ..] => "image/jpeg",
            [b'G', b'I', b'F', b'8', ..] => "image/gif",
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
            _ => return Err(Refusal::field(at, "this is neither PNG, JPEG, GIF nor WebP")),
        };
        content::image(content::blob(media_type, None, data, &at)?, None, &at)
    };
    images.unwrap_or_default().into_iter().enumerate().map(image).collect()
}

/// Messages as one conversation. Calls have no ids here, or only some of them: results belong to the calls before them, by
/// name or in their order.
#[derive(Default)]
struct Reader {
    said: Conversation,
    /// Calls whose results did not come yet: id and name.
    open: Vec<(String, String)>,
    number: usize,
}

impl Reader {
    fn add(&mut self, message: Message) -> Result<(), Refusal> {
        let Message { role, content, thinking, images: files, tool_calls, tool_name, tool_call_id } = message;
        let text = content.unwrap_or_default();
        let calls = tool_calls.unwrap_or_default();
        if !calls.is_empty() && role != Speaker::Assistant {
            return Err(Refusal::field("tool_calls", "`tool_calls` belongs to the role `assistant`"));
        }
        if (tool_name.is_some() || tool_call_id.is_some()) && role != Speaker::Tool {
            return Err(Refusal::field("tool_name", "`tool_name` belongs to the role `tool`"));
        }
        if thinking.is_some() && role != Speaker::Assistant {
            return Err(Refusal::field("thinking", "`thinking` belongs to the role `assistant`"));
        }
        let files = images(files)?;
        if !files.is_empty() && role != Speaker::User {
            return Err(Refusal::field("images", "`images` belongs to the role `user`"));
        }
        let texts = (!text.is_empty()).then(|| Part::Text(text.clone()));
        match role {
            Speaker::System => {
                self.said.instruct(&text);
                Ok(())
            }
            Speaker::User => self.said.say(Role::User, texts.into_iter().chain(files).collect()),
            Speaker::Assistant => {
                self.open.clear();
                let mut parts: Vec<Part> = texts.into_iter().collect();
                for (place, call) in calls.into_iter().enumerate() {
                    let at = format!("tool_calls[{place}].function");
                    parts.push(self.call(call).map_err(|refusal| refusal.within(&at))?);
                }
                self.said.say(Role::Assistant, parts)
            }
            Speaker::Tool => {
                let id = self.answered(tool_call_id.as_deref(), tool_name.as_deref())?;
                let result = content::result(id, vec![Output::Text(text)], false, "tool_call_id")?;
                self.said.say(Role::Tool, vec![result])
            }
        }
    }

    fn call(&mut self, call: Call) -> Result<Part, Refusal> {
        let CalledFunction { name, arguments, .. } = call.function;
        let arguments = arguments.map(|arguments| arguments.get().to_owned()).unwrap_or_default();
        self.number += 1;
        let id = call.id.unwrap_or_else(|| format!("call_{}", self.number));
        self.open.push((id.clone(), name.clone()));
        content::call(id, name, arguments)
    }

    /// The call that a result belongs to.
    fn answered(&mut self, id: Option<&str>, name: Option<&str>) -> Result<String, Refusal> {
        let is_it = |(own, of): &(String, String)| match (id, name) {
            (Some(id), _) => own == id,
            (None, Some(name)) => of == name,
            (None, None) => true,
        };
        let none = || {
            Refusal::field("tool_name", "no call before it has this result\nhint: send the answer that called it, too")
        };
        let place = self.open.iter().position(is_it).ok_or_else(none)?;
        Ok(self.open.remove(place).0)
    }
}

/// Messages as one conversation.
pub(super) fn conversation(messages: Vec<Message>) -> Result<Conversation, Refusal> {
    let mut reader = Reader::default();
    for (place, message) in messages.into_iter().enumerate() {
        reader.add(message).map_err(|refusal| refusal.within(&format!("messages[{place}]")))?;
    }
    reader.said.check()?;
    Ok(reader.said)
}
