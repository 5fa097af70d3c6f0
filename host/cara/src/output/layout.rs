//! Text in 80 columns, and data as JSON: both safe to show,
//! whoever wrote what is in it.

use super::{show, stdio};
use anyhow::Result;
use cara_assistant::text::harmless;
use serde::Serialize;
use std::borrow::Cow;
use std::fmt::Write;
use unicode_width::UnicodeWidthStr;

/// Columns of a terminal that everybody has, and of what goes elsewhere.
pub(crate) const WIDTH: usize = 80;

/// The narrowest width that text is laid out for.
const NARROWEST: usize = 20;

/// How many columns there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Width(usize);

impl Width {
    /// So many, and no fewer than text needs.
    pub(crate) fn of(columns: usize) -> Self {
        Self(columns.max(NARROWEST))
    }

    /// Those of standard output.
    pub(crate) fn of_output() -> Self {
        Self::of(stdio::columns(&std::io::stdout()).unwrap_or(WIDTH))
    }

    /// The number.
    pub(crate) fn get(self) -> usize {
        self.0
    }
}

/// How many columns a text takes.
pub(crate) fn columns_of(text: &str) -> usize {
    text.width()
}

/// Columns of a field's name.
const NAME: usize = 12;

/// Prints a name and its value; what does not fit goes on in the next line under it.
pub(crate) fn field(indent: usize, name: &str, value: &str) {
    let lead = format!("{:indent$}{name:NAME$} ", "");
    hang(&lead, value);
}

/// Prints a text after a lead; what does not fit goes on in the next line as far to the right.
pub(crate) fn hang(lead: &str, text: &str) {
    let lead = harmless(lead);
    let columns = columns_of(&lead);
    let width = Width::of_output().get().saturating_sub(columns).max(NARROWEST);
    for (at, part) in wrap(&harmless(text), width).iter().enumerate() {
        let lead = if at == 0 { lead.clone() } else { Cow::Owned(" ".repeat(columns)) };
        show::line(format!("{lead}{part}").trim_end());
    }
}

/// Prints a text in lines that fit.
pub(crate) fn paragraph(indent: usize, text: &str) {
    hang(&" ".repeat(indent), text);
}

/// Breaks a text into lines of at most so many characters: after spaces where there are any, else anywhere. Nothing is
/// left out but the line ends themselves.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text.split('\n') {
        let line: Vec<char> = line.chars().collect();
        let mut from = 0;
        while line.len() - from > width {
            let end = from + width;
            let space = line[from..end].iter().rposition(|c| *c == ' ').map(|at| from + at + 1);
            // A space near the beginning would leave the line nearly empty.
            let to = space.filter(|to| to - from > width / 2).unwrap_or(end);
            lines.push(line[from..to].iter().collect());
            from = to;
        }
        lines.push(line[from..].iter().collect());
    }
    lines
}

/// Breaks a text into lines of at most so many columns, between words; within a word only where it is longer than a line.
/// Spaces at the breaks are left out.
pub(crate) fn wrap_words(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text.split('\n') {
        let indent = &line[..line.len() - line.trim_start().len()];
        let mut shown = indent.to_owned();
        let mut fresh = true;
        for word in line.split_whitespace() {
            if !fresh && columns_of(&shown) + 1 + columns_of(word) > width {
                lines.push(std::mem::take(&mut shown));
                fresh = true;
            }
            if !std::mem::replace(&mut fresh, false) {
                shown.push(' ');
            }
            for letter in word.chars() {
                let taken = columns_of(letter.encode_utf8(&mut [0; 4]));
                if columns_of(&shown) + taken > width && !shown.is_empty() {
                    lines.push(std::mem::take(&mut shown));
                }
                shown.push(letter);
            }
        }
        lines.push(shown);
    }
    lines
}

/// A text on one line of at most so many characters.
pub(crate) fn cut(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = harmless(&line);
    if line.chars().count() <= most {
        return line.into_owned();
    }
    line.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// Prints data as JSON. What could act on a terminal is written as `\uXXXX`, which is the same data.
pub(crate) fn json(value: &impl Serialize) -> Result<()> {
    show::line(&plain_json(value)?);
    Ok(())
}

/// Data as JSON that acts on nothing.
pub(crate) fn plain_json(value: &impl Serialize) -> Result<String> {
    let json = serde_json::to_string_pretty(value)?;
    let mut plain = String::with_capacity(json.len());
    for c in json.chars() {
        if matches!(harmless(c.encode_utf8(&mut [0; 4])), Cow::Borrowed(_)) {
            plain.push(c);
            continue;
        }
        // Only in strings: JSON has no such characters outside them.
        for unit in c.encode_utf16(&mut [0; 2]) {
            write!(plain, "\\u{unit:04x}")?;
        }
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn wrapped_lines_are_short_and_lose_nothing() {
        let text = format!("a line of words that is longer than twenty\n{}\n\nend", "x".repeat(45));
        let lines = wrap(&text, 20);
        assert!(lines.iter().all(|line| line.chars().count() <= 20), "{lines:?}");
        assert_eq!(lines.concat(), text.replace('\n', ""));
        assert_eq!(lines[0], "a line of words ");
        assert_eq!(wrap("", 20), [""]);
    }

    #[test]
    fn words_stay_whole_where_they_can() {
        assert_eq!(wrap_words("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap_words("  x abcdefghij\n\nend", 6), ["  x", "abcdef", "ghij", "", "end"]);
        assert_eq!(wrap_words("", 6), [""]);
    }

    #[test]
    fn json_of_hostile_text_acts_on_nothing_and_is_the_same_data() {
        let hostile = "\u{1b}[2J\u{9b}\u{202e}\u{e0041}\u{7f}é";
        let json = plain_json(&hostile).unwrap();
        assert_eq!(json, "\"\\u001b[2J\\u009b\\u202e\\udb40\\udc41\\u007fé\"");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), hostile);
    }

    #[test]
    fn a_cut_text_is_one_line() {
        assert_eq!(cut("a\n b\tc", 10), "a b c");
        assert_eq!(cut("abcdef", 4), "abc…");
    }
}
