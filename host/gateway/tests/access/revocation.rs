//! What was taken back bites: what goes on ends, and nothing begins.

use super::house::{House, bearer, get, near, new_token, post};
use cara_authority::{Principal, Scope};
use cara_control::page_password::{RemovePagePassword, SetPagePassword};
use cara_control::tls::{IssueCertificate, ListCertificates, MakeAuthority, RevokeCertificate};
use cara_control::tokens::{CreateToken, RevokeToken, RotateToken};
use cara_control::vault::MakeVault;
use cara_control::{Events, Prepared};
use cara_gateway::{ClientCertificate, Peer};
use http::StatusCode;
use http_body_util::BodyExt;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// A stream that has no end of its own.
async fn follow(house: &House, headers: &[(&str, &str)]) -> axum::body::Body {
    follow_as(house, near(), headers).await
}

async fn follow_as(house: &House, peer: Peer, headers: &[(&str, &str)]) -> axum::body::Body {
    let headers = [headers, &[("accept", "text/event-stream")]].concat();
    let answer = house.begin(peer, get("/control/v1/events", &headers)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    answer.into_body()
}

/// Whether a stream breaks off, within the second that is promised.
async fn ends(body: axum::body::Body) -> bool {
    let cut = timeout(Duration::from_secs(1), body.collect()).await;
    // It is cut, so that nobody takes it for whole.
    matches!(cut, Ok(Err(_)))
}

#[tokio::test]
async fn revoke_and_rotate_end_streams_and_refuse_what_comes_after() {
    for rotate in [false, true] {
        let house = House::new("");
        let (id, token) = house.token(&[Scope::Read]).await;
        let (_, other) = house.token(&[Scope::Read]).await;
        let (token, other) = (bearer(&token), bearer(&other));
        let (own, of_other) = ([("authorization", token.as_str())], [("authorization", other.as_str())]);
        let streams = [follow(&house, &own).await, follow(&house, &own).await];
        let goes_on = follow(&house, &of_other).await;
        match rotate {
            true => drop(house.doing(RotateToken { id }).await),
            false => drop(house.doing(RevokeToken { id }).await),
        }
        for stream in streams {
            assert!(ends(stream).await);
        }
        assert_eq!(house.ask(get("/control/v1/ready", &own)).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(house.ask(get("/control/v1/ready", &of_other)).await.status, StatusCode::OK);
        let still = timeout(Duration::from_millis(50), goes_on.collect()).await;
        assert!(still.is_err(), "that of another credential goes on");
    }
}

#[tokio::test]
async fn a_session_ends_with_the_password_that_let_it_in_and_with_a_logout() {
    let house = House::new("");
    let password = "a long password";
    house.doing(SetPagePassword { password: password.to_owned() }).await;
    let login = async || {
        let entered = house.ask(post("/login", &[], &json!({ "password": password }))).await;
        (entered.cookie(), entered.json()["csrf"].as_str().unwrap().to_owned())
    };
    let ((first, _), (second, csrf)) = (login().await, login().await);
    let streams = [follow(&house, &[("cookie", &first)]).await, follow(&house, &[("cookie", &second)]).await];
    let [of_first, of_second] = streams;
    let own = [("cookie", second.as_str()), ("origin", "http://localhost:18789"), ("x-csrf-token", &csrf)];
    let out = house.ask(post("/logout", &own, &json!({}))).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    assert!(ends(of_second).await);
    assert_eq!(house.ask(get("/session", &[("cookie", &second)])).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(house.ask(get("/session", &[("cookie", &first)])).await.status, StatusCode::OK);
    house.doing(RemovePagePassword {}).await;
    assert!(ends(of_first).await);
    assert_eq!(house.ask(get("/session", &[("cookie", &first)])).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_certificate_that_is_revoked_is_no_credential_any_more_and_what_it_began_ends() {
    let house = House::new("[vault]\nstore = 'file'");
    house.doing(MakeVault { password: "a long password".to_owned() }).await;
    house.doing(MakeAuthority { name: None }).await;
    let mut peers = Vec::new();
    for name in ["laptop", "tablet"] {
        let issue = IssueCertificate { name: name.to_owned(), client: true, days: None, names: Vec::new() };
        let issued = house.doing(issue).await;
        let pem = std::fs::read_to_string(&issued.certificate).unwrap();
        house.doing(CreateToken { name: name.into(), certificate: Some(pem), ..new_token(&[Scope::Read]) }).await;
        let certificate = ClientCertificate { fingerprint: issued.fingerprint, subject: format!("CN={name}") };
        peers.push(Peer { tls: true, certificate: Some(Arc::new(certificate)), ..near() });
    }
    let [laptop, tablet] = &peers[..] else { panic!("two") };
    let (stream, other) = (follow_as(&house, laptop.clone(), &[]).await, follow_as(&house, tablet.clone(), &[]).await);
    house.doing(RevokeCertificate { certificate: "laptop".to_owned() }).await;
    assert!(ends(stream).await);
    let ready = async |peer: &Peer| house.ask_as(peer.clone(), get("/control/v1/ready", &[])).await.status;
    assert_eq!((ready(laptop).await, ready(tablet).await), (StatusCode::UNAUTHORIZED, StatusCode::OK));
    assert!(timeout(Duration::from_millis(50), other.collect()).await.is_err(), "that of another goes on");
}

#[tokio::test]
async fn the_certificate_that_the_daemon_shows_is_not_revoked() {
    let house = House::new("[vault]\nstore = 'file'");
    house.doing(MakeVault { password: "a long password".to_owned() }).await;
    house.doing(MakeAuthority { name: None }).await;
    let shown = house.doing(ListCertificates {}).await;
    for certificate in [shown[0].name.clone(), shown[0].serial.clone()] {
        let (by, revoke) = (Principal::of_account("a test"), RevokeCertificate { certificate });
        let refused = Prepared::of(revoke).run(house.application.clone(), by, Events::nobody()).await.unwrap_err();
        assert!(refused.message.contains("is the certificate of the daemon") && refused.hint.is_some(), "{refused}");
    }
    assert_eq!(house.doing(ListCertificates {}).await, shown);
}
