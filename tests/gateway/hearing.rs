//! Who hears what: messages to the terminal and notes of the home are for
//! whoever may read everything.

use super::frames::Client;
use crate::people::house::{House, token};
use axum::body::Body;
use cara_authority::{PersonRole, Scope};
use cara_control::outbox::ListOutbox;
use cara_control::runs::{BeginRun, Piece, Respondent, StopRun, Words};
use cara_control::status::ShowStatus;
use cara_control::tokens::CreateToken;
use cara_gateway::{Gateway, Peer, router};
use http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::net::SocketAddr;
use tower::ServiceExt;

const SCRIPT: &str = r#"
[[turn]]
step = [{ tool-call = { name = "message_send", arguments = { to = "console:local:me", text = "for the owner" } } }]
[[turn]]
step = [{ text = "Done." }]
"#;

const POLICY: &str = "[[policy.rule]]\ntool = \"message_send\"\nthen = \"allow\"\n";

/// What the home says to whoever hears it.
const NOTE: &str = "what the home did";

async fn secret(house: &House, create: CreateToken) -> String {
    house.does(create).await.unwrap().token.unwrap()
}

fn run() -> BeginRun {
    BeginRun {
        run: BeginRun::fresh().unwrap(),
        session: None,
        by: Respondent { model: "rehearsal:script".into(), ..Respondent::default() },
        message: vec![Piece::of(Words::Typed, "tell me later")],
        attachments: Vec::new(),
        compact: false,
        present: false,
    }
}

/// Asks for events; the answer, whose body is still to come.
async fn begins(house: &House, token: &str, path: &str, body: &Value) -> axum::response::Response {
    let request = Request::post(path).header("host", "localhost").header("content-type", "application/json");
    let request = request.header("authorization", format!("Bearer {token}")).header("accept", "text/event-stream");
    let mut request = request.body(Body::from(body.to_string())).unwrap();
    request.extensions_mut().insert(Peer::default());
    router(house.application.clone()).oneshot(request).await.unwrap()
}

async fn whole(response: axum::response::Response) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_talk_is_not_the_terminal() {
    let house = House::new(SCRIPT, POLICY).await;
    house.enables("message").await;
    house.does(run()).await.unwrap();
    let waiting = async || house.does(ListOutbox { state: None, limit: 50 }).await.unwrap();
    while waiting().await.first().is_none_or(|row| row.error.is_none()) {
        tokio::task::yield_now().await;
    }
    let for_main = CreateToken { agents: Some(["main".to_owned()].into()), ..token(&[Scope::Chat]) };
    for limited in [token(&[Scope::Chat, Scope::Approve]), for_main] {
        let shown = secret(&house, limited).await;
        let told = whole(begins(&house, &shown, "/control/v1/chat", &json!({})).await).await;
        assert!(told.contains("event: view") && !told.contains("for the owner"), "{told}");
        assert_eq!(waiting().await.len(), 1, "it still waits for its reader");
    }
    let shown = secret(&house, token(&[Scope::Chat, Scope::Read])).await;
    let told = whole(begins(&house, &shown, "/control/v1/chat", &json!({})).await).await;
    assert!(told.contains("for the owner"), "{told}");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_of_the_home_are_for_who_may_read_it() {
    // The run waits for a person, and meanwhile the home says something.
    for (scopes, hears) in [(&[Scope::Chat][..], false), (&[Scope::Chat, Scope::Read][..], true)] {
        let house = House::new(SCRIPT, "").await;
        house.enables("message").await;
        let (shown, run) = (secret(&house, token(scopes)).await, run());
        let begun = begins(&house, &shown, "/control/v1/runs", &serde_json::to_value(&run).unwrap()).await;
        let told = tokio::spawn(whole(begun));
        house.waits_for_approval().await;
        house.application.events().note(NOTE);
        house.does(StopRun { run: run.run }).await.unwrap();
        let told = told.await.unwrap();
        assert!(told.contains("event: view") && told.contains(NOTE) == hears, "{scopes:?}: {told}");
        house.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_hears_the_home_as_http_does_and_is_for_no_guest() {
    let house = House::new(SCRIPT, "").await;
    house.enables("message").await;
    house.knows("gus", PersonRole::Guest, "gus").await;
    let local = vec!["127.0.0.1:0".parse().unwrap()];
    let gateway = Gateway::open(&house.application, router(house.application.clone()), Some(local)).await.unwrap();
    let reachable = house.does(ShowStatus {}).await.unwrap().reachable.unwrap();
    let address: SocketAddr = reachable.listening[0].parse().unwrap();
    let shows = |token: String| format!("authorization: Bearer {token}\r\n");
    let guests = CreateToken { person: Some("gus".into()), ..token(&[Scope::Chat]) };
    let refused = Client::answered_at(address, &shows(secret(&house, guests).await)).await;
    assert!(refused.starts_with("http/1.1 403"), "{refused}");
    let is_note = |message: &Value| message["params"]["event"]["text"] == NOTE;

    let mut reads = Client::open_at(address, &shows(secret(&house, token(&[Scope::Read])).await)).await;
    reads.asks("changes.follow", json!({})).await;
    assert_eq!(reads.message().await["params"]["event"]["type"], "position");
    house.application.events().note(NOTE);
    assert!(is_note(&reads.message().await));

    let mut talks = Client::open_at(address, &shows(secret(&house, token(&[Scope::Chat])).await)).await;
    let run = run();
    let id = talks.asks("runs.begin", serde_json::to_value(&run).unwrap()).await;
    house.waits_for_approval().await;
    house.application.events().note(NOTE);
    house.does(StopRun { run: run.run }).await.unwrap();
    loop {
        let message = talks.message().await;
        assert!(!is_note(&message), "{message}");
        if message["id"] == id {
            break;
        }
    }
    gateway.close().await;
    house.close().await;
}
