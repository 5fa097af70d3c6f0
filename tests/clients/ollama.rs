//! Ollama's form of the APIs, byte for byte.

use super::served::Served;
use http::{Method, StatusCode};
use serde_json::{Value, json};

async fn lines(served: &Served, path: &str, body: Value) -> Vec<Value> {
    let (status, text) = served.send(Method::POST, path, &[], Some(body)).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn chat(said: &str) -> Value {
    json!({ "model": "rehearsal:script", "messages": [{ "role": "user", "content": said }] })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_is_streamed_unless_it_is_said_and_ends_with_its_figures() {
    let served = Served::new().await;
    let lines = lines(&served, "/api/chat", chat("say hello")).await;
    let text: String = lines.iter().filter_map(|line| line["message"]["content"].as_str()).collect();
    assert_eq!(text, "Hello, world");
    let (last, before) = lines.split_last().unwrap();
    assert!(before.iter().all(|line| line["done"] == false));
    assert_eq!(
        (&last["done"], &last["done_reason"], &last["prompt_eval_count"], &last["eval_count"]),
        (&json!(true), &json!("stop"), &json!(11), &json!(4))
    );
    assert!(last["created_at"].as_str().unwrap().ends_with('Z'));
    let mut body = chat("say hello");
    body["stream"] = json!(false);
    let (_, whole) = served.ask("/api/chat", body).await;
    assert_eq!(
        (&whole["message"]["content"], &whole["done"], &whole["model"]),
        (&json!("Hello, world"), &json!(true), &json!("rehearsal:script"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn generate_calls_and_embeddings_are_ollamas() {
    let served = Served::new().await;
    let lines_of = lines(&served, "/api/generate", json!({ "model": "rehearsal:script", "prompt": "say hello" })).await;
    let text: String = lines_of.iter().filter_map(|line| line["response"].as_str()).collect();
    assert!(text == "Hello, world" && lines_of.iter().all(|line| line.get("message").is_none()));
    let mut body = chat("call the tool");
    body["tools"] = json!([{ "type": "function", "function": { "name": "weather", "parameters": { "type": "object", "properties": {} } } }]);
    let called = lines(&served, "/api/chat", body).await;
    let call = called.iter().find_map(|line| line["message"]["tool_calls"].get(0)).unwrap();
    assert_eq!(call["function"], json!({ "name": "weather", "arguments": { "city": "Oslo" } }));
    let (status, embedded) = served.ask("/api/embed", json!({ "model": "openai:embedder", "input": "a" })).await;
    assert_eq!((status, &embedded["embeddings"]), (StatusCode::OK, &json!([[0.0, 0.5, -2.0]])), "{embedded}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_is_listed_and_shown() {
    let served = Served::new().await;
    let (_, text) = served.send(Method::GET, "/api/tags", &[], None).await;
    assert!(text.contains(r#""name":"rehearsal:script""#) && text.contains(r#""model":"agent:main""#), "{text}");
    let (_, version) = served.send(Method::GET, "/api/version", &[], None).await;
    assert!(version.contains("version"), "{version}");
    let (status, shown) = served.ask("/api/show", json!({ "model": "rehearsal:script" })).await;
    assert_eq!((status, &shown["details"]["family"]), (StatusCode::OK, &json!("rehearsal")));
    let (status, error) = served.ask("/api/show", json!({ "model": "no-such" })).await;
    assert!(status == StatusCode::NOT_FOUND && error["error"].as_str().unwrap().contains("no-such"), "{error}");
    let (status, error) =
        served.ask("/api/chat", json!({ "model": "rehearsal:script", "keep_alive": "1h", "messages": [] })).await;
    assert!(status == StatusCode::BAD_REQUEST && error["error"].as_str().unwrap().contains("keep_alive"), "{error}");
}
