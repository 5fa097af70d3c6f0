//! `POST /api/chat` and `POST /api/generate`.

use super::message::{FunctionWord, Message, conversation, images};
use super::reply::{self, Form, Lines};
use crate::api::Asked;
use crate::api::content::{self, Content, Conversation, Raw};
use crate::api::json::{NO_PROVIDER, Unsupported, read};
use crate::api::reply::{streamed, whole};
use crate::api::sampling::{Wanted, within};
use crate::failure::json as answer;
use crate::refusal::Refusal;
use axum::response::Response;
use bytes::Bytes;
use cara_control::completion::Completion;
use cara_control::completion::parts::{Effort, JsonSchema, Part, ResponseFormat, Role};
use http::StatusCode;
use serde::Deserialize;

/// How an answer is wanted, which both have.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    #[serde(default)]
    temperature: Option<f32>,
    #[serde(default)]
    top_p: Option<f32>,
    #[serde(default)]
    top_k: Option<u32>,
    #[serde(default)]
    seed: Option<i64>,
    #[serde(default)]
    num_predict: Option<i64>,
    #[serde(default)]
    stop: Option<Content<String>>,
    #[serde(default)]
    presence_penalty: Option<f32>,
    #[serde(default)]
    frequency_penalty: Option<f32>,
    #[serde(default)]
    num_ctx: Unsupported,
    #[serde(default)]
    repeat_penalty: Unsupported,
    #[serde(default)]
    repeat_last_n: Unsupported,
    #[serde(default)]
    min_p: Unsupported,
    #[serde(default)]
    typical_p: Unsupported,
    #[serde(default)]
    tfs_z: Unsupported,
    #[serde(default)]
    mirostat: Unsupported,
    #[serde(default)]
    mirostat_eta: Unsupported,
    #[serde(default)]
    mirostat_tau: Unsupported,
    #[serde(default)]
    penalize_newline: Unsupported,
    #[serde(default)]
    num_keep: Unsupported,
    #[serde(default)]
    num_batch: Unsupported,
    #[serde(default)]
    num_gpu: Unsupported,
    #[serde(default)]
    main_gpu: Unsupported,
    #[serde(default)]
    num_thread: Unsupported,
    #[serde(default)]
    numa: Unsupported,
    #[serde(default)]
    low_vram: Unsupported,
    #[serde(default)]
    use_mmap: Unsupported,
    #[serde(default)]
    use_mlock: Unsupported,
    #[serde(default)]
    vocab_only: Unsupported,
    #[serde(default)]
    logits_all: Unsupported,
    #[serde(default)]
    f16_kv: Unsupported,
    #[serde(default)]
    embedding_only: Unsupported,
}

/// A request with messages.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Chat {
    model: String,
    #[serde(default)]
    messages: Vec<Message>,
    #[serde(default)]
    tools: Option<Vec<Tool>>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    format: Option<Raw>,
    #[serde(default)]
    options: Option<Options>,
    #[serde(default)]
    think: Option<Think>,
    #[serde(default)]
    keep_alive: Unsupported,
    #[serde(default)]
    logprobs: Unsupported,
    #[serde(default)]
    top_logprobs: Unsupported,
}

/// A request with one text.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Generate {
    model: String,
    #[serde(default)]
    prompt: String,
    #[serde(default)]
    system: Option<String>,
    #[serde(default)]
    images: Option<Vec<String>>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    format: Option<Raw>,
    #[serde(default)]
    options: Option<Options>,
    #[serde(default)]
    think: Option<Think>,
    #[serde(default)]
    suffix: Unsupported,
    #[serde(default)]
    template: Unsupported,
    #[serde(default)]
    context: Unsupported,
    #[serde(default)]
    raw: Unsupported,
    #[serde(default)]
    keep_alive: Unsupported,
    #[serde(default)]
    logprobs: Unsupported,
    #[serde(default)]
    top_logprobs: Unsupported,
    #[serde(default)]
    width: Unsupported,
    #[serde(default)]
    height: Unsupported,
    #[serde(default)]
    steps: Unsupported,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Think {
    Whether(bool),
    How(ThinkWord),
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ThinkWord {
    Low,
    Medium,
    High,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tool {
    #[serde(default, rename = "type")]
    _kind: Option<FunctionWord>,
    function: Function,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Function {
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    parameters: Option<Raw>,
}

/// Why nobody here honours what is about a machine that runs models.
const NO_MACHINE: &str = "it is about how models are run, which is their provider's";

impl Options {
    fn check(&self) -> Result<(), Refusal> {
        for (field, name, harmless, why) in [
            (&self.num_ctx, "num_ctx", &[][..], NO_MACHINE),
            (&self.repeat_penalty, "repeat_penalty", &["1", "1.0"], NO_PROVIDER),
            (&self.repeat_last_n, "repeat_last_n", &["0"], NO_PROVIDER),
            (&self.min_p, "min_p", &["0", "0.0"], NO_PROVIDER),
            (&self.typical_p, "typical_p", &["1", "1.0"], NO_PROVIDER),
            (&self.tfs_z, "tfs_z", &["1", "1.0"], NO_PROVIDER),
            (&self.mirostat, "mirostat", &["0"], NO_PROVIDER),
            (&self.mirostat_eta, "mirostat_eta", &[], NO_PROVIDER),
            (&self.mirostat_tau, "mirostat_tau", &[], NO_PROVIDER),
            (&self.penalize_newline, "penalize_newline", &["false"], NO_PROVIDER),
            (&self.num_keep, "num_keep", &[], NO_MACHINE),
            (&self.num_batch, "num_batch", &[], NO_MACHINE),
            (&self.num_gpu, "num_gpu", &[], NO_MACHINE),
            (&self.main_gpu, "main_gpu", &[], NO_MACHINE),
            (&self.num_thread, "num_thread", &[], NO_MACHINE),
            (&self.numa, "numa", &[], NO_MACHINE),
            (&self.low_vram, "low_vram", &[], NO_MACHINE),
            (&self.use_mmap, "use_mmap", &[], NO_MACHINE),
            (&self.use_mlock, "use_mlock", &[], NO_MACHINE),
            (&self.vocab_only, "vocab_only", &["false"], NO_MACHINE),
            (&self.logits_all, "logits_all", &["false"], NO_MACHINE),
            (&self.f16_kv, "f16_kv", &[], NO_MACHINE),
            (&self.embedding_only, "embedding_only", &["false"], NO_MACHINE),
        ] {
            field.refuse(name, harmless, why).map_err(|refusal| refusal.within("options"))?;
        }
        Ok(())
    }
}

/// The form of an answer: a text, an object of any form, or of a schema.
fn format(format: Option<&Raw>) -> Result<Option<ResponseFormat>, Refusal> {
    match format.map(|format| format.get().trim()) {
        None | Some("\"\"" | "null") => Ok(None),
        Some("\"json\"") => Ok(Some(ResponseFormat::Json)),
        Some(schema) if schema.starts_with('{') => {
            let (name, description, strict) = ("answer".to_owned(), None, None);
            Ok(Some(ResponseFormat::JsonSchema(JsonSchema { name, description, schema: schema.to_owned(), strict })))
        }
        Some(_) => Err(Refusal::field("format", "`format` is neither `json` nor a JSON Schema")),
    }
}

fn wanted(options: Option<Options>, think: Option<Think>, form: Option<&Raw>) -> Result<Wanted, Refusal> {
    let options = options.unwrap_or_default();
    options.check()?;
    let most_tokens = match options.num_predict {
        // As many as there is room for.
        None | Some(-1 | -2) => None,
        Some(most) => match u32::try_from(most) {
            Ok(most @ 1..) => Some(("options.num_predict", most)),
            _ => return Err(Refusal::field("options.num_predict", "`options.num_predict` is 1 or more, or -1")),
        },
    };
    let stop = options.stop.map(Content::all);
    let effort = think.and_then(|think| match think {
        Think::Whether(false) => Some(Effort::Off),
        // How much is the vendor's to say.
        Think::Whether(true) => None,
        Think::How(ThinkWord::Low) => Some(Effort::Low),
        Think::How(ThinkWord::Medium) => Some(Effort::Medium),
        Think::How(ThinkWord::High) => Some(Effort::High),
    });
    Ok(Wanted {
        most_tokens,
        temperature: within("options.temperature", options.temperature, 0.0, 2.0)?,
        top_p: within("options.top_p", options.top_p, 0.0, 1.0)?,
        top_k: options.top_k.map(|top| ("options.top_k", top)),
        presence_penalty: within("options.presence_penalty", options.presence_penalty, -2.0, 2.0)?,
        frequency_penalty: within("options.frequency_penalty", options.frequency_penalty, -2.0, 2.0)?,
        seed: options.seed.map(|seed| ("options.seed", seed)),
        stop: stop.filter(|stop| !stop.is_empty()).map(|stop| ("options.stop", stop)),
        effort: effort.map(|effort| ("think", effort)),
        format: format(form)?.map(|format| ("format", format)),
        ..Wanted::default()
    })
}

/// Answers a request with messages.
pub(super) async fn serve(asked: Asked, body: Bytes) -> Result<Response, Refusal> {
    let chat: Chat = read(&body)?;
    let (completion, stream) = chat_completion(chat)?;
    answered(asked, Form::Chat, completion, stream).await
}

fn chat_completion(chat: Chat) -> Result<(Completion, bool), Refusal> {
    let Chat { model, messages, tools, stream, format, options, think, keep_alive, logprobs, top_logprobs } = chat;
    keep_alive.refuse("keep_alive", &[], NO_MACHINE)?;
    logprobs.refuse("logprobs", &["false"], NO_PROVIDER)?;
    top_logprobs.refuse("top_logprobs", &["0"], NO_PROVIDER)?;
    let mut wanted = wanted(options, think, format.as_ref())?;
    for (place, tool) in tools.unwrap_or_default().into_iter().enumerate() {
        let Function { name, description, parameters } = tool.function;
        let tool = content::tool(name, description, parameters.as_deref(), "parameters", None);
        wanted.tools.push(tool.map_err(|refusal| refusal.within(&format!("tools[{place}].function")))?);
    }
    let mut request = wanted.request(&model)?;
    let said = conversation(messages)?;
    request.messages = said.messages;
    Ok((Completion { model, instructions: said.instructions, request }, stream != Some(false)))
}

/// Answers a request with one text.
pub(super) async fn generate(asked: Asked, body: Bytes) -> Result<Response, Refusal> {
    let generate: Generate = read(&body)?;
    for (field, name, harmless, why) in [
        (&generate.suffix, "suffix", &[][..], NO_PROVIDER),
        (&generate.template, "template", &[], NO_MACHINE),
        (
            &generate.context,
            "context",
            &[],
            "nothing is kept of a conversation with a model; `/api/chat` takes messages",
        ),
        (&generate.raw, "raw", &["false"], NO_MACHINE),
        (&generate.keep_alive, "keep_alive", &[], NO_MACHINE),
        (&generate.logprobs, "logprobs", &["false"], NO_PROVIDER),
        (&generate.top_logprobs, "top_logprobs", &["0"], NO_PROVIDER),
        (&generate.width, "width", &[], "answers are text"),
        (&generate.height, "height", &[], "answers are text"),
        (&generate.steps, "steps", &[], "answers are text"),
    ] {
        field.refuse(name, harmless, why)?;
    }
    let Generate { model, prompt, system, images: files, stream, format, options, think, .. } = generate;
    let mut request = wanted(options, think, format.as_ref())?.request(&model)?;
    if prompt.is_empty() {
        return Err(Refusal::field(
            "prompt",
            "`prompt` is empty: nothing is loaded here ahead of time\nhint: ask something",
        ));
    }
    let mut said = Conversation::default();
    said.say(Role::User, std::iter::once(Part::Text(prompt)).chain(images(files)?).collect())?;
    request.messages = said.messages;
    let completion = Completion { model, instructions: system.unwrap_or_default(), request };
    answered(asked, Form::Generate, completion, stream != Some(false)).await
}

async fn answered(asked: Asked, form: Form, completion: Completion, stream: bool) -> Result<Response, Refusal> {
    // Ollama names a model as it was asked for.
    let model = completion.model.clone();
    let began = tokio::time::Instant::now();
    let mut answered = asked.application.complete(&asked.by, completion).await?;
    let created = asked.application.now_text();
    let lines = Lines::new(form, model, created, began);
    if stream {
        return streamed(answered, lines).await;
    }
    let whole = whole(&mut answered).await?;
    Ok(answer(StatusCode::OK, reply::written(lines, whole)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::refusal::Shape;
    use serde_json::{Value, json};

    fn asked(fields: Value) -> Result<(Completion, bool), Refusal> {
        let mut body = json!({ "model": "a:b", "messages": [{ "role": "user", "content": "x" }] });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        chat_completion(read(body.to_string().as_bytes())?)
    }

    #[test]
    fn each_field_that_nobody_can_honour_is_refused_by_its_name() {
        for (fields, param) in [
            (json!({ "keep_alive": "5m" }), "keep_alive"),
            (json!({ "logprobs": true }), "logprobs"),
            (json!({ "options": { "num_ctx": 4096 } }), "options.num_ctx"),
            (json!({ "options": { "mirostat": 1 } }), "options.mirostat"),
            (json!({ "options": { "repeat_penalty": 1.1 } }), "options.repeat_penalty"),
            (json!({ "options": { "num_gpu": 1 } }), "options.num_gpu"),
            (json!({ "options": { "num_predict": 0 } }), "options.num_predict"),
            (json!({ "options": { "warmth": 1 } }), "options.warmth"),
            (json!({ "format": "xml" }), "format"),
            (json!({ "template": "x" }), "template"),
            (json!({ "messages": [{ "role": "user", "content": "x", "images": ["AAEC"] }] }), "messages[0].images[0]"),
            (json!({ "messages": [{ "role": "tool", "content": "x", "tool_name": "f" }] }), "messages[0].tool_name"),
        ] {
            let refusal = asked(fields.clone()).map(drop).expect_err("it is taken");
            assert_eq!(refusal.json(Shape::OpenAi)["error"]["param"], param, "{fields}");
            assert!(refusal.json(Shape::Ollama)["error"].as_str().unwrap().contains(param));
        }
    }

    #[test]
    fn results_belong_to_calls_by_name_or_in_their_order() {
        let messages = json!([
            { "role": "system", "content": "be brief" },
            { "role": "user", "content": "x" },
            { "role": "assistant", "content": "", "tool_calls": [
                { "function": { "name": "a", "arguments": { "n": 1 } } }, { "function": { "name": "b", "arguments": {} } },
            ] },
            { "role": "tool", "content": "of b", "tool_name": "b" },
            { "role": "tool", "content": "of a" },
        ]);
        let (completion, stream) = asked(json!({ "messages": messages, "options": { "temperature": 0.5 } })).unwrap();
        assert!(stream && completion.instructions == "be brief" && completion.request.temperature == Some(0.5));
        let ids: Vec<&str> = completion.request.messages[2]
            .parts
            .iter()
            .map(|part| match part {
                Part::ToolResult(result) => &*result.call_id,
                _ => "",
            })
            .collect();
        assert_eq!(ids, ["call_2", "call_1"]);
    }
}
