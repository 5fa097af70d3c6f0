//! The log and strangers' text: what somebody sends as a path, a header, a
//! name of a model or of a token begins no line in it and fills none.

use super::doors::Holder;
use super::home::{CLOCK, Home};
use super::listen::listening;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// Text that would forge a line, turn the direction of writing, clear a screen and hide; and much of it.
fn hostile() -> String {
    format!("\n2026-11-28T00:00:00Z ERROR forged\r\u{1b}[2J\u{202e}\u{200b}\u{2028}{}", "A".repeat(10_000))
}

/// Sends a request as it is, and reads until the other side ends.
fn sends(address: &str, head: &[u8], body: &str) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let more = format!("host: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    // What is refused early may be cut off.
    let _ = stream.write_all(&[head, more.as_bytes()].concat());
    let _ = stream.read_to_end(&mut Vec::new());
}

#[test]
fn what_strangers_send_begins_no_line_of_the_log_and_is_cut_at_256_bytes() {
    let home = Home::new();
    home.configure("[gateway]\nlisten = [\"127.0.0.1:0\"]");
    let mut holder = Holder::begun(&home, &mut home.command(&["start", "--log", "debug,cara_gateway=trace"]));
    let (address, text) = (listening(&home), hostile());
    let token = home.ok(&["token", "create", "talker", "--scope", "chat,operate,read,admin"]).trim().to_owned();
    let auth = format!("authorization: Bearer {token}\r\ncontent-type: application/json\r\n");
    let escaped: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let latin: Vec<u8> = text.bytes().filter(|byte| *byte > 0x1f).collect();
    let line = |start: &str, more: &[u8]| [start.as_bytes(), more, b"\r\n"].concat();
    // Paths, with a credential and without.
    sends(&address, &line(&format!("GET /{escaped} HTTP/1.1\r\n{auth}x: "), b"y"), "");
    sends(&address, &line(&format!("GET /control/v1/sessions/{escaped} HTTP/1.1\r\n{auth}x: "), b"y"), "");
    sends(&address, &line(&format!("GET /{escaped} HTTP/1.1\r\nx: "), b"y"), "");
    // Headers: any, a host, an origin, a token.
    for name in ["x", "origin", "host", "user-agent", "traceparent", "x-forwarded-for", "cookie"] {
        sends(&address, &line(&format!("GET /control/v1/status HTTP/1.1\r\n{auth}{name}: "), &latin), "");
    }
    sends(&address, &line("GET /control/v1/status HTTP/1.1\r\nauthorization: Bearer ", &latin), "");
    // Names of models, agents, tokens, keys; and no JSON at all.
    let json = serde_json::to_string(&text).unwrap();
    let message = "[{\"role\":\"user\",\"content\":\"hi\"}]";
    for (path, body) in [
        ("/v1/chat/completions", format!("{{\"model\":{json},\"messages\":{message}}}")),
        (
            "/v1/chat/completions",
            format!("{{\"model\":\"agent:{}\",\"messages\":{message}}}", &json[1..json.len() - 1]),
        ),
        ("/v1/chat/completions", format!("{{{json}:1,\"model\":\"rehearsal:script\",\"messages\":{message}}}")),
        ("/v1/messages", format!("{{\"model\":{json},\"max_tokens\":5,\"messages\":{message}}}")),
        ("/control/v1/tokens", format!("{{\"name\":{json},\"scopes\":[\"read\"]}}")),
        ("/control/v1/tokens", text.clone()),
        ("/login", format!("{{\"password\":{json}}}")),
        ("/devices/pair", format!("{{\"code\":{json},\"name\":{json},\"key\":{json},\"signature\":{json}}}")),
    ] {
        sends(&address, &line(&format!("POST {path} HTTP/1.1\r\n{auth}x: "), b"y"), &body);
    }
    home.run(&["config", "set", "chat.system", &text]);
    home.run(&["config", "set", &text, "x"]);
    home.chat(CLOCK, &text.replace('\r', ""), &[]);
    std::fs::write(home.path("config.toml"), format!("[chat]\nmodle{text} = 1\n")).unwrap();
    home.run(&["config", "check"]);
    home.configure("");
    home.ok(&["stop"]);
    assert!(holder.0.wait().unwrap().success());

    let log = std::fs::read_to_string(home.path("logs/cara.log")).unwrap();
    assert!(log.lines().count() > 20, "{log}");
    for line in log.lines() {
        let fields: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for (name, value) in fields.as_object().unwrap() {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let bad = |letter: char| letter.is_control() || ['\u{202e}', '\u{200b}', '\u{2028}'].contains(&letter);
            assert!(!value.chars().any(bad), "`{name}` of {line}");
            assert!(!value.contains(&"A".repeat(257)), "`{name}` has much of what a stranger sent: {line}");
            assert!(!value.starts_with("2026-11-28T00:00:00Z ERROR"), "{line}");
        }
    }
}
