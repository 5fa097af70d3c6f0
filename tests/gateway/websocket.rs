//! The control API over a WebSocket: what is asked, what happens meanwhile,
//! who comes back, and who breaks the protocol.

use super::frames::{BINARY, CLOSE, CONTINUATION, Client, FIN, PING, PONG, TEXT, frame, head_of};
use crate::people::house::{House, token};
use cara_authority::Scope;
use cara_control::HomeFiles;
use cara_control::status::ShowStatus;
use cara_control::tokens::{CreateToken, RevokeToken};
use cara_gateway::{Gateway, Listener, account_router, router};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;

const SCRIPT: &str = "order = 'any'\n[[turn]]\nstep = [{ text = 'one two three four five six ', chunk = 1 }]\n";

/// A home behind a socket.
struct Served {
    house: House,
    listener: Listener,
    socket: PathBuf,
}

impl Served {
    async fn new(script: &str) -> Self {
        Self::with(script, "").await
    }

    async fn with(script: &str, config: &str) -> Self {
        let house = House::new(script, config).await;
        let socket = house.application.home().socket();
        let listener = Listener::open(socket.clone(), account_router(house.application.clone())).unwrap();
        Self { house, listener, socket }
    }

    async fn client(&self) -> Client {
        Client::open(&self.socket).await
    }

    async fn close(self) {
        // What ends the process ends WebSockets as well.
        self.house.application.stopping().cancel();
        self.listener.close().await;
        self.house.close().await;
    }
}

fn begin(run: &str) -> Value {
    json!({ "run": run, "by": { "model": "rehearsal:script" }, "message": [{ "words": "typed", "text": "count" }] })
}

/// The text of a run's events.
fn words(events: &[Value]) -> String {
    let text = |event: &Value| event["event"]["event"]["text"].as_str().map(str::to_owned);
    events.iter().filter(|event| event["event"]["event"]["type"] == "text").filter_map(text).collect()
}

fn numbers(events: &[Value]) -> Vec<u64> {
    events.iter().filter_map(|event| event["seq"].as_u64()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_use_case_answers_as_it_does_over_http_and_failures_have_their_status() {
    let served = Served::new(SCRIPT).await;
    let mut client = served.client().await;
    let (_, answer) = client.calls("sessions.list", json!({ "limit": 5 })).await;
    assert_eq!(answer["result"], json!([]), "{answer}");
    let code = |answer: &Value| answer["error"]["code"].as_i64();
    let (_, none) = client.calls("sessions.show", json!({ "id": "s-aaaaaaaaaa" })).await;
    assert_eq!(code(&none), Some(404), "{none}");
    assert_eq!(none["error"]["data"]["hint"], "`cara sessions list` shows them", "{none}");
    assert_eq!(code(&client.calls("sessions.show", json!({ "id": "s-aaaaaaaaaa", "x": 1 })).await.1), Some(-32_602));
    assert_eq!(code(&client.calls("nothing.at-all", json!({})).await.1), Some(-32_601));
    for (text, wrong) in [
        ("{", -32_700),
        ("[]", -32_600),
        (r#"{"jsonrpc":"1.0","id":1,"method":"status"}"#, -32_600),
        (r#"{"jsonrpc":"2.0","method":"status"}"#, -32_600),
        (r#"{"jsonrpc":"2.0","id":{},"method":"status"}"#, -32_600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"status","by":"me"}"#, -32_600),
    ] {
        client.sends(&frame(FIN | TEXT, text.as_bytes())).await;
        assert_eq!(code(&client.message().await), Some(wrong), "{text}");
    }
    served.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_needs_room_for_all_the_values_in_it() {
    let served = Served::new(SCRIPT).await;
    let mut client = served.client().await;
    let code = |answer: &Value| answer["error"]["code"].as_i64();
    // Read, these are a hundred times as large.
    let many = json!({ "id": vec![json!({ "": 0 }); 100_000] });
    let (_, refused) = client.calls("sessions.show", many).await;
    assert_eq!(code(&refused), Some(400), "{refused}");
    assert!(refused["error"]["message"].as_str().is_some_and(|told| told.contains("more values in it")), "{refused}");
    let long = json!({ "id": "x".repeat(700_000) });
    let (_, read) = client.calls("sessions.show", long).await;
    assert!(
        !read.to_string().contains("more values in it") && code(&read).is_some(),
        "as many bytes, in one value: {read}"
    );
    served.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_hears_what_was_missed_of_a_run_that_went_on() {
    let served = Served::new(SCRIPT).await;
    let mut client = served.client().await;
    client.asks("runs.begin", begin("r-aaaaaaaaaa")).await;
    let mut before = Vec::new();
    while numbers(&before).len() < 4 {
        before.push(client.message().await["params"].clone());
    }
    // No goodbye: the connection is torn.
    drop(client);
    let last = *numbers(&before).last().unwrap();
    let mut again = served.client().await;
    let (after, ended) = again.calls("runs.follow", json!({ "run": "r-aaaaaaaaaa", "after": last })).await;
    assert_eq!(ended["result"]["type"], "done", "{ended}");
    let all: Vec<Value> = before.into_iter().chain(after).collect();
    assert_eq!(words(&all), "one two three four five six ");
    let numbers = numbers(&all);
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "each once, in order");
    // It has ended, and can still be followed from anywhere.
    let (whole, _) = served.client().await.calls("runs.follow", json!({ "run": "r-aaaaaaaaaa" })).await;
    assert_eq!(words(&whole), "one two three four five six ");
    served.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_have_numbers_and_what_is_missed_is_said() {
    let served = Served::new(SCRIPT).await;
    let (mut one, mut other) = (served.client().await, served.client().await);
    one.asks("changes.follow", json!({})).await;
    let position = one.message().await["params"]["event"].clone();
    assert_eq!((&position["type"], &position["missed"]), (&json!("position"), &json!(false)), "{position}");
    let (process, from) = (position["process"].clone(), position["seq"].as_u64().unwrap());
    other.calls("runs.begin", begin("r-bbbbbbbbbb")).await;
    let set = json!({ "key": "chat.system", "value": "Be brief." });
    assert!(other.calls("config.set", set).await.1.get("error").is_none());
    let mut heard = Vec::new();
    while !heard.iter().any(|event: &Value| event["event"]["what"] == "config.set") {
        heard.push(one.message().await["params"].clone());
    }
    let whats: Vec<&str> = heard.iter().filter_map(|event| event["event"]["what"].as_str()).collect();
    assert_eq!(&whats[..2], ["runs.began", "runs.ended"]);
    assert_eq!(heard[0]["event"]["subject"], "r-bbbbbbbbbb");
    assert_eq!(numbers(&heard), (from + 1..=from + heard.len() as u64).collect::<Vec<_>>());
    // Whoever comes back hears the same; to whom the numbers mean nothing any more, it is said.
    drop(one);
    let mut again = served.client().await;
    again.asks("changes.follow", json!({ "after": from + 1, "process": process })).await;
    assert_eq!(again.message().await["params"]["event"]["missed"], false);
    assert_eq!(again.message().await["params"], {
        let mut second = heard[1].clone();
        second["id"] = json!(1);
        second
    });
    for gone in [json!({ "after": from, "process": "another" }), json!({ "after": 9_999_999, "process": process })] {
        let mut late = served.client().await;
        late.asks("changes.follow", gone).await;
        assert_eq!(late.message().await["params"]["event"]["missed"], true);
    }
    served.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_nobody_answered_in_time_is_a_change() {
    let script = "[[turn]]\nstep = [{ tool-call = { name = 'memory_write', arguments = { key = 'seat', value = 'aisle' } } }]\n\
                  [[turn]]\nstep = [{ text = 'Not noted.' }]\n";
    let rules = "[approvals]\ndeadline = \"20ms\"\n[[policy.rule]]\ntool = \"memory_write\"\nthen = \"ask\"";
    let served = Served::with(script, rules).await;
    served.house.enables("memory").await;
    let (mut one, mut other) = (served.client().await, served.client().await);
    one.asks("changes.follow", json!({})).await;
    assert_eq!(one.message().await["params"]["event"]["type"], "position");
    other.calls("runs.begin", begin("r-cccccccccc")).await;
    let mut heard: Vec<Value> = Vec::new();
    while !heard.iter().any(|event| event["what"] == "runs.ended") {
        heard.push(one.message().await["params"]["event"].clone());
    }
    let of = |what: &str| heard.iter().find(|event| event["what"] == what).cloned().unwrap_or_default();
    assert_eq!(of("approvals.expired")["topic"], "approvals", "{heard:?}");
    assert_eq!(of("approvals.expired")["subject"], of("approvals.asked")["subject"]);
    served.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_stops_working_is_a_change_and_so_is_one_that_works_again() {
    let served = Served::new(SCRIPT).await;
    let (mut one, mut other) = (served.client().await, served.client().await);
    let config = served.house.application.home().config();
    let text = std::fs::read_to_string(&config).unwrap();
    assert_eq!(other.calls("health", json!({})).await.1["result"]["condition"], "ok");
    one.asks("changes.follow", json!({})).await;
    assert_eq!(one.message().await["params"]["event"]["type"], "position");
    for (text, condition) in [("[chat]\nmodle = 1\n", "degraded"), (&text, "ok")] {
        std::fs::write(&config, text).unwrap();
        for _ in 0..2 {
            assert_eq!(other.calls("health", json!({})).await.1["result"]["condition"], condition);
        }
        loop {
            let event = one.message().await["params"]["event"].clone();
            if event["what"] == "health.changed" {
                assert_eq!(event["topic"], "health");
                break;
            }
        }
    }
    served.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_can_be_given_up_and_there_are_only_so_many_at_once() {
    let served = Served::new(SCRIPT).await;
    let mut client = served.client().await;
    let mut ids = Vec::new();
    for _ in 0..32 {
        ids.push(client.asks("changes.follow", json!({})).await);
        assert_eq!(client.message().await["params"]["event"]["type"], "position");
    }
    let (_, refused) = client.calls("status", json!({})).await;
    assert_eq!(refused["error"]["code"], 409, "{refused}");
    client.asks("cancel", json!({ "id": ids[0] })).await;
    let given_up = client.message().await;
    assert_eq!(given_up["id"], json!(ids[0]), "{given_up}");
    assert_eq!(given_up["error"]["code"], 408, "{given_up}");
    let cancelled = client.message().await;
    assert_eq!(cancelled["result"], true, "{cancelled}");
    let (_, again) = client.calls("cancel", json!({ "id": ids[0] })).await;
    assert_eq!(again["result"], false, "{again}");
    let again = json!({ "jsonrpc": "2.0", "id": ids[1], "method": "status" }).to_string();
    client.sends(&frame(FIN | TEXT, again.as_bytes())).await;
    assert_eq!(client.message().await["error"]["code"], -32_600, "the same `id` goes on");
    let (_, status) = client.calls("status", json!({})).await;
    assert_eq!(status["result"]["held"], true, "{status}");
    served.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_may_come_in_pieces_with_pings_between_them() {
    let served = Served::new(SCRIPT).await;
    let mut client = served.client().await;
    let request = json!({ "jsonrpc": "2.0", "id": "é-1", "method": "status" }).to_string();
    // Cut within a letter of two bytes.
    let cut = request.find('é').unwrap() + 1;
    let (first, last) = request.as_bytes().split_at(cut);
    let mut bytes = frame(TEXT, first);
    bytes.extend(frame(FIN | PING, b"there?"));
    bytes.extend(frame(CONTINUATION, b""));
    bytes.extend(frame(FIN | CONTINUATION, last));
    // One byte at a time, as a slow network brings it.
    for byte in bytes {
        client.sends(&[byte]).await;
    }
    assert_eq!(client.hears().await, Some((FIN | PONG, b"there?".to_vec())));
    assert_eq!(client.message().await["id"], "é-1");
    client.sends(&frame(FIN | PING, &[b'x'; 125])).await;
    assert_eq!(client.hears().await, Some((FIN | PONG, vec![b'x'; 125])));
    client.sends(&frame(FIN | PONG, b"nobody asked")).await;
    client.sends(&frame(FIN | CLOSE, &1000_u16.to_be_bytes())).await;
    assert_eq!(client.is_closed().await, Some(1000));
    served.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_breaks_the_protocol_is_told_so_and_closed() {
    let served = Served::new(SCRIPT).await;
    let close = |code: u16, reason: &[u8]| frame(FIN | CLOSE, &[&code.to_be_bytes()[..], reason].concat());
    let unmasked = [head_of(FIN | TEXT, 2, 0), b"{}".to_vec()].concat();
    let (size, utf8, protocol, unsupported) = (1009, 1007, 1002, 1003);
    let cases: Vec<(&str, Vec<u8>, u16)> = vec![
        ("a frame without a mask", unmasked, protocol),
        ("a reserved code of data", frame(FIN | 3, b""), protocol),
        ("a reserved code of control", frame(FIN | 11, b""), protocol),
        ("a reserved bit", frame(FIN | 0x40 | TEXT, b"{}"), protocol),
        ("a continuation of nothing", frame(FIN | CONTINUATION, b"{}"), protocol),
        ("a message within another", [frame(TEXT, b"{"), frame(FIN | TEXT, b"}")].concat(), protocol),
        ("a ping in pieces", frame(PING, b"a"), protocol),
        ("a ping that is too long", frame(FIN | PING, &[0; 126]), protocol),
        ("a close with half a code", frame(FIN | CLOSE, &[3]), protocol),
        ("a close with a code that may not be sent", close(1005, b""), protocol),
        ("a close with a code that nobody has", close(999, b""), protocol),
        ("a close whose reason is no text", close(1000, &[0xff]), utf8),
        ("text that is no text", frame(FIN | TEXT, &[0xce, 0xba, 0xe1, 0xbd, 0xb9, 0xed, 0xa0, 0x80]), utf8),
        ("text that ends within a letter", frame(FIN | TEXT, &[0xc3]), utf8),
        ("bytes", frame(FIN | BINARY, b"{}"), unsupported),
        ("a message that is too large", [head_of(FIN | TEXT, 1024 * 1024 + 1, 0x80), vec![0; 4]].concat(), size),
        ("a frame of all memory", [head_of(FIN | TEXT, usize::MAX >> 1, 0x80), vec![0; 4]].concat(), size),
    ];
    for (what, bytes, code) in cases {
        let mut client = served.client().await;
        client.sends(&bytes).await;
        assert_eq!(client.is_closed().await, Some(code), "{what}");
        assert_eq!(client.hears().await, None, "{what}: nothing comes after the end");
    }
    // Pieces that are small, and too many.
    let mut client = served.client().await;
    client.sends(&frame(TEXT, &[b' '; 1024])).await;
    for _ in 0..1024 {
        client.sends(&frame(CONTINUATION, &[b' '; 1024])).await;
    }
    assert_eq!(client.is_closed().await, Some(size));
    served.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_daemon_is_said() {
    let served = Served::new(SCRIPT).await;
    let mut client = served.client().await;
    client.asks("changes.follow", json!({})).await;
    client.message().await;
    served.house.application.stopping().cancel();
    assert_eq!(client.is_closed().await, Some(1001));
    served.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_is_taken_back_closes_its_websocket_and_no_other() {
    let house = House::new(SCRIPT, "").await;
    let create = |name: &str| CreateToken { name: name.into(), ..token(&[Scope::Read]) };
    let (one, other) = (house.does(create("one")).await.unwrap(), house.does(create("other")).await.unwrap());
    let local = vec!["127.0.0.1:0".parse().unwrap()];
    let gateway = Gateway::open(&house.application, router(house.application.clone()), Some(local)).await.unwrap();
    let reachable = house.does(ShowStatus {}).await.unwrap().reachable.unwrap();
    let address: SocketAddr = reachable.listening[0].parse().unwrap();
    let shown = |token: &Option<String>| format!("authorization: Bearer {}\r\n", token.as_ref().unwrap());
    let mut first = Client::open_at(address, &shown(&one.token)).await;
    let mut second = Client::open_at(address, &shown(&other.token)).await;
    for client in [&mut first, &mut second] {
        client.asks("changes.follow", json!({})).await;
        assert_eq!(client.message().await["params"]["event"]["type"], "position");
    }
    // What it reads it may; what it does not name it may not.
    let (_, refused) = second.calls("stop", json!({})).await;
    assert_eq!(refused["error"]["code"], 403, "{refused}");
    house.does(RevokeToken { id: one.credential.id }).await.unwrap();
    assert_eq!(first.is_closed().await, Some(1008));
    assert_eq!(second.calls("ready", json!({})).await.1["result"]["role"], "command");
    drop(second);
    gateway.close().await;
    house.close().await;
}
