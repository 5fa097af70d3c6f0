//! The body of a chat completion request.

use std::borrow::Cow;

use cara_sdk::Error;
use cara_sdk::provider::{Effort, Request, ResponseFormat, ToolChoice};
use cara_sdk::types::{Blob, Content as Result_, Detail, Image, Message, Part, Role, ToolResult};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::body::{Function, Tool, base64, check_choice, data_url, lacks, schema, to_json, tool};

/// What the format is called where it has no form for something.
const API: &str = "the API of chat completions";

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<Line<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<Format<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'static str>,
    stream: bool,
    stream_options: StreamOptions,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Format<'a> {
    JsonObject,
    JsonSchema { json_schema: Schema<'a> },
}

#[derive(Serialize)]
struct Schema<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    schema: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

/// One message as the API takes it.
#[derive(Default, Serialize)]
struct Line<'a> {
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Content<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Function<Call<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(Cow<'a, str>),
    Pieces(Vec<Piece<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Piece<'a> {
    Text { text: &'a str },
    ImageUrl { image_url: Url },
    InputAudio { input_audio: Audio },
    File { file: File<'a> },
}

#[derive(Serialize)]
struct Url {
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
}

#[derive(Serialize)]
struct Audio {
    data: String,
    format: &'static str,
}

#[derive(Serialize)]
struct File<'a> {
    filename: &'a str,
    file_data: String,
}

#[derive(Serialize)]
struct Call<'a> {
    name: &'a str,
    arguments: &'a str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Choice<'a> {
    Word(&'static str),
    Named(Function<Name<'a>>),
}

#[derive(Serialize)]
struct Name<'a> {
    name: &'a str,
}

/// The body of a streamed chat completion request.
///
/// # Errors
/// `bad-request` for a schema that is no JSON, `unsupported` for what the API has no form for.
pub fn request(request: &Request) -> Result<Vec<u8>, Error> {
    // Every field by its name: one that is added to the contract does not compile until something is done with it here.
    let Request {
        model,
        system: _,
        messages: _,
        tools,
        tool_choice,
        parallel_tool_calls,
        response_format,
        max_output_tokens,
        temperature,
        top_p,
        top_k,
        presence_penalty,
        frequency_penalty,
        seed,
        stop,
        effort,
    } = request;
    check_choice(request)?;
    lacks(API, "top-k", top_k.is_some())?;
    let choice = match tool_choice {
        ToolChoice::Auto => None,
        // Without tools the API takes no choice; there is nothing to call either.
        ToolChoice::None => (!tools.is_empty()).then_some(Choice::Word("none")),
        ToolChoice::Required => Some(Choice::Word("required")),
        ToolChoice::Named(name) => Some(Choice::Named(Function::new(None, Name { name }))),
    };
    to_json(&Body {
        model,
        messages: lines(request)?,
        tools: tools.iter().map(|definition| tool(definition, definition.strict)).collect::<Result<_, _>>()?,
        tool_choice: choice,
        parallel_tool_calls: *parallel_tool_calls,
        response_format: format(response_format)?,
        max_completion_tokens: *max_output_tokens,
        temperature: *temperature,
        top_p: *top_p,
        presence_penalty: *presence_penalty,
        frequency_penalty: *frequency_penalty,
        seed: *seed,
        stop,
        reasoning_effort: effort.map(word),
        stream: true,
        stream_options: StreamOptions { include_usage: true },
    })
}

fn format(format: &ResponseFormat) -> Result<Option<Format<'_>>, Error> {
    Ok(match format {
        ResponseFormat::Text => None,
        ResponseFormat::Json => Some(Format::JsonObject),
        ResponseFormat::JsonSchema(asked) => Some(Format::JsonSchema {
            json_schema: Schema {
                name: &asked.name,
                description: asked.description.as_deref(),
                schema: schema(&asked.schema, "`response-format`")?,
                strict: asked.strict,
            },
        }),
    })
}

/// The word for an effort. Which of them a model knows, the vendor says.
const fn word(effort: Effort) -> &'static str {
    match effort {
        Effort::Off => "none",
        Effort::Minimal => "minimal",
        Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::Xhigh => "xhigh",
        Effort::Max => "max",
    }
}

/// All messages. The API takes no image as a tool's answer, and nothing between the answers to one round of calls: what
/// is not text there follows them as a message of the person.
fn lines(request: &Request) -> Result<Vec<Line<'_>>, Error> {
    let mut lines = Vec::with_capacity(request.messages.len() + 1);
    if let Some(system) = &request.system {
        lines.push(text_line("system", system));
    }
    let mut late = Vec::new();
    for message in &request.messages {
        if message.role != Role::Tool {
            push_pieces(&mut lines, "user", &mut late);
        }
        match message.role {
            Role::Assistant => lines.push(assistant(message)?),
            Role::System => ordinary("system", message, &mut lines, &mut late)?,
            Role::User | Role::Tool => ordinary("user", message, &mut lines, &mut late)?,
        }
    }
    push_pieces(&mut lines, "user", &mut late);
    Ok(lines)
}

fn text_line<'a>(role: &'static str, text: &'a str) -> Line<'a> {
    Line { role, content: Some(Content::Text(text.into())), ..Line::default() }
}

/// A message of the model: its text and its calls. Thinking is not sent back: the API takes none.
fn assistant(message: &Message) -> Result<Line<'_>, Error> {
    let mut text = Cow::Borrowed("");
    let mut tool_calls = Vec::new();
    for part in &message.parts {
        match part {
            Part::Text(more) if text.is_empty() => text = Cow::Borrowed(more),
            Part::Text(more) => text.to_mut().push_str(more),
            Part::ToolCall(call) => {
                let (name, arguments) = (&call.name, &call.arguments);
                tool_calls.push(Function::new(Some(call.id.clone()), Call { name, arguments }));
            }
            Part::Thinking(_) | Part::CachePoint(_) => {}
            Part::Image(_) | Part::Audio(_) | Part::File(_) | Part::ToolResult(_) => {
                return Err(Error::unsupported("a message of the model can only hold text and tool calls"));
            }
        }
    }
    let content = (!text.is_empty() || tool_calls.is_empty()).then_some(Content::Text(text));
    Ok(Line { role: "assistant", content, tool_calls, tool_call_id: None })
}

/// A message of a person or of tools.
fn ordinary<'a>(
    role: &'static str,
    message: &'a Message,
    lines: &mut Vec<Line<'a>>,
    late: &mut Vec<Piece<'a>>,
) -> Result<(), Error> {
    let mut pieces = Vec::new();
    for part in &message.parts {
        match part {
            Part::ToolResult(result) => lines.push(answer(result, late)?),
            Part::Text(text) => pieces.push(Piece::Text { text }),
            Part::Image(Image { blob, detail }) => pieces.push(image(blob, *detail)?),
            Part::Audio(blob) => pieces.push(audio(blob)?),
            Part::File(blob) => pieces.push(file(blob)),
            // What is asked often enough is kept by the vendor without a mark.
            Part::Thinking(_) | Part::CachePoint(_) => {}
            Part::ToolCall(_) => return Err(Error::unsupported("only a message of the model can hold a tool call")),
        }
    }
    if message.role == Role::Tool {
        late.append(&mut pieces);
    } else {
        push_pieces(lines, "user", late);
        push_pieces(lines, role, &mut pieces);
    }
    Ok(())
}

/// The answer to one call: its text, and in `late` what is none.
fn answer<'a>(result: &'a ToolResult, late: &mut Vec<Piece<'a>>) -> Result<Line<'a>, Error> {
    let mut text = String::from(if result.failed { "The tool failed: " } else { "" });
    for content in &result.content {
        let piece = match content {
            Result_::Text(more) => {
                text.push_str(more);
                continue;
            }
            Result_::Image(blob) => image(blob, None)?,
            Result_::Audio(blob) => audio(blob)?,
            Result_::File(blob) => file(blob),
        };
        text.push_str("\n[shown in the next message]");
        late.push(piece);
    }
    Ok(Line {
        role: "tool",
        content: Some(Content::Text(text.into())),
        tool_call_id: Some(&result.call_id),
        ..Line::default()
    })
}

/// Adds a message of pieces, if there are any; a lone text as a plain string, which every server takes.
fn push_pieces<'a>(lines: &mut Vec<Line<'a>>, role: &'static str, pieces: &mut Vec<Piece<'a>>) {
    let content = match (pieces.pop(), pieces.is_empty()) {
        (None, _) => return,
        (Some(Piece::Text { text }), true) => Content::Text(text.into()),
        (Some(last), _) => {
            pieces.push(last);
            Content::Pieces(std::mem::take(pieces))
        }
    };
    lines.push(Line { role, content: Some(content), ..Line::default() });
}

fn image<'a>(blob: &Blob, detail: Option<Detail>) -> Result<Piece<'a>, Error> {
    lacks(API, "detail.original", detail == Some(Detail::Original))?;
    let detail = detail.map(|detail| if detail == Detail::Low { "low" } else { "high" });
    Ok(Piece::ImageUrl { image_url: Url { url: data_url(blob), detail } })
}

fn audio(blob: &Blob) -> Result<Piece<'_>, Error> {
    let format = match &*blob.media_type {
        "audio/wav" | "audio/x-wav" | "audio/wave" => "wav",
        "audio/mpeg" | "audio/mp3" => "mp3",
        other => return Err(Error::unsupported(format!("the API takes no audio of the type `{other}`"))),
    };
    Ok(Piece::InputAudio { input_audio: Audio { data: base64(blob), format } })
}

fn file(blob: &Blob) -> Piece<'_> {
    let filename = blob.name.as_deref().unwrap_or("file");
    Piece::File { file: File { filename, file_data: data_url(blob) } }
}
