//! `Foreign`: text from outside, made safe to show.

use std::fmt;

/// Where foreign text is cut, in bytes.
const MAX_BYTES: usize = 256;

/// Text from a file we do not trust: control, bidi and invisible characters
/// escaped, cut at 256 bytes, so an error message cannot forge a log line.
#[derive(Clone, PartialEq, Eq)]
pub struct Foreign(String);

impl Foreign {
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

/// Whether a character is shown as it is.
pub(crate) fn is_shown(c: char) -> bool {
    c == '"' || c == '\'' || c.escape_debug().count() == 1
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_move_the_cursor_or_start_a_line() {
        let shown = Foreign::new("a\x1b[2J\nb\u{202e}c\u{200b}").to_string();
        assert_eq!(shown, r"a\u{1b}[2J\nb\u{202e}c\u{200b}");
    }

    #[test]
    fn foreign_text_is_cut() {
        let shown = Foreign::new(&"é".repeat(10_000)).to_string();
        assert!(shown.len() <= MAX_BYTES + '…'.len_utf8());
        assert!(shown.ends_with('…'));
    }
}
