//! Logging in: where a login and a token go, and where they never go.

use crate::fixture::{Asked, Fixture, Step, answer, ok, redirect};
use crate::package::signed;
use crate::shelf::{NAME, Shelf};
use cara_packages::Credentials;
use cara_services::vault::SecretValue;
use std::sync::Arc;

const PASSWORD: &str = "hunter2-hunter2";
/// base64("me:hunter2-hunter2")
const BASIC: &str = "Basic bWU6aHVudGVyMi1odW50ZXIy";
const PUBLIC: &str = "oci://plugins.example.com/acme/weather:1.0.0";

fn login() -> Credentials {
    let password = Arc::new(SecretValue::new(PASSWORD.as_bytes().to_vec()).unwrap());
    Credentials::Basic { user: "me".into(), password }
}

fn unauthorized(challenge: &str) -> Vec<Step> {
    answer("401 Unauthorized", &format!("www-authenticate: {challenge}\r\ncontent-length: 0\r\n"), b"")
}

/// A registry that wants `wanted` in `authorization`, and asks for it with `challenge`; `other` answers everywhere else.
fn guarded(
    challenge: &'static str,
    wanted: &'static str,
    other: impl Fn(&Asked) -> Vec<Step> + Send + Sync + 'static,
) -> Fixture {
    let shelf = Shelf::signed();
    Fixture::new(move |asked| match asked.path.starts_with("/v2/") {
        true if asked.header("authorization") == Some(wanted) => shelf.serve(asked),
        true => unauthorized(challenge),
        false => other(asked),
    })
}

#[tokio::test]
async fn a_token_is_had_without_a_login_and_used_for_all_that_follows() {
    let challenge =
        "Bearer realm=\"https://auth.example.com/token\",service=\"reg istry\",scope=\"repository:everything:*\"";
    let fixture = guarded(challenge, "Bearer a.b-c", |_| ok(br#"{"token":"a.b-c"}"#));
    fixture.fetch(PUBLIC).await.unwrap();
    let tokens: Vec<Asked> = fixture.asked().into_iter().filter(|asked| asked.host == "auth.example.com").collect();
    assert_eq!(tokens.len(), 1, "{:?}", fixture.lines());
    assert_eq!(
        tokens[0].path, "/token?scope=repository%3Aacme%2Fweather%3Apull&service=reg%20istry",
        "the scope is what is needed, not what the registry says"
    );
    assert_eq!(tokens[0].header("authorization"), None);
}

#[tokio::test]
async fn a_login_goes_to_the_registry_or_to_its_token_server() {
    let mut fixture = guarded("Basic realm=\"x\"", BASIC, |_| unreachable!());
    fixture.credentials = login();
    fixture.fetch(PUBLIC).await.unwrap();
    let challenge = "Bearer realm=\"https://auth.example.com/token\"";
    let mut fixture = guarded(challenge, "Bearer abc", |asked| match asked.header("authorization") {
        Some(BASIC) => ok(br#"{"access_token":"abc"}"#),
        _ => unauthorized("Basic"),
    });
    fixture.credentials = login();
    fixture.fetch(PUBLIC).await.unwrap();
    let basic = |asked: &&Asked| asked.header("authorization") == Some(BASIC);
    assert!(
        fixture.asked().iter().filter(basic).all(|asked| asked.host == "auth.example.com"),
        "{:?}",
        fixture.lines()
    );
    let mut fixture =
        guarded("Bearer realm=\"https://auth.example.com/token\"", "Bearer hunter2-hunter2", |_| unreachable!());
    fixture.credentials = Credentials::Bearer(Arc::new(SecretValue::new(PASSWORD.into()).unwrap()));
    fixture.fetch(PUBLIC).await.unwrap();
}

#[tokio::test]
async fn neither_login_nor_token_follows_a_redirect_to_another_server() {
    for (challenge, wanted) in
        [("Basic realm=\"x\"", BASIC), ("Bearer realm=\"https://auth.example.com/token\"", "Bearer abc")]
    {
        let (package, shelf) = (signed("1.0.0", 0).0, Shelf::signed());
        let (wasm, blob) = (package.bytes().to_vec(), format!("/v2/acme/weather/blobs/{}", package.digest()));
        let mut fixture = Fixture::new(move |asked| match asked.host.as_str() {
            "auth.example.com" => ok(br#"{"token":"abc"}"#),
            "cdn.example.com" => ok(&wasm),
            _ if asked.header("authorization") != Some(wanted) => unauthorized(challenge),
            _ if asked.path == blob => redirect("https://cdn.example.com/blob?signature=x"),
            _ => shelf.serve(asked),
        });
        fixture.credentials = login();
        assert_eq!(fixture.fetch(PUBLIC).await.unwrap().wasm, *package.bytes());
        let there: Vec<Asked> = fixture.asked().into_iter().filter(|asked| asked.host == "cdn.example.com").collect();
        assert_eq!(there.len(), 1);
        assert_eq!(there[0].header("authorization"), None, "{challenge}");
    }
}

#[tokio::test]
async fn a_registry_that_is_never_satisfied_is_left() {
    let fixture = Fixture::new(|_| unauthorized("Basic realm=\"x\""));
    insta::assert_snapshot!(fixture.refused(NAME).await, @"
    `http://127.0.0.1:5000` wants a login for this
    hint: log in with a user name and a password or token of that registry
    ");
    assert_eq!(fixture.asked().len(), 1);
    let mut fixture = Fixture::new(|_| unauthorized("Basic realm=\"x\""));
    fixture.credentials = login();
    insta::assert_snapshot!(fixture.refused(NAME).await, @"
    `http://127.0.0.1:5000` does not accept the login for this
    hint: check user name, password and what they may do there
    ");
    assert_eq!(fixture.asked().len(), 2);
    let fixture = Fixture::new(|asked| match asked.path.starts_with("/v2/") {
        true => unauthorized("Bearer realm=\"http://127.0.0.1:5000/token\""),
        false => ok(br#"{"token":"abc"}"#),
    });
    assert!(fixture.refused(NAME).await.contains("does not accept the login"));
    assert_eq!(fixture.asked().len(), 3, "{:?}", fixture.lines());
    let fixture = Fixture::new(|_| unauthorized("Negotiate"));
    insta::assert_snapshot!(fixture.refused(NAME).await, @"
    `http://127.0.0.1:5000` does not say how to log in
    hint: ask whoever runs that registry for `Bearer` or `Basic`
    ");
}

#[tokio::test]
async fn a_token_server_is_judged_like_every_place_an_answer_leads_to() {
    for realm in [
        "http://127.0.0.1:5000/token",
        "https://10.0.0.1/token",
        "https://169.254.169.254/latest",
        "http://auth.example.com/token",
        "https://localhost/token",
        "file:///etc/passwd",
    ] {
        let mut fixture = Fixture::new(move |_| unauthorized(&format!("Bearer realm=\"{realm}\"")));
        fixture.credentials = login();
        let text = fixture.refused(PUBLIC).await;
        assert!(text.starts_with("`https://plugins.example.com` leads to "), "{realm}: {text}");
        assert_eq!(fixture.asked().len(), 1, "{realm}: {:?}", fixture.lines());
    }
    let fixture = Fixture::new(|_| unauthorized("Bearer realm=\"https://192.168.0.1/token\""));
    insta::assert_snapshot!(fixture.refused(PUBLIC).await, @"
    `https://plugins.example.com` leads to `https://192.168.0.1`, but cara may not reach `https://192.168.0.1`: the address is private (RFC 1918)
    hint: do not trust that server
    ");
    let fixture = Fixture::new(|_| unauthorized("Bearer realm=\"https://inside.example.com/token\""));
    insta::assert_snapshot!(fixture.refused(PUBLIC).await, @"cara may not reach `https://inside.example.com`: it resolves to `10.0.0.1`, which is private (RFC 1918)");
}

#[tokio::test]
async fn a_token_server_that_gives_none_is_named() {
    let token = |answered: fn() -> Vec<Step>| {
        guarded("Bearer realm=\"https://auth.example.com/token\"", "Bearer x", move |_| answered())
    };
    insta::assert_snapshot!(token(|| ok(b"{}")).refused(PUBLIC).await, @"
    `https://auth.example.com` gave no token
    hint: check the login, or try again later
    ");
    assert!(token(|| ok(br#"{"token":"a\nb"}"#)).refused(PUBLIC).await.contains("gave no token"));
    insta::assert_snapshot!(token(|| unauthorized("Basic")).refused(PUBLIC).await, @"
    `https://plugins.example.com` wants a login for this
    hint: log in with a user name and a password or token of that registry
    ");
    let text = token(|| ok(&vec![b' '; 64 * 1024 + 1])).refused(PUBLIC).await;
    assert!(text.contains("auth.example.com/token` is larger than 65536 bytes"), "{text}");
}
