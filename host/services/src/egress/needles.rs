//! Finds byte strings in a stream, also where one is split over two chunks.
//!
//! It knows nothing of secrets or HTTP. What is found does not depend on how the stream was cut: the result is the
//! leftmost, then longest, needle of the whole stream (a property test holds this). Only the end of a chunk that may be
//! the beginning of a needle waits for the next chunk, so an event that is complete is passed on complete.

use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;

/// From how many bytes of needles on the automaton is built small instead of fast.
const LARGE: usize = 16 * 1024;

/// A set of byte strings to look for.
pub(super) struct Needles {
    automaton: AhoCorasick,
    sorted: Vec<Box<[u8]>>,
    /// Which bytes a needle begins with, and which pairs of bytes: most ends of a chunk are ruled out by these alone.
    first: [bool; 256],
    pairs: Box<[bool]>,
    longest: usize,
}

impl Needles {
    /// Builds the automaton. Needles are not empty; a match is reported by a needle's index.
    pub(super) fn new(needles: &[Vec<u8>]) -> Self {
        let total: usize = needles.iter().map(Vec::len).sum();
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .kind((total > LARGE).then_some(AhoCorasickKind::ContiguousNFA))
            .build(needles)
            .expect("a few secrets do not fill the automaton's 2^31 states");
        let mut sorted: Vec<Box<[u8]>> = needles.iter().map(|needle| needle.as_slice().into()).collect();
        sorted.sort();
        sorted.dedup();
        let (mut first, mut pairs) = ([false; 256], vec![false; 1 << 16].into_boxed_slice());
        for needle in &sorted {
            first[usize::from(needle[0])] = true;
            if let [one, two, ..] = **needle {
                pairs[usize::from(one) << 8 | usize::from(two)] = true;
            }
        }
        let longest = sorted.iter().map(|needle| needle.len()).max().unwrap_or(1);
        Self { automaton, sorted, first, pairs, longest }
    }

    /// Whether one of them is in `bytes`.
    pub(super) fn any(&self, bytes: &[u8]) -> bool {
        self.automaton.is_match(bytes)
    }

    /// Where the longest end of `bytes[from..]` begins that is the beginning of a needle; the length when none is.
    fn pending(&self, bytes: &[u8], from: usize) -> usize {
        let start = from.max(bytes.len().saturating_sub(self.longest - 1));
        let begins = |&at: &usize| match bytes[at..] {
            [one] => self.first[usize::from(one)] && self.continues(&bytes[at..]),
            [one, two, ..] => self.pairs[usize::from(one) << 8 | usize::from(two)] && self.continues(&bytes[at..]),
            [] => false,
        };
        (start..bytes.len()).find(begins).unwrap_or(bytes.len())
    }

    /// Whether a needle goes on after `tail`. The needles that begin with it stand together in sorted order, and only
    /// the first of them can be equal to it.
    fn continues(&self, tail: &[u8]) -> bool {
        let at = self.sorted.partition_point(|needle| needle.as_ref() < tail);
        self.sorted[at..].iter().take(2).any(|needle| needle.len() > tail.len() && needle.starts_with(tail))
    }
}

/// What is to be done about a match.
pub(super) enum Verdict {
    /// Puts `with` in the place of `length` bytes from the beginning of the match.
    Replace {
        /// At least the needle's length.
        length: usize,
        /// The new bytes.
        with: Bytes,
    },
    /// Leaves it.
    Keep,
    /// Cannot be decided before so many bytes from the beginning of the match are there.
    More(usize),
}

/// One match, for the judge.
pub(super) struct Match<'a> {
    /// Index of the needle.
    pub(super) needle: usize,
    /// The stream from the beginning of the match, as far as it is known.
    pub(super) bytes: &'a [u8],
    /// The length of the needle.
    pub(super) length: usize,
    /// Nothing comes after `bytes`: [`Verdict::More`] counts as [`Verdict::Keep`].
    pub(super) last: bool,
}

/// One stream that is being looked through.
pub(super) struct Sieve {
    needles: Arc<Needles>,
    held: Bytes,
}

impl Sieve {
    /// Begins a stream.
    pub(super) fn new(needles: Arc<Needles>) -> Self {
        Self { needles, held: Bytes::new() }
    }

    /// Takes the next chunk and gives what is decided. Without a match and a pending end, this is the chunk itself.
    pub(super) fn push<E>(
        &mut self,
        chunk: Bytes,
        last: bool,
        judge: &mut dyn FnMut(Match<'_>) -> Result<Verdict, E>,
    ) -> Result<Bytes, E> {
        let buffer = join(std::mem::take(&mut self.held), chunk);
        let (mut at, mut done, mut made) = (0, 0, None::<BytesMut>);
        let pending = |from| if last { buffer.len() } else { self.needles.pending(&buffer, from) };
        let mut end = pending(0);
        loop {
            if end < at {
                end = pending(at);
            }
            let found = self.needles.automaton.find(Input::new(&buffer).span(at..buffer.len()));
            let Some(found) = found.filter(|found| found.start() < end) else { break };
            let (needle, length) = (found.pattern().as_usize(), found.len());
            match judge(Match { needle, bytes: &buffer[found.start()..], length, last })? {
                Verdict::Replace { length, with } => {
                    let made = made.get_or_insert_with(|| BytesMut::with_capacity(buffer.len() + with.len()));
                    made.extend_from_slice(&buffer[done..found.start()]);
                    made.extend_from_slice(&with);
                    at = found.start() + length;
                    done = at;
                }
                Verdict::More(needed) if !last && buffer.len() - found.start() < needed => {
                    end = found.start();
                    break;
                }
                Verdict::More(_) | Verdict::Keep => at = found.end(),
            }
        }
        self.held = buffer.slice(end..);
        match made {
            None => Ok(buffer.slice(..end)),
            Some(mut made) => {
                made.extend_from_slice(&buffer[done..end]);
                Ok(made.freeze())
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
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use std::convert::Infallible;

    fn replaced(needles: &[Vec<u8>], chunks: &[&[u8]]) -> Vec<u8> {
        let mut sieve = Sieve::new(Arc::new(Needles::new(needles)));
        let mut judge = |found: Match<'_>| {
            Ok::<_, Infallible>(match found.needle {
                // The first needle looks three bytes further before it decides.
                0 if found.bytes.len() < found.length + 3 => Verdict::More(found.length + 3),
                0 if found.bytes[found.length] == b'a' => {
                    Verdict::Replace { length: found.length + 3, with: "#".into() }
                }
                0 => Verdict::Keep,
                n => Verdict::Replace { length: found.length, with: Bytes::from(format!("<{n}>")) },
            })
        };
        let mut out = Vec::new();
        for chunk in chunks {
            out.extend(sieve.push(Bytes::copy_from_slice(chunk), false, &mut judge).unwrap());
        }
        out.extend(sieve.push(Bytes::new(), true, &mut judge).unwrap());
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn how_a_stream_is_cut_changes_nothing(
            needles in prop::collection::vec("[abc]{1,6}", 1..6),
            body in "[abc]{0,40}",
            cuts in prop::collection::vec(0_usize..41, 0..12),
        ) {
            let needles: Vec<Vec<u8>> = needles.into_iter().map(String::into_bytes).collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(body.len())).collect();
            cuts.extend([0, body.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|cut| &body.as_bytes()[cut[0]..cut[1]]).collect();
            prop_assert_eq!(replaced(&needles, &chunks), replaced(&needles, &[body.as_bytes()]));
        }
    }

    #[test]
    fn a_chunk_without_a_match_is_passed_on_uncopied_and_at_once() {
        let mut sieve = Sieve::new(Arc::new(Needles::new(&[b"secret".to_vec()])));
        let chunk = Bytes::from_static(b"data: nothing here\n\n");
        let out = sieve.push(chunk.clone(), false, &mut |_| Ok::<_, Infallible>(Verdict::Keep)).unwrap();
        assert_eq!((out.as_ptr(), out.len()), (chunk.as_ptr(), chunk.len()));
    }

    #[test]
    fn only_the_beginning_of_a_needle_waits() {
        let mut sieve = Sieve::new(Arc::new(Needles::new(&[b"secret".to_vec()])));
        let mut push = |text: &'static str| {
            let judge = &mut |_: Match<'_>| Ok::<_, Infallible>(Verdict::Replace { length: 6, with: "*".into() });
            sieve.push(Bytes::from_static(text.as_bytes()), false, judge).unwrap()
        };
        assert_eq!(["a se", "c", "ret b sec", "ond"].map(&mut push), ["a ", "", "* b ", "second"]);
    }
}
