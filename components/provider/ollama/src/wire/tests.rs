//! Tests of the wire format: the vendor's published forms, cut at every byte.

#![allow(clippy::unwrap_used)]

use cara_sdk::provider::{Decoder as _, Effort, JsonSchema, Outcome, Request, ResponseFormat, StopReason, ToolChoice};
use cara_sdk::turn::{Event, Sink, ToolFragment, ToolStart};
use cara_sdk::types::{
    Blob, Content, Detail, Image, Message, Part, Refusal, Role, Thought, ToolCall, ToolDefinition, ToolResult, Usage,
};
use serde_json::{Value, json};

use super::*;

fn request(messages: Vec<Message>) -> Request {
    Request::new("qwen3", messages)
}

fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { role, parts }
}

fn blob(media_type: &str, data: &[u8]) -> Blob {
    Blob { media_type: media_type.to_owned(), name: None, data: data.to_vec() }
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&chat(request).unwrap()).unwrap()
}

/// A request that uses everything the API has a form for.
fn full() -> Request {
    let tool = |name: &str| ToolDefinition {
        name: name.into(),
        description: "Looks.".into(),
        input_schema: "{\"type\":\"object\"}".into(),
        strict: None,
    };
    let result = ToolResult {
        call_id: "call_1".into(),
        content: vec![Content::Text("seen".into()), Content::Image(blob("image/png", b"hi!"))],
        failed: true,
    };
    let call = ToolCall { id: "call_1".into(), name: "look".into(), arguments: "{\"q\":1}".into() };
    Request {
        system: Some("be brief".into()),
        tools: vec![tool("look"), tool("find")],
        max_output_tokens: Some(99),
        temperature: Some(0.5),
        top_p: Some(0.25),
        top_k: Some(3),
        presence_penalty: Some(1.0),
        frequency_penalty: Some(-1.0),
        seed: Some(7),
        parallel_tool_calls: Some(true),
        response_format: ResponseFormat::JsonSchema(JsonSchema {
            name: "answer".into(),
            description: None,
            schema: "{\"type\": \"object\"}".into(),
            strict: Some(true),
        }),
        stop: vec!["END".into()],
        effort: Some(Effort::High),
        ..request(vec![
            message(
                Role::User,
                vec![
                    Part::Text("what is ".into()),
                    Part::File(blob("text/plain", b"this")),
                    Part::Image(blob("image/png", b"hi!").into()),
                ],
            ),
            message(
                Role::Assistant,
                vec![Part::Thinking(Thought { text: "hm".into(), signature: None }), Part::ToolCall(call)],
            ),
            message(Role::Tool, vec![Part::ToolResult(result)]),
        ])
    }
}

#[test]
fn a_plain_request_has_nothing_that_was_not_asked_for() {
    let hello = message(Role::User, vec![Part::Text("hello".into())]);
    assert_eq!(
        body(&request(vec![hello])),
        json!({"model": "qwen3", "messages": [{"role": "user", "content": "hello"}], "options": {}, "stream": true})
    );
}

#[test]
fn a_full_request_has_the_vendors_form() {
    let tool = |name: &str| json!({"type": "function", "function": {"name": name, "description": "Looks.", "parameters": {"type": "object"}}});
    assert_eq!(
        body(&full()),
        json!({
            "model": "qwen3",
            "messages": [
                {"role": "system", "content": "be brief"},
                {"role": "user", "content": "what is this", "images": ["aGkh"]},
                {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": [
                    {"id": "call_1", "function": {"name": "look", "arguments": {"q": 1}}}]},
                {"role": "tool", "tool_name": "look", "tool_call_id": "call_1", "images": ["aGkh"],
                 "content": "The tool failed: seen"},
            ],
            "tools": [tool("look"), tool("find")],
            "think": "high",
            "format": {"type": "object"},
            "options": {
                "num_predict": 99, "temperature": 0.5, "top_p": 0.25, "top_k": 3, "presence_penalty": 1.0,
                "frequency_penalty": -1.0, "seed": 7, "stop": ["END"],
            },
            "stream": true,
        })
    );
}

#[test]
fn where_no_tool_may_be_called_none_is_offered() {
    let forbidden = Request { tool_choice: ToolChoice::None, effort: Some(Effort::Off), ..full() };
    assert_eq!((&body(&forbidden)["tools"], &body(&forbidden)["think"]), (&Value::Null, &json!(false)));
    let json = Request { response_format: ResponseFormat::Json, effort: Some(Effort::Max), ..full() };
    assert_eq!((&body(&json)["format"], &body(&json)["think"]), (&json!("json"), &json!("max")));
}

#[test]
fn what_the_api_cannot_honour_is_refused_by_name() {
    let described = ResponseFormat::JsonSchema(JsonSchema {
        name: "answer".into(),
        description: Some("x".into()),
        schema: "{}".into(),
        strict: None,
    });
    let detailed = Image { blob: blob("image/png", b""), detail: Some(Detail::High) };
    let mut strict = full();
    strict.tools[0].strict = Some(true);
    for (asked, name) in [
        (Request { tool_choice: ToolChoice::Required, ..full() }, "`tool-choice`"),
        (Request { tool_choice: ToolChoice::Named("find".into()), ..full() }, "`tool-choice`"),
        (Request { parallel_tool_calls: Some(false), ..full() }, "`parallel-tool-calls`"),
        (Request { response_format: described, ..full() }, "`response-format.json-schema.description`"),
        (Request { effort: Some(Effort::Xhigh), ..full() }, "`effort`"),
        (request(vec![message(Role::User, vec![Part::Image(detailed)])]), "`detail`"),
        (strict, "`strict`"),
    ] {
        let error = chat(&asked).unwrap_err();
        assert!(error.kind == ErrorKind::Unsupported && error.message.contains(name), "{name}: {error:?}");
    }
}

#[test]
fn what_has_no_form_is_refused() {
    for part in [Part::Audio(blob("audio/wav", b"")), Part::File(blob("application/pdf", b"\xff"))] {
        let error = chat(&request(vec![message(Role::User, vec![part])])).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unsupported);
    }
}

const STREAM: &str = concat!(
    r#"{"model":"qwen3","created_at":"2026-08-04T08:52:19.385406455-07:00","message":{"role":"assistant","content":"","thinking":"h\u00e4m"},"done":false}"#,
    "\n",
    r#"{"model":"qwen3","created_at":"x","message":{"role":"assistant","content":"Let me \"look\" 🙂\n","images":null},"done":false}"#,
    "\n",
    r#"{"model":"qwen3","message":{"role":"assistant","content":"","tool_calls":[{"function":{"index":0,"name":"look","arguments":{"q":1,"r":{"s":[]}}}},{"id":"call_x","function":{"name":"find","arguments":{}}}]},"done":false}"#,
    "\n",
    r#"{"model":"qwen3:8b","message":{"role":"assistant","content":""},"done_reason":"stop","done":true,"total_duration":4883583458,"prompt_eval_count":26,"eval_count":282,"eval_duration":4535599000}"#,
    "\n"
);

fn decode(request: &Request, pieces: &[&[u8]]) -> (Vec<Event>, Result<Outcome, Error>) {
    let mut events = Vec::new();
    let mut decoder = Decoder::new(request);
    for piece in pieces {
        if let Err(error) = decoder.feed(piece, &mut events) {
            return (events, Err(error));
        }
    }
    let outcome = decoder.finish(&mut events);
    (events, outcome)
}

fn call(id: &str, name: &str, arguments: &str) -> Vec<Event> {
    let (id, name, arguments) = (id.to_owned(), name.to_owned(), arguments.to_owned());
    vec![
        Event::ToolStart(ToolStart { id: id.clone(), name: name.clone() }),
        Event::ToolFragment(ToolFragment { id: id.clone(), json: arguments.clone() }),
        Event::ToolCall(ToolCall { id, name, arguments }),
    ]
}

fn expected() -> Vec<Event> {
    let mut events = vec![Event::Thinking("h\u{e4}m".into()), Event::Text("Let me \"look\" \u{1f642}\n".into())];
    events.extend(call("call_1", "look", "{\"q\":1,\"r\":{\"s\":[]}}"));
    events.extend(call("call_2", "find", "{}"));
    events.push(Event::Usage(Usage { input: 26, output: 282, ..Usage::zero() }));
    events
}

#[test]
fn a_stream_with_calls_cut_at_every_byte_decodes_the_same() {
    let request = request(Vec::new());
    for cut in 0..=STREAM.len() {
        let (left, right) = STREAM.as_bytes().split_at(cut);
        let (events, outcome) = decode(&request, &[left, right]);
        assert_eq!(events, expected(), "cut at {cut}");
        let outcome = outcome.unwrap();
        assert_eq!((outcome.stop, &*outcome.model), (StopReason::ToolCalls, "qwen3:8b"));
    }
    let (events, _) = decode(&request, &STREAM.as_bytes().chunks(1).collect::<Vec<_>>());
    assert_eq!(events, expected());
    let (events, outcome) = decode(&request, &[STREAM.trim_end().as_bytes()]);
    assert!(events == expected() && outcome.is_ok(), "the last line needs no ending");
}

#[test]
fn ids_of_calls_are_the_same_each_time_and_new_in_the_conversation() {
    for _ in 0..2 {
        let (events, _) = decode(&full(), &[STREAM.as_bytes()]);
        assert!(events.contains(&call("call_2", "look", "{\"q\":1,\"r\":{\"s\":[]}}")[2]));
        assert!(events.contains(&call("call_3", "find", "{}")[2]));
    }
}

#[test]
fn each_reason_to_stop_is_told_apart() {
    for (end, stop) in [
        (r#""done_reason":"stop","done":true"#, StopReason::Complete),
        (r#""done":true"#, StopReason::Complete),
        (r#""done_reason":"length","done":true"#, StopReason::Length),
    ] {
        let line = format!("{{\"model\":\"m\",\"message\":{{\"content\":\"\"}},{end}}}");
        assert_eq!(decode(&request(Vec::new()), &[line.as_bytes()]).1.unwrap().stop, stop);
    }
}

#[test]
fn a_stream_that_was_cut_off_is_an_error() {
    let request = request(Vec::new());
    let end = STREAM.find("{\"model\":\"qwen3:8b").unwrap();
    let error = decode(&request, &[&STREAM.as_bytes()[..end]]).1.unwrap_err();
    assert_eq!((error.kind, error.retry), (ErrorKind::Network, true));
    let error = decode(&request, &[&STREAM.as_bytes()[..end + 9]]).1.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Network);
    assert!(decode(&request, &[]).1.is_err());
}

#[test]
fn an_error_line_ends_the_stream() {
    let lines = [STREAM.lines().next().unwrap(), r#"{"error":"an error was encountered while running the model"}"#];
    let (events, outcome) = decode(&request(Vec::new()), &[lines.join("\n").as_bytes()]);
    let error = outcome.unwrap_err();
    assert_eq!((events.len(), error.kind), (1, ErrorKind::Other));
    assert!(error.message.ends_with("while running the model"));
}

#[test]
fn an_answer_without_success_has_its_kind_and_the_servers_words() {
    let error = failure(404, br#"{"error":"model 'x' not found"}"#);
    assert_eq!(error.kind, ErrorKind::BadRequest);
    assert!(error.message.starts_with("model 'x' not found\nhint: "));
    let busy = br#"{"error":"server busy, please try again.  maximum pending requests exceeded"}"#;
    assert_eq!(failure(503, busy).kind, ErrorKind::Overloaded);
    let long = br#"{"error":"the input length exceeds the context length"}"#;
    assert_eq!(failure(400, long).kind, ErrorKind::ContextTooLong);
    assert_eq!(failure(400, br#"{"error":"\"x\" does not support tools"}"#).kind, ErrorKind::BadRequest);
    assert_eq!(failure(502, b"<html>").message, "the server answered 502: <html>");
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
fn models_and_vectors_are_read() {
    let list = br#"{"models":[{"name":"qwen3:8b","model":"qwen3:8b","size":1,"details":{"family":"qwen3","context_length":40960},"capabilities":["completion","tools","thinking"]},{"name":"old"}]}"#;
    let found = models(list).unwrap();
    assert_eq!((&*found[0].id, found[0].context_tokens), ("qwen3:8b", Some(40_960)));
    let Abilities { tools, reasoning, images, embeddings, files, .. } = found[0].abilities;
    assert_eq!([tools, reasoning, images, embeddings, files], [Some(true), Some(true), Some(false), Some(false), None]);
    assert_eq!(found[1].abilities, Abilities::unknown());
    assert!(models(br#"{"models":null}"#).unwrap().is_empty());
    let request = EmbedRequest { model: "m".into(), inputs: vec!["a".into()], dimensions: Some(2) };
    let sent: Value = serde_json::from_slice(&embed(&request).unwrap()).unwrap();
    assert_eq!(sent, json!({"model": "m", "input": ["a"], "dimensions": 2, "truncate": false}));
    let answer = br#"{"model":"m:1","embeddings":[[0.25,-1]],"total_duration":1,"prompt_eval_count":3}"#;
    let found = embedded(answer, &request).unwrap();
    assert_eq!((&found.vectors[..], &*found.model, found.input_tokens), (&[vec![0.25, -1.0]][..], "m:1", Some(3)));
    let two = EmbedRequest { inputs: vec!["a".into(), "b".into()], ..request };
    assert!(embedded(answer, &two).is_err());
}
