//! Everything logged in this process, at trace level, from every crate.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;

/// The compiler, which at this level writes down every instruction of a guest, and never sees a value. It does so through
/// `log`, where it is left out at once: asked of each filter, that takes longer than compiling.
const COMPILER: [&str; 5] =
    ["cranelift_codegen", "cranelift_frontend", "regalloc2", "wasmtime_cranelift", "wasmtime_internal_cranelift"];

/// The log so far. All tests of a process share it, so look for what only one test can have caused.
#[derive(Clone, Default)]
pub struct Captured(Arc<Mutex<Vec<u8>>>);

/// Begins to capture, if nobody has, and gives what is and will be captured.
///
/// # Panics
/// When something else in this process already takes the log.
pub fn captured() -> Captured {
    static CAPTURED: OnceLock<Captured> = OnceLock::new();
    let begin = || {
        let captured = Captured::default();
        let writer = captured.clone();
        let make = move || writer.clone();
        let filter = Targets::new().with_default(LevelFilter::TRACE);
        let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(make).with_filter(filter);
        let other = "nothing else takes the log";
        tracing_log::LogTracer::builder().ignore_all(COMPILER).init().expect(other);
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).expect(other);
        captured
    };
    CAPTURED.get_or_init(begin).clone()
}

impl Captured {
    /// All of it.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// The lines with all of these words.
    #[must_use]
    pub fn lines(&self, words: &[&str]) -> Vec<String> {
        let text = self.text();
        let lines = text.lines().filter(|line| words.iter().all(|word| line.contains(word)));
        lines.map(str::to_owned).collect()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
