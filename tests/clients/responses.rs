//! OpenAI's responses: typed events, what is kept, gone on from, stopped and
//! listened to again.

use super::openai::events;
use super::served::Served;
use http::{Method, StatusCode};
use serde_json::{Value, json};

const PATH: &str = "/v1/responses";

async fn respond(served: &Served, said: &str, fields: Value) -> (StatusCode, Value) {
    let mut body = json!({ "model": "rehearsal:script", "input": said });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    served.ask(PATH, body).await
}

async fn get(served: &Served, path: &str) -> (StatusCode, Value) {
    let (status, text) = served.send(Method::GET, path, &[], None).await;
    (status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}")))
}

/// The events of a stream.
async fn streamed(served: &Served, said: &str, fields: Value) -> Vec<Value> {
    let mut body = json!({ "model": "rehearsal:script", "stream": true, "input": said });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let (status, text) = served.send(Method::POST, PATH, &[], Some(body)).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    events(&text).into_iter().map(|event| serde_json::from_str(event).unwrap()).collect()
}

fn kinds(events: &[Value]) -> Vec<&str> {
    let mut kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    kinds.dedup();
    kinds
}

fn text(response: &Value) -> String {
    let parts = response["output"].as_array().unwrap().iter().flat_map(|item| item["content"].as_array());
    parts.flatten().filter_map(|part| part["text"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_is_told_whole_and_in_numbered_events_with_the_same_words() {
    let served = Served::new().await;
    let (status, whole) = respond(&served, "say hello", json!({ "metadata": { "a": "b" } })).await;
    assert_eq!(status, StatusCode::OK, "{whole}");
    assert_eq!((&whole["object"], &whole["status"]), (&json!("response"), &json!("completed")));
    assert_eq!((text(&whole), &whole["metadata"]), ("Hello, world".to_owned(), &json!({ "a": "b" })));
    assert_eq!((&whole["usage"]["input_tokens"], &whole["usage"]["total_tokens"]), (&json!(11), &json!(15)));
    assert_eq!(whole["usage"]["input_tokens_details"]["cached_tokens"], 3);

    let events = streamed(&served, "say hello", json!({})).await;
    assert_eq!(
        kinds(&events),
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    assert!(events.iter().enumerate().all(|(number, event)| event["sequence_number"] == number), "{events:?}");
    let deltas: String = events.iter().filter_map(|event| event["delta"].as_str()).collect();
    assert_eq!(deltas, "Hello, world");
    let last = &events.last().unwrap()["response"];
    assert_eq!((text(last), &last["output"][0]["id"]), ("Hello, world".to_owned(), &events[2]["item"]["id"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_is_told_again_gone_on_from_and_removed() {
    let served = Served::new().await;
    let tools = json!([{ "type": "function", "name": "weather", "parameters": { "type": "object" }, "strict": null }]);
    let (_, first) = respond(&served, "call the tool", json!({ "tools": tools })).await;
    let id = first["id"].as_str().unwrap();
    let call = &first["output"][1];
    assert_eq!(
        (&call["type"], &call["name"], &call["status"]),
        (&json!("function_call"), &json!("weather"), &json!("completed"))
    );
    assert_eq!(get(&served, &format!("{PATH}/{id}")).await, (StatusCode::OK, first.clone()));

    let result = json!([{ "type": "function_call_output", "call_id": call["call_id"], "output": "rain" }]);
    let (status, after) =
        respond(&served, "", json!({ "tools": tools, "input": result, "previous_response_id": id })).await;
    assert_eq!((status, text(&after)), (StatusCode::OK, "Take an umbrella.".to_owned()), "{after}");

    let (_, items) = get(&served, &format!("{PATH}/{}/input_items", after["id"].as_str().unwrap())).await;
    assert_eq!((&items["object"], &items["has_more"]), (&json!("list"), &json!(false)));
    assert_eq!(
        (&items["data"][0]["type"], &items["data"][0]["output"]),
        (&json!("function_call_output"), &json!("rain"))
    );

    let (status, gone) = served.send(Method::DELETE, &format!("{PATH}/{id}"), &[], None).await;
    assert!(status == StatusCode::OK && gone.contains("\"deleted\":true"), "{gone}");
    let (status, error) = get(&served, &format!("{PATH}/{id}")).await;
    assert_eq!((status, &error["error"]["type"]), (StatusCode::NOT_FOUND, &json!("invalid_request_error")));
    let (status, error) = respond(&served, "say hello", json!({ "previous_response_id": id })).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let error = &error["error"];
    assert_eq!(
        (&error["param"], &error["code"]),
        (&json!("previous_response_id"), &json!("previous_response_not_found"))
    );

    let (_, unkept) = respond(&served, "say hello", json!({ "store": false })).await;
    let (status, _) = get(&served, &format!("{PATH}/{}", unkept["id"].as_str().unwrap())).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "what is not to be kept is not");
}

#[tokio::test(flavor = "multi_thread")]
async fn reasoning_is_told_and_handed_out_only_where_the_client_asks_for_it() {
    let served = Served::new().await;
    let (_, silent) = respond(&served, "think first", json!({})).await;
    let reasoning = &silent["output"][0];
    assert_eq!((&reasoning["type"], &reasoning["summary"]), (&json!("reasoning"), &json!([])));
    assert!(reasoning.get("encrypted_content").is_none(), "{reasoning}");
    let wanted =
        json!({ "reasoning": { "summary": "auto" }, "include": ["reasoning.encrypted_content"], "store": false });
    let (_, told) = respond(&served, "think first", wanted).await;
    let reasoning = told["output"][0].clone();
    assert_eq!(reasoning["summary"], json!([{ "type": "summary_text", "text": "hm, " }]));
    assert!(reasoning["encrypted_content"].is_string());
    let user = json!({ "role": "user", "content": "say hello" });
    let (status, after) = respond(&served, "", json!({ "input": [reasoning, user] })).await;
    assert_eq!(status, StatusCode::OK, "{after}");
    let forged = json!({ "type": "reasoning", "summary": [], "encrypted_content": "gAAA" });
    let (status, error) = respond(&served, "", json!({ "input": [forged, user] })).await;
    assert_eq!((status, &error["error"]["param"]), (StatusCode::BAD_REQUEST, &json!("input[0].encrypted_content")));
}

#[tokio::test(flavor = "multi_thread")]
async fn work_in_the_background_goes_on_alone_is_listened_to_again_and_stopped() {
    let served = Served::new().await;
    let (status, begun) = respond(&served, "say hello", json!({ "background": true })).await;
    assert_eq!((status, &begun["status"]), (StatusCode::OK, &json!("in_progress")));
    let path = format!("{PATH}/{}", begun["id"].as_str().unwrap());
    let ended = loop {
        let (_, now) = get(&served, &path).await;
        if now["status"] != "in_progress" {
            break now;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((&ended["status"], text(&ended)), (&json!("completed"), "Hello, world".to_owned()));

    let events = streamed(&served, "say hello", json!({ "background": true })).await;
    let id = events[0]["response"]["id"].as_str().unwrap();
    let again = format!("{PATH}/{id}?stream=true&starting_after=3");
    let (_, text) = served.send(Method::GET, &again, &[], None).await;
    let again: Vec<Value> =
        super::openai::events(&text).iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    assert_eq!(again, events[4..], "from the number on, and no other words");

    let (_, endless) = respond(&served, "go on for ever", json!({ "background": true })).await;
    let path = format!("{PATH}/{}", endless["id"].as_str().unwrap());
    let (status, error) = respond(&served, "x", json!({ "previous_response_id": endless["id"] })).await;
    assert_eq!((status, &error["error"]["param"]), (StatusCode::BAD_REQUEST, &json!("previous_response_id")));
    let (status, text) = served.send(Method::POST, &format!("{path}/cancel"), &[], None).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let (_, stopped) = get(&served, &path).await;
    assert_eq!(stopped["status"], "cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_on_the_way_is_told_as_a_failure_and_before_it_as_an_error() {
    let served = Served::new().await;
    let events = streamed(&served, "break off", json!({})).await;
    let last = events.last().unwrap();
    assert_eq!((&last["type"], &last["response"]["status"]), (&json!("response.failed"), &json!("failed")));
    assert!(last["response"]["error"]["message"].as_str().unwrap().contains("the line is dead"));
    let (status, error) = respond(&served, "too much", json!({})).await;
    assert_eq!((status, &error["error"]["code"]), (StatusCode::TOO_MANY_REQUESTS, &json!("rate_limit_exceeded")));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_field_that_nobody_can_honour_is_refused_by_its_name() {
    let served = Served::new().await;
    let one = |item: Value| json!({ "input": [item] });
    for (fields, param) in [
        (json!({ "conversation": "c" }), "conversation"),
        (json!({ "max_tool_calls": 1 }), "max_tool_calls"),
        (json!({ "prompt": { "id": "p" } }), "prompt"),
        (json!({ "prompt_cache_key": "k" }), "prompt_cache_key"),
        (json!({ "safety_identifier": "s" }), "safety_identifier"),
        (json!({ "service_tier": "flex" }), "service_tier"),
        (json!({ "top_logprobs": 2 }), "top_logprobs"),
        (json!({ "truncation": "auto" }), "truncation"),
        (json!({ "user": "u" }), "user"),
        (json!({ "text": { "verbosity": "low" } }), "text.verbosity"),
        (json!({ "reasoning": { "summary": "detailed" } }), "reasoning.summary"),
        (json!({ "include": ["file_search_call.results"] }), "include"),
        (json!({ "tools": [{ "type": "web_search" }] }), "tools[0].type"),
        (json!({ "tool_choice": { "type": "web_search" } }), "tool_choice"),
        (json!({ "background": true, "store": false }), "store"),
        (json!({ "temperature": 3 }), "temperature"),
        (json!({ "no_such_field": 1 }), "no_such_field"),
        (json!({ "model": "agent:main", "temperature": 1 }), "temperature"),
        (one(json!({ "type": "item_reference", "id": "x" })), "input[0].type"),
        (
            one(json!({ "role": "user", "content": [{ "type": "input_file", "file_url": "https://a.example" }] })),
            "input[0].content[0].file_url",
        ),
        (
            one(json!({ "role": "user", "content": [{ "type": "input_image", "image_url": "https://a.example" }] })),
            "input[0].content[0].image_url",
        ),
    ] {
        let (status, error) = respond(&served, "x", fields).await;
        assert_eq!((status, &error["error"]["param"]), (StatusCode::BAD_REQUEST, &json!(param)), "{error}");
    }
}
