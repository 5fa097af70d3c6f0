//! Coming in: a browser with a code, a device with its key.

use super::house::{House, bearer, get, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cara_authority::Scope;
use cara_control::{pairing_message, session_message};
use ed25519_dalek::pkcs8::EncodePublicKey;
use ed25519_dalek::{Signer, SigningKey};
use http::StatusCode;
use serde_json::json;

const HOST: &str = "localhost:18789";

#[tokio::test]
async fn a_browser_comes_in_with_a_code_once_and_its_cookie_is_its_own() {
    let house = House::new("");
    let code = house.code(&[Scope::Read, Scope::Chat]).await;
    let login = || post("/login", &[], &json!({ "code": code.to_uppercase() }));
    let entered = house.ask(login()).await;
    assert_eq!(entered.status, StatusCode::OK, "{entered:?}");
    assert_eq!(house.ask(login()).await.status, StatusCode::UNAUTHORIZED, "the code is spent");
    let cookie = entered.header("set-cookie");
    for part in ["cara=", "; Path=/", "; HttpOnly", "; SameSite=Strict", "; Max-Age=4"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Domain") && !entered.text.contains(&entered.cookie()["cara=".len()..]));
    let session = house.ask(get("/session", &[("cookie", &entered.cookie())])).await.json();
    assert_eq!((&session["scopes"], &session["csrf"]), (&json!(["read", "chat"]), &entered.json()["csrf"]));
    // Who comes in again gives the session before back.
    let code = house.code(&[Scope::Read]).await;
    let again = [("cookie", entered.cookie()), ("origin", format!("http://{HOST}"))];
    let again: Vec<(&str, &str)> = again.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let again = house.ask(post("/login", &again, &json!({ "code": code }))).await;
    assert!(again.status == StatusCode::OK && again.cookie() != entered.cookie());
    assert_eq!(house.ask(get("/session", &[("cookie", &entered.cookie())])).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_device_pairs_with_a_code_and_comes_in_with_its_key() {
    let (house, key) = (House::new(""), SigningKey::from_bytes(&[7; 32]));
    let sign = |message: &[u8]| STANDARD.encode(key.sign(message).to_bytes());
    let spki = STANDARD.encode(key.verifying_key().to_public_key_der().unwrap().as_bytes());
    let code = house.code(&[Scope::Chat]).await;
    let pair = |signature: &str| {
        post(
            "/devices/pair",
            &[],
            &json!({ "code": code, "name": "Anna's phone", "key": spki, "signature": signature }),
        )
    };
    assert_eq!(house.ask(pair(&sign(b"x"))).await.status, StatusCode::UNAUTHORIZED);
    let paired = house.ask(pair(&sign(&pairing_message(HOST, &code)))).await;
    assert_eq!(paired.status, StatusCode::OK, "{paired:?}");
    let device = paired.json()["device"].as_str().unwrap().to_owned();

    let challenge = house.ask(post("/devices/challenge", &[], &json!({ "device": device }))).await.json();
    let challenge = challenge["challenge"].as_str().unwrap();
    let enter = |host: &str, signature: &str| {
        let body = json!({ "device": device, "challenge": challenge, "signature": signature });
        post("/devices/session", &[("host", host)], &body)
    };
    let right = sign(&session_message(HOST, &device, challenge));
    // What was signed for this host counts for nothing at another one.
    assert_eq!(house.ask(enter("127.0.0.1:18789", &right)).await.status, StatusCode::UNAUTHORIZED);
    let entered = house.ask(enter(HOST, &right)).await;
    assert_eq!(entered.status, StatusCode::OK, "{entered:?}");
    assert_eq!(house.ask(enter(HOST, &right)).await.status, StatusCode::UNAUTHORIZED, "played again");
    let session = house.ask(get("/session", &[("cookie", &entered.cookie())])).await.json();
    assert_eq!(session["scopes"], json!(["chat"]));
    // Whether there is such a device is not told.
    let asked = house.ask(post("/devices/challenge", &[], &json!({ "device": "c-nobody" }))).await;
    assert_eq!((asked.status, asked.json()["challenge"].as_str().unwrap().len()), (StatusCode::OK, challenge.len()));
}

#[tokio::test]
async fn what_is_no_session_of_a_browser_is_not_left() {
    let house = House::new("");
    let (_, token) = house.token(&[Scope::Read]).await;
    let shown = bearer(&token);
    let headers = [("authorization", shown.as_str())];
    let left = house.ask(post("/logout", &headers, &json!({}))).await;
    assert_eq!(left.status, StatusCode::FORBIDDEN, "{left:?}");
    assert!(left.text.contains("only a session of a browser is left"), "{left:?}");
    assert_eq!(house.ask(get("/session", &headers)).await.status, StatusCode::OK);
}
