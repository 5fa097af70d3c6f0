//! How things look: notes, errors, tables, progress.

use super::stdio as output;
use super::{layout, table};
use crate::door::FnEvent;
use cara_assistant::Failure;
use cara_assistant::text::harmless;
use cara_control::{Event, Progress, Unit};
use std::io::IsTerminal;

/// Whether a terminal is shown attributes.
pub(super) fn is_styled(terminal: bool) -> bool {
    terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A text that stands back, where a terminal shows it.
pub(super) fn dim(text: &str, terminal: bool) -> String {
    if is_styled(terminal) { format!("\u{1b}[2m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// A text in lines that fit the terminal which standard error is; elsewhere as it is.
fn fitted(text: &str) -> String {
    let text = harmless(text);
    if !std::io::stderr().is_terminal() {
        return text.into_owned();
    }
    let width = layout::Width::of(output::columns(&std::io::stderr()).unwrap_or(layout::WIDTH));
    layout::wrap_words(&text, width.get()).join("\n")
}

/// A line about what happens, on stderr.
pub(crate) fn note(text: &str) {
    output::write_aside(&format!("{}\n", dim(&fitted(text), std::io::stderr().is_terminal())));
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
    output::write_aside(&format!("{}\n", fitted(&format!("error: {text}"))));
}

/// Why a turn failed, with what was refused on the way.
pub(crate) fn failure(failure: &Failure) {
    output::write_aside(&format!("{}\n", fitted(&format!("error: {}", failure.message))));
    for refusal in &failure.refusals {
        output::write_aside(&format!("{}\n", fitted(refusal)));
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

/// Prints rows in columns that fit.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) {
    // A program that reads a table looks for whole cells on one line.
    let terminal = std::io::stdout().is_terminal();
    let most = if terminal { layout::Width::of_output().get() } else { usize::MAX };
    let lines = table::lines(head, rows, most);
    for (at, text) in lines.iter().enumerate() {
        line(&dim(text, at == 0 && terminal));
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
