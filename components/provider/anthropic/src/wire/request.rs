//! The body of a Messages request.

use cara_sdk::Error;
use cara_sdk::provider::{Request, ResponseFormat, ToolChoice};
use cara_sdk::types::{
    Blob, CachePoint, Content, Image, Message, Part, Role, Thought, ToolCall, ToolDefinition, ToolResult,
};
use cara_wire::body::{self, check_choice, lacks};
use serde::Serialize;
use serde_json::value::RawValue;

use super::REDACTED;
use super::plan::{Plan, Thinking};

/// What the format is called where it has no form for something.
const API: &str = "the Messages API";

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    max_tokens: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Block<'a>>,
    messages: Vec<Line<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u32>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Thinking>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig<'a>>,
    stream: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    role: &'static str,
    content: Vec<Block<'a>>,
}

/// A block, and whether the prompt up to its end is to be kept.
#[derive(Serialize)]
struct Block<'a> {
    #[serde(flatten)]
    form: Form<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl>,
}

impl<'a> From<Form<'a>> for Block<'a> {
    fn from(form: Form<'a>) -> Self {
        Self { form, cache_control: None }
    }
}

#[derive(Clone, Copy, Serialize)]
struct CacheControl {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'static str>,
}

impl From<CachePoint> for CacheControl {
    fn from(point: CachePoint) -> Self {
        Self { r#type: "ephemeral", ttl: (point == CachePoint::Long).then_some("1h") }
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Form<'a> {
    Text {
        text: &'a str,
    },
    Image {
        source: Source<'a>,
    },
    Document {
        source: Source<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a str>,
    },
    Thinking {
        thinking: &'a str,
        signature: &'a str,
    },
    RedactedThinking {
        data: &'a str,
    },
    ToolUse {
        id: &'a str,
        name: &'a str,
        input: &'a RawValue,
    },
    ToolResult {
        tool_use_id: &'a str,
        content: Vec<Block<'a>>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
    },
}

#[derive(Serialize)]
struct Source<'a> {
    r#type: &'static str,
    media_type: &'a str,
    data: String,
}

#[derive(Serialize)]
struct Tool<'a> {
    name: &'a str,
    description: &'a str,
    input_schema: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl>,
}

#[derive(Serialize)]
struct Choice<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disable_parallel_tool_use: Option<bool>,
}

#[derive(Serialize)]
struct OutputConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Format<'a>>,
}

#[derive(Serialize)]
struct Format<'a> {
    r#type: &'static str,
    schema: &'a RawValue,
}

/// The body of a streamed Messages request.
///
/// # Errors
/// `bad-request` for a schema or arguments that are no JSON, `unsupported` for what the API has no form for.
pub fn messages(request: &Request) -> Result<Vec<u8>, Error> {
    // Every field by its name: one that is added to the contract does not compile until something is done with it here.
    let Request {
        model,
        system,
        messages,
        tools,
        tool_choice,
        parallel_tool_calls,
        response_format,
        max_output_tokens: _,
        temperature,
        top_p,
        top_k,
        presence_penalty,
        frequency_penalty,
        seed,
        stop,
        effort: _,
    } = request;
    check_choice(request)?;
    lacks(API, "presence-penalty", presence_penalty.is_some())?;
    lacks(API, "frequency-penalty", frequency_penalty.is_some())?;
    lacks(API, "seed", seed.is_some())?;
    let mut tools: Vec<_> = tools.iter().map(tool).collect::<Result<_, _>>()?;
    let mut instructions: Vec<Block<'_>> = system.iter().filter_map(|text| text_form(text)).map(Block::from).collect();
    let mut lines: Vec<Line<'_>> = Vec::with_capacity(messages.len());
    for message in messages {
        let role = match message.role {
            Role::System => {
                let first = instructions.len();
                let before = blocks(message, &mut instructions)?;
                mark(before, [&mut instructions[..first]].into_iter(), &mut tools);
                continue;
            }
            Role::Assistant => "assistant",
            Role::User | Role::Tool => "user",
        };
        let mut content = Vec::with_capacity(message.parts.len());
        let before = blocks(message, &mut content)?;
        let earlier = lines.iter_mut().rev().map(|line| &mut line.content[..]).chain([&mut instructions[..]]);
        mark(before, earlier, &mut tools);
        if !content.is_empty() {
            lines.push(Line { role, content });
        }
    }
    let plan = Plan::of(request)?;
    let format = format(response_format)?;
    let output_config =
        (plan.effort.is_some() || format.is_some()).then_some(OutputConfig { effort: plan.effort, format });
    let tool_choice = if tools.is_empty() { None } else { choice(tool_choice, *parallel_tool_calls) };
    body::to_json(&Body {
        model,
        max_tokens: plan.max_tokens,
        system: instructions,
        messages: lines,
        tools,
        tool_choice,
        temperature: *temperature,
        top_p: *top_p,
        top_k: *top_k,
        stop_sequences: stop,
        thinking: plan.thinking,
        output_config,
        stream: true,
    })
}

/// The API's structured output is always strict, and has no place for a description.
fn format(format: &ResponseFormat) -> Result<Option<Format<'_>>, Error> {
    let asked = match format {
        ResponseFormat::Text => return Ok(None),
        ResponseFormat::Json => {
            return Err(Error::unsupported(format!("{API} has no `response-format.json` without a schema")));
        }
        ResponseFormat::JsonSchema(asked) => asked,
    };
    lacks(API, "response-format.json-schema.description", asked.description.is_some())?;
    Ok(Some(Format { r#type: "json_schema", schema: body::schema(&asked.schema, "`response-format`")? }))
}

fn tool(tool: &ToolDefinition) -> Result<Tool<'_>, Error> {
    let ToolDefinition { name, description, input_schema: _, strict } = tool;
    Ok(Tool { name, description, input_schema: body::tool_schema(tool)?, strict: *strict, cache_control: None })
}

fn choice(choice: &ToolChoice, parallel: Option<bool>) -> Option<Choice<'_>> {
    let (r#type, name) = match choice {
        ToolChoice::Auto => ("auto", None),
        // Without a call there are no parallel ones.
        ToolChoice::None => return Some(Choice { r#type: "none", name: None, disable_parallel_tool_use: None }),
        ToolChoice::Required => ("any", None),
        ToolChoice::Named(name) => ("tool", Some(name.as_str())),
    };
    let disable_parallel_tool_use = parallel.map(|parallel| !parallel);
    (r#type != "auto" || parallel.is_some()).then_some(Choice { r#type, name, disable_parallel_tool_use })
}

/// The blocks of a message. Empty text is left out, the API refuses it; results of tools come first, it demands that.
/// A mark that stands before all of them is returned: it belongs to what came earlier.
fn blocks<'a>(message: &'a Message, blocks: &mut Vec<Block<'a>>) -> Result<Option<CachePoint>, Error> {
    let first = blocks.len();
    let mut earlier = None;
    let results = message.parts.iter().filter(|part| matches!(part, Part::ToolResult(_)));
    let others = message.parts.iter().filter(|part| !matches!(part, Part::ToolResult(_)));
    for part in results.chain(others) {
        let form = match part {
            Part::Text(text) => text_form(text),
            Part::Image(image) => Some(image_form(image)?),
            Part::Audio(_) => return Err(no_audio()),
            Part::File(blob) => Some(document(blob)?),
            Part::Thinking(thought) => thinking(thought),
            Part::ToolCall(call) => Some(tool_use(call)?),
            Part::ToolResult(result) => Some(tool_result(result)?),
            Part::CachePoint(point) => {
                if !keep(*point, &mut blocks[first..]) {
                    earlier = Some(*point);
                }
                None
            }
        };
        blocks.extend(form.map(Block::from));
    }
    Ok(earlier)
}

/// Marks the end of what came before a message: its last block that can have a mark, else the last tool.
fn mark<'b, 'a: 'b>(
    point: Option<CachePoint>,
    mut earlier: impl Iterator<Item = &'b mut [Block<'a>]>,
    tools: &mut [Tool<'_>],
) {
    let Some(point) = point else { return };
    if !earlier.any(|blocks| keep(point, blocks))
        && let Some(tool) = tools.last_mut()
    {
        tool.cache_control = Some(point.into());
    }
}

/// Marks the last block that can have a mark, if there is one: the API takes none at thinking.
fn keep(point: CachePoint, blocks: &mut [Block<'_>]) -> bool {
    let can = |block: &&mut Block<'_>| !matches!(block.form, Form::Thinking { .. } | Form::RedactedThinking { .. });
    let last = blocks.iter_mut().rev().find(can);
    last.map(|block| block.cache_control = Some(point.into())).is_some()
}

fn text_form(text: &str) -> Option<Form<'_>> {
    (!text.is_empty()).then_some(Form::Text { text })
}

/// A thought without the vendor's signature is another model's; the API would refuse it.
fn thinking(thought: &Thought) -> Option<Form<'_>> {
    let signature = thought.signature.as_deref()?;
    Some(match signature.strip_prefix(REDACTED) {
        Some(data) => Form::RedactedThinking { data },
        None => Form::Thinking { thinking: &thought.text, signature },
    })
}

fn tool_use(call: &ToolCall) -> Result<Form<'_>, Error> {
    Ok(Form::ToolUse { id: &call.id, name: &call.name, input: body::arguments(call)? })
}

fn tool_result(result: &ToolResult) -> Result<Form<'_>, Error> {
    let mut content = Vec::with_capacity(result.content.len());
    for item in &result.content {
        let form = match item {
            Content::Text(text) => text_form(text),
            Content::Image(blob) => Some(Form::Image { source: base64(blob) }),
            Content::File(blob) => Some(document(blob)?),
            Content::Audio(_) => return Err(no_audio()),
        };
        content.extend(form.map(Block::from));
    }
    Ok(Form::ToolResult { tool_use_id: &result.call_id, content, is_error: result.failed })
}

fn image_form(image: &Image) -> Result<Form<'_>, Error> {
    lacks(API, "detail", image.detail.is_some())?;
    Ok(Form::Image { source: base64(&image.blob) })
}

/// A PDF or a text; the API reads no other files.
fn document(blob: &Blob) -> Result<Form<'_>, Error> {
    let title = blob.name.as_deref();
    if blob.media_type == "application/pdf" {
        return Ok(Form::Document { source: base64(blob), title });
    }
    let is_text = blob.media_type.starts_with("text/") || blob.media_type == "application/json";
    match String::from_utf8(blob.data.clone()) {
        Ok(data) if is_text => {
            let source = Source { r#type: "text", media_type: "text/plain", data };
            Ok(Form::Document { source, title })
        }
        _ => Err(Error::unsupported(format!("{API} takes no file of the type `{}`", blob.media_type))),
    }
}

fn base64(blob: &Blob) -> Source<'_> {
    Source { r#type: "base64", media_type: &blob.media_type, data: body::base64(blob) }
}

fn no_audio() -> Error {
    Error::unsupported(format!("{API} has no `audio`"))
}
