//! Who is let in at all: whoever shows what holds, whole, in its place.

use super::house::{House, bearer, from, get, near, new_token, post, request};
use cara_authority::Scope;
use cara_control::anchoring::AnchorAudit;
use cara_control::config::{ReadConfig, SetSetting};
use cara_control::operations;
use cara_control::tokens::CreateToken;
use cara_gateway::{ClientCertificate, Peer};
use http::{Method, StatusCode};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// A path that anybody with `read` may ask for.
const STATUS: &str = "/control/v1/ready";

#[tokio::test]
async fn as_long_as_there_is_no_credential_nothing_is_answered_from_anywhere() {
    let house = House::new("");
    for entry in operations() {
        let path = entry.route.path.replace(['{', '}'], "");
        for peer in [near(), from("[::1]:5000"), from("192.0.2.7:5000"), Peer::default()] {
            let answer = house.ask_as(peer, request(entry.route.method.clone(), &path, &[])).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", entry.route.name);
            assert!(answer.text.contains("nobody is let in yet") && answer.header("www-authenticate") == "Bearer");
        }
    }
    for path in ["/health/live", "/health/ready"] {
        assert!([200, 503].contains(&house.ask(get(path, &[])).await.status.as_u16()), "{path}");
    }
    for path in ["/", "/ws", "/session", "/metrics", "/v1/models", "/nothing", "/login", "/control/v1/../v1/ready"] {
        assert_eq!(house.ask(get(path, &[])).await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[tokio::test]
async fn presence_is_not_validity_any_wrong_token_equals_none() {
    let house = House::new("[gateway.access.attempts]\nper-source = 1000\nin-all = 1000");
    let (_, token) = house.token(&[Scope::Read]).await;
    let hash = "0".repeat(64);
    for wrong in
        ["x", "cara_", &token[..token.len() - 1], &format!("{token}0"), &token.to_uppercase(), &hash, "null", "*"]
    {
        for header in
            [("authorization", bearer(wrong)), ("x-api-key", wrong.to_owned()), ("authorization", wrong.to_owned())]
        {
            let answer = house.ask(get(STATUS, &[(header.0, &header.1)])).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{header:?}");
        }
    }
    // In another place it is nothing either, and a wrong one is not made good by a right one elsewhere.
    let right = bearer(&token);
    let cookie = format!("cara={token}");
    for headers in [
        &[("authorization", format!("Basic {token}"))][..],
        &[("cookie", cookie.clone())],
        &[("authorization", bearer("x")), ("x-api-key", token.clone())],
        &[("authorization", String::new()), ("x-api-key", token.clone())],
        &[("proxy-authorization", right.clone())],
    ] {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(house.ask(get(STATUS, &headers)).await.status, StatusCode::UNAUTHORIZED, "{headers:?}");
    }
    assert_eq!(house.ask(get(&format!("{STATUS}?token={token}"), &[])).await.status, StatusCode::UNAUTHORIZED);
    for header in
        [("authorization", right.as_str()), ("authorization", &format!("bearer {token}")), ("x-api-key", &token)]
    {
        assert_eq!(house.ask(get(STATUS, &[header])).await.status, StatusCode::OK, "{header:?}");
    }
}

#[tokio::test]
async fn scopes_are_what_the_credential_has_and_not_what_the_client_says() {
    let house = House::new("");
    let (_, reader) = house.token(&[Scope::Read]).await;
    let reader = bearer(&reader);
    let said = [
        ("authorization", reader.as_str()),
        ("x-scope", "admin"),
        ("x-cara-scopes", "read chat approve operate admin"),
        ("x-user", "local:owner"),
        ("x-forwarded-user", "local:owner"),
        ("tailscale-user-login", "owner@example.com"),
    ];
    let body = json!({ "name": "mine", "scopes": ["admin"] });
    let refused = house.ask(post("/control/v1/tokens", &said, &body)).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{refused:?}");
    assert!(refused.text.contains("needs the scope `admin`"), "{refused:?}");
    for (method, path) in [(Method::POST, "/control/v1/stop"), (Method::DELETE, "/control/v1/sessions/s-aaaaaaaaaa")] {
        assert_eq!(house.ask(request(method, path, &said)).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(house.ask(get("/session", &said)).await.json()["scopes"], json!(["read"]));
    // Of each use case, only who has its scope is let through to it.
    for scope in Scope::ALL {
        let (_, token) = house.token(&[*scope]).await;
        for entry in operations().iter().filter(|entry| entry.route.scope != *scope && !entry.route.follows) {
            let path = entry.route.path.replace(['{', '}'], "");
            let asked = [("authorization", bearer(&token)), ("content-type", "application/json".into())];
            let asked: Vec<(&str, &str)> = asked.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let answer = house.ask(request(entry.route.method.clone(), &path, &asked)).await;
            let kind = answer.status;
            // Arguments that are missing are told before anything is done.
            assert!(
                [StatusCode::FORBIDDEN, StatusCode::BAD_REQUEST].contains(&kind),
                "{}: {answer:?}",
                entry.route.name
            );
        }
    }
}

#[tokio::test]
async fn no_credential_has_the_daemon_run_another_program_or_write_another_file() {
    let house = House::new("");
    let (_, token) = house.token(Scope::ALL).await;
    let shown = [("authorization", bearer(&token)), ("content-type", "application/json".into())];
    let shown: Vec<(&str, &str)> = shown.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let put = async |path: &str, body: serde_json::Value| {
        let path = format!("/control/v1/config/{path}");
        house.ask(request(Method::PUT, &path, &shown).map(|_| axum::body::Body::from(body.to_string()))).await
    };
    let (sets, anchors) = ("keys/gateway.tailscale.program", "keys/audit.anchor.file");
    let before = house.doing(ReadConfig {}).await.text;
    let named = format!("{before}[gateway.tailscale]\nprogram = \"/tmp/mine\"\n");
    let mine = || json!({ "value": "/tmp/mine" });
    for (path, body) in [(sets, mine()), (anchors, mine()), ("file", json!({ "before": before, "text": named }))] {
        let refused = put(path, body).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}: {refused:?}");
        assert!(refused.text.contains("no credential changes `"), "{refused:?}");
    }
    for (key, place) in [("a-1", json!({ "file": "/tmp/mine" })), ("a-2", json!({ "url": "http://127.0.0.1:9/" }))] {
        let headers = [&shown[..], &[("idempotency-key", key)]].concat();
        let once = request(Method::POST, "/control/v1/audit/anchors", &headers);
        let once = house.ask(once.map(|_| axum::body::Body::from(place.to_string()))).await;
        assert_eq!(once.status, StatusCode::FORBIDDEN, "{once:?}");
        assert!(once.text.contains("where anchors go is said at the daemon's machine"), "{once:?}");
    }
    assert_eq!(house.doing(ReadConfig {}).await.text, before);
    // Nor does it take one away, or set what outlasts it in another way.
    let file = tempfile::NamedTempFile::new().unwrap();
    house.doing(SetSetting { key: "audit.anchor.file".into(), value: file.path().display().to_string() }).await;
    let unset = house.ask(request(Method::DELETE, &format!("/control/v1/config/{anchors}"), &shown)).await;
    assert_eq!(unset.status, StatusCode::FORBIDDEN, "{unset:?}");
    for (key, value) in [
        ("audit.anchor.every", json!("24h")),
        ("gateway.access.tailscale", json!("/tmp/socket")),
        ("gateway.access.trusted-proxies", json!(r#"["192.0.2.1"]"#)),
        ("gateway.tls.client-ca", json!("/tmp/ca.pem")),
        ("ledger.url", json!("postgres://cara@192.0.2.1/cara")),
        ("vault.password-file", json!("/tmp/password")),
    ] {
        let refused = put(&format!("keys/{key}"), json!({ "value": value })).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{key}: {refused:?}");
    }
    // At the machine it is set, and all else is changed beside it as before.
    house.doing(SetSetting { key: "gateway.tailscale.program".into(), value: "/usr/bin/tailscale".into() }).await;
    let beside = put("keys/chat.system", json!({ "value": "Be brief." })).await;
    assert_eq!(beside.status, StatusCode::OK, "{beside:?}");
    assert_eq!(put(sets, json!({ "value": "/tmp/mine" })).await.status, StatusCode::FORBIDDEN);
    assert!(house.doing(ReadConfig {}).await.text.contains("/usr/bin/tailscale"));
}

#[tokio::test]
async fn who_has_a_credential_begins_no_file_of_anchors_that_was_taken_away_or_emptied() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("anchors");
    let house = House::new(&format!("audit.anchor.file = {:?}\n", file.display().to_string()));
    let (_, token) = house.token(Scope::ALL).await;
    let shown = bearer(&token);
    let anchors = async |key: &str| {
        let headers =
            [("authorization", shown.as_str()), ("content-type", "application/json"), ("idempotency-key", key)];
        let request = request(Method::POST, "/control/v1/audit/anchors", &headers);
        house.ask(request.map(|_| axum::body::Body::from("{}"))).await
    };
    assert_eq!(anchors("a-1").await.status, StatusCode::NOT_FOUND);
    std::fs::write(&file, "\n").unwrap();
    let empty = anchors("a-2").await;
    assert!(empty.status == StatusCode::NOT_FOUND && empty.text.contains("no anchor in it"), "{empty:?}");
    house.doing(AnchorAudit { file: None, url: None, log: None }).await;
    assert_eq!(anchors("a-3").await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_shows_nothing_takes_no_room_in_the_log_from_what_is_wrong() {
    let house = House::new("");
    house.token(&[Scope::Read]).await;
    for _ in 0..300 {
        assert_eq!(house.ask(get(STATUS, &[])).await.status, StatusCode::UNAUTHORIZED);
    }
    let wrong = house.ask(get(STATUS, &[("authorization", "Bearer cara_t-aaaaaaaaaa_x")])).await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    let refused = timeout(Duration::from_secs(20), house.refusals(201)).await.expect("each has its room");
    let of = |why: &str| refused.iter().filter(|told| *told == why).count();
    assert_eq!((of("nobody"), of("wrong")), (200, 1));
}

#[tokio::test]
async fn the_socket_of_the_account_needs_no_credential_and_no_page_reaches_it() {
    let house = House::new("");
    let account = Peer { account: true, ..Peer::default() };
    let asked = |headers: &[(&str, &str)]| {
        let headers = [&[("host", "localhost")][..], headers].concat();
        get("/control/v1/grants", &headers)
    };
    assert_eq!(house.ask_as(account.clone(), asked(&[])).await.status, StatusCode::OK);
    let page = house.ask_as(account.clone(), asked(&[("origin", "http://localhost")])).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    let other = house.ask_as(account, get("/control/v1/grants", &[("host", "example.com")])).await;
    assert_eq!(other.status, StatusCode::MISDIRECTED_REQUEST);
}

#[tokio::test]
async fn a_client_certificate_lets_in_whoever_it_was_issued_to() {
    let house = House::new("");
    let pem = "-----BEGIN CERTIFICATE-----\nAQIDBA==\n-----END CERTIFICATE-----\n";
    let certificate = CreateToken { certificate: Some(pem.to_owned()), ..new_token(&[Scope::Read]) };
    assert_eq!(house.doing(certificate).await.token, None);
    let shown = |fingerprint: &str| {
        let certificate = ClientCertificate { fingerprint: fingerprint.to_owned(), subject: "CN=laptop".to_owned() };
        Peer { tls: true, certificate: Some(Arc::new(certificate)), ..near() }
    };
    // SHA-256 over the four bytes.
    let own = "9f64a747e1b97f131fabb6b447296c9b6f0201e79fb3c5356e6c77e89b6a806a";
    assert_eq!(house.ask_as(shown(own), get(STATUS, &[])).await.status, StatusCode::OK);
    for wrong in [own.replace('9', "8").as_str(), "", &own[2..], "x"] {
        assert_eq!(house.ask_as(shown(wrong), get(STATUS, &[])).await.status, StatusCode::UNAUTHORIZED, "{wrong}");
    }
    // Beside a wrong token it counts for nothing.
    let both = get(STATUS, &[("authorization", "Bearer x")]);
    assert_eq!(house.ask_as(shown(own), both).await.status, StatusCode::UNAUTHORIZED);
}

/// Tailscale's daemon, as far as it is asked who has which address.
#[cfg(unix)]
fn tailnet(socket: &std::path::Path) -> tokio::task::AbortHandle {
    let listener = tokio::net::UnixListener::bind(socket).unwrap();
    let whois = |uri: http::Uri| async move {
        let (login, tags) = match uri.query().unwrap() {
            "addr=100%2E64%2E0%2E7%3A4000" => ("Anna@example.com", json!([])),
            "addr=100%2E64%2E0%2E8%3A4000" => ("anna@example.com", json!(["tag:server"])),
            _ => ("ben@example.com", json!([])),
        };
        json!({ "Node": { "Tags": tags }, "UserProfile": { "LoginName": login } }).to_string()
    };
    let daemon = axum::Router::new().route("/localapi/v0/whois", axum::routing::get(whois));
    let served = async move {
        let _ = axum::serve(listener, daemon).await;
    };
    tokio::spawn(served).abort_handle()
}

/// A house that Anna's name in the tailnet lets in.
#[cfg(unix)]
async fn in_tailnet(socket: &std::path::Path) -> House {
    let house = House::new(&format!("[gateway.access]\ntailscale = \"{}\"", socket.display()));
    house.doing(CreateToken { tailnet: Some("anna@example.com".to_owned()), ..new_token(&[Scope::Read]) }).await;
    house
}

/// What a page cannot have a browser send.
#[cfg(unix)]
const CLIENT: (&str, &str) = ("x-cara-client", "1");

#[cfg(unix)]
#[tokio::test]
async fn a_tailnet_lets_in_whom_its_daemon_names_and_no_header_does() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("tailscaled.sock");
    let daemon = tailnet(&socket);
    let house = in_tailnet(&socket).await;
    let status =
        async |address: &str, headers: &[(&str, &str)]| house.ask_as(from(address), get(STATUS, headers)).await.status;
    assert_eq!(status("100.64.0.7:4000", &[CLIENT]).await, StatusCode::OK);
    let claim = [CLIENT, ("tailscale-user-login", "anna@example.com"), ("x-forwarded-for", "100.64.0.7")];
    for address in ["100.64.0.8:4000", "100.64.0.9:4000", "127.0.0.1:4000", "192.0.2.1:4000"] {
        assert_eq!(status(address, &claim).await, StatusCode::UNAUTHORIZED, "{address}");
    }
    daemon.abort();
}

#[cfg(unix)]
#[tokio::test]
async fn a_page_that_leads_a_browser_here_without_tls_has_no_name_of_a_tailnet() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("tailscaled.sock");
    let daemon = tailnet(&socket);
    let house = in_tailnet(&socket).await;
    let anna = || from("100.64.0.7:4000");
    // As an image of any page is asked for over plain HTTP: nothing says where it comes from.
    let image = [("accept", "image/avif,image/webp,*/*"), ("user-agent", "Mozilla/5.0")];
    for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
        let led = house.ask_as(anna(), request(method.clone(), STATUS, &image)).await;
        assert_eq!(led.status, StatusCode::UNAUTHORIZED, "{method}: {led:?}");
        assert!(method != Method::GET || led.text.contains("send the header `X-Cara-Client: 1`"), "{led:?}");
    }
    // Over TLS browsers say it, and what is no browser says nothing anywhere.
    let tls = || Peer { tls: true, ..anna() };
    let own = [("sec-fetch-site", "same-origin")];
    for (peer, headers) in [(anna(), &[CLIENT][..]), (anna(), &own[..]), (tls(), &[][..]), (tls(), &own[..])] {
        let answer = house.ask_as(peer.clone(), get(STATUS, headers)).await;
        assert_eq!(answer.status, StatusCode::OK, "{} {headers:?}: {answer:?}", peer.tls);
    }
    for peer in [anna(), tls()] {
        let led = house.ask_as(peer, get(STATUS, &[("sec-fetch-site", "cross-site"), CLIENT])).await;
        assert_eq!(led.status, StatusCode::FORBIDDEN, "{led:?}");
    }
    // A link of another site leads a person here, and not as who the connection says.
    let link = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    let certified = house.certified(&[Scope::Read]).await;
    for peer in [tls(), certified.clone()] {
        assert_eq!(house.ask_as(peer, get(STATUS, &link)).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(
        house.ask_as(certified, get(STATUS, &[])).await.status,
        StatusCode::OK,
        "as `curl` asks with mutual TLS"
    );
    // What changes something has its `Origin` from every browser: without one it is no page's.
    let stop = house.ask_as(anna(), post("/control/v1/stop", &[], &json!({}))).await;
    assert_eq!(stop.status, StatusCode::FORBIDDEN, "known, and without the scope: {stop:?}");
    assert!(stop.text.contains("needs the scope"), "{stop:?}");
    daemon.abort();
}
