//! The body of a chat request.

use std::borrow::Cow;

use cara_sdk::Error;
use cara_sdk::provider::{Request, ToolChoice, find_call};
use cara_sdk::types::{Blob, Content, Message, Part, Role, ToolResult};
use cara_wire::body::{Tool, arguments, base64, effort, to_json, tool};
use serde::Serialize;
use serde_json::value::RawValue;

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<Line<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    think: Option<Think>,
    options: Options<'a>,
    stream: bool,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Think {
    Switch(bool),
    Level(&'static str),
}

#[derive(Serialize)]
struct Options<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    num_predict: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop: &'a [String],
}

/// One message as the API takes it.
#[derive(Default, Serialize)]
struct Line<'a> {
    role: &'static str,
    content: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    thinking: Cow<'a, str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Call<'a> {
    id: &'a str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: &'a RawValue,
}

/// The body of a streamed chat request.
///
/// # Errors
/// `bad-request` for a schema or arguments that are no JSON, `unsupported` for content the API has no form for.
pub fn chat(request: &Request) -> Result<Vec<u8>, Error> {
    let mut messages = Vec::with_capacity(request.messages.len() + 1);
    if let Some(system) = &request.system {
        messages.push(Line { role: "system", content: system.into(), ..Line::default() });
    }
    for message in &request.messages {
        push_lines(request, message, &mut messages)?;
    }
    to_json(&Body {
        model: &request.model,
        messages,
        tools: tools(request)?,
        think: request.effort.map(|wanted| effort(wanted).map_or(Think::Switch(false), Think::Level)),
        options: Options {
            num_predict: request.max_output_tokens,
            temperature: request.temperature,
            stop: &request.stop,
        },
        stream: true,
    })
}

/// The tools on offer. The API knows no choice among them: to forbid or name one, the others are left out.
fn tools(request: &Request) -> Result<Vec<Tool<'_>>, Error> {
    let offered = request.tools.iter().filter(|tool| match &request.tool_choice {
        ToolChoice::Auto | ToolChoice::Required => true,
        ToolChoice::None => false,
        ToolChoice::Named(name) => tool.name == *name,
    });
    offered.map(tool).collect()
}

/// The lines of one message: one for each result of a tool, then one for the rest.
fn push_lines<'a>(request: &'a Request, message: &'a Message, lines: &mut Vec<Line<'a>>) -> Result<(), Error> {
    let mut line = Line {
        role: match message.role {
            Role::System => "system",
            Role::User | Role::Tool => "user",
            Role::Assistant => "assistant",
        },
        ..Line::default()
    };
    for part in &message.parts {
        match part {
            Part::Text(text) => append(&mut line.content, text),
            Part::Thinking(thought) => append(&mut line.thinking, &thought.text),
            Part::Image(blob) => line.images.push(base64(blob)),
            Part::File(blob) => append(&mut line.content, text_of(blob)?),
            Part::Audio(_) => return Err(Error::unsupported("ollama takes no audio")),
            Part::ToolCall(call) => {
                let function = Function { name: &call.name, arguments: arguments(call)? };
                line.tool_calls.push(Call { id: &call.id, function });
            }
            Part::ToolResult(result) => lines.push(answer(request, result)?),
        }
    }
    if !line.content.is_empty() || !line.images.is_empty() || !line.tool_calls.is_empty() {
        lines.push(line);
    }
    Ok(())
}

/// The answer to one call. It is found by the tool's name; newer servers look at the id as well.
fn answer<'a>(request: &'a Request, result: &'a ToolResult) -> Result<Line<'a>, Error> {
    let mut line = Line {
        role: "tool",
        tool_name: find_call(request, &result.call_id).map(|call| call.name.as_str()),
        tool_call_id: Some(&result.call_id),
        ..Line::default()
    };
    if result.failed {
        append(&mut line.content, "The tool failed: ");
    }
    for content in &result.content {
        match content {
            Content::Text(text) => append(&mut line.content, text),
            Content::Image(blob) => line.images.push(base64(blob)),
            Content::File(blob) => append(&mut line.content, text_of(blob)?),
            Content::Audio(_) => return Err(Error::unsupported("ollama takes no audio")),
        }
    }
    Ok(line)
}

/// A file's text: the API takes no other files.
fn text_of(blob: &Blob) -> Result<&str, Error> {
    std::str::from_utf8(&blob.data)
        .map_err(|_| Error::unsupported(format!("ollama takes no file of the type `{}`", blob.media_type)))
}

/// Adds text; the first is borrowed.
fn append<'a>(text: &mut Cow<'a, str>, more: &'a str) {
    if text.is_empty() {
        *text = Cow::Borrowed(more);
    } else {
        text.to_mut().push_str(more);
    }
}
