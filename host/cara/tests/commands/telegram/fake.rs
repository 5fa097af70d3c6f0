//! The Bot API as its documentation has it, on loopback: strict about what it
//! is asked, and failing when it is told to.

use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for something that has to happen.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is answered in the place of a result.
#[derive(Clone)]
pub(crate) struct Failure {
    pub(crate) method: &'static str,
    pub(crate) status: u16,
    pub(crate) parameters: Value,
    /// Whether the server did what it was asked before it failed.
    pub(crate) done: bool,
}

/// What the server knows.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) token: String,
    /// The token of another bot, and the offsets that it asked for.
    pub(crate) other: Option<(String, Vec<Option<i64>>)>,
    /// Updates that were not confirmed: their ids, and what is in them.
    pub(crate) updates: VecDeque<(i64, Value)>,
    next_update: i64,
    next_message: i64,
    /// What was sent: the method, and its arguments.
    pub(crate) sent: Vec<(String, Value)>,
    /// Offsets that were asked for.
    pub(crate) offsets: Vec<Option<i64>>,
    pub(crate) failures: VecDeque<Failure>,
    /// What the documentation does not have.
    pub(crate) wrong: Vec<String>,
    ends: bool,
}

/// The server. It ends when it is dropped.
pub(crate) struct Fake {
    address: SocketAddr,
    shared: Arc<(Mutex<State>, Condvar)>,
}

/// The description of the API, where it is at hand.
fn description() -> Option<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/specs/telegram-bot-api.json");
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

impl Fake {
    pub(crate) fn new(token: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = State { token: token.to_owned(), next_update: 100, next_message: 10, ..State::default() };
        let shared = Arc::new((Mutex::new(state), Condvar::new()));
        let described = Arc::new(description());
        #[allow(clippy::print_stdout, reason = "a check that is skipped says so")]
        if described.is_none() {
            println!("skipped: requests are not compared with the vendor's description, which is not here");
        }
        let of_thread = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if of_thread.0.lock().unwrap().ends {
                    return;
                }
                let (shared, described) = (of_thread.clone(), described.clone());
                thread::spawn(move || serve(stream, &shared, described.as_ref().as_ref()));
            }
        });
        Self { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap()
    }

    fn changed(&self) {
        self.shared.1.notify_all();
    }

    /// Somebody writes; gives the message's number.
    pub(crate) fn says(&self, from: i64, text: &str) -> i64 {
        self.message(json!({ "id": from, "type": "private", "first_name": "Anna" }), from, text)
    }

    /// Somebody writes in a chat.
    pub(crate) fn message(&self, chat: Value, from: i64, text: &str) -> i64 {
        let mut state = self.state();
        let (update, message) = (state.next_update, state.next_message);
        (state.next_update, state.next_message) = (update + 1, message + 1);
        let from = json!({ "id": from, "is_bot": false, "first_name": "Anna", "username": "anna" });
        let date = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let message_id = message;
        let message = json!({ "message_id": message_id, "date": date, "chat": chat, "from": from, "text": text });
        state.updates.push_back((update, json!({ "update_id": update, "message": message })));
        drop(state);
        self.changed();
        message_id
    }

    /// Something comes, whatever it is.
    pub(crate) fn update(&self, message: Value) {
        let mut state = self.state();
        let update = state.next_update;
        state.next_update += 1;
        state.updates.push_back((update, json!({ "update_id": update, "message": message })));
        drop(state);
        self.changed();
    }

    pub(crate) fn fails(&self, failure: Failure) {
        self.state().failures.push_back(failure);
    }

    /// Waits until the state is as wanted.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, wanted: impl Fn(&State) -> bool) {
        let until = Instant::now() + PATIENCE;
        let mut state = self.state();
        while !wanted(&state) {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "never: {what}: {:?}, {:?}", state.sent, state.updates);
            state = self.shared.1.wait_timeout(state, left).unwrap().0;
        }
    }

    /// The texts that were sent to a chat.
    pub(crate) fn texts(&self, chat: i64) -> Vec<String> {
        let state = self.state();
        let sent = state.sent.iter().filter(|(method, to)| method == "sendMessage" && to["chat_id"] == chat);
        sent.map(|(_, to)| to["text"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let wrong = {
            let mut state = self.state();
            state.ends = true;
            std::mem::take(&mut state.wrong)
        };
        self.changed();
        let _ = TcpStream::connect(self.address);
        if !thread::panicking() {
            assert!(wrong.is_empty(), "{wrong:#?}");
        }
    }
}

/// Answers one request, and closes the connection.
fn serve(stream: TcpStream, shared: &(Mutex<State>, Condvar), described: Option<&Value>) {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_owned());
    }
    let length = head.iter().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let (status, answer) = answer(&head, &body, shared, described);
    let answer = answer.to_string();
    let mut stream = reader.into_inner();
    let text = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}",
        answer.len()
    );
    let _ = stream.write_all(text.as_bytes());
    let _ = stream.shutdown(Shutdown::Write);
}

fn error(status: u16, description: &str, parameters: &Value) -> (u16, Value) {
    let mut answer = json!({ "ok": false, "error_code": status, "description": description });
    if !parameters.is_null() {
        answer["parameters"] = parameters.clone();
    }
    (status, answer)
}

fn answer(head: &[String], body: &[u8], shared: &(Mutex<State>, Condvar), described: Option<&Value>) -> (u16, Value) {
    let (lock, changed) = shared;
    let line: Vec<&str> = head.first().map(|line| line.split(' ').collect()).unwrap_or_default();
    let [verb, path, _] = line[..] else { return error(400, "Bad Request", &Value::Null) };
    let Some((token, method)) = path.strip_prefix("/bot").and_then(|rest| rest.split_once('/')) else {
        return error(404, "Not Found", &Value::Null);
    };
    let mut state = lock.lock().unwrap();
    if let Some((_, offsets)) = state.other.as_mut().filter(|(other, _)| other == token) {
        if method == "getMe" {
            let me = json!({ "id": 78, "is_bot": true, "first_name": "Other", "username": "other_bot" });
            return (200, json!({ "ok": true, "result": me }));
        }
        let arguments: Value = serde_json::from_slice(body).unwrap_or_else(|_| json!({}));
        offsets.push(arguments["offset"].as_i64());
        changed.notify_all();
        return (200, json!({ "ok": true, "result": [] }));
    }
    if token != state.token {
        return error(401, "Unauthorized", &Value::Null);
    }
    let arguments: Value = serde_json::from_slice(body).unwrap_or_else(|_| json!({}));
    if let Err(wrong) = judge(verb, head, method, &arguments, described) {
        state.wrong.push(wrong);
    }
    let at = state.failures.iter().position(|failure| failure.method == method);
    let failure = at.and_then(|at| state.failures.remove(at));
    if let Some(failure) = failure.as_ref().filter(|failure| !failure.done) {
        changed.notify_all();
        return error(failure.status, "told to fail", &failure.parameters);
    }
    let result = match method {
        "getMe" => json!({ "id": 77, "is_bot": true, "first_name": "Cara", "username": "cara_bot" }),
        "getUpdates" => return updates(state, changed, &arguments),
        "sendMessage" | "sendChatAction" => {
            state.sent.push((method.to_owned(), arguments.clone()));
            state.next_message += 1;
            let chat = json!({ "id": arguments["chat_id"], "type": "private" });
            let message = json!({ "message_id": state.next_message, "date": 1, "chat": chat });
            if method == "sendChatAction" { json!(true) } else { message }
        }
        _ => return error(404, "Not Found", &Value::Null),
    };
    changed.notify_all();
    match failure {
        Some(failure) => error(failure.status, "told to fail", &failure.parameters),
        None => (200, json!({ "ok": true, "result": result })),
    }
}

/// Forgets what is confirmed, and waits for something new.
fn updates<'a>(mut state: MutexGuard<'a, State>, changed: &Condvar, arguments: &Value) -> (u16, Value) {
    let offset = arguments["offset"].as_i64();
    state.offsets.push(offset);
    if let Some(offset) = offset {
        state.updates.retain(|(id, _)| *id >= offset);
    }
    changed.notify_all();
    let until = Instant::now() + Duration::from_secs(arguments["timeout"].as_u64().unwrap_or(0));
    while state.updates.is_empty() && !state.ends && Instant::now() < until {
        let left = until.saturating_duration_since(Instant::now());
        state = changed.wait_timeout(state, left).unwrap().0;
    }
    let all: Vec<Value> = state
        .updates
        .iter()
        .take(usize::try_from(arguments["limit"].as_u64().unwrap_or(100)).unwrap())
        .map(|(_, update)| update.clone())
        .collect();
    (200, json!({ "ok": true, "result": all }))
}

/// What the documentation says of the requests that are made here, where the whole description is not at hand: fields, and
/// which of them have to be there.
const KNOWN: [(&str, &[&str], &[&str]); 4] = [
    ("getMe", &[], &[]),
    ("getUpdates", &["offset", "limit", "timeout", "allowed_updates"], &[]),
    (
        "sendMessage",
        &["chat_id", "message_thread_id", "text", "parse_mode", "link_preview_options", "reply_parameters"],
        &["chat_id", "text"],
    ),
    ("sendChatAction", &["chat_id", "message_thread_id", "action"], &["chat_id", "action"]),
];

/// Whether a request is as documented.
fn judge(
    verb: &str,
    head: &[String],
    method: &str,
    arguments: &Value,
    described: Option<&Value>,
) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{method}: {what}: {arguments}"));
    if verb != "POST" || !head.iter().any(|line| line.eq_ignore_ascii_case("content-type: application/json")) {
        return wrong("arguments come by POST, as JSON");
    }
    let Some(given) = arguments.as_object() else { return wrong("the arguments are no object") };
    let known = KNOWN.iter().find(|(name, ..)| *name == method);
    let Some((_, fields, needed)) = known else { return wrong("there is no such method here") };
    if let Some(missing) = needed.iter().find(|name| !given.contains_key(**name)) {
        return wrong(&format!("`{missing}` is missing"));
    }
    if let Some(unknown) = given.keys().find(|name| !fields.contains(&name.as_str())) {
        return wrong(&format!("there is no `{unknown}`"));
    }
    let text = given.get("text").and_then(Value::as_str);
    if text.is_some_and(|text| text.is_empty() || visible(text).encode_utf16().count() > 4096) {
        return wrong("a text has 1 to 4096 units after its entities are read");
    }
    match described {
        Some(described) => object(described, &described["methods"][method]["fields"], given, method),
        None => Ok(()),
    }
}

/// A text without its tags, and each entity as the one character that it is.
fn visible(html: &str) -> String {
    let (mut kept, mut inside) = (String::new(), false);
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            c if !inside => kept.push(c),
            _ => {}
        }
    }
    ["&lt;", "&gt;", "&amp;", "&quot;"].iter().fold(kept, |text, name| text.replace(name, "x"))
}

/// Whether an object has the fields that it has to have, each of its type, and no other.
fn object(described: &Value, fields: &Value, given: &Map<String, Value>, at: &str) -> Result<(), String> {
    let fields = fields.as_array().cloned().unwrap_or_default();
    let names: BTreeSet<&str> = fields.iter().filter_map(|field| field["name"].as_str()).collect();
    if let Some(unknown) = given.keys().find(|name| !names.contains(name.as_str())) {
        return Err(format!("{at}: the description has no `{unknown}`"));
    }
    for field in &fields {
        let name = field["name"].as_str().unwrap_or_default();
        match given.get(name) {
            None if field["required"] == json!(true) => return Err(format!("{at}: `{name}` is missing")),
            None => {}
            Some(value) => {
                let types = field["types"].as_array().into_iter().flatten().filter_map(Value::as_str);
                let types: Vec<&str> = types.collect();
                if !types.iter().any(|kind| fits(described, kind, value, at)) {
                    return Err(format!("{at}: `{name}` is {value}, and not one of {types:?}"));
                }
            }
        }
    }
    Ok(())
}

fn fits(described: &Value, kind: &str, value: &Value, at: &str) -> bool {
    if let Some(of) = kind.strip_prefix("Array of ") {
        return value.as_array().is_some_and(|all| all.iter().all(|one| fits(described, of, one, at)));
    }
    match kind {
        "Integer" => value.is_i64() || value.is_u64(),
        "Float" => value.is_number(),
        "String" => value.is_string(),
        "Boolean" | "True" => value.is_boolean(),
        named => {
            let fields = &described["types"][named]["fields"];
            value.as_object().is_some_and(|given| object(described, fields, given, at).is_ok())
        }
    }
}
