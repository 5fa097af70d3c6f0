//! The log of `cara start`: written, kept within bounds, read and followed.
//!
//! It is no operation: it is read from the files, so that it can be read when no process holds the home, and then most of
//! all.

mod diagnostics;
mod kept;
mod tail;

pub use diagnostics::{Aside, start};
pub use kept::Kept;

use crate::error::{Context, Result, error};
use cara_authority::{ComponentId, words};
use cara_services::files::ensure_private_dir;
use notify::{RecursiveMode, Watcher};
use serde_json::{Map, Value};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use tail::Tail;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

words! {
    /// How much a line matters, the most first.
    Level {
        /// What failed by a fault of cara's own or of the system.
        Failure = "error",
        /// What was not done.
        Warning = "warn",
        /// What was done.
        Info = "info",
        /// How it was done.
        Debug = "debug",
        /// Every step of it.
        Trace = "trace",
    }
}

/// Which lines are wanted.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Lines of this level and above it.
    pub level: Level,
    /// Lines of this component alone.
    pub component: Option<ComponentId>,
    /// At most so many of those that are there.
    pub lines: usize,
}

/// What every line has; the other fields follow the message.
const FIRST: [&str; 6] = ["timestamp", "level", "message", "target", "component", "operation"];

/// A line of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLine {
    /// The line as it stands in the file: a JSON object.
    pub json: String,
    fields: Map<String, Value>,
}

impl LogLine {
    fn read(json: &str) -> Option<Self> {
        Some(Self { json: json.to_owned(), fields: serde_json::from_str(json).ok()? })
    }

    fn text(&self, name: &str) -> &str {
        self.fields.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// When it was written, Unix milliseconds.
    pub fn at_ms(&self) -> Option<u64> {
        let at: jiff::Timestamp = self.text("timestamp").parse().ok()?;
        at.as_millisecond().try_into().ok()
    }

    /// How much it matters.
    pub fn level(&self) -> Level {
        Level::named(&self.text("level").to_lowercase()).unwrap_or(Level::Trace)
    }

    /// What it says, with the component or operation it is about, and the fields that it has beside its words.
    pub fn words(&self) -> String {
        let message = self.text("message");
        let mut words = match (self.text("component"), self.text("operation")) {
            ("", "") => message.to_owned(),
            ("", operation) => format!("{operation} {message}"),
            (component, _) => format!("{component}: {message}"),
        };
        for (name, value) in self.fields.iter().filter(|(name, _)| !FIRST.contains(&name.as_str())) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            words.push_str(&format!(" {name}={value}"));
        }
        words
    }

    fn is_wanted(&self, wanted: &Wanted) -> bool {
        let component = wanted.component.as_ref().is_none_or(|id| self.text("component") == id.as_str());
        self.level() <= wanted.level && component
    }
}

/// The log of a home, read.
pub struct LogReader {
    wanted: Wanted,
    older: Vec<PathBuf>,
    current: PathBuf,
    tail: Option<Tail>,
    changed: Option<(notify::RecommendedWatcher, UnboundedReceiver<()>)>,
}

impl LogReader {
    /// A log in this folder, from its beginning on. To follow it, it is watched before it is read, so that nothing is missed
    /// in between.
    ///
    /// # Errors
    ///
    /// The folder cannot be made or watched.
    pub fn open(folder: &Path, wanted: Wanted, follow: bool) -> Result<Self> {
        ensure_private_dir(folder)?;
        let changed = follow.then(|| watch(folder)).transpose().context("the log cannot be watched")?;
        let mut older = kept::files(folder);
        let current = older.pop().ok_or_else(|| error!(Internal, "a log has a file"))?;
        Ok(Self { wanted, older, current, tail: None, changed })
    }

    /// The last of the wanted lines that are there, and whether there is any line at all.
    ///
    /// # Errors
    ///
    /// A file cannot be read.
    pub fn before(&mut self) -> Result<(Vec<LogLine>, bool)> {
        let (mut found, mut any) = (VecDeque::new(), false);
        let mut keep = |line: &str| {
            let Some(line) = LogLine::read(line) else { return };
            any = true;
            if line.is_wanted(&self.wanted) {
                found.push_back(line);
                if found.len() > self.wanted.lines {
                    found.pop_front();
                }
            }
        };
        for path in &self.older {
            if let Some(mut tail) = Tail::open(path)? {
                tail.read(&mut keep)?;
            }
        }
        self.tail = Tail::open(&self.current)?;
        if let Some(tail) = &mut self.tail {
            tail.read(&mut keep)?;
        }
        Ok((found.into(), any))
    }

    /// The wanted lines that come next, once the log changes; none where it is not followed.
    ///
    /// # Errors
    ///
    /// A file cannot be read.
    pub async fn more(&mut self) -> Result<Option<Vec<LogLine>>> {
        let Some((_, changed)) = &mut self.changed else { return Ok(None) };
        if changed.recv().await.is_none() {
            return Ok(None);
        }
        let mut found = Vec::new();
        let mut keep = |line: &str| found.extend(LogLine::read(line).filter(|line| line.is_wanted(&self.wanted)));
        // The rest of a file that is full, then the one in its place.
        if let Some(tail) = &mut self.tail {
            tail.read(&mut keep)?;
        }
        if self.tail.as_ref().is_none_or(|tail| tail.is_full(&self.current)) {
            self.tail = Tail::open(&self.current)?;
            if let Some(tail) = &mut self.tail {
                tail.read(&mut keep)?;
            }
        }
        Ok(Some(found))
    }
}

/// Tells of every change in the folder for as long as it is held.
fn watch(folder: &Path) -> notify::Result<(notify::RecommendedWatcher, UnboundedReceiver<()>)> {
    let (sender, changed): (UnboundedSender<()>, _) = unbounded_channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            // Nobody waits any more when this fails.
            let _ = sender.send(());
        }
    })?;
    watcher.watch(folder, RecursiveMode::NonRecursive)?;
    Ok((watcher, changed))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const LINE: &str = r#"{"timestamp":"2026-11-28T02:00:00.123456Z","level":"WARN","message":"slow","component":"openai","target":"component","limit":3}"#;

    #[test]
    fn lines_are_chosen_by_level_and_component() {
        let line = LogLine::read(LINE).unwrap();
        let chosen = |level, id: Option<&str>| {
            let component = id.map(|id| ComponentId::parse(id).unwrap());
            line.is_wanted(&Wanted { level, component, lines: 1 })
        };
        assert!(chosen(Level::Trace, None) && chosen(Level::Warning, Some("openai")));
        assert!(!chosen(Level::Failure, None) && !chosen(Level::Trace, Some("local")));
        assert_eq!(line.at_ms(), Some(1_795_831_200_123));
    }

    #[test]
    fn a_line_says_whom_it_is_about_and_no_module_of_the_program() {
        assert_eq!(LogLine::read(LINE).unwrap().words(), "openai: slow limit=3");
        let of = r#"{"level":"INFO","message":"done","target":"cara_control::operations","operation":"chat.open"}"#;
        assert_eq!(LogLine::read(of).unwrap().words(), "chat.open done");
        assert_eq!(LogLine::read("{\"message\":\"begins\",\"target\":\"cara\"}").unwrap().words(), "begins");
        assert_eq!(LogLine::read("no object"), None);
    }
}
