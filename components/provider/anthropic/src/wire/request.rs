//! The body of a Messages request.

use cara_sdk::Error;
use cara_sdk::provider::{Effort, Request, ToolChoice};
use cara_sdk::types::{Blob, Content, Message, Part, Role, Thought, ToolCall, ToolDefinition, ToolResult};
use cara_wire::body;
use serde::Serialize;
use serde_json::value::RawValue;

use super::REDACTED;

/// Longest answer when the request names none; the API demands a number.
const MAX_TOKENS: u32 = 8_192;

/// The same for models that think by effort: some always do, and their thinking counts as answer.
const MAX_TOKENS_WITH_THINKING: u32 = 32_768;

/// The smallest budget for thinking that the API takes.
const LEAST_BUDGET: u32 = 1_024;

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
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Thinking>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig>,
    stream: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    role: &'static str,
    content: Vec<Block<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block<'a> {
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
}

#[derive(Serialize)]
struct Choice<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

#[derive(Serialize)]
struct Thinking {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    display: Option<&'static str>,
}

#[derive(Serialize)]
struct OutputConfig {
    effort: &'static str,
}

/// The body of a streamed Messages request.
///
/// # Errors
/// `bad-request` for a schema or arguments that are no JSON, `unsupported` for content the API has no form for.
pub fn messages(request: &Request) -> Result<Vec<u8>, Error> {
    let tools: Vec<_> = request.tools.iter().map(tool).collect::<Result<_, _>>()?;
    let tool_choice = if tools.is_empty() { None } else { choice(&request.tool_choice) };
    let mut system: Vec<_> = request.system.iter().filter_map(|text| text_block(text)).collect();
    let mut lines = Vec::with_capacity(request.messages.len());
    for message in &request.messages {
        if message.role == Role::System {
            blocks(message, &mut system)?;
            continue;
        }
        let role = if message.role == Role::Assistant { "assistant" } else { "user" };
        let mut content = Vec::with_capacity(message.parts.len());
        blocks(message, &mut content)?;
        if !content.is_empty() {
            lines.push(Line { role, content });
        }
    }
    let plan = Plan::of(request);
    body::to_json(&Body {
        model: &request.model,
        max_tokens: plan.max_tokens,
        system,
        messages: lines,
        tools,
        tool_choice,
        temperature: plan.temperature,
        stop_sequences: &request.stop,
        thinking: plan.thinking,
        output_config: plan.effort.map(|effort| OutputConfig { effort }),
        stream: true,
    })
}

/// How long and how thoughtful the answer may be; what may be combined differs by generation of model.
struct Plan {
    max_tokens: u32,
    temperature: Option<f32>,
    thinking: Option<Thinking>,
    effort: Option<&'static str>,
}

impl Plan {
    fn of(request: &Request) -> Self {
        let budgeted = has_budget(&request.model);
        let usual = if budgeted { MAX_TOKENS } else { MAX_TOKENS_WITH_THINKING };
        let max_tokens = request.max_output_tokens.unwrap_or(usual);
        // The API's scale ends at 1, the contract's at 2.
        let temperature = request.temperature.map(|temperature| temperature.clamp(0.0, 1.0));
        let plain = Self { max_tokens, temperature, thinking: None, effort: None };
        // A forced call and thinking exclude each other.
        let forced =
            matches!(request.tool_choice, ToolChoice::Required | ToolChoice::Named(_)) && !request.tools.is_empty();
        let wanted = request.effort.filter(|effort| *effort != Effort::Off && !forced);
        match (budgeted, wanted) {
            (true, None) => plain,
            (true, Some(effort)) => plain.with_budget(effort, request.max_output_tokens),
            // These models take no temperature.
            (false, None) => Self { temperature: None, ..plain },
            (false, Some(effort)) => Self {
                temperature: None,
                thinking: Some(Thinking { r#type: "adaptive", budget_tokens: None, display: Some("summarized") }),
                effort: body::effort(effort),
                ..plain
            },
        }
    }

    /// Thinking by a number of tokens, which count as answer: at least half of a limit the request names is left.
    fn with_budget(self, effort: Effort, limit: Option<u32>) -> Self {
        let budget = limit.map_or(budget(effort), |limit| budget(effort).min(limit / 2));
        if budget < LEAST_BUDGET {
            return self;
        }
        Self {
            max_tokens: limit.unwrap_or(MAX_TOKENS + budget),
            temperature: None,
            thinking: Some(Thinking { r#type: "enabled", budget_tokens: Some(budget), display: None }),
            effort: None,
        }
    }
}

/// Tokens for thinking at an effort.
const fn budget(effort: Effort) -> u32 {
    match effort {
        Effort::Off => 0,
        Effort::Low => 2_048,
        Effort::Medium => 8_192,
        Effort::High => 24_576,
    }
}

/// Whether a model thinks by budget. That list is closed: all that came after 4.5 think by effort.
fn has_budget(model: &str) -> bool {
    let old = ["claude-2", "claude-3", "claude-instant", "-4-0", "-4-1", "-4-5", "-4-2025"];
    old.iter().any(|part| model.contains(part))
}

fn tool(tool: &ToolDefinition) -> Result<Tool<'_>, Error> {
    Ok(Tool { name: &tool.name, description: &tool.description, input_schema: body::schema(tool)? })
}

fn choice(choice: &ToolChoice) -> Option<Choice<'_>> {
    let (r#type, name) = match choice {
        ToolChoice::Auto => return None,
        ToolChoice::None => ("none", None),
        ToolChoice::Required => ("any", None),
        ToolChoice::Named(name) => ("tool", Some(name.as_str())),
    };
    Some(Choice { r#type, name })
}

/// The blocks of a message. Empty text is left out, the API refuses it; results of tools come first, it demands that.
fn blocks<'a>(message: &'a Message, blocks: &mut Vec<Block<'a>>) -> Result<(), Error> {
    let results = message.parts.iter().filter(|part| matches!(part, Part::ToolResult(_)));
    let others = message.parts.iter().filter(|part| !matches!(part, Part::ToolResult(_)));
    for part in results.chain(others) {
        blocks.extend(match part {
            Part::Text(text) => text_block(text),
            Part::Image(blob) => Some(image(blob)),
            Part::Audio(_) => return Err(no_audio()),
            Part::File(blob) => Some(document(blob)?),
            Part::Thinking(thought) => thinking(thought),
            Part::ToolCall(call) => Some(tool_use(call)?),
            Part::ToolResult(result) => Some(tool_result(result)?),
        });
    }
    Ok(())
}

fn text_block(text: &str) -> Option<Block<'_>> {
    (!text.is_empty()).then_some(Block::Text { text })
}

/// A thought without the vendor's signature is another model's; the API would refuse it.
fn thinking(thought: &Thought) -> Option<Block<'_>> {
    let signature = thought.signature.as_deref()?;
    Some(match signature.strip_prefix(REDACTED) {
        Some(data) => Block::RedactedThinking { data },
        None => Block::Thinking { thinking: &thought.text, signature },
    })
}

fn tool_use(call: &ToolCall) -> Result<Block<'_>, Error> {
    Ok(Block::ToolUse { id: &call.id, name: &call.name, input: body::arguments(call)? })
}

fn tool_result(result: &ToolResult) -> Result<Block<'_>, Error> {
    let mut content = Vec::with_capacity(result.content.len());
    for item in &result.content {
        content.extend(match item {
            Content::Text(text) => text_block(text),
            Content::Image(blob) => Some(image(blob)),
            Content::File(blob) => Some(document(blob)?),
            Content::Audio(_) => return Err(no_audio()),
        });
    }
    Ok(Block::ToolResult { tool_use_id: &result.call_id, content, is_error: result.failed })
}

fn image(blob: &Blob) -> Block<'_> {
    Block::Image { source: base64(blob) }
}

/// A PDF or a text; the API reads no other files.
fn document(blob: &Blob) -> Result<Block<'_>, Error> {
    let title = blob.name.as_deref();
    if blob.media_type == "application/pdf" {
        return Ok(Block::Document { source: base64(blob), title });
    }
    let is_text = blob.media_type.starts_with("text/") || blob.media_type == "application/json";
    match String::from_utf8(blob.data.clone()) {
        Ok(data) if is_text => {
            let source = Source { r#type: "text", media_type: "text/plain", data };
            Ok(Block::Document { source, title })
        }
        _ => Err(Error::unsupported(format!("the API takes no file of the type `{}`", blob.media_type))),
    }
}

fn base64(blob: &Blob) -> Source<'_> {
    Source { r#type: "base64", media_type: &blob.media_type, data: body::base64(blob) }
}

fn no_audio() -> Error {
    Error::unsupported("the API takes no audio")
}
