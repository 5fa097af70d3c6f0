//! Columns of a terminal: how many there are, what a text takes of them, and
//! text broken or cut where they end.

use crate::stdio;
use cara_assistant::text::harmless;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns of a terminal that everybody has, and of what goes elsewhere.
pub const WIDTH: usize = 80;

/// The narrowest width that text is laid out for.
pub(crate) const NARROWEST: usize = 20;

/// How many columns there are.
#[derive(Debug, Clone, Copy)]
pub struct Width(usize);

impl Width {
    /// So many, and no fewer than text needs.
    pub fn of(columns: usize) -> Self {
        Self(columns.max(NARROWEST))
    }

    /// Those of standard output.
    pub fn of_output() -> Self {
        Self::of(stdio::columns(&std::io::stdout()).unwrap_or(WIDTH))
    }

    /// The number.
    pub fn get(self) -> usize {
        self.0
    }
}

/// How many columns a text takes.
pub fn columns_of(text: &str) -> usize {
    text.width()
}

/// Breaks a text into lines of at most so many columns: after spaces, and within a word only where it is longer than a
/// line. Nothing is left out but the line ends; one space may stand beyond the last column.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    text.split('\n').flat_map(|line| broken(line, width)).collect()
}

fn broken(line: &str, width: usize) -> Vec<String> {
    let mut lines = Lines { width, done: Vec::new(), line: String::new(), taken: 0 };
    for word in line.split_inclusive(' ') {
        let columns = columns_of(word.trim_end_matches(' '));
        // A long word is broken in any case, and begins where it leaves no line nearly empty.
        if lines.taken + columns > width && (columns <= width || lines.taken > width / 2) {
            lines.end();
        }
        for letter in word.chars() {
            lines.push(letter, letter.width().unwrap_or(0), usize::from(letter == ' '));
        }
    }
    lines.all()
}

/// Breaks a line into lines of at most so many columns, anywhere, where each character counts for the most columns that a
/// terminal may give it. Nothing is left out.
pub(crate) fn wrap_exact(line: &str, width: usize) -> Vec<String> {
    let mut lines = Lines { width, done: Vec::new(), line: String::new(), taken: 0 };
    for letter in line.chars() {
        let narrow = letter.is_ascii() || "┌│└·".contains(letter);
        lines.push(letter, if narrow { 1 } else { 2 }, 0);
    }
    lines.all()
}

/// Lines that are filled.
struct Lines {
    width: usize,
    done: Vec<String>,
    line: String,
    taken: usize,
}

impl Lines {
    fn end(&mut self) {
        if self.taken > 0 {
            self.done.push(std::mem::take(&mut self.line));
            self.taken = 0;
        }
    }

    /// Adds a letter, which may stand so many columns beyond the last one.
    fn push(&mut self, letter: char, columns: usize, beyond: usize) {
        if self.taken + columns > self.width + beyond {
            self.end();
        }
        self.line.push(letter);
        self.taken += columns;
    }

    fn all(mut self) -> Vec<String> {
        self.done.push(self.line);
        self.done
    }
}

/// A text on one line of at most so many columns.
pub fn cut(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = harmless(&line);
    if columns_of(&line) <= most {
        return line.into_owned();
    }
    let mut taken = 1;
    let fits = |letter: &char| {
        taken += letter.width().unwrap_or(0);
        taken <= most
    };
    line.chars().take_while(fits).chain(['…']).collect()
}

/// A line that fits so many columns, where each character counts for the most that a terminal may give it.
pub(crate) fn cut_exact(line: &str, most: usize) -> String {
    if wrap_exact(line, most).len() == 1 {
        return line.to_owned();
    }
    let mut lines = wrap_exact(line, most.saturating_sub(2));
    format!("{}…", lines.swap_remove(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapped_lines_are_short_and_lose_nothing() {
        let text = format!("a line of words that is longer than twenty\n{}  {}\n\nend", "x".repeat(45), " ".repeat(90));
        let lines = wrap(&text, 20);
        assert!(lines.iter().all(|line| line.chars().count() <= 21), "{lines:?}");
        assert!(lines.iter().all(|line| columns_of(line.trim_end()) <= 20), "{lines:?}");
        assert_eq!(lines.concat(), text.replace('\n', ""));
        assert_eq!(lines[0], "a line of words that ");
        assert_eq!(wrap("", 20), [""]);
    }

    #[test]
    fn words_stay_whole_where_they_can() {
        assert_eq!(wrap("one two three", 8), ["one two ", "three"]);
        assert_eq!(wrap("  xy abcdefghij\n\nend", 6), ["  xy ", "abcdef", "ghij", "", "end"]);
        assert_eq!(wrap("a abcdefghij", 6), ["a abcd", "efghij"]);
        assert_eq!(wrap("日本語の文", 4), ["日本", "語の", "文"]);
    }

    #[test]
    fn a_cut_text_is_one_line() {
        assert_eq!(cut("a\n b\tc", 10), "a b c");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abcd", 4), "abcd");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut_exact("éa", 3), "éa");
        assert_eq!(cut_exact("éé", 3), "é…");
    }
}
