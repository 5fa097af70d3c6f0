//! Tests of the wire format: the vendor's published forms, cut at every byte.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

use cara_sdk::provider::{
    CallIds, Decoder as _, Effort, JsonSchema, Outcome, Request, ResponseFormat, StopReason, ToolChoice,
};
use cara_sdk::turn::{Event, Sink};
use cara_sdk::types::{
    Blob, Content, Detail, Image, Message, Part, Refusal, Role, Thought, ToolCall, ToolDefinition, ToolResult, Usage,
};
use serde_json::{Value, json};

use super::*;

fn request(messages: Vec<Message>) -> Request {
    Request::new("gpt-5-mini", messages)
}

fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { role, parts }
}

fn blob(media_type: &str) -> Blob {
    Blob { media_type: media_type.to_owned(), name: Some("n.x".to_owned()), data: b"hi!".to_vec() }
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&super::request(request).unwrap()).unwrap()
}

/// A request that uses everything the contract has.
fn full() -> Request {
    let call = ToolCall { id: "c1".into(), name: "look".into(), arguments: "{\"q\":1}".into() };
    let content = vec![Content::Text("seen".into()), Content::Image(blob("image/png"))];
    let result = |id: &str, failed| ToolResult { call_id: id.into(), content: content.clone(), failed };
    Request {
        system: Some("be brief".into()),
        tools: vec![ToolDefinition {
            name: "look".into(),
            description: "Looks.".into(),
            input_schema: "{\"type\":\"object\"}".into(),
            strict: Some(true),
        }],
        tool_choice: ToolChoice::Named("look".into()),
        max_output_tokens: Some(99),
        temperature: Some(0.7),
        top_p: Some(0.5),
        presence_penalty: Some(-1.0),
        frequency_penalty: Some(0.25),
        seed: Some(-7),
        parallel_tool_calls: Some(false),
        response_format: ResponseFormat::JsonSchema(JsonSchema {
            name: "answer".into(),
            description: Some("what it is".into()),
            schema: "{\"type\": \"object\"}".into(),
            strict: Some(true),
        }),
        stop: vec!["END".into()],
        effort: Some(Effort::High),
        ..request(vec![
            message(
                Role::User,
                vec![
                    Part::Text("what is it".into()),
                    Part::Image(Image { blob: blob("image/png"), detail: Some(Detail::Low) }),
                    Part::Audio(blob("audio/wav")),
                    Part::File(blob("application/pdf")),
                ],
            ),
            message(
                Role::Assistant,
                vec![
                    Part::Thinking(Thought { text: "hm".into(), signature: None }),
                    Part::Text("let me ".into()),
                    Part::Text("look".into()),
                    Part::ToolCall(call),
                ],
            ),
            message(Role::Tool, vec![Part::ToolResult(result("c1", false))]),
            message(Role::Tool, vec![Part::ToolResult(result("c2", true))]),
        ])
    }
}

#[test]
fn a_plain_request_has_nothing_that_was_not_asked_for() {
    let body = body(&request(vec![message(Role::User, vec![Part::Text("hello".into())])]));
    assert_eq!(
        body,
        json!({
            "model": "gpt-5-mini", "messages": [{"role": "user", "content": "hello"}],
            "stream": true, "stream_options": {"include_usage": true},
        })
    );
}

#[test]
fn a_full_request_has_the_vendors_form() {
    let url = "data:image/png;base64,aGkh";
    let picture = json!({"type": "image_url", "image_url": {"url": url}});
    assert_eq!(
        body(&full()),
        json!({
            "model": "gpt-5-mini",
            "messages": [
                {"role": "system", "content": "be brief"},
                {"role": "user", "content": [
                    {"type": "text", "text": "what is it"},
                    {"type": "image_url", "image_url": {"url": url, "detail": "low"}},
                    {"type": "input_audio", "input_audio": {"data": "aGkh", "format": "wav"}},
                    {"type": "file", "file": {"filename": "n.x", "file_data": "data:application/pdf;base64,aGkh"}},
                ]},
                {"role": "assistant", "content": "let me look", "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{\"q\":1}"}},
                ]},
                {"role": "tool", "tool_call_id": "c1", "content": "seen\n[shown in the next message]"},
                {"role": "tool", "tool_call_id": "c2", "content": "The tool failed: seen\n[shown in the next message]"},
                {"role": "user", "content": [picture, picture]},
            ],
            "tools": [{"type": "function", "function": {
                "name": "look", "description": "Looks.", "parameters": {"type": "object"}, "strict": true}}],
            "tool_choice": {"type": "function", "function": {"name": "look"}},
            "parallel_tool_calls": false,
            "response_format": {"type": "json_schema", "json_schema": {
                "name": "answer", "description": "what it is", "schema": {"type": "object"}, "strict": true}},
            "max_completion_tokens": 99, "temperature": 0.7, "stop": ["END"], "reasoning_effort": "high",
            "top_p": 0.5, "presence_penalty": -1.0, "frequency_penalty": 0.25, "seed": -7,
            "stream": true, "stream_options": {"include_usage": true},
        })
    );
}

#[test]
fn every_key_of_a_request_is_in_the_published_schema() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/specs/openai-openapi.json");
    let Ok(text) = std::fs::read(path) else {
        eprintln!("note: skipped, the published schema is not at {path}");
        return;
    };
    let spec: Value = serde_json::from_slice(&text).unwrap();
    let schemas = &spec["components"]["schemas"];
    for (schema, sent) in [
        ("CreateChatCompletionRequest", body(&full())),
        ("ChatCompletionRequestMessageContentPartImage", body(&full())["messages"][1]["content"][1].clone()),
        ("ChatCompletionRequestMessageContentPartFile", body(&full())["messages"][1]["content"][3].clone()),
        ("ChatCompletionRequestAssistantMessage", body(&full())["messages"][2].clone()),
        ("ChatCompletionMessageToolCall", body(&full())["messages"][2]["tool_calls"][0].clone()),
        ("ChatCompletionRequestToolMessage", body(&full())["messages"][3].clone()),
        ("ResponseFormatJsonSchema", body(&full())["response_format"].clone()),
        ("FunctionObject", body(&full())["tools"][0]["function"].clone()),
        ("CreateEmbeddingRequest", embedding_body()),
    ] {
        let mut known = Vec::new();
        keys(schemas, &schemas[schema], &mut known);
        assert!(!known.is_empty(), "{schema} is not in the schema file");
        for key in sent.as_object().unwrap().keys() {
            assert!(known.contains(key), "`{key}` is not in {schema}");
        }
    }
}

fn embedding_body() -> Value {
    let request = embed_request(2, Some(2));
    serde_json::from_slice(&embeddings(&request).unwrap()).unwrap()
}

fn embed_request(inputs: usize, dimensions: Option<u32>) -> EmbedRequest {
    let inputs = ["a", "b", "c"][..inputs].iter().map(|&input| input.to_owned()).collect();
    EmbedRequest { model: "m".into(), inputs, dimensions }
}

fn keys(schemas: &Value, schema: &Value, known: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        keys(schemas, &schemas[name], known);
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        keys(schemas, part, known);
    }
    for (key, _) in schema["properties"].as_object().into_iter().flatten() {
        known.push(key.clone());
    }
}

#[test]
fn every_effort_and_every_form_has_the_vendors_word() {
    for (effort, word) in [
        (Effort::Off, "none"),
        (Effort::Minimal, "minimal"),
        (Effort::Low, "low"),
        (Effort::Medium, "medium"),
        (Effort::High, "high"),
        (Effort::Xhigh, "xhigh"),
        (Effort::Max, "max"),
    ] {
        assert_eq!(body(&Request { effort: Some(effort), ..request(Vec::new()) })["reasoning_effort"], word);
    }
    let json = Request { response_format: ResponseFormat::Json, ..request(Vec::new()) };
    assert_eq!(body(&json)["response_format"], json!({"type": "json_object"}));
}

#[test]
fn what_has_no_form_is_refused() {
    let audio = message(Role::User, vec![Part::Audio(blob("audio/ogg"))]);
    assert_eq!(super::request(&request(vec![audio])).unwrap_err().kind, ErrorKind::Unsupported);
    let original = Image { blob: blob("image/png"), detail: Some(Detail::Original) };
    for (asked, name) in [
        (Request { top_k: Some(3), ..request(Vec::new()) }, "`top-k`"),
        (request(vec![message(Role::User, vec![Part::Image(original)])]), "`detail.original`"),
    ] {
        let error = super::request(&asked).unwrap_err();
        assert!(error.kind == ErrorKind::Unsupported && error.message.contains(name), "{error:?}");
    }
    for choice in [ToolChoice::Required, ToolChoice::Named("find".into())] {
        let nothing = Request { tool_choice: choice, ..request(Vec::new()) };
        assert_eq!(super::request(&nothing).unwrap_err().kind, ErrorKind::BadRequest);
    }
    let mut broken = full();
    broken.tools[0].input_schema = "{".into();
    assert_eq!(super::request(&broken).unwrap_err().kind, ErrorKind::BadRequest);
}

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

/// The `data` lines of a stream.
fn lines(chunks: &[&str]) -> String {
    chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect()
}

fn text(text: &str) -> Event {
    Event::Text(text.to_owned())
}

const TOOLS: &[&str] = &[
    r#"{"id":"x","object":"chat.completion.chunk","created":1,"model":"gpt-5-mini-2025","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"a"}"#,
    r#"{"choices":[{"index":0,"delta":{"reasoning_content":"hm \u00e4"},"finish_reason":null}]}"#,
    r#"{"choices":[{"index":0,"delta":{"content":"I \"look\" 🙂\n"},"finish_reason":null}]}"#,
    r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_a","type":"function","function":{"name":"look","arguments":""}}]},"finish_reason":null}]}"#,
    r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"q\":"}}]},"finish_reason":null}]}"#,
    r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"call_b","type":"function","function":{"name":"find","arguments":""}}]},"finish_reason":null}]}"#,
    r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]},"finish_reason":null}]}"#,
    r#"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}],"usage":null}"#,
    r#"{"choices":[],"usage":{"prompt_tokens":20,"completion_tokens":9,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":8,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":3}}}"#,
    "[DONE]",
];

#[test]
fn a_stream_with_parallel_calls_cut_at_every_byte_decodes_the_same() {
    let stream = lines(TOOLS);
    let start = |id: &str, name: &str| Event::ToolStart(cara_sdk::turn::ToolStart { id: id.into(), name: name.into() });
    let fragment =
        |json: &str| Event::ToolFragment(cara_sdk::turn::ToolFragment { id: "call_a".into(), json: json.into() });
    let call = |id: &str, name: &str, arguments: &str| {
        Event::ToolCall(ToolCall { id: id.into(), name: name.into(), arguments: arguments.into() })
    };
    let expected = vec![
        Event::Thinking("hm \u{e4}".into()),
        text("I \"look\" \u{1f642}\n"),
        start("call_a", "look"),
        fragment("{\"q\":"),
        start("call_b", "find"),
        fragment("1}"),
        Event::Usage(Usage { input: 20, output: 9, cache_read: 8, cache_write: 0, reasoning: 3 }),
        call("call_a", "look", "{\"q\":1}"),
        call("call_b", "find", "{}"),
    ];
    for cut in 0..=stream.len() {
        let (left, right) = stream.as_bytes().split_at(cut);
        let (events, outcome) = decode(&[left, right]);
        assert_eq!(events, expected, "cut at {cut}");
        let outcome = outcome.unwrap();
        assert_eq!((outcome.stop, &*outcome.model), (StopReason::ToolCalls, "gpt-5-mini-2025"));
        assert_eq!((outcome.request_id.as_deref(), outcome.fingerprint.as_deref()), (Some("x"), Some("fp_1")));
    }
    let (events, _) = decode(&stream.as_bytes().chunks(1).collect::<Vec<_>>());
    assert_eq!(events, expected);
}

#[test]
fn each_reason_to_stop_is_told_apart() {
    for (choice, stop) in [
        (r#""delta":{"content":"a"},"finish_reason":"stop""#, StopReason::Complete),
        (r#""delta":{},"finish_reason":"length""#, StopReason::Length),
        (r#""delta":{},"finish_reason":"content_filter""#, StopReason::Refused),
        (r#""delta":{"refusal":"no"},"finish_reason":"stop""#, StopReason::Refused),
        (r#""delta":{},"finish_reason":"stop","stop_reason":"END""#, StopReason::StopSequence),
        (r#""delta":{},"finish_reason":"stop","stop_reason":128001"#, StopReason::Complete),
        (
            r#""delta":{"tool_calls":[{"id":"a","function":{"name":"f"}}]},"finish_reason":"stop""#,
            StopReason::ToolCalls,
        ),
    ] {
        let chunk = format!(r#"{{"choices":[{{"index":0,{choice}}}]}}"#);
        let (_, outcome) = decode(&[lines(&[&chunk]).as_bytes()]);
        let outcome = outcome.unwrap();
        assert_eq!(outcome.stop, stop, "{choice}");
        let met = (stop == StopReason::StopSequence).then_some("END");
        assert_eq!(outcome.stop_sequence.as_deref(), met, "{choice}");
    }
}

#[test]
fn a_stream_that_was_cut_off_is_an_error_and_one_that_only_lacks_the_end_mark_is_not() {
    let stream = lines(&TOOLS[..3]);
    let (events, outcome) = decode(&[stream.as_bytes()]);
    let error = outcome.unwrap_err();
    assert_eq!((events.len(), error.kind, error.retry), (2, ErrorKind::Network, true));
    assert!(decode(&[lines(&TOOLS[..8]).as_bytes()]).1.is_ok(), "no usage, no end mark");
    assert!(decode(&[b""]).1.is_err());
}

#[test]
fn a_call_cut_off_by_the_limit_is_an_error() {
    let mut chunks = TOOLS[..5].to_vec();
    chunks.push(r#"{"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}"#);
    let error = decode(&[lines(&chunks).as_bytes()]).1.unwrap_err();
    assert!(!error.retry && error.message.contains("`look`"));
}

#[test]
fn calls_without_index_or_id_are_told_apart() {
    let call = |delta: &str| format!(r#"{{"choices":[{{"delta":{{"tool_calls":[{delta}]}}}}]}}"#);
    let end = r#"{"choices":[{"finish_reason":"tool_calls","delta":{}}]}"#.to_owned();
    for (deltas, ids) in [
        // Every call counted 0, as some servers do.
        (
            vec![
                call(r#"{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}"#),
                call(r#"{"index":0,"id":"b","function":{"name":"g","arguments":"{}"}}"#),
            ],
            ["a", "b"],
        ),
        // Neither index nor id.
        (
            vec![
                call(r#"{"function":{"name":"f","arguments":"{"}},{"function":{"arguments":"}"}}"#),
                call(r#"{"function":{"name":"f","arguments":"{}"}}"#),
            ],
            ["call_1", "call_2"],
        ),
    ] {
        let chunks: Vec<_> = deltas.iter().chain([&end]).map(String::as_str).collect();
        let (events, outcome) = decode(&[lines(&chunks).as_bytes()]);
        outcome.unwrap();
        let found: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::ToolCall(call) => Some((&*call.id, &*call.arguments)),
                _ => None,
            })
            .collect();
        assert_eq!(found, ids.map(|id| (id, "{}")));
    }
    let mut ids = CallIds::after(&full());
    assert_eq!(ids.assign(""), "call_2", "counts on from the conversation");
}

#[test]
fn an_error_in_the_stream_ends_it_with_the_right_kind() {
    for (event, kind) in [
        (r#"{"error":{"message":"The server had an error","type":"server_error","code":null}}"#, ErrorKind::Other),
        (r#"{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}}"#, ErrorKind::RateLimit),
        (r#"{"error":{"message":"too long","code":"context_length_exceeded"}}"#, ErrorKind::ContextTooLong),
        (r#"{"error":{"message":"gone","type":"x","code":503}}"#, ErrorKind::Overloaded),
        (r#"{"error":"plain words"}"#, ErrorKind::Other),
        (
            r#"{"object":"error","message":"This model's maximum context length is 4096 tokens","type":"BadRequestError","code":400}"#,
            ErrorKind::ContextTooLong,
        ),
    ] {
        let stream = format!("{}event: error\n{}", lines(&TOOLS[..3]), lines(&[event]));
        let (events, outcome) = decode(&[stream.as_bytes()]);
        assert_eq!((events.len(), outcome.unwrap_err().kind), (2, kind), "{event}");
    }
    assert_eq!(decode(&[b"data: {broken\n\n"]).1.unwrap_err().kind, ErrorKind::Network);
}

#[test]
fn an_answer_without_success_has_its_kind_and_the_servers_words() {
    let key = br#"{"error":{"message":"Incorrect API key provided","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#;
    let error = failure(401, key);
    assert_eq!(error.kind, ErrorKind::Auth);
    assert_eq!(error.message, "the server answered 401: Incorrect API key provided");
    let quota = br#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}"#;
    let error = failure(429, quota);
    assert_eq!((error.kind, error.retry), (ErrorKind::RateLimit, false));
    assert!(failure(429, br#"{"error":{"message":"Rate limit reached","code":"rate_limit_exceeded"}}"#).retry);
    let llama = br#"{"error":{"code":400,"message":"request exceeds the available context size","type":"exceed_context_size_error"}}"#;
    assert_eq!(failure(400, llama).kind, ErrorKind::ContextTooLong);
    let error = failure(502, b"<html>\n<h1>Bad  gateway</h1>");
    assert_eq!(error.message, "the server answered 502: <html> <h1>Bad gateway</h1>");
    assert_eq!((error.kind, error.retry), (ErrorKind::Overloaded, true));
    assert_eq!(failure(404, b"").kind, ErrorKind::BadRequest);
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
    let error = Decoder::new(&request(Vec::new())).feed(lines(TOOLS).as_bytes(), &mut gone).unwrap_err();
    assert_eq!((gone.0, error.retry), (1, false));
}

#[test]
fn models_and_vectors_are_read() {
    let list = br#"{"object":"list","data":[{"id":"gpt-5-mini","object":"model","created":1,"owned_by":"system"},{"id":"qwen","max_model_len":32768}]}"#;
    let found = models(list).unwrap();
    assert_eq!((&*found[0].id, found[0].context_tokens), ("gpt-5-mini", None));
    assert_eq!((&*found[1].name, found[1].context_tokens), ("qwen", Some(32_768)));
    assert_eq!(
        embedding_body(),
        json!({"model": "m", "input": ["a", "b"], "encoding_format": "float", "dimensions": 2})
    );
    let answer =
        br#"{"data":[{"index":1,"embedding":[2.5,0]},{"index":0,"embedding":[-1,0.25]}],"model":"m-1","usage":{"prompt_tokens":2}}"#;
    let found = embedded(answer, &embed_request(2, Some(2))).unwrap();
    assert_eq!(found.vectors, [vec![-1.0, 0.25], vec![2.5, 0.0]]);
    assert_eq!((&*found.model, found.input_tokens), ("m-1", Some(2)));
    assert!(embedded(answer, &embed_request(3, None)).is_err());
    let short = embedded(answer, &embed_request(2, Some(1))).unwrap_err();
    assert!(short.kind == ErrorKind::Unsupported && short.message.contains("`dimensions`"), "{short:?}");
}
