//! The standard streams: all that the program prints goes through here.
//!
//! ```text
//! line, note, answer ─→ write ─→ stdout ─┬─ closed pipe: the output ends, quietly
//!                                        └─ any other failure: the program ends in an error
//! ```
//!
//! A failed write does not stop the work that it reports on: half an installation would be worse than an unread line.
//! What only speaks, such as an answer, looks at [`is_lost`] and ends.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the one place that writes to the terminal")]

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::sync::OnceLock;

/// Why standard output takes no more. The stream belongs to the process, so what became of it does too.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// Writes to standard output, at once. After the first failure nothing more is written.
pub fn write(text: &str) {
    if is_lost() {
        return;
    }
    let mut out = io::stdout().lock();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever was first said why.
        let _ = LOST.set(error);
    }
}

/// Writes to standard error. Nothing is left to say it to when that fails.
pub fn write_aside(text: &str) {
    let mut err = io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

/// How many columns a terminal has; none where the stream is none, or does not say.
#[cfg(unix)]
pub fn columns(stream: &impl std::os::fd::AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    (size.ws_col > 0).then_some(size.ws_col.into())
}

/// How many columns a terminal has: nobody says so here.
#[cfg(not(unix))]
pub fn columns<T>(_: &T) -> Option<usize> {
    None
}

/// Whether standard output takes no more.
pub fn is_lost() -> bool {
    LOST.get().is_some()
}

/// The exit code of a program whose work ended with this one: output that was lost is a failure, a reader who has read
/// enough is none.
pub fn end(code: ExitCode) -> ExitCode {
    match LOST.get() {
        Some(error) if error.kind() != ErrorKind::BrokenPipe => {
            write_aside(&format!(
                "error: standard output cannot be written: {error}\nhint: what was to be shown is lost; run the command \
                 again with its output elsewhere\n"
            ));
            ExitCode::FAILURE
        }
        _ => code,
    }
}
