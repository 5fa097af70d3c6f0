//! What ends a connection by itself: slow heads, bodies nobody sends or
//! reads, idleness, and the end of the listener.

use super::*;
use http::Request;
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::time::{Instant, sleep};

/// The beginning of HTTP/2, with empty settings.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_ends_the_connection() {
    let stage = Stage::roomy();
    for begun in [&b""[..], b"G", b"GET / HTTP/1.1\r\nhost: a\r\n", b"PRI * HTTP/2.0", PREFACE] {
        let (mut stream, since) = (stage.connect().await, Instant::now());
        stream.write_all(begun).await.unwrap();
        assert!(ends(&mut stream).await.is_some(), "{begun:?} keeps its connection");
        assert!(since.elapsed() < Duration::from_secs(20), "{begun:?}: {:?}", since.elapsed());
    }
    assert_eq!(stage.shared.places.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_drips_ends_the_connection_also_after_a_request() {
    let stage = Stage::roomy();
    let mut stream = stage.connect().await;
    assert!(asks(&mut stream, &get_of("/")).await.starts_with("HTTP/1.1 200"));
    let since = Instant::now();
    for letter in b"GET / HTTP/1.1\r\nx: ".iter().chain(std::iter::repeat(&b'a')) {
        if stream.write_all(&[*letter]).await.is_err() {
            break;
        }
        sleep(Duration::from_secs(1)).await;
        assert!(since.elapsed() < Duration::from_secs(30), "the head drips on");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_does_nothing_ends_after_a_minute_and_not_before() {
    let stage = Stage::roomy();
    let mut stream = stage.connect().await;
    asks(&mut stream, &get_of("/")).await;
    sleep(Duration::from_secs(50)).await;
    assert!(asks(&mut stream, &get_of("/")).await.starts_with("HTTP/1.1 200"));
    let since = Instant::now();
    assert_eq!(ends(&mut stream).await, Some(Vec::new()));
    assert!((60..80).contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_reads_ends_with_its_connection() {
    let stage = Stage::roomy();
    let mut stream = stage.connect().await;
    stream.write_all(get_of("/endless").as_bytes()).await.unwrap();
    stage.until_going(1).await;
    let since = Instant::now();
    stage.until_going(0).await;
    assert!((55..100).contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
    assert_eq!(stage.shared.places.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stream_whose_window_stays_shut_ends_with_its_connection() {
    let stage = Stage::roomy();
    let io = TokioIo::new(stage.connect().await);
    let (mut asking, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let connection = tokio::spawn(connection);
    let uri = format!("http://{}/endless", stage.tcp.address);
    let answer = asking.send_request(Request::get(uri).body(String::new()).unwrap()).await.unwrap();
    stage.until_going(1).await;
    let since = Instant::now();
    stage.until_going(0).await;
    assert!((55..100).contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
    assert!(answer.into_body().collect().await.is_err());
    let _ = timeout(HOUR, connection).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_has_nothing_to_say_for_long_goes_on() {
    let stage = Stage::roomy();
    let mut stream = stage.connect().await;
    stream.write_all(get_of("/wait").as_bytes()).await.unwrap();
    stage.until_going(1).await;
    sleep(Duration::from_secs(600)).await;
    assert_eq!(stage.going.load(Ordering::SeqCst), 1);
    drop(stream);
    stage.until_going(0).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_drips_is_not_waited_for() {
    let stage = Stage::roomy();
    let mut stream = stage.connect().await;
    let head = "POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let since = Instant::now();
    while stream.write_all(b"x").await.is_ok() {
        sleep(Duration::from_secs(5)).await;
        assert!(since.elapsed() < Duration::from_secs(90), "the body drips on");
    }
}

#[tokio::test]
async fn what_is_asked_at_once_is_answered_in_order() {
    let stage = Stage::roomy();
    let mut stream = stage.connect().await;
    let body = "POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc";
    let last = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    stream.write_all(format!("{}{body}{last}", get_of("/")).as_bytes()).await.unwrap();
    let all = String::from_utf8(ends(&mut stream).await.unwrap()).unwrap();
    let bodies: Vec<&str> = all.split("\r\n\r\n").skip(1).map(|part| &part[..1]).collect();
    assert_eq!(bodies, ["x", "3", "x"]);
}

#[tokio::test]
async fn a_listener_that_drains_lets_nobody_in_and_ends_what_is_idle_and_nothing_else() {
    let stage = Stage::roomy();
    let (mut idle, mut busy) = (stage.connect().await, stage.connect().await);
    asks(&mut idle, &get_of("/")).await;
    busy.write_all(get_of("/endless").as_bytes()).await.unwrap();
    stage.until_going(1).await;
    stage.tcp.drain();
    assert_eq!(ends(&mut idle).await, Some(Vec::new()));
    assert!(TcpStream::connect(stage.tcp.address).await.is_err() || stage.shared.places.count() == 1);
    for _ in 0..100 {
        assert!(!part(&mut busy).await.is_empty());
    }
    drop(busy);
    timeout(HOUR, stage.tcp.drained()).await.unwrap();
}
