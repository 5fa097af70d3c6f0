//! A vendor that speaks OpenAI's API: it answers what its test wants to see.

use cara_harness::{Recorded, Reply, Upstream};
use serde_json::{Value, json};

fn chunk(delta: &Value, reason: Option<&str>) -> String {
    let choice = json!({ "index": 0, "delta": delta, "finish_reason": reason });
    format!(
        "data: {}\n\n",
        json!({ "id": "v-1", "object": "chat.completion.chunk", "model": "m-1", "choices": [choice] })
    )
}

/// The answer to a chat: JSON where a schema asks for it, else what was asked.
fn chat(request: &Value) -> Reply {
    let last = &request["messages"][request["messages"].as_array().map_or(0, Vec::len) - 1];
    let said = last["content"].as_str().map(str::to_owned).unwrap_or_else(|| last["content"].to_string());
    if said.contains("be busy") {
        return Reply::ok(r#"{"error":{"message":"slow down","type":"rate_limit_error"}}"#)
            .status(429)
            .header("retry-after", "0");
    }
    let text = match request["response_format"]["type"].as_str() {
        Some("json_schema" | "json_object") => r#"{"city":"Oslo","days":2}"#.to_owned(),
        _ => format!("you said: {said}"),
    };
    let usage = json!({ "id": "v-1", "object": "chat.completion.chunk", "model": "m-1", "choices": [], "usage": {
        "prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25, "prompt_tokens_details": { "cached_tokens": 8 },
    } });
    let body = [
        chunk(&json!({ "role": "assistant", "content": "" }), None),
        chunk(&json!({ "content": text }), None),
        chunk(&json!({}), Some("stop")),
        format!("data: {usage}\n\n"),
        "data: [DONE]\n\n".to_owned(),
    ];
    Reply::ok(body.concat()).header("content-type", "text/event-stream")
}

fn answer(request: &Recorded) -> Reply {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let json = |value: Value| Reply::ok(value.to_string()).header("content-type", "application/json");
    match request.target.as_str() {
        "/v1/models" => json(json!({ "object": "list", "data": [
            { "id": "m-1", "object": "model" }, { "id": "script", "object": "model" }, { "id": "embedder", "object": "model" },
        ] })),
        "/v1/embeddings" => {
            let count = body["input"].as_array().map_or(1, Vec::len);
            let vector =
                |index: usize| json!({ "object": "embedding", "index": index, "embedding": [index, 0.5, -2.0] });
            let data: Vec<Value> = (0..count).map(vector).collect();
            json(
                json!({ "object": "list", "data": data, "model": "embedder", "usage": { "prompt_tokens": 7, "total_tokens": 7 } }),
            )
        }
        "/v1/chat/completions" => chat(&body),
        _ => json(json!({ "error": { "message": "nothing here" } })).status(404),
    }
}

/// Starts one.
pub(super) async fn vendor() -> Upstream {
    Upstream::start(answer).await
}
