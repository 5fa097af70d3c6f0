//! The body of a chat completion request.

use std::borrow::Cow;

use cara_sdk::Error;
use cara_sdk::provider::{Request, ToolChoice};
use cara_sdk::types::{Blob, Content as Result_, Message, Part, Role, ToolResult};
use serde::Serialize;

use crate::body::{Function, Tool, base64, data_url, effort, to_json, tool};

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<Line<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'static str>,
    stream: bool,
    stream_options: StreamOptions,
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

/// The body of a streamed chat completion request. `least` is the vendor's word for no effort of a model.
///
/// # Errors
/// `bad-request` for a schema that is no JSON, `unsupported` for content the API has no form for.
pub fn request(request: &Request, least: fn(&str) -> &'static str) -> Result<Vec<u8>, Error> {
    let tools: Vec<_> = request.tools.iter().map(tool).collect::<Result<_, _>>()?;
    let choice = match &request.tool_choice {
        _ if tools.is_empty() => None,
        ToolChoice::Auto => None,
        ToolChoice::None => Some(Choice::Word("none")),
        ToolChoice::Required => Some(Choice::Word("required")),
        ToolChoice::Named(name) => Some(Choice::Named(Function::new(None, Name { name }))),
    };
    to_json(&Body {
        model: &request.model,
        messages: lines(request)?,
        tools,
        tool_choice: choice,
        max_completion_tokens: request.max_output_tokens,
        temperature: request.temperature,
        stop: &request.stop,
        reasoning_effort: request.effort.map(|wanted| effort(wanted).unwrap_or_else(|| least(&request.model))),
        stream: true,
        stream_options: StreamOptions { include_usage: true },
    })
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
            Part::Thinking(_) => {}
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
            Part::Image(blob) => pieces.push(image(blob)),
            Part::Audio(blob) => pieces.push(audio(blob)?),
            Part::File(blob) => pieces.push(file(blob)),
            Part::Thinking(_) | Part::ToolCall(_) => {}
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
            Result_::Image(blob) => image(blob),
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

fn image(blob: &Blob) -> Piece<'_> {
    Piece::ImageUrl { image_url: Url { url: data_url(blob) } }
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
