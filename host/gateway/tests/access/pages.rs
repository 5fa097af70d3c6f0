//! What a page in a browser cannot do, wherever it comes from.

use super::house::{House, bearer, from, get, near, post, request};
use cara_authority::Scope;
use cara_gateway::Peer;
use http::{Method, StatusCode};
use serde_json::json;

const OWN: &str = "http://localhost:18789";
const READY: &str = "/control/v1/ready";
const STOP: &str = "/control/v1/runs/r-aaaaaaaaaa/stop";

const WEBSOCKET: [(&str, &str); 4] = [
    ("connection", "upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

#[tokio::test]
async fn a_page_cannot_drive_the_gateway() {
    let house = House::new("");
    let (_, token) = house.token(Scope::ALL).await;
    let (cookie, csrf) = house.browser(Scope::ALL).await;
    let token = bearer(&token);
    // Even with the right token: a page that has it is no page of ours.
    let shown = [vec![("authorization", token.as_str())], vec![("cookie", cookie.as_str()), ("x-csrf-token", &csrf)]];
    let foreign: [&[(&str, &str)]; 14] = [
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", "")],
        &[("origin", "http://localhost")],
        &[("origin", "http://localhost:1")],
        &[("origin", "https://localhost:18789")],
        &[("origin", "http://localhost:18789.evil.example")],
        &[("origin", OWN), ("origin", "https://evil.example")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "cors")],
        &[("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors")],
        &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "empty")],
        &[("sec-fetch-mode", "navigate")],
        &[("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")],
    ];
    for shown in &shown {
        for page in foreign {
            let headers = [shown, page].concat();
            let mutation = house.ask(post(STOP, &headers, &json!({}))).await;
            assert_eq!(mutation.status, StatusCode::FORBIDDEN, "{page:?}");
            let socket = house.ask(get("/ws", &[&headers[..], &WEBSOCKET].concat())).await;
            assert_eq!(socket.status, StatusCode::FORBIDDEN, "{page:?}");
        }
        // Our own page may, and so may who is no browser and has a token.
        let own = [&shown[..], &[("origin", OWN), ("sec-fetch-site", "same-origin")]].concat();
        assert_eq!(house.ask(post(STOP, &own, &json!({}))).await.status, StatusCode::OK);
    }
    assert_eq!(house.ask(post(STOP, &shown[0], &json!({}))).await.status, StatusCode::OK);
    // The `fetch` of Node.js says a mode, and is a program's.
    let fetch = [("sec-fetch-mode", "cors")];
    assert_eq!(house.ask(post(STOP, &[&shown[0][..], &fetch].concat(), &json!({}))).await.status, StatusCode::OK);
    let cookie = [&shown[1][..], &fetch].concat();
    assert_eq!(house.ask(post(STOP, &cookie, &json!({}))).await.status, StatusCode::FORBIDDEN);
    // Nor can one log somebody in, or read.
    for page in &foreign[..8] {
        let login = house.ask(post("/login", page, &json!({ "code": "aaaa-bbbb-cccc" }))).await;
        assert_eq!(login.status, StatusCode::FORBIDDEN, "{page:?}");
        assert_eq!(
            house.ask(get(READY, &[&shown[0][..], page].concat())).await.status,
            StatusCode::FORBIDDEN,
            "{page:?}"
        );
    }
    let form = request(Method::POST, "/login", &[("content-type", "application/x-www-form-urlencoded")]);
    assert_eq!(house.ask(form).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn a_cookie_alone_changes_nothing_and_opens_nothing() {
    let house = House::new("");
    let (cookie, csrf) = house.browser(Scope::ALL).await;
    let (other, foreign) = house.browser(Scope::ALL).await;
    let cookie = ("cookie", cookie.as_str());
    let ask = async |headers: &[(&str, &str)]| house.ask(post(STOP, headers, &json!({}))).await.status;
    let own = ("origin", OWN);
    assert_eq!(ask(&[cookie, own, ("x-csrf-token", &csrf)]).await, StatusCode::OK);
    for wrong in [
        &[cookie][..],
        &[cookie, own],
        &[cookie, ("x-csrf-token", &csrf)],
        &[cookie, own, ("x-csrf-token", "")],
        &[cookie, own, ("x-csrf-token", &foreign)],
        &[cookie, own, ("x-csrf-token", &csrf[1..])],
    ] {
        assert_eq!(ask(wrong).await, StatusCode::FORBIDDEN, "{wrong:?}");
    }
    // Two cookies of one name: one of them was put there by somebody else.
    let both = format!("{}; {other}", cookie.1);
    assert_eq!(ask(&[("cookie", &both), own, ("x-csrf-token", &csrf)]).await, StatusCode::UNAUTHORIZED);
    // A WebSocket cannot send the header; where it comes from it cannot choose.
    let socket = async |headers: &[(&str, &str)]| house.ask(get("/ws", &[headers, &WEBSOCKET].concat())).await.status;
    assert_eq!(socket(&[cookie]).await, StatusCode::FORBIDDEN);
    assert_ne!(socket(&[cookie, own]).await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_host_that_is_not_ours_is_misdirected_however_it_is_written() {
    let house = House::new("[gateway.access]\nhosts = ['cara.example.net', '192.168.1.5', 'fd00::5']");
    let (_, token) = house.token(&[Scope::Read]).await;
    let token = bearer(&token);
    for (host, status) in [
        ("localhost", StatusCode::OK),
        ("localhost:1", StatusCode::OK),
        ("LocalHost:18789", StatusCode::OK),
        ("127.0.0.1:18789", StatusCode::OK),
        ("[::1]:18789", StatusCode::OK),
        ("[0:0:0:0:0:0:0:1]", StatusCode::OK),
        ("cara.example.net", StatusCode::OK),
        ("cara.example.net:8443", StatusCode::OK),
        ("192.168.1.5:18789", StatusCode::OK),
        ("[fd00::5]:18789", StatusCode::OK),
        ("127.evil.com", StatusCode::MISDIRECTED_REQUEST),
        ("localhost.", StatusCode::MISDIRECTED_REQUEST),
        ("localhost.evil.com", StatusCode::MISDIRECTED_REQUEST),
        ("evil.com", StatusCode::MISDIRECTED_REQUEST),
        ("[::ffff:127.0.0.1]", StatusCode::MISDIRECTED_REQUEST),
        ("::1", StatusCode::MISDIRECTED_REQUEST),
        ("2130706433", StatusCode::MISDIRECTED_REQUEST),
        ("0x7f000001", StatusCode::MISDIRECTED_REQUEST),
        ("017700000001", StatusCode::MISDIRECTED_REQUEST),
        ("127.1", StatusCode::MISDIRECTED_REQUEST),
        ("127.0.0.2", StatusCode::MISDIRECTED_REQUEST),
        ("0.0.0.0", StatusCode::MISDIRECTED_REQUEST),
        ("localhost:", StatusCode::MISDIRECTED_REQUEST),
        ("localhost:80@evil.com", StatusCode::MISDIRECTED_REQUEST),
        ("user@localhost", StatusCode::MISDIRECTED_REQUEST),
        ("localhost, evil.com", StatusCode::MISDIRECTED_REQUEST),
        ("cara.example.net.", StatusCode::MISDIRECTED_REQUEST),
        ("x.cara.example.net", StatusCode::MISDIRECTED_REQUEST),
        ("", StatusCode::MISDIRECTED_REQUEST),
    ] {
        let answer = house.ask(get(READY, &[("host", host), ("authorization", &token)])).await;
        assert_eq!(answer.status, status, "{host:?}");
    }
    // The address of this machine that was reached, by its numbers alone; through a proxy nobody knows what was asked for.
    for (local, host, status) in [
        ("192.0.2.2", "192.0.2.2:18789", StatusCode::OK),
        ("192.0.2.2", "192.0.2.2", StatusCode::OK),
        ("2001:db8::2", "[2001:db8:0::2]:18789", StatusCode::OK),
        ("192.0.2.2", "192.0.2.3:18789", StatusCode::MISDIRECTED_REQUEST),
        ("192.0.2.2", "192.0.2.2.evil.com", StatusCode::MISDIRECTED_REQUEST),
        ("192.0.2.2", "3221225986", StatusCode::MISDIRECTED_REQUEST),
    ] {
        let peer = Peer { local: Some(local.parse().unwrap()), ..from("192.0.2.7:4000") };
        let answer = house.ask_as(peer, get(READY, &[("host", host), ("authorization", &token)])).await;
        assert_eq!(answer.status, status, "{host} at {local}");
    }
    let answer = house.ask(get(READY, &[("host", "attic.lan:18789")])).await;
    assert!(answer.text.contains("cara config set gateway.access.hosts '[\\\"attic.lan\\\"]'"), "{answer:?}");
    // Twice, another one in the target, or none at all.
    let twice = [("host", "localhost"), ("host", "evil.com"), ("authorization", token.as_str())];
    assert_eq!(house.ask(get(READY, &twice)).await.status, StatusCode::MISDIRECTED_REQUEST);
    let target = get("http://evil.com/control/v1/ready", &[("host", "localhost"), ("authorization", &token)]);
    assert_eq!(house.ask(target).await.status, StatusCode::MISDIRECTED_REQUEST);
    let mut none = get(READY, &[("authorization", &token)]);
    none.headers_mut().remove("host");
    assert_eq!(house.ask(none).await.status, StatusCode::MISDIRECTED_REQUEST);
    // Before anything else is looked at, and by whoever it is.
    assert_eq!(house.ask(get(READY, &[("host", "evil.com")])).await.status, StatusCode::MISDIRECTED_REQUEST);
    let login = post("/login", &[("host", "evil.com")], &json!({ "code": "x" }));
    assert_eq!(house.ask(login).await.status, StatusCode::MISDIRECTED_REQUEST);
}

#[tokio::test]
async fn a_page_that_the_operator_lets_asks_with_a_token_and_never_with_a_cookie() {
    let house = House::new("[gateway.access]\norigins = ['https://notes.example.net']");
    let (_, token) = house.token(&[Scope::Chat, Scope::Read]).await;
    let (cookie, csrf) = house.browser(Scope::ALL).await;
    let (token, page) = (bearer(&token), ("origin", "https://notes.example.net"));
    let by_browser = [page, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")];
    let asks = [("access-control-request-method", "POST"), ("access-control-request-headers", "authorization")];
    let preflight =
        house.ask(request(Method::OPTIONS, "/v1/chat/completions", &[&by_browser[..], &asks].concat())).await;
    assert_eq!(preflight.status, StatusCode::NO_CONTENT);
    assert_eq!(preflight.header("access-control-allow-origin"), "https://notes.example.net");
    assert_eq!(preflight.header("access-control-allow-credentials"), "");
    let answered = house.ask(get(READY, &[&by_browser[..], &[("authorization", &token)]].concat())).await;
    assert_eq!((answered.status, answered.header("vary")), (StatusCode::OK, "origin"));
    let with_cookie = [&by_browser[..], &[("cookie", cookie.as_str()), ("x-csrf-token", &csrf)]].concat();
    assert_eq!(house.ask(get(READY, &with_cookie)).await.status, StatusCode::FORBIDDEN);
    // Nor with what the browser's connection has by itself.
    let certified = house.certified(&[Scope::Read]).await;
    assert_eq!(house.ask_as(certified.clone(), get(READY, &[])).await.status, StatusCode::OK);
    for headers in [&by_browser[..], &[page]] {
        let asked = house.ask_as(certified.clone(), get(READY, headers)).await;
        assert_eq!(asked.status, StatusCode::UNAUTHORIZED, "{headers:?}");
        let socket = house.ask_as(certified.clone(), get("/ws", &[headers, &WEBSOCKET].concat())).await;
        assert_eq!(socket.status, StatusCode::UNAUTHORIZED, "{headers:?}");
    }
    let both = [&by_browser[..], &[("authorization", token.as_str())]].concat();
    assert_eq!(house.ask_as(certified, get(READY, &both)).await.status, StatusCode::OK);
    // Another page is told nothing.
    let evil = [("origin", "https://evil.example"), ("access-control-request-method", "POST")];
    let preflight = house.ask(request(Method::OPTIONS, READY, &evil)).await;
    assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (StatusCode::FORBIDDEN, ""));
}

#[tokio::test]
async fn every_answer_says_what_a_browser_may_make_of_it() {
    let house = House::new("[gateway.access]\nhosts = ['cara.example.net']");
    let (_, token) = house.token(&[Scope::Read]).await;
    let token = ("authorization", bearer(&token));
    let token = (token.0, token.1.as_str());
    for (peer, request, status) in [
        (near(), get(READY, &[token]), StatusCode::OK),
        (near(), get("/nothing", &[token]), StatusCode::NOT_FOUND),
        (near(), get(READY, &[]), StatusCode::UNAUTHORIZED),
        (near(), post("/login", &[], &json!({ "code": "x" })), StatusCode::UNAUTHORIZED),
    ] {
        let answer = house.ask_as(peer, request).await;
        assert_eq!(answer.status, status);
        assert!(answer.header("content-security-policy").starts_with("default-src 'none'"), "{answer:?}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(answer.header(name), value, "{answer:?}");
        }
        assert_eq!(answer.header("strict-transport-security"), "");
    }
    // Over TLS, for a name that is this machine's alone.
    let tls = Peer { tls: true, ..from("192.0.2.7:4000") };
    let named = house.ask_as(tls.clone(), get(READY, &[token, ("host", "cara.example.net")])).await;
    assert!(named.header("strict-transport-security").starts_with("max-age="));
    let local = house.ask_as(tls, get(READY, &[token])).await;
    assert_eq!(local.header("strict-transport-security"), "");
}
