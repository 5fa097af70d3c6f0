//! An answer on a terminal: broken between words at the terminal's width, its
//! Markdown styled.
//!
//! No character is left out, since what looks like Markdown need not be any: marks stay where they are, and what they
//! mark is styled. Code in fences and tables stay as they are.

use crate::columns::Width;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

const BOLD: u8 = 1;
const FAINT: u8 = 2;
const ITALIC: u8 = 3;
const CODE: u8 = 36;

/// Where an answer stands.
pub(crate) struct Flow {
    columns: Width,
    styled: bool,
    /// Columns that are taken in this line.
    column: usize,
    /// Where a line that is broken goes on.
    indent: usize,
    /// White space that was not shown yet.
    space: String,
    /// The beginning of a word.
    word: String,
    line: Line,
    /// The mark that ends the code, in a fence.
    fence: Option<String>,
    /// Whether something else stood in the line: the space that it ended at begins no line.
    parted: bool,
    strong: bool,
    emphasis: bool,
    /// How many backquotes end the code; 0 outside code.
    code: usize,
}

/// What a line of the answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// No word of it came yet.
    Begins,
    Text,
    Heading,
    /// Shown as it is.
    Raw,
}

impl Flow {
    /// The beginning of an answer.
    pub(crate) fn new(columns: Width, styled: bool) -> Self {
        Self {
            columns,
            styled,
            column: 0,
            indent: 0,
            space: String::new(),
            word: String::new(),
            line: Line::Begins,
            fence: None,
            parted: false,
            strong: false,
            emphasis: false,
            code: 0,
        }
    }

    /// What is to be shown when more comes. A word is shown once it is whole.
    pub(crate) fn push(&mut self, text: &str, faint: bool) -> String {
        let mut out = String::new();
        for letter in text.chars() {
            if letter == '\n' {
                self.end_word(faint, &mut out);
                out.push('\n');
                self.begin_line();
            } else if letter.is_whitespace() {
                self.end_word(faint, &mut out);
                if !self.parted {
                    self.space.push(letter);
                }
            } else {
                self.parted = false;
                self.word.push(letter);
                // Scripts without spaces break anywhere; and what is longer than a line is no word.
                if letter.width() == Some(2) || self.word.width() >= self.columns.get() {
                    self.end_word(faint, &mut out);
                }
            }
        }
        out
    }

    /// What was held back, when something else is to be shown.
    pub(crate) fn finish(&mut self, faint: bool) -> String {
        let mut out = String::new();
        self.end_word(faint, &mut out);
        out
    }

    /// Something else ended the line: what comes next begins one.
    pub(crate) fn part_line(&mut self) {
        let parted = self.column > 0;
        self.begin_line();
        self.parted = parted;
    }

    /// The next character begins a line.
    fn begin_line(&mut self) {
        self.parted = false;
        self.space.clear();
        (self.column, self.indent, self.line) = (0, 0, Line::Begins);
        (self.strong, self.emphasis, self.code) = (false, false, 0);
    }

    fn end_word(&mut self, faint: bool, out: &mut String) {
        if self.word.is_empty() {
            return;
        }
        let word = std::mem::take(&mut self.word);
        let mark = self.line == Line::Begins && self.begins(&word);
        let width = word.width();
        let columns = self.columns.get();
        let gap = if self.space.contains('\t') { 8 } else { self.space.width() };
        if self.line != Line::Raw && self.column > self.indent && self.column + gap + width > columns {
            out.push('\n');
            out.push_str(&" ".repeat(self.indent));
            self.space.clear();
            self.column = self.indent + width;
        } else {
            out.push_str(&std::mem::take(&mut self.space));
            self.column += gap + width;
        }
        if mark {
            // What follows a bullet stands under itself.
            self.indent = (self.column + 1).min(columns / 2);
        }
        if self.styled { self.style(&word, faint, mark, out) } else { out.push_str(&word) }
    }

    /// Finds what a line is by its first word; whether that is the mark of a list.
    fn begins(&mut self, word: &str) -> bool {
        let mark = |letter: char| word.chars().take_while(|c| *c == letter).collect::<String>();
        let fence = [mark('`'), mark('~')].into_iter().find(|mark| mark.len() >= 3);
        self.line = match (&self.fence, fence) {
            (Some(open), Some(close)) if close.starts_with(open.as_str()) => {
                self.fence = None;
                Line::Raw
            }
            (Some(_), _) => Line::Raw,
            (None, Some(open)) => {
                self.fence = Some(open);
                Line::Raw
            }
            (None, None) if word.starts_with('|') => Line::Raw,
            (None, None) if word.len() <= 6 && word.chars().all(|letter| letter == '#') => Line::Heading,
            (None, None) => Line::Text,
        };
        let number = word.strip_suffix(['.', ')']).unwrap_or_default();
        let bullet = matches!(word, "-" | "*" | "+") || (!number.is_empty() && number.len() < 4 && is_number(number));
        self.line == Line::Text && bullet
    }

    /// A word in its style, and what its marks begin and end.
    fn style(&mut self, word: &str, faint: bool, mark: bool, out: &mut String) {
        let before = out.len();
        let letters: Vec<char> = word.chars().collect();
        let mut at = 0;
        if mark || matches!(self.line, Line::Raw) {
            let codes = if mark || faint { Codes::of(&[FAINT]) } else { Codes::default() };
            out.push_str(&codes.around(word));
            return;
        }
        while at < letters.len() {
            let letter = letters[at];
            let run = letters[at..].iter().take_while(|next| **next == letter).count();
            let is_special = |letter: char| matches!(letter, '`' | '*' | '_');
            let plain = letters[at..].iter().take_while(|letter| !is_special(**letter)).count();
            let taken = if plain == 0 { run } else { plain };
            let text: String = letters[at..at + taken].iter().collect();
            let opens = |side: Option<&char>| side.is_none_or(|c| !c.is_alphanumeric());
            let previous = at.checked_sub(1).and_then(|at| letters.get(at));
            let (begins, goes_on) = (opens(previous), at + run < letters.len());
            let is_mark = match letter {
                '`' if self.code == 0 || self.code == run => {
                    self.code = if self.code == 0 { run } else { 0 };
                    true
                }
                '*' | '_' if self.code == 0 && run <= 3 => self.emphasize(run, begins && goes_on, previous.is_some()),
                _ => false,
            };
            let codes = if is_mark { Codes::of(&[FAINT]) } else { self.codes(faint) };
            out.push_str(&codes.around(&text));
            at += taken;
        }
        debug_assert!(out.len() >= before + word.len(), "nothing of a word is left out");
    }

    /// Takes one to three stars or lines; whether they are a mark.
    fn emphasize(&mut self, run: usize, may_begin: bool, may_end: bool) -> bool {
        let (emphasis, strong) = (run != 2, run != 1);
        let on = (!emphasis || self.emphasis) && (!strong || self.strong);
        if (on && !may_end) || (!on && !may_begin) {
            return false;
        }
        if emphasis {
            self.emphasis = !on;
        }
        if strong {
            self.strong = !on;
        }
        true
    }

    fn codes(&self, faint: bool) -> Codes {
        let all = [
            (faint, FAINT),
            (self.line == Line::Heading || self.strong, BOLD),
            (self.emphasis, ITALIC),
            (self.code > 0, CODE),
        ];
        Codes(all.into_iter().filter_map(|(on, code)| on.then_some(code)).collect())
    }
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Attributes of a text.
#[derive(Default)]
struct Codes(Vec<u8>);

impl Codes {
    fn of(codes: &[u8]) -> Self {
        Self(codes.to_vec())
    }

    fn around(&self, text: &str) -> String {
        if self.0.is_empty() {
            return text.to_owned();
        }
        let codes: Vec<String> = self.0.iter().map(u8::to_string).collect();
        format!("\u{1b}[{}m{text}\u{1b}[0m", codes.join(";"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer as it comes: in pieces of so many characters.
    fn shown(text: &str, columns: usize, styled: bool, piece: usize) -> String {
        let mut flow = Flow::new(Width::of(columns), styled);
        let letters: Vec<char> = text.chars().collect();
        let mut out: String = letters.chunks(piece).map(|piece| flow.push(&String::from_iter(piece), false)).collect();
        out.push_str(&flow.finish(false));
        out
    }

    #[test]
    fn lines_break_between_words_however_an_answer_comes() {
        let text = "The quick brown fox jumps over it.\n\n- a point that is longer than a line\nend";
        let expected = "The quick brown fox\njumps over it.\n\n- a point that is\n  longer than a line\nend";
        for piece in [1, 2, 7, 500] {
            assert_eq!(shown(text, 20, false, piece), expected, "{piece}");
        }
    }

    #[test]
    fn what_goes_on_after_something_else_begins_with_no_space() {
        let mut flow = Flow::new(Width::of(20), false);
        let mut shown = flow.push("one two", false) + &flow.finish(false);
        flow.part_line();
        shown += &(flow.push(" three\n  four", false) + &flow.finish(false));
        assert_eq!(shown, "one twothree\n  four");
    }

    #[test]
    fn code_and_tables_stay_as_they_are_and_nothing_is_left_out() {
        let code = "```rust\nlet  a_long_line_of_code = \"that  is not broken\";\n```\n| a | table that is long |\n";
        assert_eq!(shown(code, 20, true, 3), code);
        let long = "x".repeat(50);
        assert_eq!(shown(&long, 20, false, 3).replace('\n', ""), long);
        assert_eq!(shown("日本語の文", 20, false, 1), "日本語の文");
    }

    #[test]
    fn marks_stay_and_what_they_mark_is_styled() {
        let plain = |text: &str| {
            let shown = shown(text, 80, true, 2);
            let mut kept = String::new();
            for (at, part) in shown.split('\u{1b}').enumerate() {
                kept.push_str(if at == 0 { part } else { part.split_once('m').map_or("", |(_, text)| text) });
            }
            (kept, shown)
        };
        for text in ["# Two words", "**bold text** and *more*", "`a b` c", "rm *.o and 2 * 3", "snake_case_name"] {
            assert_eq!(plain(text).0, text);
        }
        assert!(plain("**bold text** x").1.contains("\u{1b}[1mbold\u{1b}[0m \u{1b}[1mtext\u{1b}[0m"));
        assert!(plain("**bold text** x").1.ends_with(" x"));
        assert!(plain("`a b` c").1.ends_with("\u{1b}[36mb\u{1b}[0m\u{1b}[2m`\u{1b}[0m c"));
        assert_eq!(plain("2 * 3 snake_case_name").1, "2 * 3 snake_case_name");
    }
}
