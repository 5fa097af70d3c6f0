//! Guessing: from this machine too, one after another and all at once.

use super::house::{House, bearer, from, get, near, post};
use cara_authority::Scope;
use cara_control::page_password::SetPagePassword;
use http::StatusCode;
use serde_json::json;
use std::time::Duration;
use tokio::time::timeout;

const PASSWORD: &str = "a long password";

async fn with_password(config: &str) -> House {
    let house = House::new(config);
    house.doing(SetPagePassword { password: PASSWORD.to_owned() }).await;
    house
}

#[tokio::test]
async fn a_password_is_guessed_ten_times_from_one_place_this_machine_too() {
    let house = with_password("").await;
    let login = |password: &str| post("/login", &[], &json!({ "password": password }));
    for number in 0..10 {
        assert_eq!(house.ask(login(&format!("guess {number}"))).await.status, StatusCode::UNAUTHORIZED);
    }
    for password in ["another guess", PASSWORD] {
        let answer = house.ask(login(password)).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "the right one is not looked at either");
        let wait: u64 = answer.header("retry-after").parse().unwrap();
        assert!((1..=600).contains(&wait));
    }
    // The other address of this machine is another source; elsewhere one comes in.
    let entered = house.ask_as(from("192.0.2.7:1"), login(PASSWORD)).await;
    assert_eq!(entered.status, StatusCode::OK);
    // Codes are guesses like any other.
    let code = post("/login", &[], &json!({ "code": "aaaa-bbbb-cccc" }));
    assert_eq!(house.ask(code).await.status, StatusCode::TOO_MANY_REQUESTS);
    let pair = json!({ "code": "a", "name": "", "key": "x", "signature": "x" });
    assert_eq!(house.ask(post("/devices/pair", &[], &pair)).await.status, StatusCode::TOO_MANY_REQUESTS);
    // A signature cannot be guessed: whoever guesses passwords keeps no device out.
    let answer = json!({ "device": "c-a", "challenge": "x", "signature": "x" });
    let signed = || post("/devices/session", &[], &answer);
    for _ in 0..10 {
        assert_eq!(house.ask(signed()).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(house.ask(signed()).await.status, StatusCode::TOO_MANY_REQUESTS);
    // Who has a credential comes in all the same.
    let (_, token) = house.token(&[Scope::Read]).await;
    let asked = get("/control/v1/ready", &[("authorization", &bearer(&token))]);
    assert_eq!(house.ask(asked).await.status, StatusCode::OK);
    let why = house.refusals(25).await;
    assert_eq!(why.iter().filter(|why| *why == "wrong").count(), 20);
    assert_eq!(why.iter().filter(|why| *why == "too-often").count(), 5);
}

#[tokio::test]
async fn no_field_of_a_request_switches_the_count_off() {
    let house = with_password("").await;
    for body in [
        json!({ "password": "x", "remember": true }),
        json!({ "password": "x", "code": "y" }),
        json!({ "password": null }),
        json!({ "password": ["x"] }),
        json!({}),
        json!([]),
        json!("x"),
    ] {
        let answer = house.ask(post("/login", &[], &body)).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (StatusCode::BAD_REQUEST, ""), "{body}");
    }
    let large = post("/login", &[], &json!({ "password": "x".repeat(100_000) }));
    assert_eq!(house.ask(large).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    // None of them was looked at; those that are looked at count.
    for _ in 0..10 {
        house.ask(post("/login", &[("x-forwarded-for", "1.1.1.1")], &json!({ "password": "x" }))).await;
    }
    let right = post("/login", &[("x-forwarded-for", "2.2.2.2")], &json!({ "password": PASSWORD }));
    assert_eq!(house.ask(right).await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_guesses_at_once_are_no_more_than_so_many() {
    let house = with_password("").await;
    let guesses =
        (0..60).map(|number| house.ask(post("/login", &[], &json!({ "password": format!("guess {number}") }))));
    let answers = futures_util::future::join_all(guesses).await;
    let looked_at = answers.iter().filter(|answer| answer.status == StatusCode::UNAUTHORIZED).count();
    assert_eq!(looked_at, 10);
    assert!(answers.iter().all(|answer| answer.status != StatusCode::OK));
}

#[tokio::test]
async fn guesses_from_everywhere_are_counted_together() {
    let house = with_password("[gateway.access.attempts]\nper-source = 3\nin-all = 6").await;
    let login = || post("/login", &[], &json!({ "code": "aaaa-bbbb-cccc" }));
    for number in 0..6 {
        let peer = from(&format!("192.0.2.{number}:1"));
        assert_eq!(house.ask_as(peer, login()).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(house.ask_as(from("192.0.2.99:1"), login()).await.status, StatusCode::TOO_MANY_REQUESTS);
    // With IPv6, one network is one source.
    let house = with_password("[gateway.access.attempts]\nper-source = 3").await;
    for number in 0..3 {
        house.ask_as(from(&format!("[2001:db8::{number}]:1")), login()).await;
    }
    assert_eq!(house.ask_as(from("[2001:db8::99]:1"), login()).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(house.ask_as(from("[2001:db8:0:1::1]:1"), login()).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_old_token_of_a_program_does_not_keep_its_owner_from_the_password() {
    let house = with_password("").await;
    let asked = || get("/control/v1/ready", &[("authorization", "Bearer cara_old")]);
    for _ in 0..10 {
        assert_eq!(house.ask(asked()).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(house.ask(asked()).await.status, StatusCode::TOO_MANY_REQUESTS);
    let login = post("/login", &[], &json!({ "password": PASSWORD }));
    assert_eq!(house.ask_as(near(), login).await.status, StatusCode::OK);
}

#[tokio::test]
async fn refusals_that_cost_nothing_leave_room_in_the_audit_log_for_guesses() {
    let house = with_password("").await;
    for _ in 0..210 {
        assert_eq!(house.ask(get("/", &[])).await.status, StatusCode::UNAUTHORIZED);
    }
    for login in [json!({ "password": "x" }), json!({ "code": "aaaa-bbbb-cccc" })] {
        let answer = house.ask(post("/login", &[], &login)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(!answer.text.contains("device pair") || login["code"].is_string(), "{answer:?}");
    }
    let why = timeout(Duration::from_secs(60), house.refusals(202)).await.expect("the guesses are noted");
    assert_eq!(why.iter().filter(|why| *why == "wrong").count(), 2);
}
