//! Where a value goes in a request, and where it does not.

use crate::fixture::{BASE, Fixture, Step, VALUE, answer, get, get_with, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use http_body_util::Full;

const ALL: &str = r#""header", "path", "query", "body""#;
const MARKER: &str = "cara-secret--api-key";

fn ok(_: &str) -> Vec<Step> {
    answer("", b"ok")
}

#[tokio::test]
async fn the_marker_becomes_the_value_in_each_place_as_that_place_writes_it() {
    for (place, request, wanted) in [
        ("\"header\"", get_with("x-key", MARKER), format!("x-key: {VALUE}\r\n")),
        ("\"header\"", get(BASE), format!("x-key: {VALUE}\r\n")),
        (
            "{ header = \"x-key\", format = \"Token {}!\" }",
            get_with("x-key", &format!("Token {MARKER}!")),
            format!("x-key: Token {VALUE}!\r\n"),
        ),
        (
            "{ header = \"authorization\", basic-user = \"me\" }",
            get_with("authorization", &format!("Basic {}", STANDARD.encode(format!("me:{MARKER}")))),
            format!("authorization: Basic {}\r\n", STANDARD.encode(format!("me:{VALUE}"))),
        ),
        (
            "\"path\"",
            get(&format!("{BASE}/bot{MARKER}/send")),
            "GET /botsk-live%2F3~Secret+Value/send HTTP/1.1\r\n".into(),
        ),
        (
            "\"query\"",
            get(&format!("{BASE}/x?a=1&key={MARKER}&b=2")),
            "GET /x?a=1&key=sk-live%2F3~Secret%2BValue&b=2 HTTP/1.1\r\n".into(),
        ),
        ("\"query\"", get(&format!("{BASE}/x")), "GET /x?key=sk-live%2F3~Secret%2BValue HTTP/1.1\r\n".into()),
        (
            "{ json = \"/a/0/k\" }",
            post("application/json; charset=utf-8", format!("{{\"a\": [{{\"k\":\"{MARKER}\"}}, 1.50]}}")),
            format!("{{\"a\": [{{\"k\":\"{VALUE}\"}}, 1.50]}}"),
        ),
        (
            "\"body\"",
            post("application/x-www-form-urlencoded", format!("key={MARKER}&z=1")),
            "key=sk-live%2F3~Secret%2BValue&z=1".into(),
        ),
    ] {
        let fixture = Fixture::plain(place, ok);
        fixture.send(&fixture.credentials(VALUE), request).await.unwrap();
        let sent = fixture.only_request();
        assert!(sent.contains(&wanted) && !sent.contains("cara-secret"), "{place}: {sent}");
    }
}

#[tokio::test]
async fn a_body_that_is_filled_keeps_every_other_byte() {
    let (json, form) = ("{ json = \"/login/k\" }", "\"body\"");
    let body = |value: &str| {
        format!(
            " {{\"z\":18446744073709551616,\"f\":1.00e2,\"x\":1,\"x\":2,\t\"login\" : {{\"u\":\"\\u00e9\",\"k\":\"{value}\"}}, \"a\":-0}}\n"
        )
    };
    let text = |value: &str| format!("b=%7e+x&&key={value}&a=%zz&b=&=");
    let written = "sk-live%2F3~Secret%2BValue";
    for (place, kind, sent, wanted) in [
        (json, "application/json", body(MARKER), body(VALUE)),
        (form, "application/x-www-form-urlencoded", text(MARKER), text(written)),
    ] {
        let fixture = Fixture::plain(place, ok);
        fixture.send(&fixture.credentials(VALUE), post(kind, sent)).await.unwrap();
        let sent = fixture.only_request();
        assert_eq!(sent.split_once("\r\n\r\n").unwrap().1, wanted);
    }
}

#[tokio::test]
async fn a_body_is_filled_only_as_what_it_is_sent_as() {
    let json = || post("application/json", format!("{{\"k\":\"{MARKER}\"}}"));
    let (mut unsent, mut twice) = (json(), json());
    unsent.headers_mut().insert("connection", "content-type".parse().unwrap());
    twice.headers_mut().append("content-type", "text/plain".parse().unwrap());
    for request in [unsent, twice] {
        let fixture = Fixture::plain("{ json = \"/k\" }", ok);
        fixture.send(&fixture.credentials(VALUE), request).await.unwrap();
        let sent = fixture.only_request();
        assert!(sent.contains(MARKER) && !sent.contains("sk-live"), "{sent}");
    }
}

#[tokio::test]
async fn a_marked_key_that_stands_twice_is_refused() {
    let body = format!("{{\"a\":{{\"k\":\"{MARKER}\"}},\"a\":{{\"k\":\"own\"}}}}");
    for (place, request) in [
        ("{ json = \"/a/k\" }", post("application/json", body)),
        ("\"body\"", post("application/x-www-form-urlencoded", format!("key=own&key={MARKER}"))),
        ("\"query\"", get(&format!("{BASE}/x?key={MARKER}&k%65y=own"))),
    ] {
        let fixture = Fixture::plain(place, ok);
        let text = fixture.refused(&fixture.credentials(VALUE), request).await;
        insta::allow_duplicates! {
            insta::assert_snapshot!(text, @r"
            secret `api-key` has no one place: its key stands twice
            hint: write the key once
            ");
        }
        assert!(fixture.seen.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn another_audience_gets_the_text() {
    let fixture = Fixture::plain(ALL, ok);
    let request = Request::get("https://other.example.com/").header("x-key", MARKER).body(Full::default()).unwrap();
    // It is asked over TLS, which the script does not speak: what counts is that nothing was put in before.
    let error = fixture.refused(&fixture.credentials(VALUE), request).await;
    assert!(!error.contains("sk-live"), "{error}");
    assert!(!fixture.seen.lock().unwrap().iter().any(|sent| sent.contains("sk-live")));
}

#[tokio::test]
async fn a_stored_secret_in_the_clear_is_refused_whoever_holds_it() {
    let fixture = Fixture::plain(ALL, ok);
    fixture.known.register(&fixture.value);
    for form in [
        VALUE.to_owned(),
        STANDARD.encode(format!("x{VALUE}y")),
        "sk-live%2F3~Secret%2BValue".to_owned(),
        "sk-live\\/3~Secret\\u002BValue".to_owned(),
        "sk-live&#47;3~Secret&plus;Value".to_owned(),
        hex::encode_upper(VALUE),
    ] {
        let in_url = percent_encoding::utf8_percent_encode(&form, percent_encoding::NON_ALPHANUMERIC);
        for request in
            [get_with("x-key", &form), get(&format!("{BASE}/?k={in_url}")), post("text/plain", format!("..{form}.."))]
        {
            let text = fixture.refused(&[], request).await;
            insta::allow_duplicates! {
                insta::assert_snapshot!(text, @r"
                the request of component `guest` holds a stored secret in the clear
                hint: write `cara-secret--NAME` in a spot that the manifest names; the host puts the value there
                ");
            }
        }
    }
    let seen = fixture.seen.lock().unwrap();
    assert!(!seen.iter().any(|request| request.contains("sk-live")), "{seen:?}");
}

#[tokio::test]
async fn a_stored_secret_that_looks_percent_encoded_is_known_as_it_is() {
    let fixture = Fixture::plain(ALL, ok);
    let value = cara_services::vault::SecretValue::new(b"key%41%42%43-0123".to_vec()).unwrap();
    fixture.known.register(&std::sync::Arc::new(value));
    for form in ["key%41%42%43-0123", "key%2541%2542%2543-0123", "key\\u002541%42%43-0123"] {
        let refused = fixture.refused(&[], get_with("x-key", form)).await;
        assert!(refused.contains("holds a stored secret in the clear"), "{refused}");
    }
}

#[tokio::test]
async fn a_secret_that_would_lead_to_another_path_is_refused() {
    let fixture = Fixture::plain("{ path = \"/a/{}/b\" }", ok);
    insta::assert_snapshot!(
        fixture.refused(&fixture.credentials(".."), get(&format!("{BASE}/a/{MARKER}/b"))).await,
        @"secret `api-key` would lead to another path"
    );
}

#[tokio::test]
async fn a_secret_with_a_line_break_does_not_split_a_header() {
    let fixture = Fixture::plain(ALL, ok);
    insta::assert_snapshot!(
        fixture.refused(&fixture.credentials("key\r\nx-evil: 1"), get(BASE)).await,
        @"secret `api-key` does not fit into header `x-key`"
    );
}

#[tokio::test]
async fn headers_that_are_the_hosts_business_do_not_pass() {
    let fixture = Fixture::plain(ALL, ok);
    let mut request = get_with("host", "evil.example");
    for (name, value) in [
        ("connection", "x-hop, keep-alive"),
        ("x-hop", "1"),
        ("proxy-authorization", "Basic x"),
        ("te", "trailers"),
        ("upgrade", "h2c"),
        ("accept-encoding", "gzip"),
        ("expect", "100-continue"),
        ("x-mine", "1"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    fixture.send(&[], request).await.unwrap();
    let mut lines: Vec<String> = fixture.only_request().trim_end().lines().map(str::to_owned).collect();
    lines.sort();
    insta::assert_snapshot!(lines.join("\n"), @r"
    GET /x HTTP/1.1
    accept-encoding: identity
    host: 127.0.0.1:8080
    x-mine: 1
    ");
}
