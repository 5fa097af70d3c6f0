//! The socket under clients that do not behave, and other versions.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::{get, post};
use cara_control::status::{ShowStatus, StopHolder};
use cara_gateway::{CallError, Client, Listener};
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// As many as are served at once.
const MOST: usize = 64;

const HOUR: Duration = Duration::from_secs(3600);

fn open(router: Router) -> (TempDir, PathBuf, Listener) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sock");
    let listener = Listener::open(path.clone(), router).unwrap();
    (folder, path, listener)
}

async fn asks(stream: &mut UnixStream) {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
}

async fn is_answered(stream: &mut UnixStream) {
    assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
}

// The clock stands still, and jumps to the next deadline when nothing else can go on.
#[tokio::test(start_paused = true)]
async fn only_so_many_connections_are_served_at_once_and_the_next_waits() {
    let (_folder, path, _listener) = open(Router::new().route("/", get(async || "x")));
    let mut all = Vec::new();
    for _ in 0..MOST {
        let mut stream = UnixStream::connect(&path).await.unwrap();
        asks(&mut stream).await;
        is_answered(&mut stream).await;
        all.push(stream);
    }
    let mut late = UnixStream::connect(&path).await.unwrap();
    asks(&mut late).await;
    assert!(timeout(Duration::from_secs(1), late.read(&mut [0])).await.is_err(), "one more was served");
    drop(all.pop());
    is_answered(&mut late).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_never_finished_is_ended() {
    let (_folder, path, listener) = open(Router::new().route("/", get(async || "x")));
    for begun in ["", "GET / HT", "GET / HTTP/1.1\r\nhost: loc"] {
        let mut stream = UnixStream::connect(&path).await.unwrap();
        stream.write_all(begun.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        // It may be told why, or not.
        let ended = timeout(HOUR, stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "`{begun}` keeps its connection");
    }
    timeout(HOUR, listener.close()).await.unwrap();
}

#[tokio::test]
async fn a_holder_of_another_version_is_told_apart_and_can_be_stopped() {
    let ready = r#"{"version":"0.0.1","role":"daemon"}"#;
    let router = Router::new()
        .route("/control/v1/ready", get(async move || ([(CONTENT_TYPE, "application/json")], ready)))
        .route("/control/v1/status", get(async || "event: view\ndata: {}\n\n"))
        .route("/control/v1/stop", post(async || "event: view\ndata: {}\n\n"));
    let (_folder, path, _listener) = open(router);
    let client = Client::Socket(path);
    let Err(CallError::Failed(error)) = client.call(&ShowStatus {}, &mut |_| {}).await else { panic!("it was asked") };
    assert!(error.message.contains("cara 0.0.1"), "{error}");
    assert!(error.hint.unwrap().contains("`cara stop`"));
    client.call(&StopHolder {}, &mut |_| {}).await.unwrap();
}

#[tokio::test]
async fn a_holder_that_does_not_say_its_version_is_of_another_one() {
    let (_folder, path, _listener) = open(Router::new());
    let called = Client::Socket(path).call(&ShowStatus {}, &mut |_| {}).await;
    assert!(matches!(called, Err(CallError::Failed(error)) if error.message.contains("another version")));
}
