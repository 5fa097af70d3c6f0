//! Diagnostics on stderr, with known secrets taken out of every line.

use anyhow::{Context, Result};
use cara_services::egress::KnownSecrets;
use std::io::{self, Write};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Switches diagnostics on; without a filter there are none.
pub(crate) fn start(filter: Option<&str>, known: &KnownSecrets) -> Result<()> {
    let Some(filter) = filter.filter(|filter| !filter.is_empty()) else { return Ok(()) };
    let filter = EnvFilter::try_new(filter).with_context(|| format!("`{filter}` is not a log filter"))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Scrubbing(known.clone()))
        .with_ansi(false)
        .try_init()
        .map_err(|error| anyhow::anyhow!("diagnostics cannot be switched on: {error}"))
}

struct Scrubbing(KnownSecrets);

impl<'a> MakeWriter<'a> for Scrubbing {
    type Writer = Line;
    fn make_writer(&'a self) -> Line {
        Line { known: self.0.clone(), bytes: Vec::new() }
    }
}

/// One line, written when it is complete, so that a secret cannot hide in two halves.
struct Line {
    known: KnownSecrets,
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
        crate::output::stdio::write_aside(&self.known.scrub_text(&line));
    }
}
