//! Runs belong to the home: who began one may go, and who comes follows it
//! from its beginning.

use super::doors::Holder;
use super::home::{Home, text};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;

const RUN: &str = "r-eeeeeeeeee";

/// Begins the run, and reads its events one by one.
fn begun(home: &Home, script: &str) -> impl Iterator<Item = Value> + use<> {
    let by = json!({ "model": "rehearsal:script", "settings": { "script": script } });
    let body = json!({ "run": RUN, "by": by, "message": [{ "words": "typed", "text": "hi" }] }).to_string();
    followed(
        home,
        &format!("POST /control/v1/runs HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: {}", body.len()),
        &body,
    )
}

/// The events that come in answer to a request.
fn followed(home: &Home, head: &str, body: &str) -> impl Iterator<Item = Value> + use<> {
    let mut stream = UnixStream::connect(home.path("cara.sock")).unwrap();
    write!(stream, "{head}\r\nhost: localhost\r\naccept: text/event-stream\r\nconnection: close\r\n\r\n{body}")
        .unwrap();
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    lines.filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
}

fn answer(home: &Home, path: &str) -> (u16, Value) {
    let mut stream = UnixStream::connect(home.path("cara.sock")).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let (head, body) =
        text(&bytes).split_once("\r\n\r\n").map(|(head, body)| (head.to_owned(), body.to_owned())).unwrap();
    (head[9..12].parse().unwrap(), serde_json::from_str(&body).unwrap())
}

/// Whether the run has been told.
fn is_begun(event: &Value) -> bool {
    event["type"] == "began" && event["run"] == RUN
}

#[test]
fn who_comes_back_follows_a_run_from_its_beginning_and_it_needed_nobody() {
    let home = Home::new();
    let _holder = Holder::of(&home);
    let turns = "[[turn]]\nstep = [{ text = \"First. \" }, { text = \"Last.\", delay-ms = 2000 }]\n";
    let mut first = begun(&home, turns);
    assert!(is_begun(&first.next().unwrap()));
    // The connection that began it is gone.
    drop(first);
    let path = format!("/control/v1/runs/{RUN}/events");
    let again: Vec<Value> = followed(&home, &format!("GET {path} HTTP/1.1"), "").collect();
    assert!(is_begun(&again[0]), "{again:?}");
    let words: String = again.iter().filter_map(|event| event["event"]["text"].as_str()).collect();
    assert_eq!(words, "First. Last.", "{again:?}");
    let last = again.last().unwrap();
    assert_eq!(last["type"], "done", "{again:?}");
    // Once it has ended, it is told how, and the conversation has its answer. Of another there is nothing to follow.
    let (code, ended) = answer(&home, &path);
    assert_eq!((code, ended["type"].as_str()), (200, Some("done")), "{ended}");
    let (code, error) = answer(&home, "/control/v1/runs/r-zzzzzzzzzz/events");
    assert_eq!((code, error["kind"].as_str()), (404, Some("not-found")), "{error}");
    let shown = home.json(&["sessions", "show", "s-eeeeeeeeee", "--json"]);
    assert_eq!(shown["messages"].as_array().unwrap().len(), 2, "{shown}");
}
