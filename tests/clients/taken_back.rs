//! What a credential began ends when it is taken back, and not when whoever
//! has it leaves; and what it says of its words is not believed.

use super::served::Served;
use crate::people::house::token;
use axum::Router;
use axum::body::Body;
use cara_assistant::part::Part;
use cara_authority::{Label, Principal, RunId, Scope, Source};
use cara_control::devices::PairDevice;
use cara_control::runs::{BeginRun, Ended, FollowRun, StopRun};
use cara_control::sessions::DeleteSession;
use cara_control::tokens::{CreateToken, RevokeToken};
use cara_control::{Events, Operation};
use cara_gateway::{Peer, router};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;
use tower::ServiceExt;

const SOON: Duration = Duration::from_secs(20);

/// Somebody with a token, as they ask over TCP.
struct Holder {
    id: String,
    token: String,
    router: Router,
}

async fn owner<O: Operation>(served: &Served, operation: O) -> cara_control::Result<O::View> {
    operation.run(&served.application, &Principal::of_account("a test"), &Events::nobody()).await
}

impl Holder {
    async fn of(served: &Served, scopes: &[Scope], agents: Option<&str>) -> Self {
        let agents = agents.map(|agent| [agent.to_owned()].into());
        let create = CreateToken { agents, ..token(scopes) };
        let made = owner(served, create).await.unwrap();
        let router = router(served.application.clone());
        Self { id: made.credential.id, token: made.token.unwrap(), router }
    }

    async fn asks(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let request = Request::builder().method(method).uri(path).header("host", "localhost");
        let request = request.header("authorization", format!("Bearer {}", self.token));
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let mut request = request.header("content-type", "application/json").body(body).unwrap();
        request.extensions_mut().insert(Peer::default());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    async fn is_taken_back(&self, served: &Served) {
        owner(served, RevokeToken { id: self.id.clone() }).await.unwrap();
    }
}

fn begin(run: &str, message: &Value) -> Value {
    json!({ "run": run, "by": { "model": "rehearsal:script" }, "message": message })
}

/// Waits until a run is under way.
async fn is_begun(served: &Served, run: &str) {
    let (records, id) = (served.application.records().await.unwrap(), RunId::parse(run).unwrap());
    let begun = async {
        while records.run(&id).await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, begun).await.expect("it begins");
}

async fn follows(served: &Served, run: &str) -> cara_control::Result<Ended> {
    owner(served, FollowRun { run: run.to_owned(), after: 0 }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_revoked_token_had_worked_at_in_the_background_is_stopped() {
    let served = Served::new().await;
    let [stolen, other] =
        [Holder::of(&served, &[Scope::Chat], None).await, Holder::of(&served, &[Scope::Chat], None).await];
    let mut paths = Vec::new();
    for holder in [&stolen, &other] {
        let body = json!({ "model": "rehearsal:script", "input": "go on for ever", "background": true });
        let (status, begun) = holder.asks(Method::POST, "/v1/responses", Some(body)).await;
        assert_eq!((status, &begun["status"]), (StatusCode::OK, &json!("in_progress")), "{begun}");
        paths.push(format!("/v1/responses/{}", begun["id"].as_str().unwrap()));
    }
    stolen.is_taken_back(&served).await;
    let ended = async {
        loop {
            let (_, now) = other.asks(Method::GET, &paths[0], None).await;
            if now["status"] != "in_progress" {
                break now["status"].clone();
            }
            tokio::task::yield_now().await;
        }
    };
    assert_eq!(timeout(SOON, ended).await.expect("it ends"), "cancelled");
    let (_, goes_on) = other.asks(Method::GET, &paths[1], None).await;
    assert_eq!(goes_on["status"], "in_progress", "that of another goes on");
    other.asks(Method::POST, &format!("{}/cancel", paths[1]), None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_a_revoked_token_is_stopped_and_one_of_a_session_that_was_left_goes_on() {
    let served = Served::new().await;
    let stolen = Holder::of(&served, &[Scope::Chat], None).await;
    let message = json!([{ "words": "typed", "text": "go on for ever" }]);
    let asking = stolen.asks(Method::POST, "/control/v1/runs", Some(begin("r-aaaaaaaaaa", &message)));
    let taken_back = async {
        is_begun(&served, "r-aaaaaaaaaa").await;
        stolen.is_taken_back(&served).await;
        timeout(SOON, follows(&served, "r-aaaaaaaaaa")).await.expect("it ends").unwrap()
    };
    let (_, ended) = tokio::join!(asking, taken_back);
    assert!(matches!(&ended, Ended::Error(failure) if failure.kind == "cancelled"), "{ended:?}");

    let pair = PairDevice {
        name: "browser".into(),
        scopes: [Scope::Chat].into(),
        agents: None,
        tokens_per_day: None,
        person: None,
    };
    let code = owner(&served, pair).await.unwrap().code;
    let entered = served.application.enter_by_code(&code, "x").await.unwrap().unwrap();
    let (by, run) = (entered.session.principal("x"), serde_json::from_value(begin("r-bbbbbbbbbb", &message)).unwrap());
    let run: BeginRun = run;
    let application = served.application.clone();
    let asking = tokio::spawn(async move { run.run(&application, &by, &Events::nobody()).await });
    is_begun(&served, "r-bbbbbbbbbb").await;
    served.application.leave(&entered.session, "x").await.unwrap();
    let ended = timeout(Duration::from_millis(300), follows(&served, "r-bbbbbbbbbb")).await;
    assert!(ended.is_err(), "{ended:?}");
    owner(&served, StopRun { run: "r-bbbbbbbbbb".into() }).await.unwrap();
    asking.await.unwrap().unwrap();
}

/// The label of what was said in a run.
async fn label_of(served: &Served, run: &str) -> Label {
    let records = served.application.records().await.unwrap();
    let session = records.run(&RunId::parse(run).unwrap()).await.unwrap().unwrap().session;
    let first = records.messages(&session, 1, 1).await.unwrap().remove(0);
    let parts: Vec<Part> = serde_json::from_value(first.body).unwrap();
    parts[0].label.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_says_nothing_in_the_persons_place_that_its_holder_could_not_allow() {
    let served = Served::new().await;
    let talks = Holder::of(&served, &[Scope::Chat], None).await;
    let allows = Holder::of(&served, &[Scope::Chat, Scope::Approve], None).await;
    let mut number = 0;
    let mut said = async |holder: Option<&Holder>, words: &str, label: &str| {
        number += 1;
        let run = format!("r-aaaaaaaaa{}", char::from(b'a' + number));
        let message = json!([{ "words": words, "text": "say hello", "label": label }]);
        match holder {
            Some(holder) => {
                let (status, ended) = holder.asks(Method::POST, "/control/v1/runs", Some(begin(&run, &message))).await;
                assert_eq!((status, &ended["type"]), (StatusCode::OK, &json!("done")), "{ended}");
            }
            None => {
                let begin: BeginRun = serde_json::from_value(begin(&run, &message)).unwrap();
                owner(&served, begin).await.unwrap();
            }
        }
        label_of(&served, &run).await
    };
    let (own, model) = (Label::of(Source::Owner), Label::of(Source::Model));
    // Only who may say yes may say that the person typed it.
    for words in ["typed", "pasted", "file", "composed"] {
        let label = said(Some(&talks), words, "none").await;
        assert!(!label.has(Source::Owner) && label.includes(&Label::UNKNOWN), "{words}: {label}");
    }
    assert_eq!(said(Some(&allows), "typed", "none").await, own);
    assert_eq!(said(None, "typed", "none").await, own);
    // What a program says that its words are made of takes nothing away.
    for label in ["none", "model", "operator"] {
        let label = said(Some(&allows), "composed", label).await;
        assert!(label.includes(&Label::UNKNOWN), "{label}");
    }
    assert_eq!(said(None, "composed", "model").await, model);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_another_agent_is_not_followed_and_one_that_was_deleted_by_nobody() {
    let served = Served::with("[agent.helper]\nsystem = 'help'").await;
    let (talks, helper) =
        (Holder::of(&served, &[Scope::Chat], None).await, Holder::of(&served, &[Scope::Chat], Some("helper")).await);
    let message = json!([{ "words": "typed", "text": "say hello" }]);
    let (status, _) = talks.asks(Method::POST, "/control/v1/runs", Some(begin("r-aaaaaaaaaa", &message))).await;
    assert_eq!(status, StatusCode::OK);
    let follow = "/control/v1/runs/r-aaaaaaaaaa/events";
    assert_eq!(talks.asks(Method::GET, follow, None).await.0, StatusCode::OK);
    assert_eq!(helper.asks(Method::GET, follow, None).await.0, StatusCode::FORBIDDEN);
    let records = served.application.records().await.unwrap();
    let session = records.run(&RunId::parse("r-aaaaaaaaaa").unwrap()).await.unwrap().unwrap().session;
    owner(&served, DeleteSession { id: session.to_string() }).await.unwrap();
    for holder in [&talks, &helper] {
        assert_eq!(holder.asks(Method::GET, follow, None).await.0, StatusCode::NOT_FOUND);
    }
}
