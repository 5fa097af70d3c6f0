//! What is said to a response: messages, calls, their results and reasoning,
//! item by item.

use super::events::Sealed;
use crate::api::content::{self, Content, Conversation, Raw};
use crate::api::json::{CACHED, Unsupported, read};
use crate::api::openai::message::ImageDetail;
use crate::refusal::Refusal;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cara_control::completion::parts::{Content as Output, Image, Part, Role, Thought};
use serde::Deserialize;
use serde_json::Value;

/// What kind of item it is; a message may leave that out.
#[derive(Deserialize)]
struct Kind {
    #[serde(default, rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    role: Speaker,
    content: Content<Piece>,
    #[serde(default, rename = "type")]
    _kind: Option<String>,
    #[serde(default, rename = "id")]
    _id: Option<String>,
    #[serde(default, rename = "status")]
    _status: Option<String>,
    #[serde(default)]
    phase: Unsupported,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Speaker {
    User,
    Assistant,
    System,
    Developer,
}

/// A part of a message or of a result. What belongs to which type is looked at here, so that an error names the field.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Piece {
    #[serde(rename = "type")]
    kind: PieceWord,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
    #[serde(default)]
    image_url: Option<String>,
    #[serde(default)]
    detail: Option<ImageDetail>,
    #[serde(default)]
    filename: Option<String>,
    #[serde(default)]
    file_data: Option<String>,
    #[serde(default)]
    file_id: Unsupported,
    #[serde(default)]
    file_url: Unsupported,
    #[serde(default)]
    annotations: Unsupported,
    #[serde(default)]
    logprobs: Unsupported,
    #[serde(default)]
    prompt_cache_breakpoint: Unsupported,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PieceWord {
    InputText,
    InputImage,
    InputFile,
    OutputText,
    Refusal,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FunctionCall {
    call_id: String,
    name: String,
    arguments: String,
    #[serde(rename = "type")]
    _kind: String,
    #[serde(default, rename = "id")]
    _id: Option<String>,
    #[serde(default, rename = "status")]
    _status: Option<String>,
    #[serde(default)]
    namespace: Unsupported,
    #[serde(default)]
    caller: Unsupported,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FunctionOutput {
    call_id: String,
    output: Content<Piece>,
    #[serde(rename = "type")]
    _kind: String,
    #[serde(default, rename = "id")]
    _id: Option<String>,
    #[serde(default, rename = "status")]
    _status: Option<String>,
    #[serde(default, rename = "name")]
    _name: Option<String>,
    #[serde(default)]
    namespace: Unsupported,
    #[serde(default)]
    caller: Unsupported,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reasoning {
    #[serde(rename = "type")]
    _kind: String,
    #[serde(default, rename = "id")]
    _id: Option<String>,
    #[serde(default, rename = "status")]
    _status: Option<String>,
    #[serde(default)]
    summary: Vec<Summary>,
    #[serde(default)]
    content: Unsupported,
    #[serde(default)]
    encrypted_content: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Summary {
    text: String,
    #[serde(rename = "type")]
    _kind: String,
}

const STORED: &str = "there are no files here";

impl Piece {
    fn part(self) -> Result<Part, Refusal> {
        let Self { kind, text, refusal, image_url, detail, filename, file_data, .. } = &self;
        self.file_id.refuse("file_id", &[], STORED)?;
        self.file_url.refuse("file_url", &[], "nothing is fetched for a client: send the file in `file_data`")?;
        self.annotations.refuse("annotations", &[], "models take none")?;
        self.logprobs.refuse("logprobs", &[], "models take none")?;
        self.prompt_cache_breakpoint.refuse("prompt_cache_breakpoint", &[], CACHED)?;
        let texts = [PieceWord::InputText, PieceWord::OutputText];
        for (name, is_there, of) in [
            ("text", text.is_some(), &texts[..]),
            ("refusal", refusal.is_some(), &[PieceWord::Refusal]),
            ("image_url", image_url.is_some(), &[PieceWord::InputImage]),
            ("detail", detail.is_some(), &[PieceWord::InputImage]),
            ("filename", filename.is_some(), &[PieceWord::InputFile]),
            ("file_data", file_data.is_some(), &[PieceWord::InputFile]),
        ] {
            if is_there && !of.contains(kind) {
                return Err(Refusal::field(name, format!("`{name}` belongs to parts of another type")));
            }
        }
        let there = |field: Option<String>, name: &str| field.ok_or_else(|| Refusal::missing(name));
        Ok(match self.kind {
            PieceWord::InputText | PieceWord::OutputText => Part::Text(there(self.text, "text")?),
            PieceWord::Refusal => Part::Text(there(self.refusal, "refusal")?),
            PieceWord::InputImage => {
                let blob = content::data_url(&there(self.image_url, "image_url")?, None, "image_url")?;
                content::image(blob, self.detail.and_then(ImageDetail::detail), "image_url")?
            }
            PieceWord::InputFile => {
                let data = there(self.file_data, "file_data")?;
                Part::File(content::data_url(&data, self.filename, "file_data")?)
            }
        })
    }
}

fn parts(content: Content<Piece>) -> Result<Vec<Part>, Refusal> {
    let parts = content.each(Part::Text, Piece::part)?;
    Ok(parts.into_iter().filter(|part| *part != Part::Text(String::new())).collect())
}

/// Adds an item to a conversation.
fn add(item: &str, to: &mut Conversation) -> Result<(), Refusal> {
    let bytes = item.as_bytes();
    let kind = read::<Kind>(bytes)?.kind;
    match kind.as_deref() {
        None | Some("message") => {
            let Message { role, content, phase, .. } = read(bytes)?;
            phase.refuse("phase", &[], "providers know no phases")?;
            match role {
                Speaker::User => to.say(Role::User, parts(content)?),
                Speaker::Assistant => to.say(Role::Assistant, parts(content)?),
                Speaker::System | Speaker::Developer => {
                    let texts = parts(content)?.into_iter().map(|part| match part {
                        Part::Text(text) => Ok(text),
                        _ => Err(Refusal::field("content", "instructions are texts\nhint: send files as the user's")),
                    });
                    to.instruct(&texts.collect::<Result<Vec<_>, _>>()?.join("\n"));
                    Ok(())
                }
            }
        }
        Some("function_call") => {
            let FunctionCall { call_id, name, arguments, namespace, caller, .. } = read(bytes)?;
            namespace.refuse("namespace", &[], "tools have none")?;
            caller.refuse("caller", &[], "models alone call tools")?;
            to.say(Role::Assistant, vec![content::call(call_id, name, arguments)?])
        }
        Some("function_call_output") => {
            let FunctionOutput { call_id, output, namespace, caller, .. } = read(bytes)?;
            namespace.refuse("namespace", &[], "tools have none")?;
            caller.refuse("caller", &[], "models alone call tools")?;
            let output = parts(output)?.into_iter().map(|part| match part {
                Part::Text(text) => Ok(Output::Text(text)),
                Part::Image(Image { blob, detail: None }) => Ok(Output::Image(blob)),
                Part::Image(_) => Err(Refusal::unsupported("detail", "it is for images of messages")),
                Part::File(blob) => Ok(Output::File(blob)),
                _ => Err(Refusal::field("output", "a result is texts, images and files")),
            });
            let output = output.collect::<Result<_, _>>().map_err(|refusal| refusal.within("output"))?;
            to.say(Role::Tool, vec![content::result(call_id, output, false, "call_id")?])
        }
        Some("reasoning") => {
            let Reasoning { summary, content, encrypted_content, .. } = read(bytes)?;
            content.refuse("content", &[], "it goes back in `encrypted_content`")?;
            let thought = match encrypted_content {
                Some(sealed) => unsealed(&sealed)?,
                None if summary.is_empty() => return Ok(()),
                None => {
                    let text = summary.into_iter().map(|part| part.text).collect::<Vec<_>>().join("\n");
                    Thought { text, signature: None }
                }
            };
            to.say(Role::Assistant, vec![Part::Thinking(thought)])
        }
        Some(other) => {
            let shown: String = other.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(40).collect();
            Err(Refusal::unsupported("type", &format!("no provider takes items of the type `{shown}`")))
        }
    }
}

fn unsealed(sealed: &str) -> Result<Thought, Refusal> {
    let foreign = || {
        let text =
            "this is no reasoning that came from here\nhint: send back what you were given, or leave the item out";
        Refusal::field("encrypted_content", text)
    };
    let bytes = BASE64_STANDARD.decode(sealed).map_err(|_| foreign())?;
    let Sealed { text, signature } = serde_json::from_slice(&bytes).map_err(|_| foreign())?;
    Ok(Thought { text, signature })
}

/// Adds items that are known to be whole, as they were kept.
pub(super) fn add_kept(items: &[Value], to: &mut Conversation) -> Result<(), Refusal> {
    items
        .iter()
        .try_for_each(|item| add(&item.to_string(), to).map_err(|refusal| refusal.within("previous_response_id")))
}

/// Adds what a client says, and tells it as items, each with an id.
pub(super) fn add_said(input: Content<Raw>, suffix: &str, to: &mut Conversation) -> Result<Vec<Value>, Refusal> {
    let raw = match input {
        Content::Text(text) => {
            let item = serde_json::json!({
                "type": "message", "role": "user", "content": [{ "type": "input_text", "text": text }],
            });
            vec![item.to_string()]
        }
        Content::Parts(items) => items.into_iter().map(|item| item.get().to_owned()).collect(),
    };
    let mut items = Vec::with_capacity(raw.len());
    for (place, raw) in raw.iter().enumerate() {
        add(raw, to).map_err(|refusal| refusal.within(&format!("input[{place}]")))?;
        items.push(named(raw, suffix, place));
    }
    Ok(items)
}

/// An item with an id, its type and a state, as it is listed.
fn named(raw: &str, suffix: &str, place: usize) -> Value {
    let mut item: Value = serde_json::from_str(raw).unwrap_or_default();
    if let Some(fields) = item.as_object_mut() {
        let kind = fields.entry("type").or_insert_with(|| "message".into()).clone();
        let prefix = match kind.as_str() {
            Some("function_call") => "fc",
            Some("function_call_output") => "fco",
            Some("reasoning") => "rs",
            _ => "msg",
        };
        if !fields.get("id").is_some_and(Value::is_string) {
            fields.insert("id".to_owned(), format!("{prefix}_i{suffix}{place}").into());
        }
        let text = fields.get("content").and_then(Value::as_str).map(str::to_owned);
        if let Some(text) = text {
            let of_model = fields.get("role").is_some_and(|role| role == "assistant");
            let part = if of_model {
                serde_json::json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] })
            } else {
                serde_json::json!({ "type": "input_text", "text": text })
            };
            fields.insert("content".to_owned(), Value::Array(vec![part]));
        }
        if prefix != "rs" {
            fields.entry("status").or_insert_with(|| "completed".into());
        }
    }
    item
}
