//! A sign of life while nothing comes: one line on stderr, gone before
//! anything else is printed; and how far something is.

use crate::columns::cut;
use crate::show::note;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long nothing may come before it is said what is waited for.
const QUIET: Duration = Duration::from_millis(500);

/// How often the line changes.
const TICK: Duration = Duration::from_millis(100);

/// What is on the screen of this process now.
static SHOWN: Mutex<Shown> = Mutex::new(Shown { bar: None, asking: false });

struct Shown {
    bar: Option<ProgressBar>,
    /// Whether somebody is asked for a line: nothing is written over the question.
    asking: bool,
}

fn shown() -> MutexGuard<'static, Shown> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Having a `Quiet` tells you: no spinner writes over a question.
pub(crate) struct Quiet(());

impl Quiet {
    pub(crate) fn begin() -> Self {
        let mut shown = shown();
        shown.asking = true;
        if let Some(bar) = shown.bar.take() {
            bar.finish_and_clear();
        }
        Self(())
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        shown().asking = false;
    }
}

/// What is waited for, and the line that says so once that takes long.
pub struct Spinner {
    terminal: bool,
    what: String,
    since: Instant,
    bar: Option<ProgressBar>,
}

impl Default for Spinner {
    /// A line that is not shown.
    fn default() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), what: String::new(), since: Instant::now(), bar: None }
    }
}

impl Spinner {
    /// Says what is waited for from now on.
    pub fn expect(&mut self, what: &str) {
        self.clear();
        what.clone_into(&mut self.what);
    }

    /// When the line is due; none where it is shown, somebody is asked, or it never is.
    pub fn due(&self) -> Option<Instant> {
        let shows = self.terminal && self.bar.is_none() && !self.what.is_empty() && !shown().asking;
        shows.then(|| self.since + QUIET)
    }

    /// Shows the line.
    pub fn show(&mut self) {
        if self.due().is_none() {
            return;
        }
        let bar = ProgressBar::new_spinner().with_elapsed(self.since.elapsed());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} · {elapsed} · Ctrl-C stops") {
            bar.set_style(style);
        }
        bar.set_message(cut(&self.what, 50));
        let mut shown = shown();
        if !shown.asking {
            bar.enable_steady_tick(TICK);
            shown.bar = Some(bar.clone());
            self.bar = Some(bar);
        }
    }

    /// Takes the line away, since something is printed.
    pub fn clear(&mut self) {
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

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Bytes, told in larger units.
    Bytes,
    /// Things, told as they are.
    Things,
}

/// So many things take long enough that it is said where no bar shows it.
const MANY: u64 = 5;

/// How far something is, as a bar on stderr. Where that is no terminal, what takes long is said in a line when it begins.
#[derive(Default)]
pub struct Bar(Option<(String, ProgressBar)>);

impl Bar {
    /// Shows how much of it is done; the bar goes when that is all.
    pub fn set(&mut self, what: &str, counted: Counted, done: u64, of: Option<u64>) {
        if self.0.as_ref().is_none_or(|(shown, _)| shown != what) {
            self.clear();
            self.0 = Some((what.to_owned(), Self::begin(what, counted, of.unwrap_or(done))));
        }
        if let Some((_, bar)) = &self.0 {
            bar.set_length(of.unwrap_or(done));
            bar.set_position(done);
            bar.tick();
        }
        if of == Some(done) {
            self.clear();
        }
    }

    fn begin(what: &str, counted: Counted, length: u64) -> ProgressBar {
        if counted == Counted::Things && length >= MANY && !std::io::stderr().is_terminal() {
            note(&format!("{what}: {length}, once; that takes some seconds"));
        }
        let bar = ProgressBar::new(length);
        let template = match counted {
            Counted::Bytes => "{msg} {bar:24} {bytes}/{total_bytes}",
            Counted::Things => "{msg} {bar:24} {pos}/{len}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        bar.set_message(what.to_owned());
        bar
    }

    /// Takes the bar away, since something is printed.
    pub fn clear(&mut self) {
        if let Some((_, bar)) = self.0.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.clear();
    }
}
