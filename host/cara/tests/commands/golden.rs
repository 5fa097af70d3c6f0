//! What programs rely on: exit codes, and the shapes of what `--json` prints.
//!
//! A file for each command in `snapshots/`. `INSTA_UPDATE=always` writes them anew; look at what changed before it is
//! committed.

use super::doors::Holder;
use super::every::{ALONE, Played};
use super::home::{CLOCK, Home, REMEMBER, text};
use super::terminal::Terminal;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Read;
use std::process::Stdio;

/// What there is in a value: its keys, and the types below them.
fn shape(value: &Value) -> Value {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) => "bool".into(),
        Value::Number(_) => "number".into(),
        Value::String(_) => "string".into(),
        Value::Array(values) => Value::Array(values.iter().map(shape).reduce(both).into_iter().collect()),
        // What something is stays as it is: each event has a shape of its own.
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), if key == "type" { value.clone() } else { shape(value) }))
            .collect::<Map<_, _>>()
            .into(),
    }
}

/// One shape that both have.
fn both(one: Value, other: Value) -> Value {
    match (one, other) {
        (one, other) if one == other => one,
        (Value::Object(one), Value::Object(mut other)) => {
            let mut fields = Map::new();
            for (key, value) in one {
                let joined = match other.remove(&key) {
                    Some(second) => (key, both(value, second)),
                    None => (optional(&key), value),
                };
                fields.extend([joined]);
            }
            fields.extend(other.into_iter().map(|(key, value)| (optional(&key), value)));
            fields.into()
        }
        (Value::Array(one), Value::Array(other)) => {
            Value::Array(one.into_iter().chain(other).reduce(both).into_iter().collect())
        }
        (one, other) => {
            let word = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let words = [word(one), word(other)].join(" | ");
            let each: BTreeSet<&str> = words.split(" | ").collect();
            each.into_iter().collect::<Vec<_>>().join(" | ").into()
        }
    }
}

/// A key that not every value has.
fn optional(key: &str) -> String {
    if key.ends_with('?') { key.to_owned() } else { format!("{key}?") }
}

/// A command, its exit code, and the shape of what it printed.
fn written(played: &Played) -> String {
    let mut text = format!("$ cara {} --json\nexit {}\n", played.typed, played.code.unwrap());
    let mut shapes: Vec<Value> = Vec::new();
    for value in serde_json::Deserializer::from_str(&played.stdout).into_iter::<Value>() {
        // Markdown stays Markdown.
        let Ok(value) = value else { return text + "text\n" };
        let shape = shape(&value);
        if !shapes.contains(&shape) {
            shapes.push(shape);
        }
    }
    for shape in shapes {
        writeln!(text, "{shape:#}").unwrap();
    }
    text
}

#[test]
fn exit_codes_and_shapes_of_json_stay_as_they_are() {
    let mut areas = BTreeMap::<&str, String>::new();
    for played in &*ALONE {
        let area = played.typed.split(' ').next().unwrap();
        writeln!(areas.entry(area).or_default(), "{}", written(played)).unwrap();
    }
    for (area, text) in areas {
        insta::assert_snapshot!(area, text);
    }
}

#[test]
fn the_shapes_of_the_status_and_of_a_line_of_the_log_stay_as_they_are() {
    let home = Home::new();
    home.configure("[[policy.rule]]\ntool = \"memory_write\"\nthen = \"ask\"");
    let _holder = Holder::of(&home);
    // A component that was called, one that cannot be, and a run that goes on.
    home.chat(CLOCK, "what time is it?", &[]);
    home.ok(&["plugin", "disable", "plan"]);
    let talking = home.begin_chat(REMEMBER, "the window seat", &["--tool", "memory"]);
    let asked = home.waiting();
    let held = home.json(&["status", "--json"]);
    insta::assert_snapshot!("status", format!("{:#}", shape(&held)));
    let nobody: Value = serde_json::from_slice(&Home::new().run(&["status", "--json"]).stdout).unwrap();
    insta::assert_snapshot!("status-of-nobody", format!("{:#}", shape(&nobody)));
    home.ok(&["approvals", "allow", asked["id"].as_str().unwrap()]);
    talking.end();
    let log = home.run(&["logs", "--json", "--lines", "1000"]);
    let lines = text(&log.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>();
    let of = |key: &str, value: &str| shape(lines.iter().find(|line| line[key] == value).unwrap());
    let both = [of("message", "the daemon runs"), of("operation", "approvals.respond")];
    insta::assert_snapshot!("logs", both.map(|line| format!("{line:#}\n")).concat());
}

/// A chat whose answer takes long.
fn slow(home: &Home) -> std::process::Command {
    let script = home.script("[[turn]]\nstep = [{ text = \"Hello. \" }, { text = \"Bye.\", delay-ms = 3000 }]\n");
    home.command(&["chat", "--model", "rehearsal:script", "--script", &script, "--message", "hi"])
}

#[test]
fn every_exit_code_that_is_documented_is_met() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/commands.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, table) = page.split_once("| exit code | when |\n|---|---|\n").unwrap();
    let documented: BTreeSet<i32> = table
        .lines()
        .take_while(|line| line.starts_with('|'))
        .flat_map(|line| line.split('|').nth(1).unwrap().split(',').map(|code| code.trim().parse().unwrap()))
        .collect();
    let mut met: BTreeSet<i32> = ALONE.iter().filter_map(|played| played.code).collect();
    let home = Home::new();
    // Nobody holds the home.
    met.extend(home.run(&["status"]).status.code());
    // Ctrl-C in the middle of an answer.
    let mut session = Terminal::new().starts(slow(&home));
    session.until("Hello.");
    session.interrupts();
    met.extend(session.ends().0.code());
    // Nobody reads the answer any more.
    let mut child = slow(&home).stdout(Stdio::piped()).spawn().unwrap();
    let mut read = child.stdout.take().unwrap();
    read.read_exact(&mut [0; 5]).unwrap();
    drop(read);
    met.extend(child.wait().unwrap().code());
    assert_eq!(met, documented);
}
