//! How things look: notes, errors, tables.

use crate::columns::{WIDTH, Width, cut, wrap};
use crate::declined::Declined;
use crate::{stdio, table};
use cara_assistant::Failure;
use cara_assistant::text::harmless;
use cara_authority::with_causes;
use std::error::Error;
use std::io::IsTerminal;

/// Whether a terminal is shown attributes.
pub(crate) fn is_styled(terminal: bool) -> bool {
    terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A text that stands back, where a terminal shows it.
pub(crate) fn dim(text: &str, terminal: bool) -> String {
    if is_styled(terminal) { format!("\u{1b}[2m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// A text in lines that fit the terminal which standard error is; elsewhere as it is.
fn fitted(text: &str) -> String {
    let text = harmless(text);
    if !std::io::stderr().is_terminal() {
        return text.into_owned();
    }
    let width = Width::of(stdio::columns(&std::io::stderr()).unwrap_or(WIDTH));
    joined(&wrap(&text, width.get()))
}

/// Lines of a wrapped text, without the spaces at its breaks.
pub(crate) fn joined(lines: &[String]) -> String {
    lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
}

/// A line about what happens, on stderr.
pub fn note(text: &str) {
    stdio::write_aside(&format!("{}\n", dim(&fitted(text), std::io::stderr().is_terminal())));
}

/// A text after a lead, in lines that fit, on stderr.
pub fn aside(lead: &str, text: &str) {
    for (at, line) in wrap(&harmless(text), WIDTH.saturating_sub(lead.len())).iter().enumerate() {
        let lead = if at == 0 { lead.to_owned() } else { " ".repeat(lead.len()) };
        note(format!("{lead}{line}").trim_end());
    }
}

/// Begins a line of its own below what the terminal shows of Ctrl-C.
pub fn end_echo() {
    if std::io::stderr().is_terminal() {
        stdio::write_aside("\n");
    }
}

/// An error with all its causes, on stderr; what a person declined is none.
pub fn error(error: &(dyn Error + 'static)) {
    if error.is::<Declined>() {
        return note(&error.to_string());
    }
    stdio::write_aside(&format!("{}\n", fitted(&format!("error: {}", with_causes(error)))));
}

/// What is said of a command line that cannot be read, in lines that fit, on stderr.
pub fn misuse(text: &str) {
    stdio::write_aside(&fitted(text));
}

/// Why a turn failed, with what was refused on the way.
pub fn failure(failure: &Failure) {
    stdio::write_aside(&format!("{}\n", fitted(&format!("error: {}", failure.told()))));
    if let Some(wait) = failure.retry_after_ms {
        stdio::write_aside(&format!("hint: try again in {} s\n", wait.div_ceil(1000)));
    }
}

/// A message that a tool sent to the person at this terminal.
pub fn message(to: &str, text: &str) {
    line(&harmless(&format!("[message to {to}] {text}")));
}

/// A line on stdout.
pub fn line(text: &str) {
    stdio::write(&format!("{text}\n"));
}

/// Prints rows of one line each: on a terminal, what does not fit is cut from the last cell.
pub fn list(head: &[&str], rows: &[Vec<String>]) {
    if !std::io::stdout().is_terminal() {
        return table(head, rows);
    }
    let room = table::room_of_last(head, rows, Width::of_output().get());
    let cut_last = |row: &Vec<String>| {
        let mut row = row.clone();
        row.iter_mut().next_back().into_iter().for_each(|last| *last = cut(last, room));
        row
    };
    table(head, &rows.iter().map(cut_last).collect::<Vec<_>>());
}

/// Prints rows in columns that fit.
pub fn table(head: &[&str], rows: &[Vec<String>]) {
    // A program that reads a table looks for whole cells on one line.
    let terminal = std::io::stdout().is_terminal();
    let most = if terminal { Width::of_output().get() } else { usize::MAX };
    let lines = table::lines(head, rows, most);
    for (at, text) in lines.iter().enumerate() {
        line(&dim(text, at == 0 && terminal));
    }
}
