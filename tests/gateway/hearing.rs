//! Who hears what: messages to the terminal and notes of the home are for
//! whoever may read everything.

use super::frames::Client;
use crate::people::house::House;
use axum::body::Body;
use cara_authority::{PersonRole, Scope};
use cara_control::outbox::ListOutbox;
use cara_control::runs::{BeginRun, Piece, Respondent, Words};
use cara_control::status::ShowStatus;
use cara_control::tokens::CreateToken;
use cara_gateway::{Gateway, Peer, router};
use http::{Method, Request};
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

fn create(scopes: &[Scope]) -> CreateToken {
    let (agents, tokens_per_day, expires_in_ms, person, certificate, tailnet) = Default::default();
    let (name, scopes) = ("program".to_owned(), scopes.iter().copied().collect());
    CreateToken { name, scopes, agents, tokens_per_day, expires_in_ms, person, certificate, tailnet }
}

fn for_main(scopes: &[Scope]) -> CreateToken {
    CreateToken { agents: Some(["main".to_owned()].into()), ..create(scopes) }
}

async fn token(house: &House, create: CreateToken) -> String {
    house.does(create).await.unwrap().token.unwrap()
}

/// Asks for events; the answer, whose body is still to come.
async fn begins(house: &House, token: &str, method: Method, path: &str) -> axum::response::Response {
    let request = Request::builder().method(method.clone()).uri(path).header("host", "localhost");
    let request = request.header("authorization", format!("Bearer {token}")).header("accept", "text/event-stream");
    let body = if method == Method::POST { Body::from("{}") } else { Body::empty() };
    let mut request = request.header("content-type", "application/json").body(body).unwrap();
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
    let run = BeginRun {
        run: BeginRun::fresh().unwrap(),
        session: None,
        by: Respondent { model: "rehearsal:script".into(), ..Respondent::default() },
        message: vec![Piece::of(Words::Typed, "tell me later")],
        attachments: Vec::new(),
        compact: false,
        present: false,
    };
    house.does(run).await.unwrap();
    let waiting = async || house.does(ListOutbox { state: None, limit: 50 }).await.unwrap();
    while waiting().await.first().is_none_or(|row| row.error.is_none()) {
        tokio::task::yield_now().await;
    }
    for limited in [create(&[Scope::Chat]), for_main(&[Scope::Chat, Scope::Read])] {
        let token = token(&house, limited).await;
        let told = whole(begins(&house, &token, Method::POST, "/control/v1/chat").await).await;
        assert!(told.contains("event: view") && !told.contains("for the owner"), "{told}");
        assert_eq!(waiting().await.len(), 1, "it still waits for its reader");
    }
    let token = token(&house, create(&[Scope::Chat, Scope::Read])).await;
    let told = whole(begins(&house, &token, Method::POST, "/control/v1/chat").await).await;
    assert!(told.contains("for the owner"), "{told}");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_of_the_home_are_for_who_may_read_everything() {
    let house = House::new(SCRIPT, "").await;
    let (limited, reads) = (token(&house, for_main(&[Scope::Read])).await, token(&house, create(&[Scope::Read])).await);
    let path = "/control/v1/events";
    let (limited, reads) =
        (begins(&house, &limited, Method::GET, path).await, begins(&house, &reads, Method::GET, path).await);
    house.application.events().note("what the home did");
    house.application.events().end();
    let (limited, reads) = (whole(limited).await, whole(reads).await);
    assert!(limited.contains("event: view") && !limited.contains("what the home did"), "{limited}");
    assert!(reads.contains("what the home did"), "{reads}");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_hears_the_home_as_http_does_and_is_for_no_guest() {
    let house = House::new(SCRIPT, "").await;
    house.knows("gus", PersonRole::Guest, "gus").await;
    let local = vec!["127.0.0.1:0".parse().unwrap()];
    let gateway = Gateway::open(&house.application, router(house.application.clone()), Some(local)).await.unwrap();
    let reachable = house.does(ShowStatus {}).await.unwrap().reachable.unwrap();
    let address: SocketAddr = reachable.listening[0].parse().unwrap();
    let shows = |token: String| format!("authorization: Bearer {token}\r\n");
    let guests = CreateToken { person: Some("gus".into()), ..create(&[Scope::Chat]) };
    let refused = Client::answered_at(address, &shows(token(&house, guests).await)).await;
    assert!(refused.starts_with("http/1.1 403"), "{refused}");
    let is_note = |message: &Value| message["params"]["event"]["text"] == "what the home did";
    for (create, hears) in [(create(&[Scope::Read]), true), (for_main(&[Scope::Read]), false)] {
        let mut client = Client::open_at(address, &shows(token(&house, create).await)).await;
        client.asks("changes.follow", json!({})).await;
        assert_eq!(client.message().await["params"]["event"]["type"], "position");
        house.application.events().note("what the home did");
        if hears {
            assert!(is_note(&client.message().await));
        }
        let (events, _) = client.calls("ready", json!({})).await;
        assert!(!events.iter().any(|event| is_note(&json!({ "params": event }))), "{events:?}");
    }
    gateway.close().await;
    house.close().await;
}
