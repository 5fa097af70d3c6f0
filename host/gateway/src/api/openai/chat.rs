//! `POST /v1/chat/completions`.

use super::message::{FunctionWord, Message, Tool, conversation};
use super::reply::{self, Chunks};
use crate::api::content::{Content, Raw};
use crate::api::json::{CACHED, NO_PROVIDER, PERSONS, Unsupported, read};
use crate::api::reply::{streamed, whole};
use crate::api::sampling::{Wanted, within};
use crate::api::{Asked, content};
use crate::failure::json as answer;
use crate::refusal::Refusal;
use axum::response::Response;
use bytes::Bytes;
use cara_control::completion::Completion;
use cara_control::completion::parts::{Effort, JsonSchema, ResponseFormat, ToolChoice};
use http::StatusCode;
use serde::{Deserialize, Serialize};

/// A request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Chat {
    model: String,
    messages: Vec<Message>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    tools: Option<Vec<Tool>>,
    #[serde(default)]
    tool_choice: Option<Choice>,
    #[serde(default)]
    parallel_tool_calls: Option<bool>,
    #[serde(default)]
    response_format: Option<WantedFormat>,
    #[serde(default)]
    max_tokens: Option<u32>,
    #[serde(default)]
    max_completion_tokens: Option<u32>,
    #[serde(default)]
    temperature: Option<f32>,
    #[serde(default)]
    top_p: Option<f32>,
    #[serde(default)]
    presence_penalty: Option<f32>,
    #[serde(default)]
    frequency_penalty: Option<f32>,
    #[serde(default)]
    seed: Option<i64>,
    #[serde(default)]
    stop: Option<Content<String>>,
    #[serde(default)]
    reasoning_effort: Option<ReasoningEffort>,
    #[serde(default)]
    n: Option<u32>,
    #[serde(default)]
    audio: Unsupported,
    #[serde(default)]
    function_call: Unsupported,
    #[serde(default)]
    functions: Unsupported,
    #[serde(default)]
    logit_bias: Unsupported,
    #[serde(default)]
    logprobs: Unsupported,
    #[serde(default)]
    top_logprobs: Unsupported,
    #[serde(default)]
    metadata: Unsupported,
    #[serde(default)]
    modalities: Unsupported,
    #[serde(default)]
    moderation: Unsupported,
    #[serde(default)]
    prediction: Unsupported,
    #[serde(default)]
    prompt_cache_key: Unsupported,
    #[serde(default)]
    prompt_cache_retention: Unsupported,
    #[serde(default)]
    safety_identifier: Unsupported,
    #[serde(default)]
    service_tier: Unsupported,
    #[serde(default)]
    store: Unsupported,
    #[serde(default)]
    user: Unsupported,
    #[serde(default)]
    verbosity: Unsupported,
    #[serde(default)]
    web_search_options: Unsupported,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
    #[serde(default)]
    include_obfuscation: Unsupported,
}

/// Whether a tool is to be called.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Choice {
    Word(ChoiceWord),
    Named(NamedTool),
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ChoiceWord {
    Auto,
    None,
    Required,
}

impl ChoiceWord {
    pub(super) const fn choice(self) -> ToolChoice {
        match self {
            Self::Auto => ToolChoice::Auto,
            Self::None => ToolChoice::None,
            Self::Required => ToolChoice::Required,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedTool {
    #[serde(rename = "type")]
    kind: FunctionWord,
    function: FunctionName,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FunctionName {
    name: String,
}

/// Refuses what is wished of a stream that there is none of, or that does not come in another way.
pub(super) fn check_stream(stream: Option<bool>, obfuscation: Option<&Unsupported>) -> Result<(), Refusal> {
    let Some(obfuscation) = obfuscation else { return Ok(()) };
    if stream != Some(true) {
        return Err(Refusal::field("stream_options", "`stream_options` belongs to `stream: true`"));
    }
    obfuscation.refuse("stream_options.include_obfuscation", &["false"], "pieces are sent as they are")
}

/// How much the model reasons.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ReasoningEffort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    Xhigh,
    Max,
}

impl ReasoningEffort {
    pub(super) fn effort(self) -> Effort {
        match self {
            Self::None => Effort::Off,
            Self::Minimal => Effort::Minimal,
            Self::Low => Effort::Low,
            Self::Medium => Effort::Medium,
            Self::High => Effort::High,
            Self::Xhigh => Effort::Xhigh,
            Self::Max => Effort::Max,
        }
    }

    /// The word for it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Xhigh => "xhigh",
            Self::Max => "max",
        }
    }
}

/// The form of the answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedFormat {
    #[serde(rename = "type")]
    kind: FormatWord,
    #[serde(default)]
    json_schema: Option<NamedSchema>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FormatWord {
    Text,
    JsonObject,
    JsonSchema,
}

/// A schema under a name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NamedSchema {
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    schema: Option<Raw>,
    #[serde(default)]
    strict: Option<bool>,
}

impl WantedFormat {
    fn format(self) -> Result<Option<ResponseFormat>, Refusal> {
        match (self.kind, self.json_schema) {
            (FormatWord::Text, None) => Ok(None),
            (FormatWord::JsonObject, None) => Ok(Some(ResponseFormat::Json)),
            (FormatWord::JsonSchema, Some(schema)) => Ok(Some(schema.format()?)),
            (FormatWord::JsonSchema, None) => {
                Err(Refusal::field("response_format.json_schema", "the schema is missing"))
            }
            (_, Some(_)) => {
                Err(Refusal::field("response_format.json_schema", "a schema belongs to `json_schema` alone"))
            }
        }
    }
}

impl NamedSchema {
    fn format(self) -> Result<ResponseFormat, Refusal> {
        let Self { name, description, schema, strict } = self;
        let name = content::word(name, "response_format.json_schema.name")?;
        let missing = || Refusal::field("response_format.json_schema.schema", "the schema is missing");
        let schema = schema.ok_or_else(missing)?.get().to_owned();
        Ok(ResponseFormat::JsonSchema(JsonSchema { name, description, schema, strict }))
    }
}

impl Chat {
    /// Refuses what nobody here can honour.
    fn check(&self) -> Result<(), Refusal> {
        const NOT_KEPT: &str = "nothing is kept of a conversation with a model";
        if self.n.is_some_and(|n| n != 1) {
            return Err(Refusal::unsupported("n", "one answer is given to one request"));
        }
        for (field, name, harmless, why) in [
            (&self.audio, "audio", &[][..], "answers are text"),
            (&self.function_call, "function_call", &["\"none\"", "\"auto\""], "`tool_choice` took its place"),
            (&self.functions, "functions", &[], "`tools` took its place"),
            (&self.logit_bias, "logit_bias", &[], NO_PROVIDER),
            (&self.logprobs, "logprobs", &["false"], NO_PROVIDER),
            (&self.top_logprobs, "top_logprobs", &["0"], NO_PROVIDER),
            (&self.metadata, "metadata", &[], NOT_KEPT),
            (&self.modalities, "modalities", &["[\"text\"]"], "answers are text"),
            (&self.moderation, "moderation", &[], NO_PROVIDER),
            (&self.prediction, "prediction", &[], NO_PROVIDER),
            (&self.prompt_cache_key, "prompt_cache_key", &[], CACHED),
            (&self.prompt_cache_retention, "prompt_cache_retention", &[], CACHED),
            (&self.safety_identifier, "safety_identifier", &[], PERSONS),
            (&self.service_tier, "service_tier", &["\"auto\"", "\"default\""], NO_PROVIDER),
            (&self.store, "store", &["false"], NOT_KEPT),
            (&self.user, "user", &[], PERSONS),
            (&self.verbosity, "verbosity", &["\"medium\""], NO_PROVIDER),
            (&self.web_search_options, "web_search_options", &[], "a model has no tools but those of the request"),
        ] {
            field.refuse(name, harmless, why)?;
        }
        check_stream(self.stream, self.stream_options.as_ref().map(|options| &options.include_obfuscation))
    }

    fn wanted(&mut self) -> Result<Wanted, Refusal> {
        let tools = self.tools.take().unwrap_or_default().into_iter().enumerate();
        let tools = tools.map(|(place, tool)| {
            tool.definition().map_err(|refusal| refusal.within(&format!("tools[{place}].function")))
        });
        let most_tokens = match (self.max_completion_tokens, self.max_tokens) {
            (Some(_), Some(_)) => {
                let text = "`max_tokens` and `max_completion_tokens` say the same\nhint: leave out `max_tokens`";
                return Err(Refusal::field("max_tokens", text));
            }
            (Some(most), None) => Some(("max_completion_tokens", most)),
            (None, most) => most.map(|most| ("max_tokens", most)),
        };
        if let Some((name, 0)) = most_tokens {
            return Err(Refusal::field(name, format!("`{name}` is 0, and can be 1 or more")));
        }
        let tool_choice = self.tool_choice.take().map(|choice| match choice {
            Choice::Word(word) => word.choice(),
            Choice::Named(NamedTool { kind: FunctionWord::Function, function }) => ToolChoice::Named(function.name),
        });
        let stop = self.stop.take().map(Content::all);
        let effort = self.reasoning_effort.map(ReasoningEffort::effort);
        let format = self.response_format.take().map(WantedFormat::format).transpose()?.flatten();
        Ok(Wanted {
            tools: tools.collect::<Result<_, _>>()?,
            tool_choice: tool_choice.map(|choice| ("tool_choice", choice)),
            parallel: self.parallel_tool_calls.map(|parallel| ("parallel_tool_calls", parallel)),
            most_tokens,
            temperature: within("temperature", self.temperature, 0.0, 2.0)?,
            top_p: within("top_p", self.top_p, 0.0, 1.0)?,
            top_k: None,
            presence_penalty: within("presence_penalty", self.presence_penalty, -2.0, 2.0)?,
            frequency_penalty: within("frequency_penalty", self.frequency_penalty, -2.0, 2.0)?,
            seed: self.seed.map(|seed| ("seed", seed)),
            stop: stop.map(|stop| ("stop", stop)),
            effort: effort.map(|effort| ("reasoning_effort", effort)),
            format: format.map(|format| ("response_format", format)),
        })
    }
}

/// Answers a request.
pub(super) async fn serve(asked: Asked, body: Bytes) -> Result<Response, Refusal> {
    let mut chat: Chat = read(&body)?;
    drop(body);
    chat.check()?;
    let mut request = chat.wanted()?.request(&chat.model)?;
    let said = conversation(chat.messages)?;
    request.messages = said.messages;
    let completion = Completion { model: chat.model, instructions: said.instructions, request };
    let mut answered = asked.application.complete(&asked.by, completion).await?;
    let created = asked.application.now_ms() / 1000;
    if chat.stream == Some(true) {
        let usage = chat.stream_options.and_then(|options| options.include_usage).unwrap_or_default();
        let chunks = Chunks::new(&answered, created, usage);
        return streamed(answered, chunks).await;
    }
    let whole = whole(&mut answered).await?;
    Ok(answer(StatusCode::OK, reply::written(answered.id(), created, whole)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::refusal::Shape;
    use serde_json::{Value, json};

    /// What a request with these fields is refused for: the field and the text.
    fn refused(fields: Value) -> (String, String) {
        let mut body = json!({ "model": "a:b", "messages": [{ "role": "user", "content": "x" }] });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let read = read::<Chat>(body.to_string().as_bytes()).and_then(|mut chat| {
            chat.check()?;
            let request = chat.wanted()?.request(&chat.model)?;
            conversation(chat.messages)?.check()?;
            Ok(request)
        });
        let Err(refusal) = read else { panic!("{fields} is taken") };
        let error = refusal.json(Shape::OpenAi);
        let text = |field: &str| error["error"][field].as_str().unwrap_or_default().to_owned();
        (text("param"), text("message"))
    }

    #[test]
    fn each_field_that_nobody_can_honour_is_refused_by_its_name() {
        for (name, value) in [
            ("audio", json!({ "voice": "alloy", "format": "wav" })),
            ("function_call", json!({ "name": "f" })),
            ("functions", json!([{ "name": "f" }])),
            ("logit_bias", json!({ "50256": -100 })),
            ("logprobs", json!(true)),
            ("top_logprobs", json!(2)),
            ("metadata", json!({ "a": "b" })),
            ("modalities", json!(["text", "audio"])),
            ("moderation", json!({ "x": 1 })),
            ("prediction", json!({ "type": "content", "content": "x" })),
            ("prompt_cache_key", json!("k")),
            ("prompt_cache_retention", json!("24h")),
            ("safety_identifier", json!("s")),
            ("service_tier", json!("flex")),
            ("store", json!(true)),
            ("user", json!("u")),
            ("verbosity", json!("low")),
            ("web_search_options", json!({ "search_context_size": "low" })),
            ("n", json!(2)),
            ("no_such_field", json!(1)),
        ] {
            let (param, text) = refused(json!({ name: value }));
            assert_eq!(param, name);
            assert!(text.contains(&format!("`{name}`")) && text.contains("hint: leave it out"), "{text}");
        }
    }

    #[test]
    fn a_value_that_says_what_is_done_anyway_is_taken() {
        let body = json!({
            "model": "a:b", "messages": [{ "role": "user", "content": "x" }], "n": 1, "logprobs": false, "store": false,
            "metadata": {}, "modalities": ["text"], "service_tier": "auto", "logit_bias": null, "tools": [], "user": null,
            "response_format": { "type": "text" }, "function_call": null, "verbosity": "medium", "stream": false,
        });
        let mut chat: Chat = read(body.to_string().as_bytes()).unwrap();
        chat.check().unwrap();
        chat.wanted().unwrap().request("a:b").unwrap();
    }

    #[test]
    fn what_is_wrong_is_named_by_its_place() {
        let message = |message: Value| json!({ "messages": [{ "role": "user", "content": "x" }, message] });
        for (fields, param) in [
            (json!({ "temperature": 3 }), "temperature"),
            (json!({ "top_p": -1 }), "top_p"),
            (json!({ "max_tokens": 0 }), "max_tokens"),
            (json!({ "max_tokens": 5, "max_completion_tokens": 5 }), "max_tokens"),
            (json!({ "stop": ["a", "b", "c", "d", "e"] }), "stop"),
            (json!({ "stop": "" }), "stop"),
            (json!({ "tool_choice": "required" }), "tool_choice"),
            (json!({ "stream_options": { "include_usage": true } }), "stream_options"),
            (json!({ "stream": true, "stream_options": { "x": 1 } }), "stream_options.x"),
            (json!({ "temperature": "warm" }), "temperature"),
            (json!({ "messages": [] }), "messages"),
            (json!({ "tools": [{ "type": "function", "function": { "name": "a b" } }] }), "tools[0].function.name"),
            (json!({ "tools": [{ "type": "custom" }] }), "tools[0].type"),
            (json!({ "response_format": { "type": "json_schema" } }), "response_format.json_schema"),
            (message(json!({ "role": "user", "content": "x", "name": "Ann" })), "messages[1].name"),
            (
                message(
                    json!({ "role": "user", "content": [{ "type": "image_url", "image_url": { "url": "https://a.example/x.png" } }] }),
                ),
                "messages[1].content[0].image_url.url",
            ),
            (
                message(json!({ "role": "user", "content": [{ "type": "file", "file": { "file_id": "f" } }] })),
                "messages[1].content[0].file.file_id",
            ),
            (message(json!({ "role": "user", "content": [{ "type": "video" }] })), "messages[1].content[0].type"),
            (message(json!({ "role": "user", "content": [{ "type": "text" }] })), "messages[1].content[0].text"),
            (message(json!({ "role": "tool", "content": "x" })), "messages[1].tool_call_id"),
            (message(json!({ "role": "user" })), "messages[1].content"),
            (message(json!({ "role": "function", "content": "x" })), "messages[1].role"),
            (message(json!({ "role": "user", "content": "x", "tool_calls": [] , "extra": 1})), "messages[1].extra"),
        ] {
            assert_eq!(refused(fields.clone()).0, param, "{fields}");
        }
    }

    #[test]
    fn an_agent_takes_no_wishes_and_says_which() {
        for (name, value) in [
            ("tools", json!([{ "type": "function", "function": { "name": "f" } }])),
            ("temperature", json!(0.5)),
            ("max_completion_tokens", json!(5)),
            ("response_format", json!({ "type": "json_object" })),
        ] {
            let (param, text) = refused(json!({ "model": "agent:main", name: value }));
            assert_eq!(param, name);
            assert!(text.contains("an agent answers with its own tools"), "{text}");
        }
    }
}
