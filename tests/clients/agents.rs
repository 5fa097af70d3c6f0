//! An agent answers a program with its own tools, in its own conversation.

use super::openai::events;
use super::served::Served;
use http::{Method, StatusCode};
use serde_json::{Value, json};

const CONFIG: &str = "[chat]\nmodel = 'rehearsal:script'\n[agent.clerk]\nsystem = 'answer like a pirate'";

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_answers_as_the_operator_set_it_and_its_conversation_is_kept() {
    let served = Served::with(CONFIG).await;
    let ask = |said: Value| served.ask("/v1/chat/completions", json!({ "model": "agent:clerk", "messages": said }));
    let (status, whole) = ask(json!([
        { "role": "user", "content": "good morning" },
        { "role": "assistant", "content": "good morning to you" },
        { "role": "user", "content": "who instructs" },
    ]))
    .await;
    assert_eq!(status, StatusCode::OK, "{whole}");
    assert_eq!(
        (&whole["choices"][0]["message"]["content"], &whole["model"]),
        (&json!("the operator"), &json!("agent:clerk"))
    );
    let records = served.application.records().await.unwrap();
    let sessions = records.recent_sessions(None, 10).await.unwrap();
    let [session] = &sessions[..] else { panic!("{sessions:?}") };
    assert_eq!((session.channel.as_str(), session.agent.as_str(), session.messages), ("api", "clerk", 4));
    // What the program says was said before is nobody's own words.
    let before = records.messages(&session.id, 1, 2).await.unwrap();
    assert!(before.iter().all(|message| !message.label.has(cara_authority::Source::Owner)), "{before:?}");
    assert!(before.iter().all(|message| message.label.is_untrusted()), "{before:?}");

    let (status, text) = served
        .send(Method::POST, "/v1/chat/completions", &[], Some(json!({ "model": "agent:main", "stream": true, "messages": [{ "role": "user", "content": "say hello" }] })))
        .await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let text: String = events(&text)
        .iter()
        .filter_map(|event| serde_json::from_str::<Value>(event).ok())
        .filter_map(|event| event["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(text, "Hello, world");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_takes_no_tools_of_a_client_and_no_calls() {
    let served = Served::with(CONFIG).await;
    let tool = json!([{ "type": "function", "function": { "name": "f" } }]);
    let (status, error) = served
        .ask(
            "/v1/chat/completions",
            json!({ "model": "agent:main", "tools": tool, "messages": [{ "role": "user", "content": "x" }] }),
        )
        .await;
    assert_eq!((status, &error["error"]["param"]), (StatusCode::BAD_REQUEST, &json!("tools")), "{error}");
    let call = json!([{ "id": "c", "type": "function", "function": { "name": "f", "arguments": "{}" } }]);
    let (status, error) = served
        .ask(
            "/v1/chat/completions",
            json!({ "model": "agent:main", "messages": [
            { "role": "user", "content": "x" }, { "role": "assistant", "content": null, "tool_calls": call },
            { "role": "tool", "tool_call_id": "c", "content": "y" }, { "role": "user", "content": "z" },
        ] }),
        )
        .await;
    assert!(
        status == StatusCode::BAD_REQUEST && error["error"]["message"].as_str().unwrap().contains("its own tools"),
        "{error}"
    );
    // Anthropic's clients have to say how long an answer may be; an agent's is as long as the operator set it.
    let (status, whole) = served.ask("/v1/messages", json!({ "model": "agent:main", "max_tokens": 50, "messages": [{ "role": "user", "content": "say hello" }] })).await;
    assert_eq!((status, &whole["content"][0]["text"]), (StatusCode::OK, &json!("Hello, world")), "{whole}");
}
