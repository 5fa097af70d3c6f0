//! `log`: a component's diagnostics, escaped, scrubbed and capped.

use super::{Call, CallState};
use crate::bindings::cara::plugin::log::{self, Level};
use std::fmt::Write;
use std::sync::atomic::Ordering;

/// Bytes of one line with all its fields.
const LINE: usize = 4096;

impl log::Host for CallState {
    fn write(&mut self, level: Level, message: String, fields: Vec<(String, String)>) -> wasmtime::Result<()> {
        let mut line = String::new();
        escape(&message, &mut line);
        for (key, value) in &fields {
            if line.len() > LINE {
                break;
            }
            line.push(' ');
            escape(key, &mut line);
            line.push('=');
            escape(value, &mut line);
        }
        self.call.write_line(level, line);
        Ok(())
    }
}

impl Call {
    /// Writes one line to the log, within the call's budget of lines.
    pub(crate) fn write_line(&self, level: Level, mut line: String) {
        let component = self.grants.component().as_str();
        let limit = self.grants.limits().log_lines;
        let count = self.log_lines.fetch_add(1, Ordering::Relaxed);
        if count >= limit {
            if count == limit {
                tracing::warn!(target: "component", component, limit, "log limit reached, further lines of this call are dropped");
            }
            return;
        }
        // Before it is cut: a secret cut in two would not be recognised.
        let scrubbed = self.services.egress.known().scrub_text(&line);
        if let std::borrow::Cow::Owned(scrubbed) = scrubbed {
            line = scrubbed;
        }
        if line.len() > LINE {
            line.truncate((0..=LINE).rev().find(|&at| line.is_char_boundary(at)).unwrap_or(0));
            line.push('…');
        }
        match level {
            Level::Trace => tracing::trace!(target: "component", component, "{line}"),
            Level::Debug => tracing::debug!(target: "component", component, "{line}"),
            Level::Info => tracing::info!(target: "component", component, "{line}"),
            Level::Warn => tracing::warn!(target: "component", component, "{line}"),
            Level::Error => tracing::error!(target: "component", component, "{line}"),
        }
    }
}

/// Escapes what could act on a terminal or break a line: control, bidirectional and zero-width characters. Stops a
/// little past the length of a line.
pub(crate) fn escape(text: &str, line: &mut String) {
    for c in text.chars() {
        if line.len() > LINE + 64 * 1024 {
            return;
        }
        let hidden =
            matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if c.is_control() || hidden {
            let _ = write!(line, "{}", c.escape_default());
        } else {
            line.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_escaped() {
        let mut line = String::new();
        escape("a\u{1b}[2J\nb\u{202e}c\u{200b}d é", &mut line);
        assert_eq!(line, "a\\u{1b}[2J\\nb\\u{202e}c\\u{200b}d é");
    }
}
