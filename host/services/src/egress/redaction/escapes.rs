//! Undoes the escapes of JSON, JavaScript, URLs and HTML.
//!
//! `\u002B` and `\/`; `%2B`; `&plus;`, `&#43;` and `&#x2b;`.
//!
//! What an encoder leaves alone and what it escapes differs from one to the next, and one text may be escaped twice, so
//! no list of forms is complete. Here every escape is undone until none is left, whatever it is written in: then a value
//! and all its escaped forms are the same bytes, and one search finds them. The text itself is not changed; for each
//! undone byte it is known where it stood. (Two backslashes in a row are one in the end; a value that has them is found
//! as it is and wholly escaped, not when only one of the two is.)

use memchr::memchr3;
use std::ops::Range;

/// How many unfinished escapes may lie within each other.
const NESTED: usize = 4;
/// The longest escape.
const LONGEST: usize = 12;

/// ASCII characters that HTML has names for, each after its name; those of encoders that name all they can among them.
const NAMED: &str = "amp& lt< gt> quot\" apos' AMP& LT< GT> QUOT\" excl! num# dollar$ percnt% lpar( rpar) ast* plus+ \
    comma, period. sol/ colon: semi; equals= quest? commat@ lsqb[ bsol\\ rsqb] Hat^ lowbar_ lbrace{ vert| rbrace}";

/// A text with its escapes undone.
pub(super) struct Plain {
    /// The bytes.
    pub(super) bytes: Vec<u8>,
    /// From where on they may still change, when the text goes on.
    pub(super) open: usize,
    /// From which byte on the text stands how much further: (index in `bytes`, index in the text).
    places: Vec<(usize, usize)>,
}

impl Plain {
    /// Undoes the escapes of `text`; `None` when there is none, not even an unfinished one.
    pub(super) fn of(text: &[u8]) -> Option<Self> {
        memchr3(b'\\', b'%', b'&', text)?;
        let mut plain = Self { bytes: Vec::with_capacity(text.len()), open: 0, places: vec![(0, 0)] };
        // Where escapes begin that are not finished, the outermost first, and whether that byte came out of an escape.
        let mut open: Vec<(usize, bool)> = Vec::with_capacity(NESTED + 1);
        let mut at = 0;
        while at < text.len() {
            if open.is_empty() {
                let run = memchr3(b'\\', b'%', b'&', &text[at..]).unwrap_or(text.len() - at);
                plain.bytes.extend_from_slice(&text[at..at + run]);
                at += run;
            }
            let Some(&byte) = text.get(at) else { break };
            plain.bytes.push(byte);
            at += 1;
            let (mut begins, mut made) = (matches!(byte, b'\\' | b'%' | b'&'), false);
            while let Some(&(start, was_made)) = open.last() {
                match undo(&plain.bytes[start..]) {
                    // `\u005c\u0061`: the second backslash begins its own escape.
                    _ if byte == b'\\' && begins && was_made && !made => {}
                    Undone::Open => begins = false,
                    Undone::No if begins => {}
                    Undone::No => {
                        open.pop();
                        continue;
                    }
                    Undone::To(bytes, length) => {
                        open.pop();
                        plain.replace(start, &bytes[..length], at);
                        (begins, made) = (length == 1 && matches!(bytes[0], b'\\' | b'%' | b'&'), true);
                        continue;
                    }
                }
                break;
            }
            if begins {
                open.push((plain.bytes.len() - 1, made));
                if open.len() > NESTED {
                    open.remove(0);
                }
            }
        }
        plain.open = open.first().map_or(plain.bytes.len(), |(start, _)| *start);
        Some(plain)
    }

    /// Puts what an escape stands for in its place; the text goes on at `after`.
    fn replace(&mut self, start: usize, with: &[u8], after: usize) {
        self.bytes.truncate(start);
        self.bytes.extend_from_slice(with);
        while self.places.last().is_some_and(|(index, _)| *index > start) {
            self.places.pop();
        }
        self.places.push((self.bytes.len(), after));
    }

    /// Where bytes stood in the text.
    pub(super) fn stood(&self, bytes: Range<usize>) -> Range<usize> {
        let place = |at: usize| {
            let (index, stood) = self.places[self.places.partition_point(|(index, _)| *index <= at) - 1];
            stood + (at - index)
        };
        place(bytes.start)..place(bytes.end)
    }
}

/// What the end of a text is, from where an escape may begin.
enum Undone {
    /// No escape.
    No,
    /// An escape, when the right bytes follow.
    Open,
    /// One, for so many of these bytes.
    To([u8; 4], usize),
}

fn undo(tail: &[u8]) -> Undone {
    match tail {
        [b'\\', rest @ ..] => backslash(rest),
        [b'%', rest @ ..] => number(rest, 2, byte),
        [b'&', rest @ ..] => entity(rest),
        _ => Undone::No,
    }
}

/// So many hexadecimal digits and what they mean.
fn number(digits: &[u8], wanted: usize, meaning: fn(u32) -> Undone) -> Undone {
    match digits.iter().all(u8::is_ascii_hexdigit) {
        true if digits.len() < wanted => Undone::Open,
        true if digits.len() == wanted => value(digits, 16).map_or(Undone::No, meaning),
        _ => Undone::No,
    }
}

fn value(digits: &[u8], radix: u32) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()
}

fn byte(value: u32) -> Undone {
    u8::try_from(value).map_or(Undone::No, |byte| Undone::To([byte, 0, 0, 0], 1))
}

fn character(value: u32) -> Undone {
    let Some(character) = char::from_u32(value) else { return Undone::No };
    let mut bytes = [0; 4];
    let length = character.encode_utf8(&mut bytes).len();
    Undone::To(bytes, length)
}

fn backslash(rest: &[u8]) -> Undone {
    match rest {
        [] | [b'u' | b'x'] => Undone::Open,
        [same @ (b'\\' | b'/' | b'"' | b'\'')] => byte(u32::from(*same)),
        [b'n'] => byte(0x0a),
        [b'r'] => byte(0x0d),
        [b't'] => byte(0x09),
        [b'b'] => byte(0x08),
        [b'f'] => byte(0x0c),
        [b'x', digits @ ..] => number(digits, 2, byte),
        [b'u', digits @ ..] if digits.len() <= 4 => number(digits, 4, |value| match value {
            0xd800..0xdc00 => Undone::Open,
            value => character(value),
        }),
        // The second half of a pair (RFC 8259 section 7), which is no character of its own.
        [b'u', _, _, _, _, rest @ ..] if rest.len() < 6 && b"\\u".starts_with(&rest[..rest.len().min(2)]) => {
            Undone::Open
        }
        [b'u', high @ .., b'\\', b'u', _, _, _, _] => match (value(high, 16), value(&rest[7..], 16)) {
            (Some(high @ 0xd800..0xdc00), Some(low @ 0xdc00..0xe000)) => {
                character(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))
            }
            _ => Undone::No,
        },
        _ => Undone::No,
    }
}

fn entity(rest: &[u8]) -> Undone {
    let Some((b';', name)) = rest.split_last() else {
        let fits = rest.len() < LONGEST - 2
            && rest.iter().enumerate().all(|(at, b)| b.is_ascii_alphanumeric() || (at == 0 && *b == b'#'));
        return if fits { Undone::Open } else { Undone::No };
    };
    match name {
        [b'#', b'x' | b'X', digits @ ..] => value(digits, 16).map_or(Undone::No, character),
        [b'#', digits @ ..] => value(digits, 10).map_or(Undone::No, character),
        name => {
            let is = |known: &&str| known.as_bytes().split_last().is_some_and(|(_, known)| known == name);
            let known = NAMED.split(' ').find(is).and_then(|known| known.bytes().last());
            known.map_or(Undone::No, |character| byte(u32::from(character)))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn plain(text: &str) -> String {
        Plain::of(text.as_bytes()).map_or_else(|| text.to_owned(), |plain| String::from_utf8(plain.bytes).unwrap())
    }

    #[test]
    fn every_escape_is_undone_and_what_is_none_stays() {
        for (text, is) in [
            (r"a\u002Bb\u002b\/\\ \x2B", r"a+b+/\ +"),
            (r"\u005Ca\u005c\u0022 \\\\u002B", "\\a\" +"),
            (r"\u00e9 \uD83D\uDE00 \ud83d\ude00", "é 😀 😀"),
            (r"\ud83d \ud83dx \ude00 \u12", r"\ud83d \ud83dx \ude00 \u12"),
            ("a%2Bb%2b%C3%A9 100% %zz %4", "a+b+é 100% %zz %4"),
            ("&amp;&lt;&plus;&#43;&#x2b;&#X2B;&#0043; &nope; & &; R&D;", "&<+++++ &nope; & &; R&D;"),
            ("%5Cu002B %255C &amp;plus; %2&#x42; \\\\u002B", "+ \\ + + +"),
            ("no escape", "no escape"),
        ] {
            assert_eq!(plain(text), is, "{text}");
        }
    }

    #[test]
    fn where_bytes_stood_is_known() {
        let text = br"ab\u0063d%65f&#103;h";
        let plain = Plain::of(text).unwrap();
        assert_eq!(plain.bytes, b"abcdefgh");
        for (bytes, stood) in [(0..1, 0..1), (2..3, 2..8), (3..5, 8..12), (4..5, 9..12), (6..8, 13..20), (8..8, 20..20)]
        {
            assert_eq!(plain.stood(bytes.clone()), stood, "{bytes:?}");
        }
    }

    #[test]
    fn an_unfinished_escape_is_open_and_a_long_one_is_none() {
        for (text, open) in
            [("ab%", 2), ("ab%4", 2), ("ab\\u00", 2), ("a%&#x3", 1), ("ab%z", 4), ("a&b c", 5), ("&", 0)]
        {
            assert_eq!(Plain::of(text.as_bytes()).unwrap().open, open, "{text}");
        }
        let many = Plain::of("%".repeat(1000).as_bytes()).unwrap();
        assert_eq!(many.open, 1000 - NESTED);
        let name = Plain::of(format!("&{}", "a".repeat(100)).as_bytes()).unwrap();
        assert_eq!(name.open, 101);
    }
}
