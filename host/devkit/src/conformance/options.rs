//! Whether a provider drops what it was asked for: each option of a request is
//! passed on, or refused by its name.
//!
//! Every host the component may reach is a server that reads requests and answers each with 503. What was sent for a request
//! with an option is compared with what was sent for the same request without it.

use super::{Kit, Tried, told};
use crate::subject::{Outside, asked};
use crate::testnet::{Heard, Testnet};
use cara_authority::Grants;
use cara_kernel::bindings::provider::{Effort, EmbedRequest, JsonSchema, Request, ResponseFormat, ToolChoice};
use cara_kernel::bindings::types::{
    Blob, Content, Detail, Error, ErrorKind, Image, Message, Part, Role, ToolCall, ToolDefinition, ToolResult,
};
use cara_kernel::exports::provider::EVENTS_AHEAD;
use cara_kernel::{Fault, exports};
use std::sync::Arc;
use tokio::sync::mpsc;

/// What was asked for, and what came of it.
type Asked = (Result<Result<(), Error>, Fault>, Vec<Heard>);

/// One option: its name, and a request without it and with it.
struct Variation {
    /// As a message that refuses it has to spell it; empty where the kind of the error says enough.
    name: &'static str,
    what: String,
    without: Request,
    with: Request,
}

impl Kit {
    /// Tries every option of a request.
    pub(super) async fn options(&self, outside: &Outside, net: &Testnet, grants: &Arc<Grants>, tried: &mut Vec<Tried>) {
        let model = self.subject.default_model();
        // A model that is told of no tools calls none, and keeps to their schemas.
        let told = self.ask(outside, net, grants, with_tools(&model, None)).await.1;
        let is_told = self.ask(outside, net, grants, asked(model.clone(), "hello")).await.1 != told;
        for Variation { name, what, without, with } in variations(&model) {
            let forbids = name == "tool-choice" && matches!(with.tool_choice, ToolChoice::None);
            if !is_told && (forbids || name == "strict") {
                tried.push(Tried { what, fault: None, answered: Some("the model is told of no tools".into()) });
                continue;
            }
            let without = self.ask(outside, net, grants, without).await;
            let with = self.ask(outside, net, grants, with).await;
            tried.push(judged(what, name, &without, with));
        }
        let embed = |dimensions| EmbedRequest { model: "m".into(), inputs: vec!["hello".into()], dimensions };
        let without = self.embed(outside, net, grants, embed(None)).await;
        let with = self.embed(outside, net, grants, embed(Some(8))).await;
        tried.push(judged("embed with `dimensions`".into(), "dimensions", &without, with));
    }

    async fn ask(&self, outside: &Outside, net: &Testnet, grants: &Arc<Grants>, request: Request) -> Asked {
        let (sender, mut events) = mpsc::channel(EVENTS_AHEAD);
        let listening = tokio::spawn(async move { while events.recv().await.is_some() {} });
        let called = self.subject.component.complete(grants, &outside.services, request, sender).await;
        let _ = listening.await;
        (answer(called), net.heard())
    }

    async fn embed(&self, outside: &Outside, net: &Testnet, grants: &Arc<Grants>, request: EmbedRequest) -> Asked {
        let called = self.subject.component.embed(grants, &outside.services, request).await;
        (answer(called), net.heard())
    }
}

fn answer<T>(called: exports::provider::Answered<T>) -> Result<Result<(), Error>, Fault> {
    called.map(|returned| returned.answer.map(|_| ()))
}

/// What came of an option.
fn judged(what: String, name: &str, without: &Asked, (with, sent): Asked) -> Tried {
    let finding = |fault: String| Tried { what: what.clone(), fault: Some(fault), answered: None };
    let fine = |answered: &str| Tried { what: what.clone(), fault: None, answered: Some(answered.into()) };
    let refused = |asked: &Result<Result<(), Error>, Fault>| matches!(asked, Ok(Err(error)) if error.kind == ErrorKind::Unsupported);
    match with {
        Err(_) => told(what, with.map(|answer| answer.map(|()| String::new()))),
        Ok(Err(error)) if error.kind == ErrorKind::Fault => finding(error.message),
        Ok(Err(error)) if error.kind == ErrorKind::Unsupported && sent.is_empty() => {
            if error.message.contains(name) || refused(&without.0) {
                return fine("refused");
            }
            finding(format!("it was refused, and not by its name: {}", error.message))
        }
        _ if refused(&without.0) => fine("not offered"),
        _ if sent.is_empty() => fine("nothing was sent, so it cannot be seen"),
        _ if sent == without.1 => finding("it was left out: the same was sent as without it".into()),
        _ => fine("passed on"),
    }
}

/// A request with a tool on offer.
fn with_tools(model: &str, strict: Option<bool>) -> Request {
    let tool = ToolDefinition {
        name: "look".into(),
        description: "Looks at something.".into(),
        input_schema: r#"{"type":"object","properties":{},"additionalProperties":false}"#.into(),
        strict,
    };
    Request { tools: vec![tool], tool_choice: ToolChoice::Auto, ..asked(model.to_owned(), "hello") }
}

/// Every option once, or once for each of its values.
fn variations(model: &str) -> Vec<Variation> {
    let plain = || asked(model.to_owned(), "hello");
    let tools = |strict| with_tools(model, strict);
    let said = |parts: Vec<Part>| Request { messages: vec![Message { role: Role::User, parts }], ..plain() };
    let blob = |media_type: &str| Blob { media_type: media_type.into(), name: None, data: b"hello".to_vec() };
    let image = |detail| said(vec![text(), Part::Image(Image { blob: blob("image/png"), detail })]);
    let schema = |description: Option<&str>| {
        ResponseFormat::JsonSchema(JsonSchema {
            name: "answer".into(),
            description: description.map(str::to_owned),
            schema: r#"{"type":"object","properties":{},"additionalProperties":false}"#.into(),
            strict: None,
        })
    };
    let formatted = |response_format| Request { response_format, ..plain() };
    let mut all = Vec::new();
    let mut add = |name, value: &str, without: Request, with: Request| {
        let spelled = if value.is_empty() { format!("`{name}`") } else { format!("`{name}` {value}") };
        all.push(Variation { name, what: format!("complete with {spelled}"), without, with });
    };
    add("system", "", plain(), Request { system: Some("Be brief.".into()), ..plain() });
    add("max-output-tokens", "", plain(), Request { max_output_tokens: Some(65), ..plain() });
    add("temperature", "", plain(), Request { temperature: Some(0.5), ..plain() });
    add("top-p", "", plain(), Request { top_p: Some(0.5), ..plain() });
    add("top-k", "", plain(), Request { top_k: Some(3), ..plain() });
    add("presence-penalty", "", plain(), Request { presence_penalty: Some(0.5), ..plain() });
    add("frequency-penalty", "", plain(), Request { frequency_penalty: Some(0.5), ..plain() });
    add("seed", "", plain(), Request { seed: Some(7), ..plain() });
    add("stop", "", plain(), Request { stop: vec!["END".into()], ..plain() });
    for effort in [Effort::Off, Effort::Minimal, Effort::Low, Effort::Medium, Effort::High, Effort::Xhigh, Effort::Max]
    {
        let room = || Request { max_output_tokens: Some(64_000), ..plain() };
        add("effort", &effort_name(effort), room(), Request { effort: Some(effort), ..room() });
    }
    add("response-format", "json", plain(), formatted(ResponseFormat::Json));
    add("response-format", "json-schema", plain(), formatted(schema(None)));
    add("response-format.json-schema.description", "", formatted(schema(None)), formatted(schema(Some("An answer."))));
    add("tool-choice", "none", tools(None), Request { tool_choice: ToolChoice::None, ..tools(None) });
    add("tool-choice", "required", tools(None), Request { tool_choice: ToolChoice::Required, ..tools(None) });
    add("tool-choice", "named", tools(None), Request { tool_choice: ToolChoice::Named("look".into()), ..tools(None) });
    add("parallel-tool-calls", "false", tools(None), Request { parallel_tool_calls: Some(false), ..tools(None) });
    add("strict", "of a tool", tools(None), tools(Some(true)));
    add("", "an image", said(vec![text()]), image(None));
    add("detail", "low", image(None), image(Some(Detail::Low)));
    add("detail", "high", image(None), image(Some(Detail::High)));
    add("detail", "original", image(None), image(Some(Detail::Original)));
    add("", "audio", said(vec![text()]), said(vec![text(), Part::Audio(blob("audio/wav"))]));
    add("", "a file", said(vec![text()]), said(vec![text(), Part::File(blob("application/pdf"))]));
    add("", "a tool's result", plain(), Request { messages: answered(blob("image/png")), ..tools(None) });
    all
}

fn text() -> Part {
    Part::Text("hello".into())
}

/// A conversation in which a tool was called, and answered with a text and an image.
fn answered(image: Blob) -> Vec<Message> {
    let call = ToolCall { id: "call_1".into(), name: "look".into(), arguments: "{}".into() };
    let content = vec![Content::Text("a hill".into()), Content::Image(image)];
    let result = ToolResult { call_id: "call_1".into(), content, failed: false };
    let message = |role, part| Message { role, parts: vec![part] };
    vec![
        message(Role::User, text()),
        message(Role::Assistant, Part::ToolCall(call)),
        message(Role::Tool, Part::ToolResult(result)),
    ]
}

/// An effort as the contract spells it.
fn effort_name(effort: Effort) -> String {
    format!("{effort:?}").rsplit("::").next().unwrap_or_default().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(body: &'static str) -> Vec<Heard> {
        vec![Heard { method: http::Method::POST, url: "https://a.example/".into(), body: body.into() }]
    }

    fn error(kind: ErrorKind, message: &str) -> Result<Result<(), Error>, Fault> {
        Ok(Err(Error { kind, message: message.into(), retry: false, retry_after_ms: None }))
    }

    #[test]
    fn what_is_left_out_or_refused_without_its_name_is_a_finding() {
        let busy = || error(ErrorKind::Overloaded, "503");
        let without: Asked = (busy(), heard("{}"));
        let judge = |with: Asked| judged("seed".into(), "seed", &without, with);
        assert!(judge((busy(), heard("{}"))).fault.is_some_and(|fault| fault.contains("left out")));
        assert!(judge((Ok(Ok(())), heard("{}"))).fault.is_some());
        assert_eq!(judge((busy(), heard("{\"seed\":7}"))).answered.as_deref(), Some("passed on"));
        let refused = judge((error(ErrorKind::Unsupported, "the API has no `seed`"), Vec::new()));
        assert_eq!(refused.answered.as_deref(), Some("refused"));
        let unnamed = judge((error(ErrorKind::Unsupported, "no"), Vec::new()));
        assert!(unnamed.fault.is_some_and(|fault| fault.contains("not by its name")));
        let mistake = judge((error(ErrorKind::Fault, "KeyError"), Vec::new()));
        assert_eq!(mistake.fault.as_deref(), Some("KeyError"));
    }

    #[test]
    fn what_sends_nothing_cannot_be_judged() {
        let judge = judged("seed".into(), "seed", &(Ok(Ok(())), Vec::new()), (Ok(Ok(())), Vec::new()));
        assert_eq!(judge.answered.as_deref(), Some("nothing was sent, so it cannot be seen"));
    }
}
