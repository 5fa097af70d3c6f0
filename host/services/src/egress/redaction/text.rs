//! Takes known secrets out of a text that comes in pieces,
//! such as a model's answer.
//!
//! The bytes of an answer were looked through on the wire already; but an upstream can spread a value over several
//! events, where it only becomes whole again when their texts are put together.

use super::registry::KnownSecrets;
use super::scanner::Scanner;
use bytes::Bytes;
use std::sync::Arc;

/// One text on its way to a person. What could be the beginning of a value is held back until more comes.
pub struct TextScrubber {
    known: KnownSecrets,
    scanner: Option<Scanner>,
}

impl TextScrubber {
    /// A text that has not begun.
    pub fn new(known: KnownSecrets) -> Self {
        Self { known, scanner: None }
    }

    /// The next piece; what comes back may be shown. Secrets that became known since the last piece are looked for too.
    pub fn push(&mut self, piece: String) -> String {
        let now = self.known.search();
        let mut shown = String::new();
        if now.as_ref().map(Arc::as_ptr) != self.scanner.as_ref().map(Scanner::looks_for) {
            shown = self.finish();
            self.scanner = now.map(Scanner::new);
        }
        let piece = match &mut self.scanner {
            Some(scanner) => text(scanner.push(piece.into(), false).0),
            None => piece,
        };
        if shown.is_empty() { piece } else { shown + &piece }
    }

    /// The end of the text: what was held back and turned out to be harmless.
    pub fn finish(&mut self) -> String {
        self.scanner.take().map(|mut scanner| text(scanner.push(Bytes::new(), true).0)).unwrap_or_default()
    }
}

/// A scanner holds back whole characters. Only a value that is no text can have cut one.
fn text(bytes: Bytes) -> String {
    String::from_utf8(bytes.into()).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::vault::SecretValue;

    fn known(values: &[&str]) -> KnownSecrets {
        let known = KnownSecrets::new();
        for value in values {
            known.register(&Arc::new(SecretValue::new(value.as_bytes().to_vec()).unwrap()));
        }
        known
    }

    #[test]
    fn a_value_in_pieces_is_hidden_wherever_it_is_cut() {
        let text = "the key is schlüssel-0123456789, is it not? schlüssel-01 is not";
        let known = known(&["schlüssel-0123456789"]);
        let whole = "the key is [secret], is it not? schlüssel-01 is not";
        let cuts: Vec<usize> = (0..=text.len()).filter(|&at| text.is_char_boundary(at)).collect();
        for &first in &cuts {
            for &second in cuts.iter().filter(|&&at| at >= first) {
                let mut scrubber = TextScrubber::new(known.clone());
                let pieces = [&text[..first], &text[first..second], &text[second..]];
                let shown: String = pieces.iter().map(|piece| scrubber.push((*piece).to_owned())).collect();
                assert_eq!(shown + &scrubber.finish(), whole, "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn text_that_cannot_begin_a_value_is_not_held_back() {
        let mut scrubber = TextScrubber::new(known(&["zz-0123456789"]));
        for piece in ["one ", "two ", "three "] {
            assert_eq!(scrubber.push(piece.into()), piece);
        }
        assert_eq!(scrubber.push("buzz".into()), "bu");
        assert_eq!(scrubber.push("er".into()), "zzer");
    }

    #[test]
    fn a_secret_that_becomes_known_later_is_looked_for_from_then_on() {
        let known = known(&[]);
        let mut scrubber = TextScrubber::new(known.clone());
        assert_eq!(scrubber.push("zz-0123456789 ".into()), "zz-0123456789 ");
        known.register(&Arc::new(SecretValue::new(b"zz-0123456789".to_vec()).unwrap()));
        let shown = scrubber.push("zz-01234".into()) + &scrubber.push("56789".into()) + &scrubber.finish();
        assert_eq!(shown, "[secret]");
    }
}
