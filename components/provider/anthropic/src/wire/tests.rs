//! Tests of the wire format: the vendor's published forms, cut at every byte.

#![allow(clippy::unwrap_used)]

use cara_sdk::provider::{Decoder as _, Effort, JsonSchema, Outcome, Request, ResponseFormat, StopReason, ToolChoice};
use cara_sdk::turn::{Event, Sink, ToolFragment, ToolStart};
use cara_sdk::types::{
    Blob, CachePoint, Content, Detail, Image, Message, Part, Refusal, Role, Thought, ToolCall, ToolDefinition,
    ToolResult, Usage,
};
use serde_json::{Value, json};

use super::*;

fn request(messages: Vec<Message>) -> Request {
    Request::new("claude-sonnet-5-5", messages)
}

fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { role, parts }
}

fn blob(media_type: &str) -> Blob {
    Blob { media_type: media_type.to_owned(), name: Some("n.x".to_owned()), data: b"hi!".to_vec() }
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&messages(request).unwrap()).unwrap()
}

fn tools() -> Vec<ToolDefinition> {
    vec![ToolDefinition {
        name: "look".into(),
        description: "Looks.".into(),
        input_schema: "{\"type\":\"object\"}".into(),
        strict: Some(true),
    }]
}

#[test]
fn a_plain_request_has_nothing_that_was_not_asked_for() {
    let hello = message(Role::User, vec![Part::Text("hello".into()), Part::Text(String::new())]);
    assert_eq!(
        body(&request(vec![hello])),
        json!({
            "model": "claude-sonnet-5-5", "max_tokens": 32_768, "stream": true,
            "messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}],
        })
    );
}

#[test]
fn a_full_request_has_the_vendors_form() {
    let thought = |text: &str, signature: Option<&str>| {
        Part::Thinking(Thought { text: text.into(), signature: signature.map(str::to_owned) })
    };
    let result = ToolResult {
        call_id: "c1".into(),
        content: vec![Content::Text("seen".into()), Content::Image(blob("image/png"))],
        failed: true,
    };
    let full = Request {
        system: Some("be brief".into()),
        tools: tools(),
        tool_choice: ToolChoice::Named("look".into()),
        max_output_tokens: Some(99),
        parallel_tool_calls: Some(false),
        response_format: ResponseFormat::JsonSchema(JsonSchema {
            name: "answer".into(),
            description: None,
            schema: "{\"type\": \"object\"}".into(),
            strict: Some(true),
        }),
        temperature: Some(0.5),
        top_p: Some(0.25),
        top_k: Some(3),
        stop: vec!["END".into()],
        ..request(vec![
            message(Role::System, vec![Part::Text("and kind".into())]),
            message(
                Role::User,
                vec![
                    Part::Image(blob("image/png").into()),
                    Part::File(blob("application/pdf")),
                    Part::File(blob("text/csv")),
                ],
            ),
            message(
                Role::Assistant,
                vec![
                    thought("hm", Some("sig")),
                    thought("", Some("redacted_thinking:data")),
                    thought("another vendor's", None),
                    Part::Text("looking".into()),
                    Part::ToolCall(ToolCall { id: "c1".into(), name: "look".into(), arguments: "{\"q\": 1}".into() }),
                ],
            ),
            message(Role::Tool, vec![Part::Text("and now".into()), Part::ToolResult(result)]),
        ])
    };
    let picture = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGkh"}});
    assert_eq!(
        body(&full),
        json!({
            "model": "claude-sonnet-5-5", "max_tokens": 99, "stream": true, "stop_sequences": ["END"],
            "system": [{"type": "text", "text": "be brief"}, {"type": "text", "text": "and kind"}],
            "messages": [
                {"role": "user", "content": [
                    picture,
                    {"type": "document", "title": "n.x",
                     "source": {"type": "base64", "media_type": "application/pdf", "data": "aGkh"}},
                    {"type": "document", "title": "n.x",
                     "source": {"type": "text", "media_type": "text/plain", "data": "hi!"}},
                ]},
                {"role": "assistant", "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "sig"},
                    {"type": "redacted_thinking", "data": "data"},
                    {"type": "text", "text": "looking"},
                    {"type": "tool_use", "id": "c1", "name": "look", "input": {"q": 1}},
                ]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "c1", "is_error": true,
                     "content": [{"type": "text", "text": "seen"}, picture]},
                    {"type": "text", "text": "and now"},
                ]},
            ],
            "tools": [{"name": "look", "description": "Looks.", "input_schema": {"type": "object"}, "strict": true}],
            "tool_choice": {"type": "tool", "name": "look", "disable_parallel_tool_use": true},
            "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
            "temperature": 0.5, "top_p": 0.25, "top_k": 3,
        })
    );
}

#[test]
fn thinking_follows_the_generation_of_the_model() {
    let ask = |model: &str, effort, max_output_tokens| {
        body(&Request { model: model.into(), effort: Some(effort), max_output_tokens, ..request(Vec::new()) })
    };
    let new = ask("claude-opus-4-7", Effort::Medium, None);
    assert_eq!(new["thinking"], json!({"type": "adaptive", "display": "summarized"}));
    assert_eq!((&new["output_config"], &new["max_tokens"]), (&json!({"effort": "medium"}), &json!(32_768)));
    let old = ask("claude-haiku-4-5-20251001", Effort::Medium, None);
    assert_eq!(old["thinking"], json!({"type": "enabled", "budget_tokens": 8_192}));
    assert_eq!((&old["max_tokens"], &old["output_config"]), (&json!(16_384), &Value::Null));
    let tight = ask("claude-3-7-sonnet-latest", Effort::High, Some(4_000));
    assert_eq!((&tight["thinking"]["budget_tokens"], &tight["max_tokens"]), (&json!(2_000), &json!(4_000)));
    assert_eq!(ask("claude-sonnet-5-5", Effort::Off, None)["thinking"], json!({"type": "disabled"}));
    assert_eq!(ask("claude-sonnet-5-5", Effort::Max, None)["output_config"], json!({"effort": "max"}));
}

#[test]
fn a_mark_stands_at_the_end_of_what_comes_before_it() {
    let short = Part::CachePoint(CachePoint::Short);
    let text = |text: &str| Part::Text(text.into());
    let thought = Part::Thinking(Thought { text: "hm".into(), signature: Some("s".into()) });
    let marked = Request {
        tools: tools(),
        ..request(vec![
            message(Role::System, vec![short.clone(), text("be brief"), Part::CachePoint(CachePoint::Long)]),
            message(Role::User, vec![text("a"), text("b")]),
            message(Role::Assistant, vec![thought, short.clone(), text("c")]),
        ])
    };
    let body = body(&marked);
    let five_minutes = json!({"type": "ephemeral"});
    assert_eq!(body["tools"][0]["cache_control"], five_minutes);
    assert_eq!(body["system"][0]["cache_control"], json!({"type": "ephemeral", "ttl": "1h"}));
    let blocks = |at: usize| body["messages"][at]["content"].as_array().unwrap().clone();
    assert_eq!((&blocks(0)[0]["cache_control"], &blocks(0)[1]["cache_control"]), (&Value::Null, &five_minutes));
    assert!(blocks(1).iter().all(|block| block["cache_control"].is_null()), "{body}");
}

#[test]
fn what_the_api_cannot_honour_is_refused_by_name() {
    let plain = || request(Vec::new());
    let schema = |description: Option<&str>| {
        ResponseFormat::JsonSchema(JsonSchema {
            name: "answer".into(),
            description: description.map(str::to_owned),
            schema: "{}".into(),
            strict: None,
        })
    };
    let old = |effort, limit| Request {
        model: "claude-haiku-4-5".into(),
        effort: Some(effort),
        max_output_tokens: limit,
        ..plain()
    };
    let detailed = Image { blob: blob("image/png"), detail: Some(Detail::Low) };
    for (asked, name) in [
        (Request { seed: Some(1), ..plain() }, "`seed`"),
        (Request { presence_penalty: Some(1.0), ..plain() }, "`presence-penalty`"),
        (Request { frequency_penalty: Some(1.0), ..plain() }, "`frequency-penalty`"),
        (Request { response_format: ResponseFormat::Json, ..plain() }, "`response-format.json`"),
        (Request { response_format: schema(Some("x")), ..plain() }, "`response-format.json-schema.description`"),
        (Request { effort: Some(Effort::Minimal), ..plain() }, "`effort`"),
        (old(Effort::Max, None), "`effort`"),
        (old(Effort::Low, Some(2_047)), "`max-output-tokens`"),
        (
            Request { tools: tools(), tool_choice: ToolChoice::Required, effort: Some(Effort::Low), ..plain() },
            "`tool-choice`",
        ),
        (request(vec![message(Role::User, vec![Part::Image(detailed)])]), "`detail`"),
    ] {
        let error = messages(&asked).unwrap_err();
        assert!(error.kind == ErrorKind::Unsupported && error.message.contains(name), "{name}: {error:?}");
    }
    let nothing = Request { tool_choice: ToolChoice::Required, ..plain() };
    assert_eq!(messages(&nothing).unwrap_err().kind, ErrorKind::BadRequest);
    assert_eq!(body(&Request { response_format: schema(None), ..plain() })["output_config"]["effort"], Value::Null);
}

#[test]
fn what_has_no_form_is_refused() {
    for part in [Part::Audio(blob("audio/wav")), Part::File(blob("application/zip"))] {
        let error = messages(&request(vec![message(Role::User, vec![part])])).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unsupported);
    }
}

const STREAM: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],"model":"claude-sonnet-5-5-20261001","stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":25,"cache_creation_input_tokens":5,"cache_read_input_tokens":100,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}

event: ping
data: {"type": "ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"h\u00e4"}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"m"}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqQB"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"Emwk"}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: content_block_start
data: {"type":"content_block_start","index":2,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"Let me \"look\" 🙂\n"}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"citations_delta","citation":{"type":"page_location"}}}

event: content_block_stop
data: {"type":"content_block_stop","index":2}

event: content_block_start
data: {"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"toolu_1","name":"look","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{\"q\":"}}

event: content_block_delta
data: {"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":" 1}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":3}

event: content_block_start
data: {"type":"content_block_start","index":4,"content_block":{"type":"tool_use","id":"toolu_2","name":"find","input":{}}}

event: content_block_stop
data: {"type":"content_block_stop","index":4}

event: something_new
data: {"type":"something_new","delta":{}}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":89,"output_tokens_details":{"thinking_tokens":40}}}

event: message_stop
data: {"type":"message_stop"}

"#;

fn decode(pieces: &[&[u8]]) -> (Vec<Event>, Result<Outcome, Error>) {
    let mut events = Vec::new();
    let mut decoder = Decoder::new(&request(Vec::new()));
    for piece in pieces {
        if let Err(error) = decoder.feed(piece, &mut events) {
            return (events, Err(error));
        }
    }
    let outcome = decoder.finish(&mut events);
    (events, outcome)
}

fn expected() -> Vec<Event> {
    let usage =
        |output, reasoning| Event::Usage(Usage { input: 130, output, cache_read: 100, cache_write: 5, reasoning });
    let thought =
        |text: &str, signature: &str| Event::Thought(Thought { text: text.into(), signature: Some(signature.into()) });
    let start = |id: &str, name: &str| Event::ToolStart(ToolStart { id: id.into(), name: name.into() });
    let fragment = |json: &str| Event::ToolFragment(ToolFragment { id: "toolu_1".into(), json: json.into() });
    let call = |id: &str, name: &str, arguments: &str| {
        Event::ToolCall(ToolCall { id: id.into(), name: name.into(), arguments: arguments.into() })
    };
    vec![
        usage(1, 0),
        Event::Thinking("h\u{e4}".into()),
        Event::Thinking("m".into()),
        thought("h\u{e4}m", "EqQB"),
        thought("", "redacted_thinking:Emwk"),
        Event::Text("Let me \"look\" \u{1f642}\n".into()),
        start("toolu_1", "look"),
        fragment("{\"q\":"),
        fragment(" 1}"),
        start("toolu_2", "find"),
        usage(89, 40),
        call("toolu_1", "look", "{\"q\": 1}"),
        call("toolu_2", "find", "{}"),
    ]
}

#[test]
fn a_stream_with_everything_cut_at_every_byte_decodes_the_same() {
    for cut in 0..=STREAM.len() {
        let (left, right) = STREAM.as_bytes().split_at(cut);
        let (events, outcome) = decode(&[left, right]);
        assert_eq!(events, expected(), "cut at {cut}");
        let outcome = outcome.unwrap();
        assert_eq!((outcome.stop, &*outcome.model), (StopReason::ToolCalls, "claude-sonnet-5-5-20261001"));
        assert_eq!((outcome.request_id.as_deref(), outcome.stop_sequence), (Some("msg_1"), None));
    }
    let (events, _) = decode(&STREAM.as_bytes().chunks(1).collect::<Vec<_>>());
    assert_eq!(events, expected());
}

#[test]
fn each_reason_to_stop_is_told_apart() {
    for (reason, stop) in [
        ("end_turn", StopReason::Complete),
        ("pause_turn", StopReason::Complete),
        ("max_tokens", StopReason::Length),
        ("model_context_window_exceeded", StopReason::Length),
        ("stop_sequence", StopReason::StopSequence),
        ("tool_use", StopReason::ToolCalls),
        ("refusal", StopReason::Refused),
    ] {
        let met = (stop == StopReason::StopSequence).then_some("END");
        let delta = json!({"stop_reason": reason, "stop_sequence": met});
        let event = format!("data: {}\n\n", json!({"type": "message_delta", "delta": delta, "usage": {}}));
        let outcome = decode(&[event.as_bytes()]).1.unwrap();
        assert_eq!((outcome.stop, outcome.stop_sequence.as_deref()), (stop, met), "{reason}");
    }
}

#[test]
fn a_stream_that_was_cut_off_is_an_error_and_what_came_before_is_kept() {
    let cut = STREAM.find("event: message_delta").unwrap();
    let (events, outcome) = decode(&[&STREAM.as_bytes()[..cut]]);
    let error = outcome.unwrap_err();
    assert_eq!((error.kind, error.retry), (ErrorKind::Network, true));
    assert_eq!(events, expected()[..10]);
}

#[test]
fn a_call_cut_off_by_the_limit_is_an_error() {
    let cut = STREAM.replace("tool_use\",\"stop", "max_tokens\",\"stop").replace(" 1}\"", " \"");
    let error = decode(&[cut.as_bytes()]).1.unwrap_err();
    assert!(!error.retry && error.message.contains("`look`"), "{error:?}");
}

#[test]
fn an_error_in_the_stream_ends_it_with_the_right_kind() {
    for (kind, expected, retry) in [
        ("overloaded_error", ErrorKind::Overloaded, true),
        ("api_error", ErrorKind::Other, true),
        ("rate_limit_error", ErrorKind::RateLimit, true),
        ("unheard_of", ErrorKind::Other, false),
    ] {
        let stream = format!(
            "event: error\ndata: {{\"type\":\"error\",\"error\":{{\"type\":\"{kind}\",\"message\":\"Overloaded\"}}}}\n\n"
        );
        let error = decode(&[stream.as_bytes()]).1.unwrap_err();
        assert_eq!((error.kind, error.retry), (expected, retry), "{kind}");
        assert!(error.message.ends_with("Overloaded"));
    }
    assert_eq!(decode(&[b"data: {broken\n\n"]).1.unwrap_err().kind, ErrorKind::Network);
}

#[test]
fn an_answer_without_success_has_its_kind_and_the_servers_words() {
    for (status, kind, message, expected) in [
        (401, "authentication_error", "invalid x-api-key", ErrorKind::Auth),
        (402, "billing_error", "no credit", ErrorKind::Auth),
        (403, "permission_error", "not yours", ErrorKind::Auth),
        (404, "not_found_error", "model: x", ErrorKind::BadRequest),
        (413, "request_too_large", "too large", ErrorKind::ContextTooLong),
        (429, "rate_limit_error", "slow down", ErrorKind::RateLimit),
        (400, "invalid_request_error", "max_tokens: required", ErrorKind::BadRequest),
        (400, "invalid_request_error", "prompt is too long: 204000 tokens > 200000 maximum", ErrorKind::ContextTooLong),
        (500, "api_error", "internal", ErrorKind::Other),
        (504, "timeout_error", "late", ErrorKind::Network),
        (529, "overloaded_error", "Overloaded", ErrorKind::Overloaded),
    ] {
        let body = json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"});
        let error = failure(status, body.to_string().as_bytes());
        assert_eq!((error.kind, error.retry), (expected, status == 429 || status >= 500), "{kind}");
        assert_eq!(error.message, format!("the server answered {status}: {message}"));
    }
    assert_eq!(failure(503, b"<html>").kind, ErrorKind::Overloaded);
}

#[test]
fn nothing_more_is_emitted_once_nobody_listens() {
    struct Gone(usize);
    impl Sink for Gone {
        fn emit(&mut self, _: Event) -> Result<(), Error> {
            self.0 += 1;
            Err(Refusal::Cancelled.into())
        }
    }
    let mut gone = Gone(0);
    let error = Decoder::new(&request(Vec::new())).feed(STREAM.as_bytes(), &mut gone).unwrap_err();
    assert_eq!((gone.0, error.retry), (1, false));
}

#[test]
fn models_are_read() {
    let list = br#"{"data":[{"type":"model","id":"claude-sonnet-5-5","display_name":"Claude Sonnet 5.5","created_at":"2026-10-01T00:00:00Z","max_input_tokens":1000000,"max_tokens":128000,"capabilities":{"batch":{"supported":true},"image_input":{"supported":true},"pdf_input":{"supported":false},"structured_outputs":{"supported":true},"thinking":{"supported":true,"types":{}}}},{"type":"model","id":"x"}],"has_more":false,"first_id":"a","last_id":"b"}"#;
    let found = models(list).unwrap();
    assert_eq!((&*found[0].name, found[0].context_tokens), ("Claude Sonnet 5.5", Some(1_000_000)));
    assert_eq!((found[0].output_tokens, &*found[1].name), (Some(128_000), "x"));
    let Abilities { images, files, structured_output, reasoning, tools, .. } = found[0].abilities;
    assert_eq!([images, files, structured_output, reasoning], [Some(true), Some(false), Some(true), Some(true)]);
    assert_eq!((tools, &found[1].abilities), (None, &Abilities::unknown()));
}
