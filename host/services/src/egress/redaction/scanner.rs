//! Finds byte strings in a stream, also where one is split over two chunks.
//!
//! It knows nothing of HTTP. What is found does not depend on how the stream was cut: the result is the leftmost, then
//! longest, needle of the whole stream (a property test holds this). Only the end of a chunk that may be the beginning of
//! a needle, or of an escape, waits for the next chunk, so an event that is complete is passed on complete.

use super::escapes::Plain;
use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind};
use bytes::{Bytes, BytesMut};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What stands in the place of what was found.
pub(in crate::egress) const HIDDEN: &[u8] = b"[secret]";

/// From how many bytes of patterns on the automaton is built small instead of fast.
const LARGE: usize = 16 * 1024;

/// A set of byte strings to look for.
pub(in crate::egress) struct Patterns {
    automaton: AhoCorasick,
    sorted: Vec<Box<[u8]>>,
    /// Which pairs of bytes a needle begins with: most ends of a chunk are ruled out by these alone.
    pairs: Box<[bool]>,
    longest: usize,
}

impl Patterns {
    /// Builds the automaton. Needles are not empty. One that has an escape in it is also looked for without.
    pub(in crate::egress) fn new(patterns: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let plain = |needle: Vec<u8>| {
            let plain = Plain::of(&needle).map(|plain| plain.bytes).filter(|plain| plain.len() > 1);
            [Some(needle), plain].into_iter().flatten()
        };
        let patterns: BTreeSet<Vec<u8>> = patterns.into_iter().flat_map(plain).collect();
        let total: usize = patterns.iter().map(Vec::len).sum();
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .kind((total > LARGE).then_some(AhoCorasickKind::ContiguousNFA))
            .build(&patterns)
            .expect("a few secrets do not fill the automaton's 2^31 states");
        let sorted: Vec<Box<[u8]>> = patterns.into_iter().map(Vec::into_boxed_slice).collect();
        let mut pairs = vec![false; 1 << 16].into_boxed_slice();
        for needle in &sorted {
            if let [one, two, ..] = **needle {
                pairs[usize::from(one) << 8 | usize::from(two)] = true;
            }
        }
        let longest = sorted.iter().map(|needle| needle.len()).max().unwrap_or(1);
        Self { automaton, sorted, pairs, longest }
    }

    /// Whether one of them is in `bytes`, as it is or escaped.
    pub(in crate::egress) fn any(&self, bytes: &[u8]) -> bool {
        self.automaton.is_match(bytes) || Plain::of(bytes).is_some_and(|plain| self.automaton.is_match(&plain.bytes))
    }

    /// Where the longest end of `bytes[from..]` begins that is the beginning of a needle; the length when none is.
    fn pending(&self, bytes: &[u8], from: usize) -> usize {
        let start = from.max(bytes.len().saturating_sub(self.longest - 1));
        let begins = |&at: &usize| match bytes[at..] {
            [one, two, ..] if !self.pairs[usize::from(one) << 8 | usize::from(two)] => false,
            _ => self.continues(&bytes[at..]),
        };
        (start..bytes.len()).find(begins).unwrap_or(bytes.len())
    }

    /// Whether a pattern goes on after `tail`. The patterns that begin with it stand together in sorted order, and only
    /// the first of them can be equal to it.
    fn continues(&self, tail: &[u8]) -> bool {
        let at = self.sorted.partition_point(|needle| needle.as_ref() < tail);
        self.sorted[at..].iter().take(2).any(|needle| needle.len() > tail.len() && needle.starts_with(tail))
    }
}

/// One stream that is being looked through: first as it is, then with its escapes undone. Both are needed: what stands
/// before a value can look like the beginning of an escape.
pub(in crate::egress) struct Scanner {
    patterns: Arc<Patterns>,
    as_it_is: Bytes,
    escaped: Bytes,
}

impl Scanner {
    /// Begins a stream.
    pub(in crate::egress) fn new(patterns: Arc<Patterns>) -> Self {
        Self { patterns, as_it_is: Bytes::new(), escaped: Bytes::new() }
    }

    /// What it looks for, to be compared.
    pub(in crate::egress) fn looks_for(&self) -> *const Patterns {
        Arc::as_ptr(&self.patterns)
    }

    /// Takes the next chunk and gives what is decided, with [`HIDDEN`] for each match, and whether there was one. Without
    /// a match and a pending end, this is the chunk itself.
    pub(in crate::egress) fn push(&mut self, chunk: Bytes, last: bool) -> (Bytes, bool) {
        let buffer = join(std::mem::take(&mut self.as_it_is), chunk);
        let (chunk, one) = self.patterns.passed(&buffer, None, last, &mut self.as_it_is);
        let buffer = join(std::mem::take(&mut self.escaped), chunk);
        let plain = Plain::of(&buffer);
        let (out, other) = self.patterns.passed(&buffer, plain.as_ref(), last, &mut self.escaped);
        (out, one || other)
    }
}

impl Patterns {
    /// What of a buffer may pass. What is not decided is left in `held`.
    fn passed(&self, buffer: &Bytes, plain: Option<&Plain>, last: bool, held: &mut Bytes) -> (Bytes, bool) {
        let bytes = plain.map_or(&buffer[..], |plain| &plain.bytes);
        let open = plain.map_or(bytes.len(), |plain| if last { bytes.len() } else { plain.open });
        let stood = |range| plain.map_or_else(|| std::ops::Range::clone(&range), |plain| plain.stood(range.clone()));
        let pending = |from| match last {
            true => bytes.len(),
            false => self.pending(bytes, from).min(self.pending(&bytes[..open.max(from)], from)),
        };
        let (mut at, mut done, mut made) = (0, 0, None::<BytesMut>);
        let mut end = pending(0);
        loop {
            if end < at {
                end = pending(at);
            }
            match self.automaton.find(Input::new(bytes).span(at..bytes.len())) {
                // It may be longer, or none, once the escape in its end is finished.
                Some(found) if found.end() > open => {
                    end = end.min(found.start());
                    break;
                }
                Some(found) if found.start() < end => {
                    let place = stood(found.range());
                    let made = made.get_or_insert_with(|| BytesMut::with_capacity(buffer.len() + HIDDEN.len()));
                    made.extend_from_slice(&buffer[done..place.start]);
                    made.extend_from_slice(HIDDEN);
                    (at, done) = (found.end(), place.end);
                }
                _ => break,
            }
        }
        let mut end = stood(end..end).end;
        // Text stays text: what is held back begins with a whole character.
        let within = |at: usize| buffer.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
        end = (end.saturating_sub(3).max(done)..=end).rev().find(|&at| !within(at)).unwrap_or(end);
        *held = buffer.slice(end..);
        match made {
            None => (buffer.slice(..end), false),
            Some(mut made) => {
                made.extend_from_slice(&buffer[done..end]);
                (made.freeze(), true)
            }
        }
    }
}

fn join(held: Bytes, chunk: Bytes) -> Bytes {
    if held.is_empty() {
        return chunk;
    }
    let mut both = BytesMut::with_capacity(held.len() + chunk.len());
    both.extend_from_slice(&held);
    both.extend_from_slice(&chunk);
    both.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scanner(patterns: &[&str]) -> Scanner {
        Scanner::new(Arc::new(Patterns::new(patterns.iter().map(|needle| needle.as_bytes().to_vec()))))
    }

    fn passed(patterns: &[&str], chunks: &[&[u8]]) -> Vec<u8> {
        let mut scanner = scanner(patterns);
        let mut out = Vec::new();
        for chunk in chunks {
            out.extend(scanner.push(Bytes::copy_from_slice(chunk), false).0);
        }
        out.extend(scanner.push(Bytes::new(), true).0);
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn how_a_stream_is_cut_changes_nothing(
            patterns in prop::collection::vec("[abc]{1,6}", 1..6),
            body in r"([abc]|\\u006[1-3]|%6[1-3]|&#9[78];|[%&\\]){0,40}",
            cuts in prop::collection::vec(0_usize..200, 0..12),
        ) {
            let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(body.len())).collect();
            cuts.extend([0, body.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|cut| &body.as_bytes()[cut[0]..cut[1]]).collect();
            prop_assert_eq!(passed(&patterns, &chunks), passed(&patterns, &[body.as_bytes()]));
        }
    }

    #[test]
    fn a_chunk_without_a_match_is_passed_on_uncopied_and_at_once() {
        let chunk = Bytes::from_static(b"data: {\"text\":\"nothing\\n here: 100%\"}\n\n");
        let (out, found) = scanner(&["needle"]).push(chunk.clone(), false);
        assert_eq!((out.as_ptr(), out.len(), found), (chunk.as_ptr(), chunk.len(), false));
    }

    #[test]
    fn only_the_beginning_of_a_needle_waits() {
        let mut scanner = scanner(&["needle"]);
        let mut push = |text: &'static str| scanner.push(Bytes::from_static(text.as_bytes()), false).0;
        assert_eq!(["a ne", "e", "dle b nee", "t"].map(&mut push), ["a ", "", "[secret] b ", "neet"]);
        assert_eq!(["x n%6", "5edl%65", "%", "z"].map(&mut push), ["x ", "[secret]", "", "%z"]);
    }
}
