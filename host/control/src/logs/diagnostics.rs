//! Diagnostics of this process: beside what it prints, and in the log of `cara
//! start`, with known secrets taken out of every line.

use super::Kept;
use crate::error::{Result, error};
use cara_services::egress::KnownSecrets;
use std::io::{self, Write};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

/// What is kept unless a filter is given.
const USUAL: &str = "info";

/// Shows a line beside what the process prints.
pub type Aside = fn(&str);

/// Switches diagnostics on: to `aside` with a filter, and to `kept` always. Without both there are none.
///
/// # Errors
///
/// The text is no filter, or diagnostics are on already.
pub fn start(filter: Option<&str>, kept: Option<&Kept>, known: &KnownSecrets, aside: Aside) -> Result<()> {
    let filter = filter.filter(|filter| !filter.is_empty());
    if filter.is_none() && kept.is_none() {
        return Ok(());
    }
    let shown = filter.unwrap_or(USUAL);
    let wanted = EnvFilter::try_new(shown).map_err(|why| {
        error!(Invalid, "`{shown}` is no log filter: {why}\nhint: a level such as `debug`, or `component=debug`")
    })?;
    let writer = |kept: Option<&Kept>| Scrubbing { known: known.clone(), kept: kept.cloned(), aside };
    let beside = filter.map(|_| fmt::layer().with_writer(writer(None)).with_ansi(false));
    let file = kept.map(|kept| {
        let layer = fmt::layer().json().flatten_event(true).with_current_span(false).with_span_list(false);
        layer.with_writer(writer(Some(kept)))
    });
    let begun = tracing_subscriber::registry().with(wanted).with(beside).with(file).try_init();
    begun.map_err(|why| error!(Internal, "diagnostics cannot be switched on: {why}"))
}

/// Writes lines without known secrets: into the log, or beside what is printed.
#[derive(Clone)]
struct Scrubbing {
    known: KnownSecrets,
    kept: Option<Kept>,
    aside: Aside,
}

impl<'a> MakeWriter<'a> for Scrubbing {
    type Writer = Line;
    fn make_writer(&'a self) -> Line {
        Line { to: self.clone(), bytes: Vec::new() }
    }
}

/// One line, written when it is complete, so that a secret cannot hide in two halves.
struct Line {
    to: Scrubbing,
    bytes: Vec<u8>,
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let line = String::from_utf8_lossy(&self.bytes);
        let line = self.to.known.scrub_text_of_all(&line);
        match &self.to.kept {
            None => (self.to.aside)(&line),
            Some(kept) => {
                if let Some(error) = kept.write(line.as_bytes()) {
                    (self.to.aside)(&format!("the log cannot be written: {error}\n"));
                }
            }
        }
    }
}
