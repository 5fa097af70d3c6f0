//! Bodies of requests that are cut short, and bodies that are never sent.

use cara_harness::{Attack, Upstream};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// When a server answers a request whose body has a length.
#[derive(Debug, Clone, Copy)]
pub(crate) enum When {
    /// The server has seen the header.
    Early,
    /// The server has half of the body.
    Half,
    /// The server has every byte.
    Late,
}

/// Answers each connection once, and then reads what else comes.
pub(crate) async fn server(when: When) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, when));
        }
    });
    authority
}

async fn serve(mut stream: TcpStream, when: When) {
    let (mut all, mut part) = (Vec::new(), vec![0; 64 << 10]);
    let mut answered = false;
    loop {
        match stream.read(&mut part).await {
            Ok(read) if read > 0 => all.extend_from_slice(&part[..read]),
            _ => return,
        }
        let Some(head) = all.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&all[..head]).to_ascii_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        let enough = match when {
            When::Early => 0,
            When::Half => length / 2,
            When::Late => length,
        };
        if !answered && all.len() - head - 4 >= enough {
            answered = true;
            let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
            if stream.write_all(answer).await.is_err() {
                return;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_is_read_whenever_the_server_gives_it() {
    for when in [When::Early, When::Half, When::Late] {
        let authority = server(when).await;
        let attack = Attack::new().await;
        let subject = attack.guest().setting("base-url", format!("http://{authority}")).load();
        for bytes in [1, 70_000, 400_000] {
            // A client of another make, for which every step of writing must succeed; then the SDK's.
            let strict =
                subject.tool("strict_request", json!({ "authority": authority, "bytes": bytes })).await.unwrap();
            assert_eq!(strict.text(), "200", "{when:?}, {bytes} bytes");
            let request = json!({ "url": format!("http://{authority}/"), "body": "x".repeat(bytes) });
            let told = subject.tool("request", request).await.unwrap();
            assert_eq!(told.text(), r#"{"body":"ok","status":200}"#, "{when:?}, {bytes} bytes");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_never_sent_end_the_call_at_its_memory() {
    let attack = Attack::new().await;
    let subject = attack.guest().limits("memory = \"16MiB\"").load();
    let fault = subject.fault("hoard_bodies", json!({ "count": 400 })).await;
    assert_eq!(fault, "component `hostile` was stopped: it needs more memory than its limit of 16 MiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_body_held_is_given_back_when_it_was_sent() {
    let mut attack = Attack::new().await;
    attack.upstream = Upstream::start(|_| cara_harness::Reply::ok("hello")).await;
    // More requests one after the other than the memory has room for at once.
    let subject = attack.guest().limits("memory = \"8MiB\"").load();
    for _ in 0..50 {
        let told = subject.tool("request", json!({ "url": attack.upstream.url(), "body": "x" })).await.unwrap();
        assert_eq!(told.text(), r#"{"body":"hello","status":200}"#);
    }
}
