//! h2load, nghttp2's load generator, over HTTP/1.1 and HTTP/2, with TLS and
//! without: every request is answered, and well.

use super::served::{Door, Served};
use std::process::Command;

/// Runs it; what it says of its requests.
async fn loaded(door: &Door, options: &[&str], url: String) -> String {
    let mut command = Command::new("h2load");
    command.args(options).arg("-H").arg(format!("authorization: Bearer {}", door.token)).arg(url);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}");
    told
}

/// That all of these requests succeeded.
#[track_caller]
fn check(told: &str, requests: usize) {
    let lines = [
        format!(
            "requests: {requests} total, {requests} started, {requests} done, {requests} succeeded, 0 failed, 0 errored, 0 timeout"
        ),
        format!("status codes: {requests} 2xx, 0 3xx, 0 4xx, 0 5xx"),
    ];
    assert!(lines.iter().all(|line| told.contains(line)), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn h2load_gets_an_answer_to_every_request() {
    if Command::new("h2load").arg("--version").output().is_err() {
        println!("skipped\nhint: install `nghttp2-client` from Debian");
        return;
    }
    // Without TLS, HTTP/2 is begun by whoever knows that it is spoken.
    for (tls, scheme, http2) in [("off", "http", &["-p", "h2c"][..]), ("self-signed", "https", &[])] {
        let served = Served::with(&format!("[gateway.tls]\nmode = '{tls}'")).await;
        let door = served.door().await;
        let chat = served.home.path().join("chat.json");
        let said = r#"{"model":"rehearsal:script","stream":true,"messages":[{"role":"user","content":"say hello"}]}"#;
        std::fs::write(&chat, said).unwrap();
        let body = ["-d", chat.to_str().unwrap(), "-H", "content-type: application/json"];
        for options in [&["--h1", "-c", "16"][..], &[http2, &["-c", "4", "-m", "16"]].concat()] {
            let of = |number: &'static str| [options, &["-n", number]].concat();
            let told = loaded(&door, &of("2000"), format!("{}/control/v1/ready", door.url(scheme))).await;
            check(&told, 2000);
            let options = [&of("200")[..], &body].concat();
            let told = loaded(&door, &options, format!("{}/v1/chat/completions", door.url(scheme))).await;
            check(&told, 200);
        }
        door.close().await;
    }
}
