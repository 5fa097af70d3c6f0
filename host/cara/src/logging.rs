//! Diagnostics on stderr and in the log of `cara start`, with known secrets
//! taken out of every line.

mod kept;

pub(crate) use kept::{Kept, files};

use anyhow::{Context, Result};
use cara_services::egress::KnownSecrets;
use std::io::{self, Write};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

/// What is kept unless a filter is given.
const USUAL: &str = "info";

/// Switches diagnostics on: to stderr with a filter, and to `kept` always. Without both there are none.
pub(crate) fn start(filter: Option<&str>, kept: Option<&Kept>, known: &KnownSecrets) -> Result<()> {
    let filter = filter.filter(|filter| !filter.is_empty());
    if filter.is_none() && kept.is_none() {
        return Ok(());
    }
    let shown = filter.unwrap_or(USUAL);
    let wanted = EnvFilter::try_new(shown).with_context(|| format!("`{shown}` is not a log filter"))?;
    let aside = filter.map(|_| fmt::layer().with_writer(Scrubbing::to(known, Place::Aside)).with_ansi(false));
    let file = kept.map(|kept| {
        let writer = Scrubbing::to(known, Place::Kept(kept.clone()));
        fmt::layer().json().flatten_event(true).with_current_span(false).with_span_list(false).with_writer(writer)
    });
    tracing_subscriber::registry()
        .with(wanted)
        .with(aside)
        .with(file)
        .try_init()
        .map_err(|error| anyhow::anyhow!("diagnostics cannot be switched on: {error}"))
}

/// Where lines go.
#[derive(Clone)]
enum Place {
    Aside,
    Kept(Kept),
}

struct Scrubbing {
    known: KnownSecrets,
    place: Place,
}

impl Scrubbing {
    fn to(known: &KnownSecrets, place: Place) -> Self {
        Self { known: known.clone(), place }
    }
}

impl<'a> MakeWriter<'a> for Scrubbing {
    type Writer = Line;
    fn make_writer(&'a self) -> Line {
        Line { known: self.known.clone(), place: self.place.clone(), bytes: Vec::new() }
    }
}

/// One line, written when it is complete, so that a secret cannot hide in two halves.
struct Line {
    known: KnownSecrets,
    place: Place,
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
        let line = self.known.scrub_text(&line);
        match &self.place {
            Place::Aside => crate::output::stdio::write_aside(&line),
            Place::Kept(kept) => kept.write(line.as_bytes()),
        }
    }
}
