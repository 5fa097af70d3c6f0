//! `POST /v1/messages`.

use super::message::{Block, CacheControl, Message, Tool, conversation};
use super::reply::{self, Events};
use crate::api::Asked;
use crate::api::content::{Content, Raw};
use crate::api::json::{NO_PROVIDER, PERSONS, Unsupported, read};
use crate::api::reply::{streamed, whole};
use crate::api::sampling::{Wanted, within};
use crate::failure::json as answer;
use crate::refusal::Refusal;
use axum::response::Response;
use bytes::Bytes;
use cara_control::completion::parts::{Effort, JsonSchema, Part, ResponseFormat, ToolChoice};
use cara_control::completion::{Completion, is_agent};
use http::StatusCode;
use serde::Deserialize;

/// A request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Messages {
    model: String,
    max_tokens: u32,
    messages: Vec<Message>,
    #[serde(default)]
    system: Option<Content<Block>>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    tools: Option<Vec<Tool>>,
    #[serde(default)]
    tool_choice: Option<Choice>,
    #[serde(default)]
    temperature: Option<f32>,
    #[serde(default)]
    top_p: Option<f32>,
    #[serde(default)]
    top_k: Option<u32>,
    #[serde(default)]
    stop_sequences: Option<Vec<String>>,
    #[serde(default)]
    thinking: Option<Thinking>,
    #[serde(default)]
    output_config: Option<OutputConfig>,
    #[serde(default)]
    cache_control: Option<CacheControl>,
    #[serde(default)]
    metadata: Unsupported,
    #[serde(default)]
    service_tier: Unsupported,
    #[serde(default)]
    container: Unsupported,
    #[serde(default)]
    context_management: Unsupported,
    #[serde(default)]
    mcp_servers: Unsupported,
    #[serde(default)]
    inference_geo: Unsupported,
    #[serde(default)]
    diagnostics: Unsupported,
    #[serde(default)]
    speed: Unsupported,
    #[serde(default)]
    user_profile_id: Unsupported,
    #[serde(default)]
    workspace_id: Unsupported,
}

/// Whether a tool is to be called.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    #[serde(rename = "type")]
    kind: ChoiceWord,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    disable_parallel_tool_use: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ChoiceWord {
    Auto,
    Any,
    Tool,
    None,
}

/// How the model reasons.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Thinking {
    #[serde(rename = "type")]
    kind: ThinkingWord,
    #[serde(default)]
    budget_tokens: Option<u32>,
    #[serde(default)]
    display: Unsupported,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ThinkingWord {
    Enabled,
    Disabled,
    Adaptive,
}

/// How the answer is to be.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct OutputConfig {
    #[serde(default)]
    effort: Option<EffortWord>,
    #[serde(default)]
    format: Option<FormatOf>,
    #[serde(default)]
    task_budget: Unsupported,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum EffortWord {
    Low,
    Medium,
    High,
    Xhigh,
    Max,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FormatOf {
    #[serde(rename = "type")]
    _kind: FormatWord,
    schema: Raw,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FormatWord {
    JsonSchema,
}

/// The effort for so many tokens of reasoning: what providers make of each effort is of that order.
fn effort_of(budget: u32) -> Effort {
    match budget {
        ..=4_096 => Effort::Low,
        4_097..=16_384 => Effort::Medium,
        _ => Effort::High,
    }
}

impl Messages {
    fn check(&self) -> Result<(), Refusal> {
        if self.max_tokens == 0 {
            return Err(Refusal::field("max_tokens", "`max_tokens` is 0, and can be 1 or more"));
        }
        for (field, name, harmless, why) in [
            (&self.metadata, "metadata", &[][..], PERSONS),
            (&self.service_tier, "service_tier", &["\"auto\"", "\"standard_only\""], NO_PROVIDER),
            (&self.container, "container", &[], "a model has no tools but those of the request"),
            (&self.context_management, "context_management", &[], NO_PROVIDER),
            (&self.mcp_servers, "mcp_servers", &[], "a model has no tools but those of the request"),
            (&self.inference_geo, "inference_geo", &[], NO_PROVIDER),
            (&self.diagnostics, "diagnostics", &[], NO_PROVIDER),
            (&self.speed, "speed", &["\"standard\""], NO_PROVIDER),
            (&self.user_profile_id, "user_profile_id", &[], PERSONS),
            (&self.workspace_id, "workspace_id", &[], "the account is the provider's"),
        ] {
            field.refuse(name, harmless, why)?;
        }
        if let Some(config) = &self.output_config {
            config.task_budget.refuse("output_config.task_budget", &[], NO_PROVIDER)?;
        }
        Ok(())
    }

    fn effort(&self) -> Result<Option<(&'static str, Effort)>, Refusal> {
        let wanted = self.output_config.as_ref().and_then(|config| config.effort);
        let effort = wanted.map(|effort| match effort {
            EffortWord::Low => Effort::Low,
            EffortWord::Medium => Effort::Medium,
            EffortWord::High => Effort::High,
            EffortWord::Xhigh => Effort::Xhigh,
            EffortWord::Max => Effort::Max,
        });
        let effort = effort.map(|effort| ("output_config.effort", effort));
        let Some(thinking) = &self.thinking else { return Ok(effort) };
        thinking.display.refuse(
            "thinking.display",
            &["\"summarized\""],
            "reasoning is told as the provider tells it",
        )?;
        match (thinking.kind, thinking.budget_tokens) {
            (ThinkingWord::Enabled, Some(budget)) if budget >= 1_024 && budget < self.max_tokens => {
                Ok(effort.or(Some(("thinking", effort_of(budget)))))
            }
            (ThinkingWord::Enabled, _) => {
                let text = "`thinking.budget_tokens` is 1024 or more, and less than `max_tokens`";
                Err(Refusal::field("thinking.budget_tokens", text))
            }
            (_, Some(_)) => {
                Err(Refusal::field("thinking.budget_tokens", "`thinking.budget_tokens` belongs to `enabled`"))
            }
            (ThinkingWord::Disabled, None) => Ok(Some(("thinking", Effort::Off))),
            (ThinkingWord::Adaptive, None) => Ok(effort),
        }
    }

    fn wanted(&mut self) -> Result<Wanted, Refusal> {
        let tools = self.tools.take().unwrap_or_default().into_iter().enumerate();
        let tools =
            tools.map(|(place, tool)| tool.definition().map_err(|refusal| refusal.within(&format!("tools[{place}]"))));
        let mut parallel = None;
        let choice = self.tool_choice.take().map(|choice| {
            let Choice { kind, name, disable_parallel_tool_use } = choice;
            parallel = disable_parallel_tool_use.map(|disable| ("tool_choice.disable_parallel_tool_use", !disable));
            match (kind, name) {
                (ChoiceWord::Tool, Some(name)) => Ok(ToolChoice::Named(name)),
                (ChoiceWord::Tool, None) => Err(Refusal::missing("tool_choice.name")),
                (_, Some(_)) => Err(Refusal::field("tool_choice.name", "`tool_choice.name` belongs to `tool`")),
                (ChoiceWord::Auto, None) => Ok(ToolChoice::Auto),
                (ChoiceWord::Any, None) => Ok(ToolChoice::Required),
                (ChoiceWord::None, None) => Ok(ToolChoice::None),
            }
        });
        let tool_choice = choice.transpose()?.map(|choice| ("tool_choice", choice));
        let format = self.output_config.as_mut().and_then(|config| config.format.take()).map(|format| {
            let schema = format.schema.get().to_owned();
            let (name, description) = ("answer".to_owned(), None);
            (
                "output_config.format",
                ResponseFormat::JsonSchema(JsonSchema { name, description, schema, strict: Some(true) }),
            )
        });
        // Every request says how long the answer may be; an agent answers as long as the operator set it.
        let most_tokens = (!is_agent(&self.model)).then_some(("max_tokens", self.max_tokens));
        Ok(Wanted {
            tools: tools.collect::<Result<_, _>>()?,
            tool_choice,
            parallel,
            most_tokens,
            temperature: within("temperature", self.temperature, 0.0, 1.0)?,
            top_p: within("top_p", self.top_p, 0.0, 1.0)?,
            top_k: self.top_k.map(|top| ("top_k", top)),
            presence_penalty: None,
            frequency_penalty: None,
            seed: None,
            stop: self.stop_sequences.take().filter(|stop| !stop.is_empty()).map(|stop| ("stop_sequences", stop)),
            effort: self.effort()?,
            format,
        })
    }
}

/// Answers a request.
pub(super) async fn serve(asked: Asked, body: Bytes) -> Result<Response, Refusal> {
    let mut messages: Messages = read(&body)?;
    drop(body);
    messages.check()?;
    let cached = messages.tools.iter().flatten().find_map(Tool::cached);
    let mut request = messages.wanted()?.request(&messages.model)?;
    let mut said = conversation(cached, messages.system, messages.messages)?;
    if let (Some(cached), Some(last)) = (messages.cache_control, said.messages.last_mut()) {
        last.parts.push(Part::CachePoint(cached.point()));
    }
    request.messages = said.messages;
    let completion = Completion { model: messages.model, instructions: said.instructions, request };
    let mut answered = asked.application.complete(&asked.by, completion).await?;
    if messages.stream == Some(true) {
        let events = Events::new(&answered);
        return streamed(answered, events).await;
    }
    let whole = whole(&mut answered).await?;
    Ok(answer(StatusCode::OK, reply::written(answered.id(), whole)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::refusal::Shape;
    use serde_json::{Value, json};

    fn asked(fields: Value) -> Result<(), Refusal> {
        let mut body = json!({ "model": "a:b", "max_tokens": 2000, "messages": [{ "role": "user", "content": "x" }] });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let mut messages: Messages = read(body.to_string().as_bytes())?;
        messages.check()?;
        messages.wanted()?.request(&messages.model)?;
        conversation(None, messages.system, messages.messages).map(drop)
    }

    #[test]
    fn each_field_that_nobody_can_honour_is_refused_by_its_name() {
        let user = |content: Value| json!({ "messages": [{ "role": "user", "content": [content] }] });
        for (fields, param) in [
            (json!({ "metadata": { "user_id": "u" } }), "metadata"),
            (json!({ "container": "c" }), "container"),
            (json!({ "context_management": { "edits": [1] } }), "context_management"),
            (json!({ "mcp_servers": [{ "url": "https://a.example" }] }), "mcp_servers"),
            (json!({ "service_tier": "priority" }), "service_tier"),
            (json!({ "inference_geo": "us" }), "inference_geo"),
            (json!({ "max_tokens": 0 }), "max_tokens"),
            (json!({ "temperature": 1.5 }), "temperature"),
            (json!({ "thinking": { "type": "enabled", "budget_tokens": 5 } }), "thinking.budget_tokens"),
            (json!({ "thinking": { "type": "disabled", "budget_tokens": 1500 } }), "thinking.budget_tokens"),
            (json!({ "tool_choice": { "type": "tool" } }), "tool_choice.name"),
            (json!({ "tools": [{ "type": "web_search_20250305", "name": "web_search" }] }), "tools[0].type"),
            (json!({ "messages": [{ "role": "system", "content": "x" }] }), "messages[0].role"),
            (
                user(json!({ "type": "image", "source": { "type": "url", "url": "https://a.example/x" } })),
                "messages[0].content[0].source.type",
            ),
            (user(json!({ "type": "document", "source": { "type": "file" } })), "messages[0].content[0].source.type"),
            (user(json!({ "type": "search_result" })), "messages[0].content[0].type"),
            (user(json!({ "type": "tool_use", "id": "a", "name": "b", "input": {} })), "messages[0].content[0].type"),
            (user(json!({ "type": "text" })), "messages[0].content[0].text"),
            (json!({ "no_such_field": 1 }), "no_such_field"),
        ] {
            let refusal = asked(fields.clone()).expect_err("it is taken");
            assert_eq!(refusal.json(Shape::OpenAi)["error"]["param"], param, "{fields}");
            let told = refusal.json(Shape::Anthropic)["error"]["message"].as_str().unwrap().to_owned();
            assert!(told.contains(param), "{told}");
        }
    }

    #[test]
    fn reasoning_comes_over_as_an_effort() {
        for (fields, effort) in [
            (json!({ "thinking": { "type": "enabled", "budget_tokens": 1500 } }), Some(Effort::Low)),
            (json!({ "thinking": { "type": "disabled" } }), Some(Effort::Off)),
            (json!({ "thinking": { "type": "adaptive" }, "output_config": { "effort": "high" } }), Some(Effort::High)),
            (json!({}), None),
        ] {
            let mut body =
                json!({ "model": "a:b", "max_tokens": 2000, "messages": [{ "role": "user", "content": "x" }] });
            body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            let mut messages: Messages = read(body.to_string().as_bytes()).unwrap();
            assert_eq!(messages.wanted().unwrap().request("a:b").unwrap().effort, effort, "{fields}");
        }
    }
}
