//! Anthropic's form of the APIs, byte for byte.

use super::openai::events;
use super::served::Served;
use http::{Method, StatusCode};
use serde_json::{Value, json};

const VERSION: (&str, &str) = ("anthropic-version", "2023-06-01");

fn asking(said: &str, fields: Value) -> Value {
    let mut body =
        json!({ "model": "rehearsal:script", "max_tokens": 100, "messages": [{ "role": "user", "content": said }] });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

fn weather() -> Value {
    json!([{ "name": "weather", "input_schema": { "type": "object", "properties": { "city": { "type": "string" } } } }])
}

async fn streamed(served: &Served, said: &str, fields: Value) -> Vec<Value> {
    let mut body = asking(said, fields);
    body["stream"] = json!(true);
    let (status, text) = served.send(Method::POST, "/v1/messages", &[VERSION], Some(body)).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let events: Vec<Value> = events(&text).iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    for (event, line) in events.iter().zip(text.lines().filter_map(|line| line.strip_prefix("event: "))) {
        assert_eq!(event["type"], line);
    }
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_answered_whole_and_as_events_with_the_same_blocks() {
    let served = Served::new().await;
    let (status, whole) = served.ask("/v1/messages", asking("say hello", json!({}))).await;
    assert_eq!(status, StatusCode::OK, "{whole}");
    assert_eq!(whole["content"], json!([{ "type": "text", "text": "Hello, world", "citations": null }]));
    assert_eq!(
        (&whole["stop_reason"], &whole["role"], &whole["type"]),
        (&json!("end_turn"), &json!("assistant"), &json!("message"))
    );
    assert_eq!((&whole["usage"]["input_tokens"], &whole["usage"]["cache_read_input_tokens"]), (&json!(8), &json!(3)));

    let events = streamed(&served, "say hello", json!({})).await;
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!((kinds[0], kinds[1], kinds[kinds.len() - 1]), ("message_start", "content_block_start", "message_stop"));
    let text: String = events.iter().filter_map(|event| event["delta"]["text"].as_str()).collect();
    assert_eq!(text, "Hello, world");
    let delta = events.iter().find(|event| event["type"] == "message_delta").unwrap();
    assert_eq!((&delta["delta"]["stop_reason"], &delta["usage"]["output_tokens"]), (&json!("end_turn"), &json!(4)));
}

#[tokio::test(flavor = "multi_thread")]
async fn reasoning_and_calls_are_blocks_of_their_own() {
    let served = Served::new().await;
    let (_, whole) = served.ask("/v1/messages", asking("think first", json!({}))).await;
    assert_eq!(whole["content"][0], json!({ "type": "thinking", "thinking": "hm, ", "signature": "sig" }), "{whole}");
    assert_eq!(whole["content"][1]["text"], "done");
    let events = streamed(&served, "think first", json!({})).await;
    let signature = events.iter().find(|event| event["delta"]["type"] == "signature_delta").unwrap();
    assert_eq!((&signature["index"], &signature["delta"]["signature"]), (&json!(0), &json!("sig")));

    let (_, whole) = served.ask("/v1/messages", asking("call the tool", json!({ "tools": weather() }))).await;
    assert_eq!(whole["stop_reason"], "tool_use");
    let call = whole["content"][1].clone();
    assert_eq!((&call["type"], &call["input"]), (&json!("tool_use"), &json!({ "city": "Oslo" })));
    let events = streamed(&served, "call the tool", json!({ "tools": weather() })).await;
    let json: String = events.iter().filter_map(|event| event["delta"]["partial_json"].as_str()).collect();
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), json!({ "city": "Oslo" }));

    let conversation = json!([
        { "role": "user", "content": "call the tool" },
        { "role": "assistant", "content": whole["content"] },
        { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": call["id"], "content": "rain" }] },
    ]);
    let (status, after) =
        served.ask("/v1/messages", asking("", json!({ "messages": conversation, "tools": weather() }))).await;
    assert_eq!((status, &after["content"][0]["text"]), (StatusCode::OK, &json!("Take an umbrella.")), "{after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_anthropics_and_name_the_field() {
    let served = Served::new().await;
    let (status, error) = served.ask("/v1/messages", asking("x", json!({ "metadata": { "user_id": "u" } }))).await;
    assert_eq!(
        (status, &error["type"], &error["error"]["type"]),
        (StatusCode::BAD_REQUEST, &json!("error"), &json!("invalid_request_error"))
    );
    assert!(error["error"]["message"].as_str().unwrap().contains("`metadata` is not supported"), "{error}");
    let (status, error) = served.ask("/v1/messages", asking("too much", json!({}))).await;
    assert_eq!((status, &error["error"]["type"]), (StatusCode::TOO_MANY_REQUESTS, &json!("rate_limit_error")));
    let (status, error) = served.ask("/v1/messages/count_tokens", asking("x", json!({}))).await;
    assert!(
        status == StatusCode::NOT_FOUND
            && error["error"]["message"].as_str().unwrap().contains("tokens are not counted here"),
        "{error}"
    );
    let (status, text) = served.send(Method::POST, "/v1/messages", &[], Some(asking("x", json!({})))).await;
    assert!(status == StatusCode::BAD_REQUEST && text.contains("anthropic-version"), "{text}");
    let events = streamed(&served, "break off", json!({})).await;
    let last = events.last().unwrap();
    assert!(
        last["type"] == "error" && last["error"]["message"].as_str().unwrap().contains("the line is dead"),
        "{last}"
    );
}
