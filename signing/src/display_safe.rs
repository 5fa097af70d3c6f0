//! `DisplaySafe`: text from outside, made safe to show.

use std::fmt;

/// Where foreign text is cut, in bytes.
const MAX_BYTES: usize = 256;

/// Text from a file we do not trust: control, bidi and invisible characters
/// escaped, cut at 256 bytes, so an error message cannot forge a log line.
#[derive(Clone, PartialEq, Eq)]
pub struct DisplaySafe(String);

impl DisplaySafe {
    /// Escapes and cuts a text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut shown = String::new();
        for c in text.chars() {
            let before = shown.len();
            match c {
                '"' | '\'' => shown.push(c),
                _ => shown.extend(c.escape_debug()),
            }
            if shown.len() > MAX_BYTES {
                shown.truncate(before);
                shown.push('…');
                break;
            }
        }
        Self(shown)
    }
}

/// The same, as a text.
#[must_use]
pub fn display_safe(text: &str) -> String {
    DisplaySafe::new(text).0
}

/// The text of an error with those of its causes, each said once.
#[must_use]
pub fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source()).map(ToString::to_string);
    causes.fold(error.to_string(), |text, told| if text.contains(&told) { text } else { format!("{text}: {told}") })
}

/// Whether a character is shown as it is.
pub(crate) fn is_shown(c: char) -> bool {
    c == '"' || c == '\'' || c.escape_debug().count() == 1
}

impl fmt::Display for DisplaySafe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DisplaySafe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_move_the_cursor_or_start_a_line() {
        let shown = DisplaySafe::new("a\x1b[2J\nb\u{202e}c\u{200b}").to_string();
        assert_eq!(shown, r"a\u{1b}[2J\nb\u{202e}c\u{200b}");
    }

    #[test]
    fn foreign_text_is_cut() {
        let shown = DisplaySafe::new(&"é".repeat(10_000)).to_string();
        assert!(shown.len() <= MAX_BYTES + '…'.len_utf8());
        assert!(shown.ends_with('…'));
    }
}
