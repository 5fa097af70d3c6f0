//! `kill -9` at any moment of a run with tools:
//! nothing acknowledged is lost, no effect happens twice, the ledger opens.
//!
//! The program plays a script whose calls send messages to the terminal: a message that was seen twice was sent twice.
//! After each kill the session is opened again, goes on by itself, and must come to its end.

#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Kills in all, and homes that are worked in at once.
const KILLS: u64 = 200;
const HOMES: u64 = 4;

/// Messages a run sends, one a round, with a read beside each.
const ROUNDS: u64 = 4;

/// What a process printed.
#[derive(Default)]
struct Printed {
    /// Texts of messages that reached the terminal.
    sent: Vec<String>,
    /// Results of calls it told of, by call.
    results: BTreeMap<String, String>,
    /// Whether it said that the run is over.
    done: bool,
}

fn script(folder: &Path, tag: &str) -> String {
    let turns = (1..=ROUNDS).map(|round| {
        format!(
            "[[turn]]\nstep = [\n  {{ tool-call = {{ name = \"message_send\", arguments = {{ to = \"console:local:me\", text = \"{tag}-{round}\" }} }} }},\n  \
             {{ tool-call = {{ name = \"time_now\", arguments = {{}} }} }},\n]\n"
        )
    });
    let text: String = turns.chain(["[[turn]]\nstep = [{ text = \"all sent\" }]\n".to_owned()]).collect();
    let path = folder.join(format!("{tag}.toml"));
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn cara(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cara"));
    command.env("CARA_HOME", home).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::piped());
    command
}

/// Runs a chat, and kills it after so long; reads what it printed until then.
fn chat(home: &Path, arguments: &[&str], kill_after: Option<Duration>) -> Printed {
    let mut child = cara(home, arguments).spawn().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let (ended, over) = std::sync::mpsc::channel::<()>();
    let killer = kill_after.map(|after| {
        let pid = rustix::process::Pid::from_child(&child);
        std::thread::spawn(move || {
            if over.recv_timeout(after).is_ok() {
                return;
            }
            // It may have ended by itself; the pid is not reused before it is waited for below.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        })
    });
    let mut printed = Printed::default();
    for line in out.lines().map_while(Result::ok) {
        if let Some(text) = line.strip_prefix("[message to console:local:me] ") {
            printed.sent.push(text.to_owned());
        }
        let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
        match event["type"].as_str() {
            Some("tool-result") => {
                let (id, text) = (event["id"].as_str().unwrap(), event["text"].as_str().unwrap());
                printed.results.insert(format!("{id} {text}"), text.to_owned());
            }
            Some("done") => printed.done = true,
            _ => {}
        }
    }
    if let Some(killer) = killer {
        // Nobody listens any more when it has struck.
        let _ = ended.send(());
        killer.join().unwrap();
    }
    child.wait().unwrap();
    printed
}

fn json(home: &Path, arguments: &[&str]) -> Value {
    let output = cara(home, arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn one(home: &Path, tag: &str, after: Duration) -> bool {
    let script = script(home, tag);
    let model = ["--model", "rehearsal:script", "--script", script.as_str()];
    let first = [&["chat", "--json", "--tool", "message", "--message", tag][..], &model].concat();
    let before = chat(home, &first, Some(after));
    let sessions = json(home, &["sessions", "list", "--json"]);
    let session = sessions.as_array().unwrap().iter().find(|session| session["title"] == tag);
    let Some(session) = session.map(|session| session["id"].as_str().unwrap().to_owned()) else {
        // Nothing was acknowledged, so nothing may have been sent.
        assert!(before.sent.is_empty() && before.results.is_empty(), "{tag}");
        return false;
    };
    let again = [&["chat", "--json", "--session", session.as_str(), "--message", "and?"][..], &model].concat();
    let after = chat(home, &again, None);
    let shown = json(home, &["sessions", "show", &session, "--json"]).to_string();
    for text in before.results.values().filter(|text| !text.starts_with("interrupted")) {
        assert!(shown.contains(&Value::from(text.as_str()).to_string()), "{tag}: `{text}` was told and is lost");
    }
    for round in 1..=ROUNDS {
        let text = format!("{tag}-{round}");
        let times = before.sent.iter().chain(&after.sent).filter(|sent| **sent == text).count();
        assert!(times <= 1, "{tag}: `{text}` was sent {times} times");
    }
    assert!(shown.contains("all sent"), "{tag}: the run was lost");
    !before.done
}

#[test]
fn nothing_is_lost_or_done_twice_whenever_the_program_is_killed() {
    let warm = tempfile::tempdir().unwrap();
    prepare(warm.path());
    let interrupted: u64 = std::thread::scope(|scope| {
        let warm = warm.path();
        let homes: Vec<_> = (0..HOMES).map(|number| scope.spawn(move || work(number, warm))).collect();
        homes.into_iter().map(|home| home.join().unwrap()).sum()
    });
    assert!(interrupted > KILLS / 10, "only {interrupted} of {KILLS} kills met a run");
}

/// A home in which messages are sent unasked.
fn prepare(home: &Path) {
    fs::set_permissions(home, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(home.join("config.toml"), "[[policy.rule]]\ntool = \"message_send\"\nthen = \"allow\"\n").unwrap();
    // The first start compiles; the homes share what it made.
    whole_run(home, "warm");
}

/// How long a run takes that nobody kills.
fn whole_run(home: &Path, tag: &str) -> Duration {
    let began = std::time::Instant::now();
    let script = script(home, tag);
    let arguments =
        ["chat", "--json", "--tool", "message", "--model", "rehearsal:script", "--script", &script, "--message", tag];
    let printed = chat(home, &arguments, None);
    assert_eq!(printed.sent.len() as u64, ROUNDS);
    began.elapsed()
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&to).unwrap();
            fs::set_permissions(&to, fs::Permissions::from_mode(0o700)).unwrap();
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), &to).unwrap();
        }
    }
}

/// The kills of one home; how many met a run that was under way.
fn work(number: u64, warm: &Path) -> u64 {
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
    copy(warm, home.path());
    let whole = whole_run(home.path(), "whole");
    let mut random = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(number + 1);
    let mut interrupted = 0;
    for kill in 0..KILLS / HOMES {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let part = (random >> 33) as f64 / f64::from(u32::MAX >> 1);
        let met = one(home.path(), &format!("k{number}-{kill}"), whole.mul_f64(part));
        interrupted += u64::from(met);
    }
    let verified = cara(home.path(), &["audit", "verify"]).status().unwrap();
    assert!(verified.success(), "the audit log does not verify");
    interrupted
}
