//! A request for a response, read strictly: each field is honoured, or refused
//! by its name.

use super::object::Object;
use crate::api::content::{self, Content, Raw};
use crate::api::json::{CACHED, NO_PROVIDER, PERSONS, Unsupported};
use crate::api::openai::chat::{ChoiceWord, ReasoningEffort, check_stream};
use crate::api::sampling::{Wanted, within};
use crate::refusal::Refusal;
use cara_control::completion::parts::{JsonSchema, ResponseFormat, ToolChoice, ToolDefinition};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The most pairs of metadata, and the longest key and value (OpenAI's API reference, "metadata").
const METADATA: (usize, usize, usize) = (16, 64, 512);

/// A request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Create {
    pub(super) model: String,
    #[serde(default)]
    pub(super) input: Option<Content<Raw>>,
    #[serde(default)]
    pub(super) instructions: Option<String>,
    #[serde(default)]
    pub(super) previous_response_id: Option<String>,
    #[serde(default)]
    pub(super) store: Option<bool>,
    #[serde(default)]
    pub(super) background: Option<bool>,
    #[serde(default)]
    pub(super) stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    tools: Option<Vec<Raw>>,
    #[serde(default)]
    tool_choice: Option<Choice>,
    #[serde(default)]
    parallel_tool_calls: Option<bool>,
    #[serde(default)]
    max_output_tokens: Option<u32>,
    #[serde(default)]
    temperature: Option<f32>,
    #[serde(default)]
    top_p: Option<f32>,
    #[serde(default)]
    text: Option<Text>,
    #[serde(default)]
    reasoning: Option<Reasoning>,
    #[serde(default)]
    include: Option<Vec<String>>,
    #[serde(default)]
    metadata: Option<BTreeMap<String, String>>,
    #[serde(default)]
    context_management: Unsupported,
    #[serde(default)]
    conversation: Unsupported,
    #[serde(default)]
    max_tool_calls: Unsupported,
    #[serde(default)]
    moderation: Unsupported,
    #[serde(default)]
    prompt: Unsupported,
    #[serde(default)]
    prompt_cache_key: Unsupported,
    #[serde(default)]
    prompt_cache_options: Unsupported,
    #[serde(default)]
    prompt_cache_retention: Unsupported,
    #[serde(default)]
    safety_identifier: Unsupported,
    #[serde(default)]
    service_tier: Unsupported,
    #[serde(default)]
    top_logprobs: Unsupported,
    #[serde(default)]
    truncation: Unsupported,
    #[serde(default)]
    user: Unsupported,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StreamOptions {
    #[serde(default)]
    include_obfuscation: Unsupported,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Choice {
    Word(ChoiceWord),
    Named(NamedTool),
}

#[derive(Deserialize)]
struct NamedTool {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    #[serde(default)]
    format: Option<TextFormat>,
    #[serde(default)]
    verbosity: Unsupported,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum TextFormat {
    Text {},
    JsonObject {},
    JsonSchema {
        name: String,
        #[serde(default)]
        description: Option<String>,
        schema: Value,
        #[serde(default)]
        strict: Option<bool>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reasoning {
    #[serde(default)]
    effort: Option<ReasoningEffort>,
    #[serde(default)]
    summary: Option<String>,
    #[serde(default)]
    generate_summary: Unsupported,
    #[serde(default)]
    context: Unsupported,
    #[serde(default)]
    mode: Unsupported,
}

/// What kind of tool it is.
#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "type")]
    kind: String,
}

/// A function of the client's own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Function {
    #[serde(rename = "type")]
    _kind: String,
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    parameters: Option<Raw>,
    #[serde(default)]
    strict: Option<bool>,
    #[serde(default)]
    output_schema: Unsupported,
    #[serde(default)]
    defer_loading: Unsupported,
    #[serde(default)]
    allowed_callers: Unsupported,
}

fn tool(raw: &Raw) -> Result<ToolDefinition, Refusal> {
    let bytes = raw.get().as_bytes();
    let Kind { kind } = crate::api::json::read(bytes)?;
    if kind != "function" {
        return Err(Refusal::unsupported("type", "a model has no tools but the functions of the request"));
    }
    let function: Function = crate::api::json::read(bytes)?;
    function.output_schema.refuse("output_schema", &[], NO_PROVIDER)?;
    function.defer_loading.refuse("defer_loading", &["false"], "a model is told all tools")?;
    function.allowed_callers.refuse("allowed_callers", &["[\"direct\"]"], "models alone call tools")?;
    let Function { name, description, parameters, strict, .. } = function;
    content::tool(name, description, parameters.as_deref(), "parameters", strict)
}

impl Create {
    /// Refuses what nobody here can honour.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        for (field, name, harmless, why) in [
            (&self.context_management, "context_management", &[][..], NO_PROVIDER),
            (&self.conversation, "conversation", &[], "go on with `previous_response_id`"),
            (&self.max_tool_calls, "max_tool_calls", &[], "it is for tools of the vendor, of which there are none"),
            (&self.moderation, "moderation", &[], NO_PROVIDER),
            (&self.prompt, "prompt", &[], "there are no stored prompts here"),
            (&self.prompt_cache_key, "prompt_cache_key", &[], CACHED),
            (&self.prompt_cache_options, "prompt_cache_options", &[], CACHED),
            (&self.prompt_cache_retention, "prompt_cache_retention", &[], CACHED),
            (&self.safety_identifier, "safety_identifier", &[], PERSONS),
            (&self.service_tier, "service_tier", &["\"auto\"", "\"default\""], NO_PROVIDER),
            (&self.top_logprobs, "top_logprobs", &["0"], NO_PROVIDER),
            (&self.truncation, "truncation", &["\"disabled\""], "nothing is left out of a conversation"),
            (&self.user, "user", &[], PERSONS),
        ] {
            field.refuse(name, harmless, why)?;
        }
        if let Some(text) = &self.text {
            text.verbosity.refuse("text.verbosity", &["\"medium\""], NO_PROVIDER)?;
        }
        if let Some(reasoning) = &self.reasoning {
            reasoning.generate_summary.refuse("reasoning.generate_summary", &[], "`summary` took its place")?;
            reasoning.context.refuse("reasoning.context", &["\"auto\""], NO_PROVIDER)?;
            reasoning.mode.refuse("reasoning.mode", &["\"auto\""], NO_PROVIDER)?;
            if reasoning.summary.as_deref().is_some_and(|summary| summary != "auto") {
                return Err(Refusal::unsupported("reasoning.summary", "providers know `auto`"));
            }
        }
        if let Some(other) = self.include.iter().flatten().find(|include| *include != SEALED) {
            let why = format!("`{SEALED}` is all that can be added, not `{}`", cara_authority::display_safe(other));
            return Err(Refusal::unsupported("include", &why));
        }
        check_stream(self.stream, self.stream_options.as_ref().map(|options| &options.include_obfuscation))?;
        if self.background == Some(true) && self.store == Some(false) {
            let text = "what is done in the background is kept until somebody asks for it\nhint: leave out `store`";
            return Err(Refusal::field("store", text));
        }
        let (most, key, value) = METADATA;
        let metadata = self.metadata.iter().flatten();
        if metadata.clone().count() > most || metadata.clone().any(|(k, v)| k.len() > key || v.len() > value) {
            let text = format!("`metadata` has at most {most} pairs, of at most {key} and {value} bytes");
            return Err(Refusal::field("metadata", text));
        }
        Ok(())
    }

    /// Whether it is kept, which it is unless the client says no.
    pub(super) fn is_kept(&self) -> bool {
        self.store != Some(false)
    }

    /// How the answer is wanted.
    pub(super) fn wanted(&self) -> Result<Wanted, Refusal> {
        let tools = self.tools.iter().flatten().enumerate();
        let tools = tools.map(|(place, raw)| tool(raw).map_err(|refusal| refusal.within(&format!("tools[{place}]"))));
        let tool_choice = match &self.tool_choice {
            None => None,
            Some(Choice::Word(word)) => Some(word.choice()),
            Some(Choice::Named(NamedTool { kind, name: Some(name) })) if kind == "function" => {
                Some(ToolChoice::Named(name.clone()))
            }
            Some(Choice::Named(_)) => {
                let why = "a choice is `auto`, `none`, `required` or one function by its name";
                return Err(Refusal::unsupported("tool_choice", why));
            }
        };
        if self.max_output_tokens == Some(0) {
            return Err(Refusal::field("max_output_tokens", "`max_output_tokens` is 0, and can be 1 or more"));
        }
        let format = match self.text.as_ref().and_then(|text| text.format.as_ref()) {
            None | Some(TextFormat::Text {}) => None,
            Some(TextFormat::JsonObject {}) => Some(ResponseFormat::Json),
            Some(TextFormat::JsonSchema { name, description, schema, strict }) => {
                Some(ResponseFormat::JsonSchema(JsonSchema {
                    name: content::word(name.clone(), "text.format.name")?,
                    description: description.clone(),
                    schema: schema.to_string(),
                    strict: *strict,
                }))
            }
        };
        let effort = self.reasoning.as_ref().and_then(|reasoning| reasoning.effort);
        let effort = effort.map(ReasoningEffort::effort);
        Ok(Wanted {
            tools: tools.collect::<Result<_, _>>()?,
            tool_choice: tool_choice.map(|choice| ("tool_choice", choice)),
            parallel: self.parallel_tool_calls.map(|parallel| ("parallel_tool_calls", parallel)),
            most_tokens: self.max_output_tokens.map(|most| ("max_output_tokens", most)),
            temperature: within("temperature", self.temperature, 0.0, 2.0)?,
            top_p: within("top_p", self.top_p, 0.0, 1.0)?,
            effort: effort.map(|effort| ("reasoning.effort", effort)),
            format: format.map(|format| ("text.format", format)),
            ..Wanted::default()
        })
    }

    /// What was asked for, as the response tells it.
    pub(super) fn object(&self, id: &str, created_at: u64) -> Object {
        let tools: Vec<Value> =
            self.tools.iter().flatten().filter_map(|raw| serde_json::from_str(raw.get()).ok()).collect();
        let choice = match &self.tool_choice {
            None => json!(ChoiceWord::Auto),
            Some(Choice::Word(word)) => json!(word),
            Some(Choice::Named(NamedTool { kind, name })) => json!({ "type": kind, "name": name }),
        };
        let format = match self.text.as_ref().and_then(|text| text.format.as_ref()) {
            None | Some(TextFormat::Text {}) => json!({ "type": "text" }),
            Some(TextFormat::JsonObject {}) => json!({ "type": "json_object" }),
            Some(TextFormat::JsonSchema { name, description, schema, strict }) => json!({
                "type": "json_schema", "name": name, "description": description, "schema": schema, "strict": strict,
            }),
        };
        let reasoning = self.reasoning.as_ref();
        let summary = reasoning.and_then(|reasoning| reasoning.summary.as_deref());
        let effort = reasoning.and_then(|reasoning| reasoning.effort).map(ReasoningEffort::name);
        let mut fields = Map::new();
        for (name, value) in [
            ("created_at", created_at.into()),
            ("model", self.model.as_str().into()),
            ("instructions", self.instructions.clone().into()),
            ("previous_response_id", self.previous_response_id.clone().into()),
            ("store", self.is_kept().into()),
            ("background", self.background.unwrap_or_default().into()),
            ("tools", tools.into()),
            ("tool_choice", choice),
            ("parallel_tool_calls", self.parallel_tool_calls.unwrap_or(true).into()),
            ("max_output_tokens", self.max_output_tokens.into()),
            ("temperature", self.temperature.map_or(Value::Null, number)),
            ("top_p", self.top_p.map_or(Value::Null, number)),
            ("text", json!({ "format": format })),
            ("reasoning", json!({ "effort": effort, "summary": summary })),
            ("metadata", json!(self.metadata.clone().unwrap_or_default())),
        ] {
            fields.insert(name.to_owned(), value);
        }
        let is_sealed = self.include.iter().flatten().any(|include| include == SEALED);
        Object::new(id, fields, summary.is_some(), is_sealed)
    }
}

/// What a client asks for to send reasoning back.
pub(super) const SEALED: &str = "reasoning.encrypted_content";

/// A number as it was written: not as the nearest of twice its length.
fn number(number: f32) -> Value {
    number.to_string().parse::<f64>().map_or(Value::Null, Value::from)
}
