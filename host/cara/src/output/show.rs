//! How things look: notes, errors, tables, an answer as it streams.

use super::layout;
use super::stdio as output;
use super::when::second;
use crate::door::FnEvent;
use crate::question::{Question, Screen};
use cara_assistant::text::harmless;
use cara_assistant::{Failure, TurnEvent};
use cara_authority::Action;
use cara_control::{Event, Progress, Unit};
use std::io::IsTerminal;

/// Terminal attributes, when stdout or stderr is a terminal and NO_COLOR is not set.
fn dim(text: &str, terminal: bool) -> String {
    let plain = !terminal || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if plain { text.to_owned() } else { format!("\u{1b}[2m{text}\u{1b}[0m") }
}

/// A line about what happens, on stderr.
pub(crate) fn note(text: &str) {
    output::write_aside(&format!("{}\n", dim(&harmless(text), std::io::stderr().is_terminal())));
}

/// A text after a lead, in lines that fit, on stderr.
pub(crate) fn aside(lead: &str, text: &str) {
    for (at, line) in layout::wrap(&harmless(text), layout::WIDTH - lead.len()).iter().enumerate() {
        let lead = if at == 0 { lead.to_owned() } else { " ".repeat(lead.len()) };
        note(format!("{lead}{line}").trim_end());
    }
}

/// An error with all its causes, on stderr.
pub(crate) fn error(error: &anyhow::Error) {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    output::write_aside(&format!("error: {}\n", harmless(&text)));
}

/// Why a turn failed, with what was refused on the way.
pub(crate) fn failure(failure: &Failure) {
    output::write_aside(&format!("error: {}\n", harmless(&failure.message)));
    for refusal in &failure.refusals {
        output::write_aside(&format!("{}\n", harmless(refusal)));
    }
    if let Some(wait) = failure.retry_after_ms {
        output::write_aside(&format!("hint: try again in {} s\n", wait.div_ceil(1000)));
    }
}

/// A message that a tool sent to the person at this terminal.
pub(crate) fn message(to: &str, text: &str) {
    line(&harmless(&format!("[message to {to}] {text}")));
}

/// A line on stdout.
pub(crate) fn line(text: &str) {
    output::write(&format!("{text}\n"));
}

/// Writes an answer while it comes. On a terminal nothing in it acts; elsewhere it is data, byte for byte as the model
/// said it and then the end of its last line, and what happens beside it is told on stderr.
pub(crate) struct Streaming {
    terminal: bool,
    thinking: bool,
    fresh_line: bool,
    /// Whether the answer says anything; words before a tool call are none.
    said: bool,
    results: Vec<(String, String)>,
}

/// The longest folded text, characters.
const FOLDED: usize = 100;

/// The first line of a text, with what is left out.
fn folded(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    let mut shown: String = first.chars().take(FOLDED).collect();
    let (lines, cut) = (text.lines().count(), shown.len() < first.len());
    if cut {
        shown.push('…');
    }
    if lines > 1 {
        shown.push_str(&format!(" (+{} lines)", lines - 1));
    }
    shown
}

impl Streaming {
    /// An answer that has not begun.
    pub(crate) fn new() -> Self {
        Self {
            terminal: std::io::stdout().is_terminal(),
            thinking: false,
            fresh_line: true,
            said: false,
            results: Vec::new(),
        }
    }

    /// Takes note of one event without showing it.
    pub(crate) fn heed(&mut self, event: &TurnEvent) {
        match event {
            TurnEvent::Text { text } => self.said |= !text.trim().is_empty(),
            TurnEvent::ToolCall { .. } => self.said = false,
            _ => {}
        }
    }

    /// Whether there is an answer, and it is not empty.
    pub(crate) fn has_said(&self) -> bool {
        self.said
    }

    /// Shows one event.
    pub(crate) fn event(&mut self, event: &TurnEvent) {
        match event {
            TurnEvent::Text { text } => {
                if std::mem::take(&mut self.thinking) {
                    self.put("\n");
                }
                if self.terminal { self.put(&harmless(text)) } else { self.put(text) }
            }
            TurnEvent::Thinking { text } if self.terminal => {
                self.thinking = true;
                self.put(&dim(&harmless(text), true));
            }
            TurnEvent::ToolCall { name, arguments, .. } => self.aside(&format!("▸ {name} {}", folded(arguments))),
            TurnEvent::ToolDecision { name, then: Action::Deny, lines, .. } => {
                let why = lines.first().map(|line| line.why.as_str()).unwrap_or_default();
                self.aside(&format!("  {name} is denied: {why}"));
            }
            TurnEvent::Approval(asked) => {
                let lines = Question::new(std::slice::from_ref(asked), Screen::USUAL).lines();
                self.lines(&lines);
                self.aside(&format!("  waits for that until {}, and is denied then", second(asked.deadline_ms)));
            }
            TurnEvent::ApprovalDecided { id, allowed, by } if by != "prompt" => {
                let what = if *allowed { "allowed" } else { "denied" };
                self.aside(&format!("  {id} was {what} by {by}"));
            }
            TurnEvent::ToolResult { name, text, failed, label, .. } => {
                let mark = if *failed { "✗" } else { "◂" };
                self.aside(&format!("{mark} {name} [{label}] {}", folded(text)));
                self.results.push((name.clone(), text.clone()));
            }
            TurnEvent::Seen { label } if label.is_untrusted() || label.is_private() => {
                self.aside(&format!("  seen: {label}"));
            }
            TurnEvent::Guard { place, rules } => {
                self.aside(&format!("  guard: {} in the {place}", rules.join(", ")));
            }
            TurnEvent::Compacted { upto, tokens } => {
                self.aside(&format!("  messages 1 to {upto} were summed up: {} → {} tokens", tokens[0], tokens[1]));
            }
            TurnEvent::Thinking { .. }
            | TurnEvent::ToolStart { .. }
            | TurnEvent::ToolDecision { .. }
            | TurnEvent::ApprovalDecided { .. }
            | TurnEvent::Seen { .. }
            | TurnEvent::Usage(_) => {}
        }
    }

    /// A sentence beside the answer.
    pub(crate) fn note(&mut self, text: &str) {
        self.aside(text);
    }

    /// A message that a tool sent to the person at this terminal.
    pub(crate) fn message(&mut self, to: &str, text: &str) {
        self.end_line();
        message(to, text);
    }

    /// The results of tools since the terminal was last asked for them, whole.
    pub(crate) fn results(&self) -> &[(String, String)] {
        &self.results
    }

    /// A line beside the answer.
    fn aside(&mut self, text: &str) {
        self.end_line();
        let faint = if self.terminal { true } else { std::io::stderr().is_terminal() };
        self.beside(&dim(&harmless(&format!("{text}\n")), faint));
    }

    /// Lines that a person has to see.
    pub(crate) fn lines(&mut self, lines: &[String]) {
        self.end_line();
        lines.iter().for_each(|line| self.beside(&format!("{line}\n")));
    }

    /// What stands before the cursor where an answer is typed.
    pub(crate) fn question(&mut self, text: &str) {
        self.end_line();
        self.beside(text);
        // The person ends it with their answer.
        self.fresh_line = true;
    }

    /// Ends the line the answer stopped in, on a terminal: elsewhere what stands beside the answer is not in it.
    fn end_line(&mut self) {
        if self.terminal {
            self.end();
        }
    }

    /// Ends the last line of an answer.
    pub(crate) fn end(&mut self) {
        if !self.fresh_line {
            self.put("\n");
        }
    }

    fn put(&mut self, text: &str) {
        if let Some(last) = text.chars().last() {
            self.fresh_line = last == '\n' || (self.fresh_line && last == '\u{1b}');
        }
        output::write(text);
    }

    /// Beside the answer: on the same terminal; where the answer goes elsewhere, not into it.
    fn beside(&mut self, text: &str) {
        if self.terminal { self.put(text) } else { output::write_aside(text) }
    }
}

/// Prints rows in columns as wide as their widest cell.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let print = |cells: Vec<&str>, faint: bool| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        let text = padded.collect::<Vec<_>>().join("  ");
        line(&dim(text.trim_end(), faint && std::io::stdout().is_terminal()));
    };
    print(head.to_vec(), true);
    for row in rows {
        print(row.iter().map(String::as_str).collect(), false);
    }
}

/// Says on stderr what is being done; hidden when that is no terminal.
pub(crate) fn spinner() -> indicatif::ProgressBar {
    let bar = indicatif::ProgressBar::new_spinner();
    bar.enable_steady_tick(std::time::Duration::from_millis(100));
    bar
}

/// Shows notes and progress of a use case, on stderr.
pub(crate) struct Beside {
    bar: Option<(String, indicatif::ProgressBar)>,
}

impl Beside {
    /// Nothing was told yet.
    pub(crate) fn new() -> Self {
        Self { bar: None }
    }

    fn progress(&mut self, progress: &Progress) {
        if self.bar.as_ref().is_none_or(|(what, _)| *what != progress.what) {
            self.pause();
            let bar = indicatif::ProgressBar::new(0);
            let counted = match progress.unit {
                Unit::Bytes => "{msg} {bar:24} {bytes}/{total_bytes}",
                Unit::Components => "{msg} {bar:24} {pos}/{len}",
            };
            if let Ok(style) = indicatif::ProgressStyle::with_template(counted) {
                bar.set_style(style.progress_chars("━╸─"));
            }
            bar.set_message(progress.what.clone());
            self.bar = Some((progress.what.clone(), bar));
        }
        if let Some((_, bar)) = &self.bar {
            bar.set_length(progress.of.unwrap_or(progress.done));
            bar.set_position(progress.done);
            bar.tick();
        }
        if progress.of == Some(progress.done) {
            self.pause();
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.pause();
    }
}

impl FnEvent for Beside {
    fn event(&mut self, event: Event) {
        match event {
            Event::Note { text } => {
                self.pause();
                note(&text);
            }
            Event::Progress(told) => self.progress(&told),
            Event::Message { to, text } => message(&to, &text),
            Event::Ask { .. } | Event::Began { .. } | Event::Run { .. } => {}
        }
    }

    fn pause(&mut self) {
        if let Some((_, bar)) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
