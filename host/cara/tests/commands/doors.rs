//! Every door leads to the same application: what a command answers does not
//! depend on which process holds the home.

use super::every::{ALONE, Stage};
use super::home::{CLOCK, HELLO, Home, REMEMBER, text};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// A process that holds a home, ended with the test.
pub(crate) struct Holder(pub(crate) Child);

impl Holder {
    /// Begins `cara start`, and waits until it answers.
    pub(crate) fn of(home: &Home) -> Self {
        Self::begun(home, &mut home.command(&["start"]))
    }

    /// The same by a command of its own.
    pub(crate) fn begun(home: &Home, command: &mut std::process::Command) -> Self {
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let holder = Self(child);
        let until = Instant::now() + Duration::from_secs(60);
        while std::os::unix::net::UnixStream::connect(home.path("cara.sock")).is_err() {
            assert!(Instant::now() < until, "the holder does not answer");
            std::thread::yield_now();
        }
        holder
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Commands that read, after something happened.
const READING: [&[&str]; 17] = [
    &["sessions", "list"],
    &["sessions", "show", "SESSION"],
    &["sessions", "export", "SESSION", "--format", "markdown"],
    &["approvals", "list"],
    &["approvals", "rules"],
    &["grants"],
    &["trust", "list"],
    &["plugin", "list"],
    &["plugin", "inspect", "memory"],
    &["plugin", "review", "memory"],
    &["tools", "list"],
    &["policy", "show"],
    &["policy", "explain", "memory_write"],
    &["secrets", "list"],
    &["explain", "last"],
    &["usage"],
    &["audit", "verify"],
];

/// A home in which something happened.
fn lived_in() -> (Home, String) {
    let home = Home::new();
    home.configure("[[policy.rule]]\ntool = \"memory_write\"\nthen = \"allow\"");
    home.chat(CLOCK, "what time is it?", &[]);
    home.chat(REMEMBER, "remember the seat", &["--tool", "memory"]);
    home.chat(HELLO, "hi", &[]);
    let sessions: Value = serde_json::from_str(&home.ok(&["sessions", "list", "--json"])).unwrap();
    let session = sessions[0]["id"].as_str().unwrap().to_owned();
    (home, session)
}

#[test]
fn what_reads_answers_byte_for_byte_the_same_in_process_and_through_the_socket() {
    let (home, session) = lived_in();
    let all = || {
        READING.map(|command| {
            let named: Vec<&str> =
                command.iter().map(|word| if *word == "SESSION" { session.as_str() } else { word }).collect();
            let of = |json: &[&str]| home.run(&[&named[..], json].concat());
            let (plain, json) = (of(&[]), of(&["--json"]));
            let shown = [&plain.stdout, &plain.stderr, &json.stdout, &json.stderr].map(|bytes| text(bytes));
            (command, plain.status.code(), json.status.code(), shown)
        })
    };
    let here = all();
    let _holder = Holder::of(&home);
    let there = all();
    for (here, there) in here.iter().zip(&there) {
        assert_eq!(here, there);
        assert!(here.1 == Some(0) && here.2 == Some(0), "{here:?}");
    }
}

/// Routes that no command of the script takes, and who does.
const WITHOUT: [(&str, &str); 11] = [
    ("changes.follow", "no command: what a page follows; tests/gateway/websocket.rs"),
    ("health", "no command: what watches the daemon asks; tests/gateway/observed.rs"),
    ("events.follow", "`cara chat`, while nothing is asked; below"),
    ("runs.follow", "no command: a program that comes back to a run, as a page does that is loaded again; runs.rs"),
    ("runs.resume", "`cara chat --session`, after its process was killed; takeover.rs"),
    ("runs.stop", "Ctrl-C in `cara chat`; golden.rs"),
    ("status", "`cara status`, about the holder itself; below"),
    ("stop", "`cara stop`, which ends the holder; below"),
    ("tools.offered", "the prompt of `cara chat`; first_hour.rs"),
    ("vault.make", "the first secret of a home, where a person types the password; vault.rs"),
    ("vault.unlock", "any command, where a person types the password; vault.rs"),
];

/// The names of the operations that a holder wrote into its log.
fn operations(home: &Home) -> BTreeSet<String> {
    let log = fs::read_to_string(home.path("logs/cara.log")).unwrap();
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter_map(|line| line["operation"].as_str().map(str::to_owned)).collect()
}

#[test]
fn every_command_does_and_says_the_same_in_process_and_through_the_socket() {
    for json in [true, false] {
        let (here, there) = (Stage::new(), Stage::new());
        let holder = Holder::begun(&there.home, &mut there.home.command(&["start", "--log", "cara_control=debug"]));
        let (one, other) = std::thread::scope(|scope| {
            let here = scope.spawn(|| if json { ALONE.clone() } else { here.play(false) });
            (there.play(json), here.join().unwrap())
        });
        for (one, other) in one.iter().zip(&other) {
            assert!(one == other, "in process: {other:#?}\nthrough the socket: {one:#?}");
        }
        let done = operations(&there.home);
        drop(holder);
        let document: Value = serde_json::from_str(&there.home.ok(&["api"])).unwrap();
        let paths = document["paths"].as_object().unwrap().values();
        let routes = paths.flat_map(|methods| methods.as_object().unwrap().values());
        let undone: BTreeSet<&str> =
            routes.filter_map(|route| route["operationId"].as_str()).filter(|route| !done.contains(*route)).collect();
        assert_eq!(undone, WITHOUT.iter().map(|(route, _)| *route).collect());
    }
}

#[test]
fn a_second_start_says_who_holds_the_home_and_stop_ends_it() {
    let home = Home::new();
    let mut holder = Holder::of(&home);
    let pid = holder.0.id().to_string();
    let second = home.run(&["start"]);
    assert!(!second.status.success() && text(&second.stderr).contains(&format!("process {pid} (`cara start`)")));
    let status: Value = serde_json::from_str(&home.ok(&["status", "--json"])).unwrap();
    assert_eq!((status["pid"].to_string(), status["command"].as_str()), (pid, Some("cara start")));
    assert_eq!(status["held"], true);
    let told = home.ok(&["status"]);
    assert!(told.contains(" installed, 0 loaded, none resting") && told.contains("approvals    0 waiting"), "{told}");
    home.ok(&["stop"]);
    assert!(holder.0.wait().unwrap().success());
    assert!(!home.path("cara.sock").exists());
    // The same fields with nobody there.
    let answered = home.run(&["status", "--json"]);
    assert_eq!(answered.status.code(), Some(3));
    let nobody: Value = serde_json::from_slice(&answered.stdout).unwrap();
    let fields = |of: &Value| of.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!((fields(&status), &status["held"], &nobody["held"]), (fields(&nobody), &true.into(), &false.into()));
    let gone = home.run(&["stop"]);
    assert!(gone.status.success() && text(&gone.stderr).contains("no cara daemon runs"));
}

#[test]
#[cfg(unix)]
fn a_lock_file_that_is_removed_takes_the_home_from_nobody() {
    let home = Home::new();
    let holder = Holder::of(&home);
    let pid = holder.0.id();
    std::fs::remove_file(home.path("cara.holder")).unwrap();
    assert!(home.fails(&["start"]).contains(&format!("process {pid} (`cara start`)")));
    home.ok(&["tools", "list"]);
    let status: Value = serde_json::from_str(&home.ok(&["status", "--json"])).unwrap();
    assert_eq!(status["pid"], pid);
    drop(holder);
}

#[test]
#[cfg(unix)]
fn what_was_said_of_a_new_vault_counts_in_the_background_too() {
    let home = Home::new();
    home.ok(&["--plain-key-file", "start", "--detach"]);
    std::fs::write(home.path("value"), "sk-something-of-mine").unwrap();
    let value = std::fs::File::open(home.path("value")).unwrap();
    let stored = home.command(&["secrets", "set", "openai"]).stdin(value).output().unwrap();
    home.ok(&["stop"]);
    assert!(stored.status.success(), "{}", text(&stored.stderr));
}

#[test]
fn a_chat_that_holds_the_home_is_left_to_its_person() {
    let home = Home::new();
    let talking = home.begin_chat(REMEMBER, "the window seat", &["--tool", "memory"]);
    let asked = home.waiting();
    assert!(home.fails(&["stop"]).contains("`cara chat` holds the home"));
    // No daemon runs, and one cannot be started now.
    let status = home.run(&["status", "--json"]);
    let held: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!((status.status.code(), &held["held"], &held["role"]), (Some(3), &true.into(), &"chat".into()));
    let told = text(&status.stderr);
    assert!(
        told.contains("no cara daemon runs; `cara chat` holds the home\nhint: it ends when its person leaves"),
        "{told}"
    );
    home.ok(&["approvals", "allow", asked["id"].as_str().unwrap()]);
    talking.end();
}

#[test]
fn nobody_but_the_account_may_open_the_socket() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let _holder = Holder::of(&home);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&home.path("cara.sock")), mode(&home.path(""))), (0o600, 0o700));
}

#[test]
fn commands_that_need_no_home_open_none() {
    let home = Home::new();
    let before: BTreeSet<_> = fs::read_dir(home.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    home.ok(&["completion", "bash"]);
    home.ok(&["api"]);
    assert!(!home.run(&["plugin", "check", "/nowhere.wasm"]).status.success());
    let after: BTreeSet<_> = fs::read_dir(home.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(before, after);
}

#[test]
fn the_document_of_the_api_is_the_one_that_is_checked_in() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/api.json");
    let printed = Home::new().ok(&["api"]);
    if std::env::var_os("CARA_WRITE_REFERENCE").is_some() {
        fs::write(&path, &printed).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == printed, "docs/reference/api.json is old; CARA_WRITE_REFERENCE=1 writes it anew");
    let document: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["paths"]["/control/v1/sessions/{id}"]["get"]["parameters"][0]["required"] == true);
}

/// What a client gets that makes a request of its own.
pub(crate) fn posts(home: &Home, path: &str, body: &Value) -> std::thread::JoinHandle<(u16, Value)> {
    use std::io::{Read, Write};
    let mut stream = std::os::unix::net::UnixStream::connect(home.path("cara.sock")).unwrap();
    let body = body.to_string();
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    std::thread::spawn(move || {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), serde_json::from_str(body).unwrap())
    })
}

#[test]
fn a_request_that_is_made_twice_at_once_begins_one_run() {
    let home = Home::new();
    let holder = Holder::of(&home);
    let script = "[[turn]]\nstep = [{ text = \"Hello.\", delay-ms = 300 }]\n".repeat(2);
    let by = json!({ "model": "rehearsal:script", "settings": { "script": script } });
    let message = json!([{ "words": "typed", "text": "hi" }]);
    let begin = json!({ "run": "r-aaaaaaaaaa", "by": by, "message": message });
    let both = [posts(&home, "/control/v1/runs", &begin), posts(&home, "/control/v1/runs", &begin)];
    for answer in both.map(|answer| answer.join().unwrap()) {
        assert_eq!((answer.0, answer.1["type"].as_str()), (200, Some("done")), "{answer:?}");
    }
    // The next process has not opened the conversation yet.
    drop(holder);
    let _holder = Holder::of(&home);
    let next = |run: &str| json!({ "run": run, "session": "s-aaaaaaaaaa", "by": by, "message": message });
    let both = [
        posts(&home, "/control/v1/runs", &next("r-bbbbbbbbbb")),
        posts(&home, "/control/v1/runs", &next("r-cccccccccc")),
    ];
    let mut codes = both.map(|answer| answer.join().unwrap().0);
    codes.sort_unstable();
    assert_eq!(codes, [200, 409]);
    let shown = home.json(&["sessions", "show", "s-aaaaaaaaaa", "--json"]);
    let roles: Vec<&str> =
        shown["messages"].as_array().unwrap().iter().filter_map(|message| message["role"].as_str()).collect();
    assert_eq!(roles, ["user", "assistant", "user", "assistant"]);
}

#[test]
fn of_two_that_take_up_one_run_one_goes_on_and_the_other_follows() {
    let home = Home::new();
    let holder = Holder::of(&home);
    let script = "[[turn]]\nstep = [{ text = \"Hello.\", delay-ms = 500 }]\n";
    let by = json!({ "model": "rehearsal:script", "settings": { "script": script } });
    let begin = json!({ "run": "r-dddddddddd", "by": by, "message": [{ "words": "typed", "text": "hi" }] });
    let left = posts(&home, "/control/v1/runs", &begin);
    while home.json(&["sessions", "list", "--json"]).as_array().unwrap().iter().all(|session| session["messages"] != 1)
    {
    }
    drop(holder);
    assert!(left.join().is_err(), "the run ended before its process");
    let _holder = Holder::of(&home);
    let resume = json!({ "by": by });
    let both = [
        posts(&home, "/control/v1/runs/r-dddddddddd/resume", &resume),
        posts(&home, "/control/v1/runs/r-dddddddddd/resume", &resume),
    ];
    for answer in both.map(|answer| answer.join().unwrap()) {
        assert_eq!((answer.0, answer.1["type"].as_str()), (200, Some("done")), "{answer:?}");
    }
    let shown = home.json(&["sessions", "show", "s-dddddddddd", "--json"]);
    assert_eq!(shown["messages"].as_array().unwrap().len(), 2, "{shown}");
}

/// The code of what a holder answers to these bytes.
fn code(home: &Home, request: &str) -> u16 {
    use std::io::{Read, Write};
    let mut stream = std::os::unix::net::UnixStream::connect(home.path("cara.sock")).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    std::str::from_utf8(&answer[9..]).unwrap().parse().unwrap()
}

#[test]
fn what_a_page_could_send_is_refused_and_no_body_is_larger_than_its_use_case_needs() {
    let home = Home::new();
    let _holder = Holder::of(&home);
    let head = |head: &str| code(&home, &format!("{head}\r\n\r\n"));
    assert_eq!(head("GET /control/v1/ready HTTP/1.1\r\nhost: localhost"), 200);
    assert_eq!(head("GET /control/v1/ready HTTP/1.1\r\nhost: localhost:8080"), 200);
    assert_eq!(head("GET /control/v1/ready HTTP/1.1\r\nhost: evil.example"), 421);
    assert_eq!(head("GET /control/v1/ready HTTP/1.1\r\nhost: localhost.evil.example"), 421);
    assert_eq!(head("GET /control/v1/ready HTTP/1.1\r\nhost: localhost\r\norigin: http://localhost"), 403);
    assert_eq!(head("GET /control/v1/nothing HTTP/1.1\r\nhost: localhost\r\norigin: null"), 403);
    let body = |path: &str, kind: &str, body: &str| {
        let length = body.len();
        let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n{kind}");
        code(&home, &format!("{head}\r\n{body}"))
    };
    let json = "content-type: application/json; charset=utf-8\r\n";
    assert_eq!(body("/control/v1/approvals/a-nobody", "", "{}"), 415);
    assert_eq!(body("/control/v1/approvals/a-nobody", "content-type: text/plain\r\n", "{}"), 415);
    assert_eq!(body("/control/v1/approvals/a-nobody", json, "{}"), 400);
    let answer = |reason: &str| format!(r#"{{"verdict":"deny","by":"command","reason":"{reason}"}}"#);
    assert_eq!(body("/control/v1/approvals/a-nobody", json, &answer("no")), 409);
    assert_eq!(body("/control/v1/approvals/a-nobody", json, &answer(&"x".repeat(64 * 1024))), 413);
    // Free text is no place where a person answers.
    assert_eq!(body("/control/v1/approvals/a-nobody", json, r#"{"verdict":"deny","by":"anna"}"#), 400);
    let mebibyte = "x".repeat(1024 * 1024);
    assert_eq!(body("/control/v1/config/check", json, &format!(r##"{{"text":"# {mebibyte}"}}"##)), 200);
}

/// The status line of what a connection is told next.
fn told(stream: &mut std::os::unix::net::UnixStream) -> String {
    let mut bytes = [0; 1024];
    let read = std::io::Read::read(stream, &mut bytes).unwrap();
    text(&bytes[..read]).lines().next().unwrap_or_default().to_owned()
}

#[test]
fn who_follows_and_reads_nothing_keeps_no_short_request_out() {
    use std::io::Write;
    let home = Home::new();
    let _holder = Holder::of(&home);
    let mut all: Vec<_> = (0..60)
        .map(|_| {
            let mut stream = std::os::unix::net::UnixStream::connect(home.path("cara.sock")).unwrap();
            stream
                .write_all(b"GET /control/v1/events HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n")
                .unwrap();
            stream
        })
        .collect();
    let followed = all.iter_mut().map(told).filter(|line| line.contains(" 200 ")).count();
    assert_eq!(followed, 48, "the rest is told that there is no place");
    home.ok(&["status"]);
    home.ok(&["approvals", "list"]);
}

#[test]
fn bodies_that_never_end_share_one_room_and_small_ones_need_none() {
    use std::io::Write;
    let home = Home::new();
    let _holder = Holder::of(&home);
    let begins = |length: usize| {
        let mut stream = std::os::unix::net::UnixStream::connect(home.path("cara.sock")).unwrap();
        let head = "POST /control/v1/runs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nexpect: 100-continue";
        stream.write_all(format!("{head}\r\ncontent-length: {length}\r\n\r\n").as_bytes()).unwrap();
        stream
    };
    // What is announced takes up no room, what arrived does.
    let (mut large, mut second) = (begins(60 << 20), begins(60 << 20));
    assert!(told(&mut large).contains(" 100 ") && told(&mut second).contains(" 100 "));
    large.write_all(&vec![b' '; 59 << 20]).unwrap();
    let mut writes = second.try_clone().unwrap();
    // Cut off within it.
    let writing = std::thread::spawn(move || writes.write_all(&vec![b' '; 59 << 20]).is_err());
    let mut small = begins(2);
    assert!(told(&mut small).contains(" 100 "));
    small.write_all(b"{}").unwrap();
    assert!(told(&mut small).contains(" 400 "));
    assert!(told(&mut second).contains(" 503 "), "its body is kept beside the other");
    assert!(writing.join().unwrap());
    drop(large);
    let mut next = begins(60 << 20);
    assert!(told(&mut next).contains(" 100 "));
    next.write_all(&vec![b' '; 60 << 20]).unwrap();
    assert!(told(&mut next).contains(" 400 "), "there is room again");
}

#[test]
fn who_follows_the_home_hears_what_concerns_it_without_asking_for_anything_else() {
    use std::io::{BufRead, BufReader, Write};
    let home = Home::new();
    let _holder = Holder::of(&home);
    let mut stream = std::os::unix::net::UnixStream::connect(home.path("cara.sock")).unwrap();
    stream
        .write_all(b"GET /control/v1/events HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n")
        .unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    assert_eq!(lines.next().as_deref(), Some("HTTP/1.1 200 OK"));
    home.configure("nonsense");
    // Somebody else's request notices it.
    home.run(&["tools", "list"]);
    let told = lines.find(|line| line.starts_with("data: ")).unwrap();
    assert!(told.contains("the previous configuration stays in use"), "{told}");
}
