//! Bytes and time: a server or a component that takes too much of either is
//! cut off. Time is paused, nothing sleeps.

use crate::fixture::{Answer, BASE, Fixture, Step, answer, get, get_with, limits, post};
use bytes::Bytes;
use cara_services::egress::{Budget, EgressError, EgressLimits, Phase};
use http::Request;
use http_body_util::{BodyExt, Full, StreamBody};
use std::sync::Arc;
use std::time::Duration;

const ALL: &str = r#""header", "body""#;
const SECOND: Duration = Duration::from_secs(1);
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";

async fn late(fixture: &Fixture, limits: &EgressLimits) -> (Phase, String) {
    let (credentials, _) = fixture.call();
    match fixture.send_within(&credentials, get(BASE), limits).await {
        Err(error @ EgressError::Timeout { phase, .. }) => (phase, error.to_string()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_left() {
    let fixture = Fixture::plain(ALL, |_| vec![Step::Wait(1000 * SECOND)]);
    let (phase, text) = late(&fixture, &EgressLimits { first_byte: 20 * SECOND, ..limits() }).await;
    assert_eq!(phase, Phase::FirstByte);
    insta::assert_snapshot!(text, @"`http://127.0.0.1:8080` took over 20s to begin its answer");
}

#[tokio::test(start_paused = true)]
async fn slow_headers_do_not_move_the_limit() {
    let fixture = Fixture::plain(ALL, |_| {
        let line = |n| [Step::Write(format!("x-{n}: 1\r\n").into_bytes()), Step::Wait(SECOND)];
        [Step::Write(b"HTTP/1.1 200 OK\r\n".into())].into_iter().chain((0..90).flat_map(line)).collect()
    });
    assert_eq!(late(&fixture, &EgressLimits { first_byte: 20 * SECOND, ..limits() }).await.0, Phase::FirstByte);
}

#[tokio::test(start_paused = true)]
async fn a_pause_in_the_middle_is_limited() {
    let fixture = Fixture::plain(ALL, |_| vec![Step::Write([HEAD, b"begun"].concat()), Step::Wait(1000 * SECOND)]);
    let (phase, text) =
        late(&fixture, &EgressLimits { between_bytes: 5 * SECOND, total: 600 * SECOND, ..limits() }).await;
    assert_eq!(phase, Phase::NextByte);
    insta::assert_snapshot!(text, @"`http://127.0.0.1:8080` took over 5s to go on with its answer");
}

#[tokio::test(start_paused = true)]
async fn a_drip_of_one_byte_a_second_ends_with_the_whole_time() {
    let fixture = Fixture::plain(ALL, |_| {
        let drip = (0..10_000).flat_map(|_| [Step::Write(b".".into()), Step::Wait(SECOND)]);
        [Step::Write(HEAD.into())].into_iter().chain(drip).collect()
    });
    let begun = tokio::time::Instant::now();
    let (phase, text) =
        late(&fixture, &EgressLimits { between_bytes: 5 * SECOND, total: 60 * SECOND, ..limits() }).await;
    assert_eq!((phase, begun.elapsed().as_secs()), (Phase::Finish, 60));
    insta::assert_snapshot!(text, @"`http://127.0.0.1:8080` took over 60s to finish its answer");
}

#[tokio::test(start_paused = true)]
async fn time_in_which_nobody_reads_does_not_count_as_a_pause() {
    let fixture = Fixture::plain(ALL, |_| {
        vec![
            Step::Write([HEAD, b"one"].concat()),
            Step::Wait(2 * SECOND),
            Step::Write(b"two".into()),
            Step::Wait(4 * SECOND),
            Step::Write(b"three".into()),
        ]
    });
    let (credentials, _) = fixture.call();
    let request = get(BASE);
    let destination = fixture.grants.destination(request.method(), request.uri()).unwrap();
    let limits = EgressLimits { between_bytes: 5 * SECOND, total: 600 * SECOND, ..limits() };
    let mut body = fixture.egress.send(destination, request, &credentials, &limits).await.unwrap().into_body();
    let mut text = Vec::new();
    while let Some(frame) = body.frame().await {
        text.extend(frame.unwrap().into_data().unwrap());
        tokio::time::sleep(60 * SECOND).await;
    }
    assert_eq!(text, b"onetwothree");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_there_but_read_too_late_is_cut_off() {
    let fixture = Fixture::plain(ALL, |_| {
        vec![
            Step::Write([HEAD, b"one"].concat()),
            Step::Wait(SECOND),
            Step::Write(b"two".into()),
            Step::Wait(1000 * SECOND),
        ]
    });
    let (credentials, _) = fixture.call();
    let request = get(BASE);
    let destination = fixture.grants.destination(request.method(), request.uri()).unwrap();
    let limits = EgressLimits { total: 30 * SECOND, ..limits() };
    let mut body = fixture.egress.send(destination, request, &credentials, &limits).await.unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "one");
    tokio::time::sleep(60 * SECOND).await;
    assert!(matches!(body.frame().await, Some(Err(EgressError::Timeout { phase: Phase::Finish, .. }))));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_not_made_in_time_is_given_up() {
    let mut fixture = Fixture::plain(ALL, |_| Vec::new());
    struct Never;
    impl cara_services::egress::Dial for Never {
        fn dial(
            &self,
            _: std::net::SocketAddr,
        ) -> futures_util::future::BoxFuture<'_, std::io::Result<Box<dyn cara_services::egress::Wire>>> {
            Box::pin(std::future::pending())
        }
    }
    let transport = cara_services::egress::Transport {
        resolver: fixture.names.clone(),
        dial: Arc::new(Never),
        roots: cara_services::egress::Roots::None,
    };
    fixture.egress = cara_services::egress::Egress::new(fixture.known.clone(), transport);
    let (phase, text) = late(&fixture, &EgressLimits { connect: 3 * SECOND, ..limits() }).await;
    assert_eq!(phase, Phase::Connect);
    insta::assert_snapshot!(text, @"`http://127.0.0.1:8080` took over 3s to connect");
}

#[tokio::test]
async fn bytes_count_both_ways_and_over_all_requests_of_a_call() {
    let fixture = Fixture::plain(ALL, |_| answer("", &[b'x'; 1000]));
    let (credentials, _) = fixture.call();
    let limits = EgressLimits { budget: Arc::new(Budget::new(3500)), ..limits() };
    let mut sent = 0;
    let error = loop {
        match fixture.send_within(&credentials, post("text/plain", vec![b'y'; 500]), &limits).await {
            Ok(answer) => sent += answer.text().len() + 500,
            Err(error) => break error,
        }
    };
    assert_eq!((sent, limits.budget.left()), (3000, 0));
    insta::assert_snapshot!(error, @r"
    the call sent and received over 3500 bytes
    hint: to allow more, raise `egress` in the component's limits
    ");
}

#[tokio::test]
async fn an_answer_without_end_stops_at_the_budget() {
    let fixture = Fixture::plain(ALL, |_| {
        [Step::Write(HEAD.into())].into_iter().chain((0..1000).map(|_| Step::Write(vec![b'x'; 65536]))).collect()
    });
    let (credentials, _) = fixture.call();
    let limits = EgressLimits { budget: Arc::new(Budget::new(1 << 20)), ..limits() };
    assert!(matches!(fixture.send_within(&credentials, get(BASE), &limits).await, Err(EgressError::Refused(_))));
}

#[tokio::test]
async fn headers_over_64_kib_are_refused_both_ways() {
    let fixture = Fixture::plain(ALL, |_| answer(&format!("x-big: {}\r\n", "x".repeat(70_000)), b""));
    let (credentials, _) = fixture.call();
    assert!(matches!(
        fixture.send(&credentials, get(BASE)).await,
        Err(EgressError::Broken { .. } | EgressError::Refused(_))
    ));
    insta::assert_snapshot!(
        fixture.refused(&credentials, get_with("x-big", &"x".repeat(70_000))).await,
        @"the header of the request is over 65536 bytes"
    );
    let fixture = Fixture::plain(ALL, |_| answer(&"x-many: 1\r\n".repeat(1000), b""));
    assert!(matches!(fixture.send(&credentials, get(BASE)).await, Err(EgressError::Broken { .. })));
}

#[tokio::test]
async fn oversized_trailers_of_a_chunked_answer_are_refused() {
    let fixture = Fixture::plain(ALL, |_| {
        let trailers = "x-end: 1\r\n".repeat(20_000);
        answer("transfer-encoding: chunked\r\n", format!("2\r\nok\r\n0\r\n{trailers}\r\n").as_bytes())
    });
    let (credentials, _) = fixture.call();
    assert!(matches!(fixture.send(&credentials, get(BASE)).await, Err(EgressError::Broken { .. })));
}

#[tokio::test]
async fn a_body_of_another_length_than_promised_is_refused() {
    for (length, body) in [("3", "four"), ("5", "four")] {
        let fixture = Fixture::plain("\"header\"", |_| answer("", b"ok"));
        let (credentials, _) = fixture.call();
        let mut request = post("text/plain", body);
        request.headers_mut().insert("content-length", length.parse().unwrap());
        let error = fixture.refused(&credentials, request).await;
        assert_eq!(error, format!("the request promised a body of {length} bytes and has another"));
    }
    let fixture = Fixture::plain(ALL, |_| answer("", b"ok"));
    let (credentials, _) = fixture.call();
    let mut request = post("text/plain", "four");
    request.headers_mut().insert("content-length", "4, 5".parse().unwrap());
    assert_eq!(fixture.refused(&credentials, request).await, "the request has no single `content-length`");
}

#[tokio::test]
async fn the_length_that_is_sent_is_that_of_the_body_with_the_value_in_it() {
    for (kind, body, wanted) in [
        ("text/plain", "four", "content-length: 4"),
        ("application/x-www-form-urlencoded", "key=cara-secret--api-key", "content-length: 30"),
    ] {
        let fixture = Fixture::plain(ALL, |_| answer("", b"ok"));
        let (credentials, _) = fixture.call();
        fixture.send(&credentials, post(kind, body)).await.unwrap();
        assert!(fixture.only_request().contains(wanted), "{}", fixture.only_request());
    }
}

#[tokio::test]
async fn a_body_that_fails_ends_the_request() {
    let fixture = Fixture::plain(ALL, |_| answer("", b"ok"));
    let (credentials, _) = fixture.call();
    let frames = [Ok(http_body::Frame::data(Bytes::from("begun"))), Err(std::io::Error::other("the guest gave up"))];
    let body = StreamBody::new(futures_util::stream::iter(frames));
    let request = Request::post(BASE).body(body).unwrap();
    let destination = fixture.grants.destination(request.method(), request.uri()).unwrap();
    let error = fixture.egress.send(destination, request, &credentials, &limits()).await.err().unwrap();
    insta::assert_snapshot!(error, @"the body of the request to `http://127.0.0.1:8080` failed: the guest gave up");
}

#[tokio::test]
async fn a_marker_split_over_two_chunks_is_exchanged() {
    let fixture = Fixture::plain(ALL, |_| answer("", b"ok"));
    let (credentials, _) = fixture.call();
    let form = "key=cara-secret--api-key";
    for cut in 0..form.len() {
        let frames = [&form[..cut], &form[cut..]].map(|part| Bytes::copy_from_slice(part.as_bytes()));
        let body = StreamBody::new(futures_util::stream::iter(
            frames.map(|data| Ok::<_, EgressError>(http_body::Frame::data(data))),
        ));
        let kind = "application/x-www-form-urlencoded";
        let request = Request::post(BASE).header("content-type", kind).body(body).unwrap();
        let destination = fixture.grants.destination(request.method(), request.uri()).unwrap();
        let response = fixture.egress.send(destination, request, &credentials, &limits()).await.unwrap();
        Answer::read(response).await.unwrap();
        let sent = fixture.seen.lock().unwrap().pop().unwrap();
        assert!(sent.ends_with("key=sk-live%2F3~Secret%2BValue"), "cut at {cut}: {sent}");
    }
    let empty: Request<Full<Bytes>> = get(BASE);
    fixture.send(&credentials, empty).await.unwrap();
}
