//! OpenAI's form of the APIs, byte for byte.

use super::served::Served;
use http::{Method, StatusCode};
use serde_json::{Value, json};

/// The events of a stream: their data.
pub(super) fn events(text: &str) -> Vec<&str> {
    text.split("\n\n").filter(|event| !event.is_empty()).map(|event| event.rsplit_once("data: ").unwrap().1).collect()
}

/// The chunks of a chat that is streamed, and whether it ended with `[DONE]`.
async fn streamed(served: &Served, said: &str, fields: Value) -> (Vec<Value>, bool) {
    let mut body =
        json!({ "model": "rehearsal:script", "stream": true, "messages": [{ "role": "user", "content": said }] });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let (status, text) = served.send(Method::POST, "/v1/chat/completions", &[], Some(body)).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let mut events = events(&text);
    let done = events.last() == Some(&"[DONE]");
    events.retain(|event| *event != "[DONE]");
    (events.iter().map(|event| serde_json::from_str(event).unwrap()).collect(), done)
}

fn weather() -> Value {
    json!([{ "type": "function", "function": { "name": "weather", "description": "the weather", "parameters": {
        "type": "object", "properties": { "city": { "type": "string" } } } } }])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_is_answered_whole_and_in_chunks_with_the_same_words() {
    let served = Served::new().await;
    let (status, whole) = served.chat("say hello", json!({})).await;
    assert_eq!(status, StatusCode::OK, "{whole}");
    assert_eq!((&whole["object"], &whole["model"]), (&json!("chat.completion"), &json!("rehearsal:script")));
    let choice = &whole["choices"][0];
    assert_eq!((&choice["message"]["content"], &choice["finish_reason"]), (&json!("Hello, world"), &json!("stop")));
    assert_eq!(whole["usage"]["prompt_tokens"], 11);
    assert_eq!(
        (&whole["usage"]["total_tokens"], &whole["usage"]["prompt_tokens_details"]["cached_tokens"]),
        (&json!(15), &json!(3))
    );

    let (chunks, done) = streamed(&served, "say hello", json!({ "stream_options": { "include_usage": true } })).await;
    assert!(done);
    let text: String = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, "Hello, world");
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let ids: std::collections::BTreeSet<&str> = chunks.iter().map(|chunk| chunk["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 1);
    let [.., finish, usage] = &chunks[..] else { panic!("{chunks:?}") };
    assert_eq!(finish["choices"][0]["finish_reason"], "stop");
    assert_eq!((&usage["choices"], &usage["usage"]["completion_tokens"]), (&json!([]), &json!(4)));
    assert!(chunks.iter().rev().skip(1).all(|chunk| chunk["usage"].is_null()));
    let (chunks, _) = streamed(&served, "say hello", json!({})).await;
    assert!(chunks.iter().all(|chunk| chunk.get("usage").is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clients_tools_come_back_as_calls_and_their_results_go_on() {
    let served = Served::new().await;
    let (_, whole) = served.chat("call the tool", json!({ "tools": weather() })).await;
    let choice = &whole["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    let call = choice["message"]["tool_calls"][0].clone();
    assert_eq!((&call["type"], &call["function"]["name"]), (&json!("function"), &json!("weather")));
    assert_eq!(
        serde_json::from_str::<Value>(call["function"]["arguments"].as_str().unwrap()).unwrap(),
        json!({ "city": "Oslo" })
    );

    let (chunks, _) = streamed(&served, "call the tool", json!({ "tools": weather() })).await;
    let deltas: Vec<&Value> =
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"].get(0)).collect();
    assert_eq!((&deltas[0]["index"], &deltas[0]["function"]["name"]), (&json!(0), &json!("weather")));
    let arguments: String = deltas.iter().filter_map(|delta| delta["function"]["arguments"].as_str()).collect();
    assert_eq!(serde_json::from_str::<Value>(&arguments).unwrap(), json!({ "city": "Oslo" }));
    assert!(deltas.len() > 2, "the arguments came piece by piece: {deltas:?}");

    let (_, after) = served
        .ask(
            "/v1/chat/completions",
            json!({ "model": "rehearsal:script", "tools": weather(), "messages": [
            { "role": "user", "content": "call the tool" },
            { "role": "assistant", "content": "Let me look. ", "tool_calls": [call.clone()] },
            { "role": "tool", "tool_call_id": call["id"], "content": "rain" },
        ] }),
        )
        .await;
    assert_eq!(after["choices"][0]["message"]["content"], "Take an umbrella.", "{after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_for_reaches_the_vendor_and_nothing_else_does() {
    let served = Served::new().await;
    let (status, answer) = served
        .ask("/v1/chat/completions", json!({
            "model": "openai:m-1", "temperature": 0.5, "top_p": 0.9, "seed": 7, "stop": ["END"], "presence_penalty": 0.25,
            "max_completion_tokens": 100, "parallel_tool_calls": false, "tools": weather(), "tool_choice": "auto",
            "response_format": { "type": "json_schema", "json_schema": { "name": "trip", "strict": true, "schema": { "type": "object" } } },
            "messages": [{ "role": "user", "content": [
                { "type": "text", "text": "look" },
                { "type": "image_url", "image_url": { "url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low" } },
            ] }],
        }))
        .await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(answer["choices"][0]["message"]["content"], r#"{"city":"Oslo","days":2}"#);
    let asked = served.vendor.requests().into_iter().find(|asked| asked.target == "/v1/chat/completions").unwrap();
    let asked: Value = serde_json::from_slice(&asked.body).unwrap();
    for (name, value) in [
        ("model", json!("m-1")),
        ("temperature", json!(0.5)),
        ("seed", json!(7)),
        ("stop", json!(["END"])),
        ("presence_penalty", json!(0.25)),
        ("parallel_tool_calls", json!(false)),
    ] {
        assert_eq!(asked[name], value, "{name}: {asked}");
    }
    assert_eq!(asked["response_format"]["json_schema"]["name"], "trip");
    let image = &asked["messages"][0]["content"][1]["image_url"];
    assert_eq!((&image["url"], &image["detail"]), (&json!("data:image/png;base64,iVBORw0KGgo="), &json!("low")));
}

#[tokio::test(flavor = "multi_thread")]
async fn models_are_named_whole_or_where_one_provider_alone_has_them() {
    let served = Served::new().await;
    let (_, text) = served.send(Method::GET, "/v1/models", &[], None).await;
    let list: Value = serde_json::from_str(&text).unwrap();
    let ids: Vec<&str> = list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    for id in ["agent:main", "openai:m-1", "rehearsal:script"] {
        assert!(ids.contains(&id), "{id}: {ids:?}");
    }
    assert!(!ids.iter().any(|id| id.starts_with("anthropic:")), "nothing was granted to it: {ids:?}");
    let (status, text) = served.send(Method::GET, "/v1/models/openai:m-1", &[], None).await;
    assert!(status == StatusCode::OK && text.contains(r#""owned_by":"openai""#), "{text}");
    assert_eq!(served.send(Method::GET, "/v1/models/no-such", &[], None).await.0, StatusCode::NOT_FOUND);
    // The same path speaks Anthropic to its clients.
    let (_, text) = served.send(Method::GET, "/v1/models", &[("anthropic-version", "2023-06-01")], None).await;
    assert!(text.contains(r#""type":"model""#) && text.contains(r#""has_more":false"#), "{text}");

    let ask = |model: &str| {
        served.ask("/v1/chat/completions", json!({ "model": model, "messages": [{ "role": "user", "content": "x" }] }))
    };
    let (status, answer) = ask("m-1").await;
    assert!(status == StatusCode::OK && answer["model"] == "openai:m-1", "{answer}");
    for (model, status, words) in [
        ("script", StatusCode::BAD_REQUEST, "several providers offer `script`"),
        ("no-such-model", StatusCode::NOT_FOUND, "no provider offers `no-such-model`"),
        ("anthropic:claude", StatusCode::FORBIDDEN, "nothing is granted to it"),
        ("agent:nobody", StatusCode::NOT_FOUND, "there is no agent `agent:nobody`"),
        ("", StatusCode::BAD_REQUEST, "names no model"),
    ] {
        let (told, error) = ask(model).await;
        assert_eq!(told, status, "{model}: {error}");
        assert!(error["error"]["message"].as_str().unwrap().contains(words), "{model}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn embeddings_come_as_numbers_or_in_base64() {
    let served = Served::new().await;
    let embed = |fields: Value| {
        let mut body = json!({ "model": "openai:embedder", "input": ["a", "b"] });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        served.ask("/v1/embeddings", body)
    };
    let (status, list) = embed(json!({})).await;
    assert_eq!(status, StatusCode::OK, "{list}");
    assert_eq!(list["data"][1]["embedding"], json!([1.0, 0.5, -2.0]));
    assert_eq!((&list["model"], &list["usage"]["prompt_tokens"]), (&json!("openai:embedder"), &json!(7)));
    let (_, list) = embed(json!({ "encoding_format": "base64" })).await;
    assert_eq!(list["data"][0]["embedding"], "AAAAAAAAAD8AAADA");
    let (status, error) = embed(json!({ "input": [[1, 2]] })).await;
    assert!(status == StatusCode::BAD_REQUEST && error["error"]["param"] == "input[0]", "{error}");
    let (status, error) = embed(json!({ "input": vec!["x"; 257] })).await;
    assert!(
        status == StatusCode::BAD_REQUEST && error["error"]["message"].as_str().unwrap().contains("1 to 256"),
        "{error}"
    );
    let (status, error) = served.ask("/v1/embeddings", json!({ "model": "rehearsal:script", "input": "a" })).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_a_vendor_are_told_before_the_answer_or_within_it() {
    let served = Served::new().await;
    for stream in [false, true] {
        let (status, error) = served.chat("too much", json!({ "stream": stream })).await;
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(
            (&error["error"]["type"], &error["error"]["code"]),
            (&json!("rate_limit_error"), &json!("rate_limit_exceeded"))
        );
    }
    let (status, error) = served.chat("break off", json!({})).await;
    assert!(status == StatusCode::BAD_GATEWAY && error["error"]["type"] == "server_error", "{error}");
    let (chunks, done) = streamed(&served, "break off", json!({})).await;
    let last = chunks.last().unwrap();
    assert!(!done && last["error"]["message"].as_str().unwrap().contains("the line is dead"), "{last}");
    // What it has no way to honour, a provider refuses by its name.
    let (status, error) = served.chat("say hello", json!({ "temperature": 1 })).await;
    assert!(
        status == StatusCode::BAD_REQUEST && error["error"]["message"].as_str().unwrap().contains("temperature"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_is_in_usage_and_audit_when_its_answer_has_ended_and_after_a_restart() {
    let served = Served::new().await;
    let (_, whole) = served.chat("say hello", json!({})).await;
    let (status, _) = served.chat("too much", json!({})).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    served.application.close().await;
    let Served { application, router, home, .. } = served;
    drop((application, router));
    let application = super::served::application(&home);
    let records = application.records().await.unwrap();
    let by = async |by| records.usage(0, by).await.unwrap();
    let used = by(cara_records::UsageBy::Credential).await;
    let [used] = &used[..] else { panic!("{used:?}") };
    assert_eq!((used.group.as_str(), used.input, used.output), ("account", 11, 4));
    assert_eq!(by(cara_records::UsageBy::Run).await[0].group, cara_records::PROGRAMS);
    let events = cara_records::events(records.ledger(), 100).await.unwrap();
    let calls: Vec<&Value> = events
        .iter()
        .filter(|event| event.kind == "model-calls")
        .flat_map(|event| event.detail["calls"].as_array().unwrap())
        .collect();
    let id = whole["id"].as_str().unwrap().strip_prefix("chatcmpl-").unwrap();
    let call = calls.iter().find(|call| call["id"] == id).unwrap();
    assert_eq!(
        (&call["model"], &call["tokens"], &call["did"]["ended"]),
        (&json!("rehearsal:script"), &json!([11, 4]), &json!("complete"))
    );
    assert!(
        calls.iter().any(|call| call["did"]["ended"] == "rate-limit" && call["tokens"] == json!([0, 0])),
        "{calls:?}"
    );
    assert!(records.ledger().verify_events().await.is_ok());
    application.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_left_in_its_journal_is_kept_by_the_next_once_and_nothing_that_another_wrote() {
    let served = Served::new().await;
    served.chat("say hello", json!({})).await;
    // As after `kill -9` between the file and the ledger, and in the middle of a line.
    let line = |id: &str, input: u64| {
        json!({ "id": id, "reserved": false, "person": "local-user", "credential": "account", "component": "rehearsal", "model": "script",
            "input": input, "output": 1, "micros": null, "at_ms": 1, "detail": { "ended": "complete" } })
        .to_string()
    };
    let records = served.application.records().await.unwrap();
    let proved = |line: String| format!("{} {line}\n", hex::encode(records.proof_of_use(line.as_bytes())));
    let own = [proved(line("u-aaaa", 100)), proved(line("u-bbbb", 200))].concat();
    let half = proved(line("u-cccc", 400))[..80].to_owned();
    let changed = proved(line("u-dddd", 800)).replace("800", "900");
    served.application.close().await;
    let Served { application, router, home, .. } = served;
    drop((application, router));
    let (journal, aside) = (home.path().join("cara/calls/1"), home.path().join("cara/calls/1.unreadable.1"));
    for (left, is_odd) in [
        (format!("{own}{half}"), false),
        (format!("{own}{half}"), false),
        (format!("{}\n{changed}{own}", line("u-eeee", 1_600)), true),
    ] {
        use std::os::unix::fs::PermissionsExt;
        std::fs::write(&journal, left).unwrap();
        std::fs::set_permissions(&journal, std::fs::Permissions::from_mode(0o600)).unwrap();
        let application = super::served::application(&home);
        let used = application.records().await.unwrap().usage(0, cara_records::UsageBy::Credential).await.unwrap();
        assert_eq!((used[0].input, used[0].calls), (311, 3));
        application.close().await;
        assert_eq!((journal.exists(), aside.exists()), (false, is_odd));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_neither_sent_to_a_model_nor_told_by_one() {
    let served = Served::with("[guards]\nsecrets = \"mask\"").await;
    let (_, whole) = served.chat("tell the key", json!({})).await;
    let told = whole["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(told.contains("[secret: ") && !told.contains("abcdefghij"), "{told}");
    let calls = served.calls(1).await;
    assert!(calls[0]["did"]["out"].as_array().is_some_and(|found| !found.is_empty()), "{calls:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_ends_the_call_at_once() {
    use http_body_util::BodyExt;
    use tower::ServiceExt;
    let served = Served::new().await;
    let body = json!({ "model": "rehearsal:script", "stream": true, "messages": [{ "role": "user", "content": "go on for ever" }] });
    let request = http::Request::post("/v1/chat/completions")
        .header("host", "localhost")
        .header("content-type", "application/json");
    let request = request.body(axum::body::Body::from(body.to_string())).unwrap();
    let response = served.router.clone().oneshot(request).await.unwrap();
    let mut body = response.into_body();
    assert!(body.frame().await.is_some());
    drop(body);
    let calls = served.calls(1).await;
    assert_eq!(calls[0]["did"]["ended"], "cancelled");
    assert!(calls[0]["tokens"][0].as_u64().unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_none_and_paths_that_are_none_are_told_in_the_clients_form() {
    let served = Served::new().await;
    for (path, field) in [
        ("/v1/chat/completions", "error"),
        ("/v1/messages", "error"),
        ("/api/chat", "error"),
        ("/v1/no-such", "error"),
        ("/api/no-such", "error"),
    ] {
        let (status, text) = served.send(Method::POST, path, &[("anthropic-version", "2023-06-01")], None).await;
        assert!(status.is_client_error(), "{path}: {text}");
        assert!(serde_json::from_str::<Value>(&text).unwrap().get(field).is_some(), "{path}: {text}");
    }
    // Not the fields of a request in their order either.
    let list = json!(["rehearsal:script", [{ "role": "user", "content": "say hello" }]]);
    let (status, error) = served.ask("/v1/chat/completions", list).await;
    assert!(status == StatusCode::BAD_REQUEST && error["error"]["type"] == "invalid_request_error", "{error}");
    assert!(error["error"]["message"].as_str().unwrap().contains("no JSON object"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_a_client_makes_up_is_in_no_label_and_one_that_its_provider_lists_is() {
    let served = Served::new().await;
    // The vendor answers to whatever name.
    for model in ["openai:annas-diagnosis", "openai:m-1", &format!("openai:{}", "x".repeat(200))] {
        let body = json!({ "model": model, "messages": [{ "role": "user", "content": "hello" }] });
        let (status, answer) = served.ask("/v1/chat/completions", body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }
    let (status, text) = served.send(Method::GET, "/metrics", &[], None).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    assert!(!text.contains("annas-diagnosis") && !text.contains("xxxxxxxx"), "{text}");
    let count = |model: &str| {
        let label = format!("gen_ai_request_model=\"{model}\"");
        let is =
            |line: &&str| line.starts_with("gen_ai_client_operation_duration_seconds_count") && line.contains(&label);
        text.lines().filter(is).map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum::<f64>()
    };
    assert_eq!((count("_OTHER"), count("m-1")), (2.0, 1.0), "{text}");
}
