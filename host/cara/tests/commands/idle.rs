//! A home in which nothing happens costs nothing: nobody wakes up to look
//! whether something did.

use super::doors::Holder;
use super::home::{Home, Talking};
use super::terminal::Terminal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Clients that are attached, each with a run of its own; beside them one is at its prompt.
const CLIENTS: usize = 5;

/// Requests that wait in each of their runs.
const ASKED: usize = 2;

/// How long is looked. What wakes every five seconds is seen twice.
const WINDOW: Duration = Duration::from_secs(11);

/// How long something that has to happen is waited for.
const PATIENCE: Duration = Duration::from_secs(300);

/// A run that asks twice at once.
const ASKS: &str = r#"
[[turn]]
step = [
    { tool-call = { name = "memory_write", arguments = { key = "seat", value = "window" } } },
    { tool-call = { name = "memory_write", arguments = { key = "meal", value = "soup" } } },
]
[[turn]]
step = [{ text = "Noted." }]
"#;

/// `strace` of the system; none where it is not installed, or may not look at other processes.
fn strace() -> Option<Command> {
    let works = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).output();
    works.is_ok_and(|output| output.status.success()).then(|| Command::new("strace"))
}

/// A process that ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The system calls that processes make while the window is open, by thread.
fn calls(pids: &[u32]) -> BTreeMap<String, Vec<String>> {
    // Not in the home, where the daemon would hear of it.
    let folder = tempfile::tempdir().unwrap();
    let written = folder.path().join("calls");
    let mut command = strace().unwrap();
    command.args(["-f", "-o", written.to_str().unwrap()]);
    for pid in pids {
        command.args(["-p", &pid.to_string()]);
    }
    let mut tracer = Ended(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let mut told = BufReader::new(tracer.0.stderr.take().unwrap()).lines();
    for _ in pids {
        let line = told.next().unwrap().unwrap();
        assert!(line.contains("attached"), "{line}");
    }
    // Nobody sends: what is written until here is where each thread waits.
    let lines = || fs::read_to_string(&written).unwrap();
    let before = lines().lines().count();
    let (_quiet, nobody) = mpsc::channel::<()>();
    let _ = nobody.recv_timeout(WINDOW);
    let after = lines();
    drop(tracer);
    let mut calls = BTreeMap::<String, Vec<String>>::new();
    for line in after.lines().skip(before) {
        let (thread, call) = line.split_once(' ').unwrap();
        calls.entry(thread.to_owned()).or_default().push(call.trim().to_owned());
    }
    calls
}

/// How often a thread came back from waiting.
fn wakes(calls: &[String]) -> usize {
    let waits =
        ["futex", "epoll", "poll", "ppoll", "select", "nanosleep", "clock_nanosleep", "restart_syscall", "wait4"];
    let woken = |call: &&String| {
        let name = call.trim_start_matches("<... ").split([' ', '(']).next().unwrap_or_default();
        call.contains(" = ") && waits.iter().any(|wait| name.starts_with(wait))
    };
    calls.iter().filter(woken).count()
}

#[test]
fn nobody_looks_whether_something_happened_while_ten_approvals_wait_and_five_clients_are_attached() {
    if strace().is_none() {
        assert!(std::env::var_os("CARA_FOREIGN").is_none(), "the whole check needs `strace`");
        println!("skipped: there is no `strace`\nhint: `.ci/run` installs it from Debian");
        return;
    }
    let home = Home::new();
    let looks = Command::new("sh").args(["-c", "while :; do sleep 1; done"]).spawn().unwrap();
    let looks = Ended(looks);
    let seen = calls(&[looks.0.id()]);
    assert!(seen.values().any(|calls| wakes(calls) > 1), "what wakes every second is not seen: {seen:#?}");
    home.configure("[[policy.rule]]\ntool = \"memory_write\"\nthen = \"ask\"");
    let holder = Holder::of(&home);
    let clients: Vec<Talking> =
        (0..CLIENTS).map(|number| home.begin_chat(ASKS, &format!("trip {number}"), &["--tool", "memory"])).collect();
    let until = Instant::now() + PATIENCE;
    while home.json(&["approvals", "list", "--json"]).as_array().map(Vec::len) != Some(CLIENTS * ASKED) {
        if Instant::now() > until {
            let told: Vec<String> = clients.into_iter().map(Talking::told).collect();
            panic!("not everything is asked: {told:#?}");
        }
    }
    let status: Value = home.json(&["status", "--json"]);
    assert_eq!(status["runs"].as_array().map(Vec::len), Some(CLIENTS), "{status}");
    let mut at_its_prompt = Terminal::new().starts(home.command(&["chat", "--model", "rehearsal"]));
    at_its_prompt.until("› ");
    let others = [holder.0.id(), at_its_prompt.id()];
    let pids: Vec<u32> = others.into_iter().chain(clients.iter().map(Talking::id)).collect();
    let calls = calls(&pids);
    // A thread that is not needed any more may end; what wakes twice does so for ever.
    let periodic: Vec<_> = calls.iter().filter(|(_, calls)| wakes(calls) > 1).collect();
    assert!(periodic.is_empty(), "{periodic:#?}");
    let ended = |calls: &&Vec<String>| calls.iter().any(|call| call.starts_with("+++ exited"));
    let all: usize = calls.values().filter(|calls| !ended(calls)).map(Vec::len).sum();
    assert!(all < 50, "{calls:#?}");
}
