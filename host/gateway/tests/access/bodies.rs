//! Memory and the journal under whoever sends much.

use super::house::{House, bearer, get, near, post, request};
use axum::body::Body;
use bytes::Bytes;
use cara_authority::Scope;
use http::{Method, StatusCode};
use serde_json::json;
use std::convert::Infallible;
use std::time::Duration;
use tokio::time::timeout;

const CHAT: &str = "/v1/chat/completions";

#[tokio::test]
async fn what_is_announced_and_does_not_come_takes_no_room_from_anybody() {
    let house = House::new("");
    let (_, token) = house.token(&[Scope::Chat]).await;
    let shown = bearer(&token);
    let kind = ("content-type", "application/json");
    let headers = [("authorization", shown.as_str()), kind, ("anthropic-version", "2023-06-01")];
    let (arrives, asked) = tokio::sync::oneshot::channel();
    let mut arrives = Some(arrives);
    let silent = futures_util::stream::poll_fn(move |_| {
        // Somebody waits for it: it is being read.
        arrives.take().map(|arrives| arrives.send(()));
        std::task::Poll::<Option<Result<Bytes, Infallible>>>::Pending
    });
    let slow = request(Method::POST, CHAT, &headers).map(|_| Body::from_stream(silent));
    let slow = house.begin(near(), slow);
    tokio::pin!(slow);
    tokio::select! {
        _ = &mut slow => panic!("there is no answer to half a request"),
        begun = asked => begun.unwrap(),
    }
    let large = request(Method::POST, CHAT, &headers).map(|_| Body::from(vec![b' '; 40 * 1024 * 1024]));
    let answer = timeout(Duration::from_secs(20), house.ask(large)).await.expect("an answer at once");
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
}

#[tokio::test]
async fn a_journal_that_cannot_be_read_is_put_aside_and_keeps_nobody_out() {
    let house = House::new("");
    let journal = house.application.home().path().join("calls/0");
    std::fs::create_dir_all(journal.parent().unwrap()).unwrap();
    let file = std::fs::File::create(&journal).unwrap();
    file.set_len(65 * 1024 * 1024).unwrap();
    let (_, token) = house.token(&[Scope::Read]).await;
    let answer = house.ask(get("/control/v1/ready", &[("authorization", &bearer(&token))])).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let aside = house.application.home().path().join("calls/0.unreadable.1");
    assert!(aside.exists() && !journal.exists(), "what cannot be read is kept for whoever wants to look");
}

#[tokio::test]
async fn who_may_only_read_has_the_host_connect_nowhere_and_look_at_no_file() {
    let house = House::new("");
    let (_, reader) = house.token(&[Scope::Read]).await;
    let shown = bearer(&reader);
    let headers = [("authorization", shown.as_str())];
    for path in [
        "/control/v1/plugins/search?words=x&index=http://127.0.0.1:1/x.json",
        "/control/v1/plugins/verify?file=/etc/hostname",
    ] {
        let answer = house.ask(get(path, &headers)).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}: {answer:?}");
        assert!(answer.text.contains("needs the scope `operate`"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_said_to_be_json_is_read_for_a_client_of_ollama_with_a_token_alone() {
    let house = House::new("");
    let (_, token) = house.token(&[Scope::Chat]).await;
    let shown = bearer(&token);
    let (cookie, csrf) = house.browser(&[Scope::Chat]).await;
    let form = ("content-type", "application/x-www-form-urlencoded");
    let with_token = [("authorization", shown.as_str()), form];
    let of_page =
        [("cookie", cookie.as_str()), ("x-csrf-token", csrf.as_str()), ("origin", "http://localhost:18789"), form];
    for (path, headers, is_read) in [
        ("/api/chat", &with_token[..], true),
        ("/api/chat", &with_token[..1], true),
        (CHAT, &with_token[..], false),
        ("/api/chat", &of_page[..], false),
        ("/api/chat", &of_page[..3], false),
    ] {
        let answer = house.ask(request(Method::POST, path, headers).map(|_| Body::from("{}"))).await;
        assert_eq!(answer.status != StatusCode::UNSUPPORTED_MEDIA_TYPE, is_read, "{path} {headers:?}: {answer:?}");
    }
}

#[tokio::test]
async fn errors_have_the_shape_of_the_client_wherever_they_come_from() {
    let house = House::new("");
    let anthropic = house.ask(get("/v1/models", &[("anthropic-version", "2023-06-01")])).await;
    assert_eq!(
        (anthropic.status, &anthropic.json()["error"]["type"]),
        (StatusCode::UNAUTHORIZED, &json!("authentication_error"))
    );
    assert_eq!(anthropic.json()["type"], "error", "{anthropic:?}");
    let openai = house.ask(post("/v1/chat/completions", &[("anthropic-version", "x")], &json!({}))).await;
    assert_eq!(openai.json()["error"]["code"], "invalid_api_key", "{openai:?}");
    let (_, token) = house.token(&[Scope::Chat]).await;
    let method = house.ask(get(CHAT, &[("authorization", &bearer(&token))])).await;
    assert_eq!((method.status, method.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "POST"), "{method:?}");
    assert_eq!(method.json()["error"]["type"], "invalid_request_error", "{method:?}");
}

#[tokio::test]
async fn a_body_of_many_small_values_is_refused_before_they_take_hundreds_of_times_its_size() {
    let house = House::new("");
    let (_, token) = house.token(&[Scope::Chat]).await;
    let shown = bearer(&token);
    let kind = ("content-type", "application/json");
    let headers = [("authorization", shown.as_str()), kind, ("anthropic-version", "2023-06-01")];
    let many = r#"{"":0},"#.repeat(150_000);
    let schema = format!(r#"{{"type":"json_schema","name":"a","schema":{{"a":[{many}{{}}]}}}}"#);
    let body = format!(r#"{{"model":"x:y","input":"hi","text":{{"format":{schema}}}}}"#);
    for path in ["/v1/responses", CHAT, "/v1/messages", "/api/chat", "/control/v1/runs"] {
        let request = request(Method::POST, path, &headers).map(|_| Body::from(body.clone()));
        let refused = house.ask(request).await;
        assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE, "{path}");
        assert!(refused.text.contains("more values in it"), "{path}: {refused:?}");
    }
}
