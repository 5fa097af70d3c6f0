//! What secrets and personal data look like: one automaton for each class,
//! and the checks that numbers must pass.
//!
//! The automaton says at each byte whether more text could still make a match. So what is held back of a stream is
//! exactly what could be the beginning of one.

use regex_automata::Anchored;
use regex_automata::dfa::{Automaton, dense};
use regex_automata::util::start;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::sync::LazyLock;

/// So much of a stream is held back at most, bytes.
pub(super) const REACH: usize = 512;
/// How far a match is followed, bytes: the character after it is known then too.
pub(super) const FOLLOWED: usize = REACH - 4;

/// What kind of harm it does when it leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Keys, tokens, passwords.
    Secret,
    /// Cards (with a right check digit) and accounts (IBAN with right check digits).
    Payment,
    /// Numbers the state gives a person.
    Identity,
    /// E-mail addresses and phone numbers.
    Contact,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 4] = [Self::Secret, Self::Payment, Self::Identity, Self::Contact];
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    shape: Vec<Shape>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    kind: String,
    class: Class,
    #[serde(rename = "pattern")]
    _pattern: IgnoredAny,
    #[serde(default)]
    check: Check,
    #[serde(default)]
    mask: Mask,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Check {
    #[default]
    Any,
    Bounded,
    KeyBlock,
    InAddress,
    Assigned,
    Card,
    Iban,
    Ssn,
    Phone,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Mask {
    #[default]
    All,
    Value,
}

/// Bytes that begin where a number may.
#[repr(C)]
struct Aligned<T: ?Sized> {
    _as: [u32; 0],
    bytes: T,
}

// The build script makes AUTOMATA of shapes.toml, in the order of the classes.
include!(concat!(env!("OUT_DIR"), "/shapes.rs"));

/// The shapes of one class.
pub(super) struct Shapes {
    automaton: dense::DFA<&'static [u32]>,
    /// The bytes with which one of them begins.
    first: [bool; 256],
    shapes: Vec<Shape>,
}

/// What the text at a place is.
pub(super) enum Look {
    /// None of the shapes.
    Nothing,
    /// The text so far could be the beginning of one.
    Open,
    /// A shape was found.
    Found(Found),
}

/// A match.
#[derive(Clone, Copy)]
pub(super) struct Found {
    /// The kind of the shape.
    pub(super) kind: &'static str,
    /// Where the part to hide begins and the match ends, from where the text was looked at.
    pub(super) start: usize,
    pub(super) end: usize,
    /// Whether a block of key lines follows.
    pub(super) block: bool,
}

static ALL: LazyLock<[Shapes; 4]> = LazyLock::new(|| {
    let table: Table = toml::from_str(include_str!("shapes.toml")).expect("the table is read by every test of it");
    let mut left = table.shape;
    Class::ALL.map(|class| {
        let (own, other) = std::mem::take(&mut left).into_iter().partition(|shape| shape.class == class);
        left = other;
        Shapes::new(own, &AUTOMATA[class as usize].bytes)
    })
});

impl Shapes {
    /// The shapes of a class.
    pub(super) fn of(class: Class) -> &'static Self {
        &ALL[class as usize]
    }

    fn new(shapes: Vec<Shape>, automaton: &'static [u8]) -> Self {
        let read = dense::DFA::from_bytes(automaton);
        let (automaton, _) = read.expect("what was embedded is read by every test of it");
        let begin = start_of(&automaton);
        let mut first = [false; 256];
        for (byte, begins) in (0..=u8::MAX).zip(&mut first) {
            *begins = !automaton.is_dead_state(automaton.next_state(begin, byte));
        }
        Self { automaton, first, shapes }
    }

    /// Whether something could begin with this byte.
    pub(super) fn begins(&self, byte: u8) -> bool {
        self.first[usize::from(byte)]
    }

    /// What `text`, at whose beginning a word begins, is. `last`: nothing comes after it.
    pub(super) fn look(&'static self, text: &str, last: bool) -> Look {
        let dfa = &self.automaton;
        let mut state = start_of(dfa);
        let mut ends: Vec<(usize, usize)> = Vec::new();
        let mut note = |state, end: usize| {
            if dfa.is_match_state(state) {
                ends.extend((0..dfa.match_len(state)).map(|index| (end, dfa.match_pattern(state, index).as_usize())));
            }
        };
        let mut alive = true;
        for (index, &byte) in text.as_bytes().iter().take(FOLLOWED).enumerate() {
            state = dfa.next_state(state, byte);
            if dfa.is_special_state(state) {
                note(state, index);
                if dfa.is_dead_state(state) {
                    alive = false;
                    break;
                }
            }
        }
        if alive {
            if !last && text.len() < REACH {
                return Look::Open;
            }
            note(dfa.next_eoi_state(state), text.len().min(FOLLOWED));
        }
        let right = |&(end, shape): &(usize, usize)| self.found(text, text.floor_char_boundary(end), shape);
        ends.iter().rev().find_map(right).map_or(Look::Nothing, Look::Found)
    }

    fn found(&'static self, text: &str, end: usize, shape: usize) -> Option<Found> {
        let shape = &self.shapes[shape];
        let (matched, after) = (&text[..end], text.as_bytes().get(end).copied());
        let bounded = !after.is_some_and(|byte| byte.is_ascii_alphanumeric());
        let end = if shape.check == Check::InAddress { end - 1 } else { end };
        let start = if shape.mask == Mask::Value { value(matched, shape.check).min(end) } else { 0 };
        let right = match shape.check {
            Check::Any | Check::KeyBlock => true,
            Check::InAddress => assigned(&text[start..end]) || end - start >= 8,
            Check::Bounded => bounded,
            Check::Assigned => assigned(&text[start..end]),
            Check::Card => bounded && card(matched),
            Check::Iban => bounded && iban(matched),
            Check::Ssn => bounded && after != Some(b'-') && ssn(matched),
            Check::Phone => bounded && (8..=15).contains(&digits(matched).count()),
        };
        right.then_some(Found { kind: &shape.kind, start, end, block: shape.check == Check::KeyBlock })
    }
}

fn start_of(dfa: &dense::DFA<&[u32]>) -> regex_automata::util::primitives::StateID {
    let anchored = start::Config::new().anchored(Anchored::Yes);
    dfa.start_state(&anchored).expect("it was built to be anchored, and looks at nothing before the text")
}

/// Where the value of an assignment begins: what stands behind its sign, without the quote.
fn value(matched: &str, check: Check) -> usize {
    let skip = if check == Check::InAddress { 3 } else { 0 };
    let sign = matched[skip..].find([':', '=', ' ']).map_or(0, |at| at + skip);
    let rest = matched[sign..].trim_start_matches([':', '=', '>', ' ', '\t', '"', '\'', '`']);
    matched.len() - rest.len()
}

/// Whether a value could be a secret, and is not a name, a type or a gap to be filled in.
fn assigned(value: &str) -> bool {
    const GAPS: [&str; 12] = [
        "example",
        "changeme",
        "change_me",
        "your",
        "xxxx",
        "****",
        "....",
        "redacted",
        "env.",
        "environ",
        "placeholder",
        "://",
    ];
    let lower = value.to_ascii_lowercase();
    let digit = value.bytes().any(|byte| byte.is_ascii_digit());
    let letter = value.bytes().any(|byte| byte.is_ascii_alphabetic());
    let sign = value.bytes().any(|byte| b"!#$%&*+/=?@^~|".contains(&byte));
    value.len() >= 8
        && letter
        && (digit || sign)
        && !value.starts_with(['$', '%', '*', '&'])
        && !GAPS.iter().any(|gap| lower.contains(gap))
        && bits(value) >= 2.5
}

/// Shannon entropy, bits a byte.
fn bits(value: &str) -> f64 {
    let mut counts = [0_u32; 256];
    value.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
    let all = value.len() as f64;
    counts.iter().filter(|&&count| count > 0).map(|&count| f64::from(count) / all).map(|p| -p * p.log2()).sum()
}

fn digits(text: &str) -> impl DoubleEndedIterator<Item = u32> + '_ {
    text.bytes().filter(u8::is_ascii_digit).map(|byte| u32::from(byte - b'0'))
}

/// A card: an issuer's first digits and length, one kind of gap, and the check digit of Luhn.
fn card(text: &str) -> bool {
    let gaps = [text.contains(' '), text.contains('-')];
    let number: String = text.chars().filter(char::is_ascii_digit).collect();
    let head: u32 = number[..4].parse().unwrap_or_default();
    let lengths: &[usize] = match head {
        4000..=4999 => &[13, 16, 19],
        3400..=3499 | 3700..=3799 => &[15],
        5100..=5599 | 2221..=2720 | 3528..=3589 => &[16],
        3000..=3059 | 3600..=3699 | 3800..=3999 => &[14, 16],
        5000..=5099 | 5600..=6999 => &[16, 17, 18, 19],
        _ => &[],
    };
    let sum: u32 = digits(text)
        .rev()
        .enumerate()
        .map(|(index, digit)| match (index % 2, digit * 2) {
            (0, _) => digit,
            (_, double) => double / 10 + double % 10,
        })
        .sum();
    gaps != [true; 2] && lengths.contains(&number.len()) && sum.is_multiple_of(10)
}

/// An IBAN: in one piece or in groups of four, with right check digits (ISO 13616, ISO 7064 mod 97-10).
fn iban(text: &str) -> bool {
    let mut groups = text.split(' ').rev();
    let last = groups.next().map_or(0, str::len);
    if text.contains(' ') && !((1..=4).contains(&last) && groups.all(|group| group.len() == 4)) {
        return false;
    }
    let bytes: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    let turned = bytes[4..].iter().chain(&bytes[..4]);
    let rest = turned.fold(0_u32, |rest, &byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        byte => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
    });
    (15..=34).contains(&bytes.len()) && rest == 1
}

/// A number the US Social Security Administration could have given: no area 000, 666 or 9xx, no group 00, no serial 0000.
fn ssn(text: &str) -> bool {
    let (area, group, serial) = (&text[..3], &text[4..6], &text[7..]);
    !["000", "666"].contains(&area) && !area.starts_with('9') && group != "00" && serial != "0000"
}
