//! Looks for secrets and personal data in text on its way out, as it streams.
//!
//! What could be the beginning of something to be hidden is held back until more comes, at most [`HELD`] bytes. How
//! the text is cut into pieces changes nothing. What is only noted is not held back.
//!
//! Values that the vault knows are found by `cara-services` already, whatever they look like; this finds what nobody
//! told the host, by its shape.

pub use super::shapes::Class;
use super::shapes::{FOLLOWED, Found, Look, REACH, Shapes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most that is held back, bytes.
pub const HELD: usize = REACH;
/// The most findings that are kept; more are counted.
const KEPT: usize = 256;

/// What becomes of something found in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FindingAction {
    /// `[secret: kind]` is shown in its place.
    Mask,
    /// Shown, and reported.
    Note,
    /// Not looked for.
    Off,
}

/// What to do about each class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Keys, tokens, passwords.
    pub secret: FindingAction,
    /// Cards and accounts.
    pub payment: FindingAction,
    /// Numbers the state gives a person.
    pub identity: FindingAction,
    /// E-mail addresses and phone numbers.
    pub contact: FindingAction,
}

impl Default for Policy {
    /// All is shown and reported: who reads the answer is the person it belongs to. What the vault knows never gets here.
    fn default() -> Self {
        Self {
            secret: FindingAction::Note,
            payment: FindingAction::Note,
            identity: FindingAction::Note,
            contact: FindingAction::Note,
        }
    }
}

impl Policy {
    /// What to do about one.
    pub fn of(&self, class: Class) -> FindingAction {
        match class {
            Class::Secret => self.secret,
            Class::Payment => self.payment,
            Class::Identity => self.identity,
            Class::Contact => self.contact,
        }
    }
}

/// One thing that was found. The thing itself is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leak {
    /// What it is, for a person: `api key`, `card number`.
    pub kind: &'static str,
    /// The class of the finding.
    pub class: Class,
    /// Whether the text was masked.
    pub masked: bool,
    /// Where it, or what stands for it, begins in the text as shown, bytes.
    pub at: u64,
}

/// One text on its way out.
pub struct OutputCheck {
    masking: Scanner,
    noting: Scanner,
}

impl OutputCheck {
    /// A text that has not begun.
    pub fn new(policy: Policy) -> Self {
        let with = |action| Class::ALL.into_iter().filter(|&class| policy.of(class) == action).collect();
        Self {
            masking: Scanner::new(with(FindingAction::Mask), true),
            noting: Scanner::new(with(FindingAction::Note), false),
        }
    }

    /// Takes the next piece; what comes back may be shown now.
    pub fn push(&mut self, piece: &str) -> String {
        let shown = self.masking.push(piece, false);
        self.noting.push(&shown, false);
        shown
    }

    /// The end of the text: the rest of what may be shown.
    pub fn finish(&mut self) -> String {
        let shown = self.masking.push("", true);
        self.noting.push(&shown, false);
        self.noting.push("", true);
        shown
    }

    /// What was found so far, in the order of the text; what is noted comes up to [`HELD`] bytes late.
    pub fn findings(&self) -> Vec<Leak> {
        let mut found: Vec<Leak> = self.masking.leaks.iter().chain(&self.noting.leaks).cloned().collect();
        found.sort_by_key(|leak| leak.at);
        found
    }

    /// How many there were, those not kept included.
    pub fn count(&self) -> u64 {
        self.masking.count + self.noting.count
    }
}

/// What the scanner is in the middle of.
#[derive(Clone, Copy, PartialEq)]
enum Within {
    Text,
    /// A token that is longer than can be followed: it goes on to the next space or sign.
    Token,
    /// The lines of a key.
    Key,
}

struct Scanner {
    classes: Vec<(Class, &'static Shapes)>,
    /// The bytes with which something to be found begins.
    first: [bool; 256],
    masks: bool,
    held: String,
    before: u8,
    within: Within,
    shown: u64,
    leaks: Vec<Leak>,
    count: u64,
}

impl Scanner {
    fn new(classes: Vec<Class>, masks: bool) -> Self {
        let classes: Vec<_> = classes.into_iter().map(|class| (class, Shapes::of(class))).collect();
        let first = std::array::from_fn(|byte| classes.iter().any(|(_, shapes)| shapes.begins(byte as u8)));
        let (held, leaks) = (String::new(), Vec::new());
        Self { classes, first, masks, held, before: b' ', within: Within::Text, shown: 0, leaks, count: 0 }
    }

    fn push(&mut self, piece: &str, last: bool) -> String {
        if self.classes.is_empty() {
            return piece.to_owned();
        }
        let mut text = std::mem::take(&mut self.held);
        text.push_str(piece);
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        while at < text.len() {
            let step = match self.within {
                Within::Text => self.text(&text, at, last, &mut out),
                Within::Token => Some(self.token(&text[at..])),
                Within::Key => self.key_line(&text[at..], last),
            };
            let Some(step) = step else { break };
            at += step;
            if let Some(&byte) = text.as_bytes()[..at].last() {
                self.before = byte;
            }
        }
        self.held = text.split_off(at);
        out
    }

    /// Shows text up to the next thing; how far it got, or `None` when it needs more to decide.
    fn text(&mut self, text: &str, at: usize, last: bool, out: &mut String) -> Option<usize> {
        let start = (at..text.len()).find(|&index| self.may_begin(text.as_bytes(), index)).unwrap_or(text.len());
        if start > at {
            self.show(&text[at..start], out);
            return Some(start - at);
        }
        let mut best: Option<(Class, Found)> = None;
        for &(class, shapes) in self.classes.iter().filter(|(_, shapes)| shapes.begins(text.as_bytes()[at])) {
            match shapes.look(&text[at..], last) {
                Look::Open => return None,
                Look::Nothing => {}
                Look::Found(found) if best.is_some_and(|(_, other)| other.end >= found.end) => {}
                Look::Found(found) => best = Some((class, found)),
            }
        }
        let Some((class, found)) = best else {
            self.show(&text[at..=at], out);
            return Some(1);
        };
        self.show(&text[at..at + found.start], out);
        self.report(class, found.kind);
        if self.masks {
            self.show(&format!("[secret: {}]", found.kind), out);
            self.within = match found {
                Found { block: true, .. } => Within::Key,
                found if found.end + 4 > FOLLOWED => Within::Token,
                _ => Within::Text,
            };
        } else {
            self.show(&text[at + found.start..at + found.end], out);
        }
        Some(found.end)
    }

    /// Whether a word begins here that something could begin with.
    fn may_begin(&self, text: &[u8], at: usize) -> bool {
        let byte = text[at];
        if !self.first[usize::from(byte)] {
            return false;
        }
        let before = if at == 0 { self.before } else { text[at - 1] };
        let camel = before.is_ascii_lowercase() && byte.is_ascii_uppercase();
        !byte.is_ascii_alphanumeric() || !before.is_ascii_alphanumeric() || camel
    }

    fn token(&mut self, text: &str) -> usize {
        let ends = |c: char| c.is_whitespace() || "\"'`,;<>(){}[]".contains(c);
        text.find(ends).inspect(|_| self.within = Within::Text).unwrap_or(text.len())
    }

    /// Leaves out one line of a key, line feeds written as `\n` too; what is none of its lines ends it.
    fn key_line(&mut self, text: &str, last: bool) -> Option<usize> {
        let more = text.len() < REACH && !last;
        let text = &text[..text.floor_char_boundary(FOLLOWED)];
        let end =
            [("\n", 1), ("\\n", 2)].into_iter().filter_map(|(mark, length)| Some((text.find(mark)?, length))).min();
        let whole = end.map_or(text, |(end, _)| &text[..end]);
        let line = whole.trim().trim_end_matches("\\r");
        if let Some(close) = line.strip_prefix("-----END ").and_then(|rest| rest.find("-----")) {
            self.within = Within::Text;
            return Some(whole.find("-----END ").unwrap_or_default() + "-----END ".len() + close + 5);
        }
        let part = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=\\-".contains(&byte);
        let header =
            ["Proc-Type:", "DEK-Info:", "Comment:", "Version:", "Hash:"].iter().any(|head| line.starts_with(head));
        let open = more && end.is_none();
        if header || line.bytes().all(part) || (open && line.starts_with("-----END ")) {
            return match end {
                Some((end, length)) => Some(end + length),
                None if open => None,
                None => Some(text.len()),
            };
        }
        self.within = Within::Text;
        // Not a step: the same text is looked at again as text.
        Some(0)
    }

    fn show(&mut self, text: &str, out: &mut String) {
        self.shown += text.len() as u64;
        out.push_str(text);
    }

    fn report(&mut self, class: Class, kind: &'static str) {
        self.count += 1;
        if self.leaks.len() < KEPT {
            self.leaks.push(Leak { kind, class, masked: self.masks, at: self.shown });
        }
    }
}

#[cfg(test)]
#[path = "output_tests.rs"]
mod tests;
