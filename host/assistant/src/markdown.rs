//! Text with everything active taken out of its Markdown and HTML, for the
//! place that renders it, as it streams.
//!
//! Data stays as the model said it: the ledger, JSON, a redirected answer do not go through this.
//!
//! What a renderer would fetch by itself becomes a word about it, what it would run becomes text, and a link says
//! where it really goes. What is written out is the only text a renderer sees, so the rules are about that:
//!
//! ```text
//! ![alt](url), ![alt][ref], <img>    [image: alt (host)]
//! [text](http, https or mailto)      kept, its title dropped; the host is shown when the text names another
//! [text](anything else)              text (link removed: scheme:)
//! [label]: url                       [label] : url   no definition, so no reference link leads anywhere
//! <https://host/>                    https://host/
//! <a href=…>                         [link: host]
//! <tag, </tag, <!--, <?              < tag …         HTML begins a tag only directly before a letter or sign
//! `code` on one line, ``` fences     as they are     but `![x](y)` gets a space: `![x] (y)`
//! ```
//!
//! A backtick or bracket that finds no partner on its line is escaped, and the lines of an indented fence are indented
//! at least as much as it: otherwise a renderer could disagree about where code ends. Escape sequences of terminals
//! are the business of [`crate::text::harmless`], which comes last.

mod links;

use std::borrow::Cow;

/// The most that is held back, bytes. What is longer is taken apart: its first character is made harmless.
pub const HELD: usize = 2048;

/// One text on its way to a person.
pub struct MarkdownSanitizer {
    held: String,
    /// The last character shown.
    before: Option<char>,
    /// Whether a line begins.
    line: bool,
    /// Whether the line has nothing so far but what may stand before the definition of a link; and whether that was so
    /// before the last bracket.
    lead: bool,
    lead_of_label: bool,
    fence: Option<FenceMark>,
    carriage: bool,
}

impl Default for MarkdownSanitizer {
    fn default() -> Self {
        let (held, before, fence) = (String::new(), None, None);
        Self { held, before, line: true, lead: true, lead_of_label: false, fence, carriage: false }
    }
}

/// The code fence that is open.
#[derive(Clone, Copy)]
struct FenceMark {
    sign: u8,
    length: usize,
    indent: usize,
}

/// What became of the beginning of the text.
struct Step {
    taken: usize,
    /// Already harmless.
    shown: Option<String>,
}

impl Step {
    fn same(taken: usize) -> Option<Self> {
        Some(Self { taken, shown: None })
    }

    fn new(taken: usize, shown: impl Into<String>) -> Option<Self> {
        Some(Self { taken, shown: Some(shown.into()) })
    }
}

/// A whole text at once.
pub fn sanitize_markdown(text: &str) -> String {
    let mut sanitizer = MarkdownSanitizer::default();
    let shown = sanitizer.push(text);
    shown + &sanitizer.finish()
}

impl MarkdownSanitizer {
    /// A text that has not begun.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next piece; what comes back may be shown now.
    pub fn push(&mut self, piece: &str) -> String {
        let mut text = std::mem::take(&mut self.held);
        text.push_str(&self.line_feeds(piece));
        self.run(text, false)
    }

    /// The end of the text: the rest of what may be shown.
    pub fn finish(&mut self) -> String {
        let text = std::mem::take(&mut self.held);
        self.run(text, true)
    }

    /// A carriage return ends a line for renderers, so it is a line feed here.
    fn line_feeds<'a>(&mut self, piece: &'a str) -> Cow<'a, str> {
        if !self.carriage && !piece.contains('\r') {
            return Cow::Borrowed(piece);
        }
        let mut text = String::with_capacity(piece.len());
        for c in piece.chars() {
            match c {
                '\r' => text.push('\n'),
                '\n' if self.carriage => {}
                c => text.push(c),
            }
            self.carriage = c == '\r';
        }
        Cow::Owned(text)
    }

    fn run(&mut self, mut text: String, last: bool) -> String {
        let mut out = String::with_capacity(text.len() + 16);
        let mut at = 0;
        while at < text.len() {
            let rest = &text[at..];
            let more = !last && rest.len() < HELD;
            // Whatever is decided is decided by so much.
            let rest = &rest[..rest.floor_char_boundary(HELD - 4)];
            let step = if self.line { self.line_start(rest, more) } else { self.inside(rest, more) };
            let Some(step) = step else { break };
            match step.shown {
                None => self.show(&rest[..step.taken], &mut out),
                Some(shown) => self.show(&shown, &mut out),
            }
            at += step.taken;
        }
        self.held = text.split_off(at);
        out
    }

    /// Shows text; where it meets what was shown before, the two make nothing active together.
    fn show(&mut self, text: &str, out: &mut String) {
        let Some(first) = text.chars().next() else { return };
        let joins = match self.before {
            Some(']') => first == '(' || (first == ':' && self.lead_of_label),
            Some('<') => first.is_ascii_alphabetic() || matches!(first, '/' | '!' | '?'),
            _ => false,
        };
        if joins && self.fence.is_none() {
            out.push(' ');
        }
        out.push_str(text);
        self.before = text.chars().next_back();
        if first == '[' {
            self.lead_of_label = self.lead;
        }
        self.line = self.before == Some('\n');
        let leads = |c: char| c.is_whitespace() || c.is_ascii_digit() || ">-+*.)".contains(c);
        self.lead = self.line || (self.lead && text.chars().all(leads));
    }

    /// The spaces a line begins with, and whether a fence begins or ends on it.
    fn line_start(&mut self, rest: &str, more: bool) -> Option<Step> {
        let spaces = rest.bytes().take_while(|byte| *byte == b' ').count();
        let after = &rest[spaces..];
        if after.is_empty() && more {
            return None;
        }
        if let Some(fence) = self.fence {
            return self.fenced_line(fence, rest, spaces, more);
        }
        let sign = after.bytes().next().filter(|byte| matches!(byte, b'`' | b'~')).unwrap_or_default();
        let length = after.bytes().take_while(|byte| *byte == sign).count();
        if length == after.len() && more {
            return None;
        }
        if sign == 0 || length < 3 || spaces > 3 {
            self.line = false;
            return Step::same(spaces);
        }
        let end = after.find('\n');
        if end.is_none() && more {
            return None;
        }
        self.line = false;
        let info = &after[length..end.unwrap_or(after.len())];
        if info.contains(['`', '<', '!', '[']) || (end.is_none() && is_cut(rest)) {
            let escaped = if sign == b'~' { "\\~".repeat(length) } else { "\\`".repeat(length) };
            return Step::new(spaces + length, " ".repeat(spaces) + &escaped);
        }
        self.fence = Some(FenceMark { sign, length, indent: spaces });
        Step::same(spaces + length + info.len())
    }

    /// The beginning of a line inside a fence.
    fn fenced_line(&mut self, fence: FenceMark, rest: &str, spaces: usize, more: bool) -> Option<Step> {
        let after = &rest[spaces..];
        let length = after.bytes().take_while(|byte| *byte == fence.sign).count();
        let end = after.find('\n');
        let blank = after[length..end.unwrap_or(after.len())].trim_matches([' ', '\t']).is_empty();
        if blank && end.is_none() && more {
            return None;
        }
        self.line = false;
        let whole = end.is_some() || !is_cut(rest);
        if length >= fence.length && blank && whole && spaces < fence.indent + 4 {
            self.fence = None;
            return Step::new(spaces + length, " ".repeat(fence.indent) + &after[..length]);
        }
        Step::new(spaces, " ".repeat(if end == Some(0) { spaces } else { spaces.max(fence.indent) }))
    }

    /// What stands inside a line.
    fn inside(&mut self, rest: &str, more: bool) -> Option<Step> {
        if self.fence.is_some() {
            return fenced(rest, more);
        }
        let plain = rest.find(['\n', '\\', '`', '!', '[', ']', '<', '(', ':']).unwrap_or(rest.len());
        if plain > 0 {
            return Step::same(plain);
        }
        match rest.as_bytes()[0] {
            b'\\' => escape(rest, more),
            b'`' => code(rest, more),
            b'!' => match rest.as_bytes().get(1) {
                None if more => None,
                Some(b'[') => links::image(rest, more),
                _ => Step::same(1),
            },
            b'[' => links::link(rest, more),
            b'<' => links::tag(rest, more),
            // A line feed, or a sign that `show` looks at.
            _ => Step::same(1),
        }
    }
}

/// Code in a fence: as it is, but for images.
fn fenced(rest: &str, more: bool) -> Option<Step> {
    let plain = rest.find(['\n', '!']).unwrap_or(rest.len());
    match rest.as_bytes().get(plain) {
        _ if plain > 0 => Step::same(plain),
        Some(b'\n') => Step::same(1),
        _ => match bracketed(&rest[1..], more) {
            Part::More => None,
            Part::Whole(end) if rest.as_bytes().get(1 + end).is_none() && more => None,
            Part::Whole(end) if rest.as_bytes().get(1 + end) == Some(&b'(') => {
                Step::new(1 + end, spaced(&rest[..=end]))
            }
            Part::Whole(_) | Part::Nothing => Step::same(1),
        },
    }
}

fn spaced(text: &str) -> String {
    format!("{text} ")
}

/// A backslash and the sign it makes plain.
fn escape(rest: &str, more: bool) -> Option<Step> {
    match rest.as_bytes().get(1) {
        None if more => None,
        Some(next) if next.is_ascii_punctuation() => Step::same(2),
        _ => Step::same(1),
    }
}

/// A code span on one line; backticks without a partner are escaped.
fn code(rest: &str, more: bool) -> Option<Step> {
    let length = run_of_backticks(rest);
    match code_end(rest, more) {
        Part::More => None,
        Part::Whole(end) => Step::new(end, images_spaced(&rest[..end])),
        Part::Nothing => Step::new(length, "\\`".repeat(length)),
    }
}

/// Where the code ends whose backticks are at the beginning.
fn code_end(rest: &str, more: bool) -> Part {
    let length = run_of_backticks(rest);
    let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
    let mut at = length;
    while let Some(next) = line[at..].find('`') {
        let run = run_of_backticks(&line[at + next..]);
        at += next + run;
        if at == rest.len() && (more || is_cut(rest)) {
            break;
        }
        if run == length {
            return Part::Whole(at);
        }
    }
    if line.len() == rest.len() && more { Part::More } else { Part::Nothing }
}

/// Whether this is all that may be looked at, and the text goes on.
fn is_cut(rest: &str) -> bool {
    rest.len() + 8 > HELD
}

fn run_of_backticks(text: &str) -> usize {
    text.bytes().take_while(|byte| *byte == b'`').count()
}

/// Code with a space in each image.
fn images_spaced(code: &str) -> String {
    if code.contains("![") { code.replace("](", "] (") } else { code.to_owned() }
}

/// A bracket and its partner.
enum Part {
    More,
    Nothing,
    /// Ends here, the partner included.
    Whole(usize),
}

/// The bracketed text at the beginning, on one line, without code.
fn bracketed(rest: &str, more: bool) -> Part {
    if rest.is_empty() && more {
        return Part::More;
    }
    if !rest.starts_with('[') {
        return Part::Nothing;
    }
    balanced(rest, '[', ']', more)
}

fn balanced(rest: &str, open: char, close: char, more: bool) -> Part {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(c) = rest[at..].chars().next() {
        at += match c {
            '\n' => return Part::Nothing,
            '\\' => 1 + rest[at + 1..].chars().next().filter(|next| *next != '\n').map_or(0, char::len_utf8),
            '`' if open == '[' => match code_end(&rest[at..], more) {
                Part::Whole(length) => length,
                other => return other,
            },
            '`' => return Part::Nothing,
            c if c == close && depth == 1 => return Part::Whole(at + 1),
            c if c == close => {
                depth -= 1;
                1
            }
            c if c == open => {
                depth += 1;
                1
            }
            c => c.len_utf8(),
        };
    }
    if more { Part::More } else { Part::Nothing }
}

#[cfg(test)]
mod tests;
