//! An answer as it streams, with what happens beside it.

use crate::columns::{Width, wrap};
use crate::flow::Flow;
use crate::question::{Question, Screen};
use crate::show::{dim, is_styled, joined, message};
use crate::spinner::Spinner;
use crate::stdio as output;
use crate::when::second;
use cara_assistant::text::harmless;
use cara_assistant::{PROMPT, TurnEvent};
use cara_authority::Action;
use std::io::IsTerminal;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Writes an answer while it comes. On a terminal nothing in it acts, and it is laid out; elsewhere it is data, byte for
/// byte as the model said it and then the end of its last line, and what happens beside it is told on stderr.
pub struct Streaming {
    terminal: bool,
    flow: Flow,
    spinner: Spinner,
    model: String,
    thinking: bool,
    fresh_line: bool,
    /// Whether the answer says anything; words before a tool call are none.
    said: bool,
    results: Vec<(String, String)>,
}

/// The answer of a terminal; nobody panics while it is held.
pub fn lock(streaming: &Mutex<Streaming>) -> MutexGuard<'_, Streaming> {
    streaming.lock().unwrap_or_else(PoisonError::into_inner)
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
    /// An answer of this model that has not begun.
    pub fn new(model: &str) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let mut spinner = Spinner::default();
        spinner.expect(&format!("waiting for {model}"));
        Self {
            terminal,
            flow: Flow::new(Width::of_output(), is_styled(terminal)),
            spinner,
            model: model.to_owned(),
            thinking: false,
            fresh_line: true,
            said: false,
            results: Vec::new(),
        }
    }

    /// Takes note of one event without showing it.
    pub fn heed(&mut self, event: &TurnEvent) {
        match event {
            TurnEvent::Text { text } => self.said |= !text.trim().is_empty(),
            TurnEvent::ToolCall { .. } => self.said = false,
            _ => {}
        }
    }

    /// Whether there is an answer, and it is not empty.
    pub fn has_said(&self) -> bool {
        self.said
    }

    /// Shows one event.
    pub fn event(&mut self, event: &TurnEvent) {
        match event {
            TurnEvent::Text { text } => {
                if self.thinking {
                    self.end_line();
                }
                if self.terminal { self.flows(text, false) } else { self.put(text) }
            }
            TurnEvent::Thinking { text } if self.terminal => {
                self.thinking = true;
                self.flows(text, true);
            }
            TurnEvent::Retry { after_ms, why } => {
                if std::io::stderr().is_terminal() {
                    self.aside(&format!("  retrying in {} s ({})", after_ms.div_ceil(1000), folded(why)));
                }
            }
            TurnEvent::ToolCall { name, arguments, .. } => self.aside(&format!("▸ {name} {}", folded(arguments))),
            TurnEvent::ToolDecision { name, then: Action::Deny, lines, .. } => {
                let why = lines.first().map(|line| line.why.as_str()).unwrap_or_default();
                self.aside(&format!("  {name} is denied: {why}"));
            }
            TurnEvent::ToolDecision { name, then: Action::Allow, .. } => {
                self.spinner.expect(&format!("{name} is at work"));
            }
            TurnEvent::Approval(asked) => {
                let lines = Question::new(std::slice::from_ref(asked), Screen::USUAL).lines();
                self.lines(&lines);
                self.aside(&format!("  waits for that until {}, and is denied then", second(asked.deadline_ms)));
            }
            TurnEvent::ApprovalDecided { by, .. } if by == PROMPT => self.spinner.expect("the call is made"),
            TurnEvent::ApprovalDecided { id, allowed, by } => {
                let what = if *allowed { "allowed" } else { "denied" };
                self.aside(&format!("  {id} was {what} by {by}"));
            }
            TurnEvent::ToolResult { name, text, failed, denied, label, .. } => {
                let mark = if *failed { "✗" } else { "◂" };
                let told = denied.as_ref().map(|denial| denial.words("you"));
                self.aside(&format!("{mark} {name} [{label}] {}", folded(told.as_ref().unwrap_or(text))));
                self.spinner.expect(&format!("waiting for {}", self.model));
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
            | TurnEvent::Seen { .. }
            | TurnEvent::Usage(_) => {}
        }
    }

    /// A sentence beside the answer.
    pub fn note(&mut self, text: &str) {
        self.aside(text);
    }

    /// A message that a tool sent to the person at this terminal.
    pub fn message(&mut self, to: &str, text: &str) {
        self.end_line();
        self.spinner.clear();
        message(to, text);
    }

    /// The results of tools since the terminal was last asked for them, whole.
    pub fn results(&self) -> &[(String, String)] {
        &self.results
    }

    /// A line beside the answer.
    fn aside(&mut self, text: &str) {
        self.end_line();
        let faint = self.terminal || std::io::stderr().is_terminal();
        let text = harmless(text);
        let lines = if faint { joined(&wrap(&text, Width::of_output().get())) } else { text.into_owned() };
        self.beside(&format!("{}\n", dim(&lines, faint)));
    }

    /// Lines that a person has to see.
    pub fn lines(&mut self, lines: &[String]) {
        self.end_line();
        lines.iter().for_each(|line| self.beside(&format!("{line}\n")));
    }

    /// What stands before the cursor where an answer is typed.
    pub fn question(&mut self, text: &str) {
        self.end_line();
        self.beside(text);
        // The person ends it with their answer.
        self.fresh_line = true;
    }

    /// When it has to be said what is waited for, if nothing else is to be said.
    pub fn due(&self) -> Option<Instant> {
        self.spinner.due().filter(|_| self.fresh_line)
    }

    /// Says what is waited for.
    pub fn shows_waiting(&mut self) {
        self.spinner.show();
    }

    /// A text laid out for the terminal.
    fn flows(&mut self, text: &str, faint: bool) {
        let shown = self.flow.push(&harmless(text), faint);
        if !shown.is_empty() {
            self.put(&shown);
        }
    }

    /// Ends the line the answer stopped in, on a terminal: elsewhere what stands beside the answer is not in it.
    fn end_line(&mut self) {
        if self.terminal {
            self.end();
        }
    }

    /// Ends the last line of an answer.
    pub fn end(&mut self) {
        let held = self.flow.finish(std::mem::take(&mut self.thinking));
        self.put(&held);
        if !self.fresh_line {
            self.put("\n");
        }
        self.flow.part_line();
    }

    fn put(&mut self, text: &str) {
        self.spinner.clear();
        if let Some(last) = text.chars().last() {
            self.fresh_line = last == '\n' || (self.fresh_line && last == '\u{1b}');
        }
        output::write(text);
    }

    /// Beside the answer: on the same terminal; where the answer goes elsewhere, not into it.
    fn beside(&mut self, text: &str) {
        self.spinner.clear();
        if self.terminal { self.put(text) } else { output::write_aside(text) }
    }
}
