//! A sign of life while nothing comes: one line on stderr, gone before
//! anything else is printed.

use super::layout;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// How long nothing may come before it is said what is waited for.
const QUIET: Duration = Duration::from_millis(500);

/// How often the line changes.
const TICK: Duration = Duration::from_millis(100);

/// What is waited for, and the line that says so once that takes long.
pub(crate) struct Spinner {
    terminal: bool,
    what: String,
    since: Instant,
    bar: Option<ProgressBar>,
}

impl Spinner {
    /// A line that is not shown.
    pub(crate) fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), what: String::new(), since: Instant::now(), bar: None }
    }

    /// Says what is waited for from now on.
    pub(crate) fn expect(&mut self, what: &str) {
        self.clear();
        what.clone_into(&mut self.what);
    }

    /// When the line is due; none where it is shown, or never is.
    pub(crate) fn due(&self) -> Option<Instant> {
        (self.terminal && self.bar.is_none() && !self.what.is_empty()).then(|| self.since + QUIET)
    }

    /// Shows the line.
    pub(crate) fn show(&mut self) {
        if self.due().is_none() {
            return;
        }
        let bar = ProgressBar::new_spinner().with_elapsed(self.since.elapsed());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} · {elapsed} · Ctrl-C stops") {
            bar.set_style(style);
        }
        bar.set_message(layout::cut(&self.what, 50));
        bar.enable_steady_tick(TICK);
        self.bar = Some(bar);
    }

    /// Takes the line away, since something is printed.
    pub(crate) fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        self.since = Instant::now();
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.clear();
    }
}
