//! What a component sees of an answer:
//! no value, whatever the server does with it.

use crate::fixture::{BASE, Fixture, Step, VALUE, answer, get, get_with};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::sync::{Arc, Mutex};

const ALL: &str = r#""header", "path", "query", "body""#;

fn chunked(parts: &[&[u8]], trailer: &str) -> Vec<Step> {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-end\r\n\r\n";
    let mut steps = vec![Step::Write(head.into())];
    for part in parts.iter().filter(|part| !part.is_empty()) {
        steps.push(Step::Write([format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat()));
    }
    steps.push(Step::Write(format!("0\r\n{trailer}\r\n").into_bytes()));
    steps
}

#[tokio::test]
async fn a_value_that_comes_back_is_taken_out_however_it_is_cut() {
    let forms = [
        VALUE.to_owned(),
        STANDARD.encode(VALUE),
        "sk-live%2F3~Secret%2BValue".to_owned(),
        "sk-live\\/3~Secret+Value".to_owned(),
        "sk-live\\/3~Secret\\u002bValue".to_owned(),
        "sk%2Dlive&#x2F;3~Secret&plus;Value".to_owned(),
    ];
    for form in forms {
        let text = format!("{{\"error\":\"bad key {form} here\"}}");
        for cut in 0..=text.len() {
            let body = text.clone();
            let fixture =
                Fixture::plain(ALL, move |_| chunked(&[&body.as_bytes()[..cut], &body.as_bytes()[cut..]], ""));
            let (credentials, placeholder) = fixture.call();
            let seen = fixture.send(&credentials, get_with("x-key", &placeholder)).await.unwrap().text();
            assert!(!seen.contains(&form) && seen.contains(&placeholder), "{form} cut at {cut}: {seen}");
            assert!(seen.starts_with("{\"error\":\"bad key ") && seen.ends_with(" here\"}"), "{seen}");
        }
    }
}

#[tokio::test]
async fn a_value_cut_into_single_bytes_is_found() {
    let fixture = Fixture::plain(ALL, |_| {
        let text = format!("a {VALUE} b {VALUE}{VALUE} c sk-live/3~Secret");
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        chunked(&bytes, "")
    });
    let (credentials, p) = fixture.call();
    let seen = fixture.send(&credentials, get_with("x-key", &p)).await.unwrap().text();
    assert_eq!(seen, format!("a {p} b {p}{p} c sk-live/3~Secret"));
}

#[tokio::test]
async fn a_value_is_taken_out_of_headers_trailers_and_the_status_line() {
    let fixture = Fixture::plain(ALL, |_| {
        let head = format!(
            "HTTP/1.1 401 No {VALUE}\r\nwww-authenticate: Bearer error=\"{VALUE}\"\r\nlocation: /?k={}\r\n",
            "sk-live%2F3~Secret%2BValue"
        );
        let mut steps = vec![Step::Write(format!("{head}trailer: x-end\r\ntransfer-encoding: chunked\r\n\r\n").into())];
        steps.extend(chunked(&[b"body"], &format!("x-end: {VALUE}\r\n")).split_off(1));
        steps
    });
    let (credentials, p) = fixture.call();
    let answer = fixture.send(&credentials, get_with("te", "trailers")).await.unwrap();
    assert_eq!(answer.head.status(), 401);
    assert_eq!(answer.head.headers()["www-authenticate"], format!("Bearer error=\"{p}\""));
    assert_eq!(answer.head.headers()["location"], format!("/?k={p}"));
    let all = format!("{:?} {:?}", answer.head, answer.trailers);
    assert!(!all.contains("sk-live"), "{all}");
    assert_eq!(answer.trailers.unwrap()["x-end"], p);
}

#[tokio::test]
async fn a_value_of_another_call_is_hidden() {
    let fixture = Fixture::plain(ALL, |_| answer("", format!("<{VALUE}>").as_bytes()));
    fixture.known.register(&fixture.value);
    let credentials = Vec::new();
    assert_eq!(fixture.send(&credentials, get(BASE)).await.unwrap().text(), "<[secret]>");
}

#[tokio::test]
async fn an_event_is_not_held_up_by_the_search() {
    let fixture = Fixture::plain(ALL, |_| chunked(&[b"data: one\n\n", b"data: two s", b"k\n\n"], ""));
    let (credentials, p) = fixture.call();
    let answer = fixture.send(&credentials, get_with("x-key", &p)).await.unwrap();
    assert_eq!(answer.chunks, ["data: one\n\n", "data: two ", "sk\n\n"]);
}

#[tokio::test]
async fn a_compressed_answer_is_refused() {
    for header in ["content-encoding: gzip", "content-encoding: identity, br", "transfer-encoding: gzip, chunked"] {
        let fixture = Fixture::plain(ALL, move |_| answer(&format!("{header}\r\n"), b"0\r\n\r\n"));
        let (credentials, _) = fixture.call();
        let text = fixture.refused(&credentials, get(BASE)).await;
        insta::allow_duplicates! {
            insta::assert_snapshot!(text, @r"
            the answer of `http://127.0.0.1:8080` is compressed, though it was asked not to
            hint: secrets could not be found in it
            ");
        }
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let fixture = Fixture::plain(ALL, |_| {
        vec![Step::Write(
            b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/latest\r\ncontent-length: 0\r\n\r\n".into(),
        )]
    });
    let (credentials, p) = fixture.call();
    let answer = fixture.send(&credentials, get_with("x-key", &p)).await.unwrap();
    assert_eq!(
        (answer.head.status().as_u16(), &answer.head.headers()["location"]),
        (302, &"http://169.254.169.254/latest".parse().unwrap())
    );
    assert_eq!(fixture.pipes.dialed.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn switching_protocols_is_refused() {
    let fixture = Fixture::plain(ALL, |_| {
        vec![Step::Write(
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n".into(),
        )]
    });
    let (credentials, _) = fixture.call();
    assert!(fixture.send(&credentials, get(BASE)).await.is_err());
}

#[tokio::test]
async fn an_error_text_holds_no_secret() {
    let fixture = Fixture::plain(ALL, |_| vec![Step::Write(format!("{VALUE} is not HTTP\r\n\r\n").into())]);
    let (credentials, p) = fixture.call();
    let error = fixture.refused(&credentials, get_with("x-key", &p)).await;
    assert!(
        error.starts_with("the exchange with `http://127.0.0.1:8080` broke off: ") && !error.contains("sk-live"),
        "{error}"
    );
}

#[tokio::test]
async fn the_length_of_an_answer_is_only_told_when_it_stays() {
    let lengths = Arc::new(Mutex::new(Vec::new()));
    for issue in [false, true] {
        let fixture = Fixture::plain(ALL, |_| answer("content-length: 2\r\n", b"ok"));
        let credentials = if issue { fixture.call().0 } else { Vec::new() };
        let answer = fixture.send(&credentials, get(BASE)).await.unwrap();
        lengths.lock().unwrap().push(answer.head.headers().get("content-length").is_some());
    }
    assert_eq!(*lengths.lock().unwrap(), [true, false]);
}

#[tokio::test]
async fn a_request_may_be_sent_from_any_thread() {
    let fixture = Fixture::plain(ALL, |_| answer("", b"ok"));
    let (credentials, _) = fixture.call();
    let text = tokio::spawn(async move { fixture.send(&credentials, get(BASE)).await.unwrap().text() }).await.unwrap();
    assert_eq!(text, "ok");
}
