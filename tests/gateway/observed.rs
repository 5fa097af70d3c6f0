//! What whoever watches the daemon is told: how it is, and what it counts.

use crate::people::house::House;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use cara_control::HomeFiles;
use cara_gateway::account_router;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tower::ServiceExt;

const SCRIPT: &str = "order = 'any'\n[[turn]]\nstep = [{ text = 'Hello.' }, { usage = { input = 100, output = 5 } }]\n";

async fn gets(router: &Router, path: &str) -> (u16, String) {
    let request = Request::get(path).header("host", "localhost").body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    (status, String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().into()).unwrap())
}

/// The value of a series whose line has all of this.
fn value(text: &str, parts: &[&str]) -> f64 {
    let mut lines = text.lines().filter(|line| !line.starts_with('#') && parts.iter().all(|part| line.contains(part)));
    let line = lines.next().unwrap_or_else(|| panic!("{parts:?} is not in\n{text}"));
    assert_eq!(lines.next(), None, "{parts:?}");
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_part_makes_it_degraded_and_a_stop_makes_it_down() {
    let house = House::new(SCRIPT, "").await;
    let router = account_router(house.application.clone());
    assert_eq!(gets(&router, "/health/live").await, (200, r#"{"condition":"ok"}"#.into()));
    let began = Instant::now();
    assert_eq!(gets(&router, "/health/ready").await, (200, r#"{"condition":"ok"}"#.into()));
    std::fs::write(house.application.home().config(), "[chat]\nmodle = 1\n").unwrap();
    // What was seen within the last second counts, however many ask at this door.
    let asked = gets(&router, "/health/ready").await;
    let is_seen_before = asked == (200, r#"{"condition":"ok"}"#.into());
    assert!(is_seen_before || began.elapsed() >= Duration::from_secs(1), "{asked:?}");
    let router = account_router(house.application.clone());
    assert_eq!(gets(&router, "/health/ready").await, (200, r#"{"condition":"degraded"}"#.into()));
    let (_, parts) = gets(&router, "/control/v1/health").await;
    let parts: Value = serde_json::from_str(&parts).unwrap();
    let of = |name: &str| parts["parts"].as_array().unwrap().iter().find(|part| part["name"] == name).unwrap();
    assert_eq!(of("configuration")["condition"], "degraded");
    assert!(of("configuration")["why"].as_str().unwrap().contains("modle"), "{parts}");
    assert_eq!(of("ledger"), &json!({ "name": "ledger", "condition": "ok" }));
    house.application.stopping().cancel();
    assert_eq!(gets(&router, "/health/live").await.0, 200);
    assert_eq!(gets(&router, "/health/ready").await, (503, r#"{"condition":"down"}"#.into()));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_counted_has_few_labels_and_no_content() {
    let house = House::new(SCRIPT, "").await;
    let router = account_router(house.application.clone());
    house.knows("anna", cara_authority::PersonRole::Member, "anna").await;
    house.asks(crate::people::house::Said::alone("anna", "a secret of mine")).await;
    for number in 0..1_000 {
        assert_eq!(gets(&router, &format!("/control/v1/sessions/s-{number}")).await.0, 404);
        assert_eq!(gets(&router, &format!("/nothing/{number}")).await.0, 404);
    }
    let (status, text) = gets(&router, "/metrics").await;
    assert_eq!(status, 200, "{text}");
    assert_eq!(value(&text, &["cara_runs_total", "outcome=\"done\""]), 1.0);
    let route = "http_route=\"/control/v1/sessions/{id}\"";
    assert_eq!(value(&text, &["http_server_request_duration_seconds_count", route, "404"]), 1_000.0);
    assert_eq!(value(&text, &["cara_messages", "box=\"inbox\"", "state=\"waiting\""]), 0.0);
    let model = ["gen_ai_operation_name=\"chat\"", "gen_ai_request_model=\"script\""];
    let calls = [&["gen_ai_client_operation_duration_seconds_count"][..], &model].concat();
    assert_eq!(value(&text, &calls), 1.0);
    let first = [&["gen_ai_client_operation_time_to_first_chunk_seconds_count"][..], &model].concat();
    assert_eq!(value(&text, &first), 1.0);
    let output = [&["gen_ai_client_token_usage_sum", "gen_ai_token_type=\"output\""][..], &model].concat();
    assert_eq!(value(&text, &output), 5.0);
    assert_eq!(
        value(&text, &[&["gen_ai_client_token_usage_bucket", "le=\"4\"", "\"output\""][..], &model].concat()),
        0.0
    );
    assert_eq!(value(&text, &["cara_messages", "box=\"outbox\"", "state=\"sent\""]), 1.0);
    assert!(value(&text, &["process_memory_usage"]) > 1e6);
    assert!(text.lines().count() < 300, "{text}");
    for word in ["secret of mine", "nothing/", "s-7", "Hello"] {
        assert!(!text.contains(word), "{word}");
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_model_calls_a_tool_that_there_is_not_is_no_label() {
    let script = "order = 'any'\n[[turn]]\nstep = [{ tool-call = { name = 'annas_diagnosis', arguments = {} } }]\n\
                  [[turn]]\nexpect-tool-result = 'annas_diagnosis'\nstep = [{ text = 'Done.' }]\n";
    let house = House::new(script, "").await;
    let router = account_router(house.application.clone());
    house.knows("anna", cara_authority::PersonRole::Member, "anna").await;
    house.asks(crate::people::house::Said::alone("anna", "look")).await;
    let (_, text) = gets(&router, "/metrics").await;
    assert!(value(&text, &["cara_tool_calls_total", "gen_ai_tool_name=\"_OTHER\"", "outcome=\"failed\""]) >= 1.0);
    assert!(!text.contains("diagnosis"), "{text}");
    house.close().await;
}
