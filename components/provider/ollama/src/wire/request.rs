//! The body of a chat request.

use std::borrow::Cow;

use cara_sdk::Error;
use cara_sdk::provider::{Effort, Request, ResponseFormat, ToolChoice, find_call};
use cara_sdk::types::{Blob, Content, Image, Message, Part, Role, ToolResult};
use cara_wire::body::{Tool, arguments, base64, check_choice, lacks, schema, to_json, tool};
use serde::Serialize;
use serde_json::value::RawValue;

/// What the format is called where it has no form for something.
const API: &str = "the API of Ollama";

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<Line<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    think: Option<Think>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Format<'a>>,
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
#[serde(untagged)]
enum Format<'a> {
    Word(&'static str),
    Schema(&'a RawValue),
}

#[derive(Serialize)]
struct Options<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    num_predict: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
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
/// `bad-request` for a schema or arguments that are no JSON, `unsupported` for what the API has no form for.
pub fn chat(request: &Request) -> Result<Vec<u8>, Error> {
    // Every field by its name: one that is added to the contract does not compile until something is done with it here.
    let Request {
        model,
        system,
        messages,
        tools: _,
        tool_choice: _,
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
    // Several calls in one answer cannot be forbidden.
    lacks(API, "parallel-tool-calls", *parallel_tool_calls == Some(false))?;
    let mut lines = Vec::with_capacity(messages.len() + 1);
    if let Some(system) = system {
        lines.push(Line { role: "system", content: system.into(), ..Line::default() });
    }
    for message in messages {
        push_lines(request, message, &mut lines)?;
    }
    to_json(&Body {
        model,
        messages: lines,
        tools: tools(request)?,
        think: effort.map(think).transpose()?,
        format: format(response_format)?,
        options: Options {
            num_predict: *max_output_tokens,
            temperature: *temperature,
            top_p: *top_p,
            top_k: *top_k,
            presence_penalty: *presence_penalty,
            frequency_penalty: *frequency_penalty,
            seed: *seed,
            stop,
        },
        stream: true,
    })
}

fn think(effort: Effort) -> Result<Think, Error> {
    Ok(match effort {
        Effort::Off => Think::Switch(false),
        Effort::Low => Think::Level("low"),
        Effort::Medium => Think::Level("medium"),
        Effort::High => Think::Level("high"),
        Effort::Max => Think::Level("max"),
        Effort::Minimal | Effort::Xhigh => {
            return Err(Error::unsupported(format!("{API} has no `effort` of `minimal` or `xhigh`")));
        }
    })
}

/// The server always keeps to a schema, and has no place for a description.
fn format(format: &ResponseFormat) -> Result<Option<Format<'_>>, Error> {
    Ok(match format {
        ResponseFormat::Text => None,
        ResponseFormat::Json => Some(Format::Word("json")),
        ResponseFormat::JsonSchema(asked) => {
            lacks(API, "response-format.json-schema.description", asked.description.is_some())?;
            Some(Format::Schema(schema(&asked.schema, "`response-format`")?))
        }
    })
}

/// The tools on offer. The API knows no choice among them: to forbid all, none is offered; a call cannot be demanded.
fn tools(request: &Request) -> Result<Vec<Tool<'_>>, Error> {
    check_choice(request)?;
    match &request.tool_choice {
        ToolChoice::Auto => {}
        ToolChoice::None => return Ok(Vec::new()),
        ToolChoice::Required | ToolChoice::Named(_) => {
            return Err(Error::unsupported(format!("{API} has no `tool-choice` that demands a call")));
        }
    }
    let strict = request.tools.iter().any(|tool| tool.strict == Some(true));
    lacks(API, "strict", strict)?;
    request.tools.iter().map(|definition| tool(definition, None)).collect()
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
            Part::Image(Image { blob, detail }) => {
                lacks(API, "detail", detail.is_some())?;
                line.images.push(base64(blob));
            }
            // The server keeps what it can by itself.
            Part::CachePoint(_) => {}
            Part::File(blob) => append(&mut line.content, text_of(blob)?),
            Part::Audio(_) => return Err(Error::unsupported(format!("{API} has no `audio`"))),
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
            Content::Audio(_) => return Err(Error::unsupported(format!("{API} has no `audio`"))),
        }
    }
    Ok(line)
}

/// A file's text: the API takes no other files.
fn text_of(blob: &Blob) -> Result<&str, Error> {
    std::str::from_utf8(&blob.data)
        .map_err(|_| Error::unsupported(format!("{API} takes no file of the type `{}`", blob.media_type)))
}

/// Adds text; the first is borrowed.
fn append<'a>(text: &mut Cow<'a, str>, more: &'a str) {
    if text.is_empty() {
        *text = Cow::Borrowed(more);
    } else {
        text.to_mut().push_str(more);
    }
}
