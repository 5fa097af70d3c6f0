//! `cara logs`: what the process that holds the home wrote down. It needs no
//! such process.

use crate::cli::{LogLevel, Logs};
use crate::door::Door;
use crate::logging;
use crate::output::{Output, show, stdio};
use anyhow::{Context, Result};
use cara_assistant::text::harmless;
use cara_control::HomeFiles;
use cara_services::files::ensure_private_dir;
use notify::{RecursiveMode, Watcher};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// What every line has; the other fields follow the message.
const FIRST: [&str; 5] = ["timestamp", "level", "message", "target", "component"];

/// Runs the command.
pub(crate) async fn run(door: &Door, output: Output, logs: Logs) -> Result<()> {
    let folder = door.surroundings().home.logs();
    ensure_private_dir(&folder)?;
    // Watched before it is read: nothing is missed in between.
    let (sender, mut changed) = unbounded_channel();
    let _watcher = logs.follow.then(|| watch(&folder, sender)).transpose().context("the log cannot be watched")?;
    let files = logging::files(&folder);
    let (current, older) = files.split_last().context("a log has a file")?;
    let mut before = VecDeque::new();
    let mut keep = |line: &str| {
        if shows(line, &logs) {
            before.push_back(line.to_owned());
            if before.len() > logs.lines {
                before.pop_front();
            }
        }
    };
    for path in older {
        if let Some(mut tail) = Tail::open(path)? {
            tail.read(&mut keep)?;
        }
    }
    let mut tail = Tail::open(current)?;
    if let Some(tail) = &mut tail {
        tail.read(&mut keep)?;
    }
    if before.is_empty() && !logs.follow {
        show::note("nothing of that kind is in the log; `cara start` writes it");
    }
    before.iter().for_each(|line| print(line, output));
    while logs.follow && !stdio::is_lost() {
        tokio::select! {
            event = changed.recv() => if event.is_none() { break },
            ended = tokio::signal::ctrl_c() => return Ok(ended?),
        }
        let mut tell = |line: &str| {
            if shows(line, &logs) {
                print(line, output);
            }
        };
        // The rest of a file that is full, then the one in its place.
        if let Some(tail) = &mut tail {
            tail.read(&mut tell)?;
        }
        if tail.as_ref().is_none_or(|tail| tail.is_full(current)) {
            tail = Tail::open(current)?;
            if let Some(tail) = &mut tail {
                tail.read(&mut tell)?;
            }
        }
    }
    Ok(())
}

/// Tells of every change in the folder for as long as it is held.
fn watch(folder: &Path, changed: UnboundedSender<()>) -> notify::Result<notify::RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            // Nobody waits any more when this fails.
            let _ = changed.send(());
        }
    })?;
    watcher.watch(folder, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

/// A file that is read as it grows.
struct Tail {
    file: File,
    read: u64,
    /// A line without its end yet.
    rest: Vec<u8>,
}

impl Tail {
    fn open(path: &PathBuf) -> Result<Option<Self>> {
        match File::open(path) {
            Ok(file) => Ok(Some(Self { file, read: 0, rest: Vec::new() })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("`{}` cannot be read", path.display())),
        }
    }

    /// Tells every line that is whole by now.
    fn read(&mut self, tell: &mut impl FnMut(&str)) -> Result<()> {
        self.read += self.file.read_to_end(&mut self.rest)? as u64;
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else { return Ok(()) };
        let rest = self.rest.split_off(end + 1);
        let whole = std::mem::replace(&mut self.rest, rest);
        String::from_utf8_lossy(&whole).lines().for_each(tell);
        Ok(())
    }

    /// Whether another file has taken its place.
    fn is_full(&self, path: &Path) -> bool {
        let (Ok(own), Ok(there)) = (self.file.metadata(), path.metadata()) else { return false };
        #[cfg(unix)]
        let other = std::os::unix::fs::MetadataExt::ino(&own) != std::os::unix::fs::MetadataExt::ino(&there);
        #[cfg(not(unix))]
        let other = own.created().ok() != there.created().ok();
        other || there.len() < self.read
    }
}

fn fields(line: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(line).ok()
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a str {
    fields.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Whether a line is one of those that were asked for.
fn shows(line: &str, logs: &Logs) -> bool {
    let Some(fields) = fields(line) else { return false };
    let level = match text(&fields, "level") {
        "ERROR" => LogLevel::Error,
        "WARN" => LogLevel::Warn,
        "INFO" => LogLevel::Info,
        "DEBUG" => LogLevel::Debug,
        _ => LogLevel::Trace,
    };
    let component = logs.component.as_ref().is_none_or(|id| text(&fields, "component") == id.as_str());
    level <= logs.level && component
}

/// Prints a line: as it stands for a program, else as a person reads it.
fn print(line: &str, output: Output) {
    if output.json {
        show::line(&plain(line));
        return;
    }
    if let Some(fields) = fields(line) {
        show::line(&harmless(&told(&fields)));
    }
}

/// A line for a person.
fn told(fields: &Map<String, Value>) -> String {
    let [time, level, message, target, component] = FIRST.map(|name| text(fields, name));
    let from = if component.is_empty() { target } else { component };
    let mut told = format!("{time} {level:5} {from}: {message}");
    for (name, value) in fields.iter().filter(|(name, _)| !FIRST.contains(&name.as_str())) {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        told.push_str(&format!(" {name}={value}"));
    }
    told
}

/// JSON that acts on no terminal: the same data, with `\uXXXX` for what would.
fn plain(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    for c in line.chars() {
        if matches!(harmless(c.encode_utf8(&mut [0; 4])), Cow::Borrowed(_)) {
            plain.push(c);
        } else {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| plain.push_str(&format!("\\u{unit:04x}")));
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use cara_authority::ComponentId;

    const LINE: &str = r#"{"timestamp":"2026-11-28T02:00:00Z","level":"WARN","message":"slow\u001b[1m","component":"openai","target":"component","limit":3}"#;

    #[test]
    fn lines_are_chosen_by_level_and_component() {
        let chosen = |level, id: Option<&str>| {
            let component = id.map(|id| ComponentId::parse(id).unwrap());
            shows(LINE, &Logs { follow: false, level, component, lines: 1 })
        };
        assert!(chosen(LogLevel::Trace, None) && chosen(LogLevel::Warn, Some("openai")));
        assert!(!chosen(LogLevel::Error, None) && !chosen(LogLevel::Trace, Some("local")));
    }

    #[test]
    fn a_person_reads_when_how_bad_who_and_what() {
        let told = told(&fields(LINE).unwrap());
        assert_eq!(told, "2026-11-28T02:00:00Z WARN  openai: slow\u{1b}[1m limit=3");
        assert!(!harmless(&told).contains('\u{1b}'));
        assert_eq!(plain("{\"a\":\"\u{202e}\"}"), r#"{"a":"\u202e"}"#);
    }
}
