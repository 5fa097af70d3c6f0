//! Lines of JSON, read piece by piece.
//!
//! Bytes may be cut anywhere. A line that lies whole in one piece is handed on without being copied.

use crate::Error;

/// The longest line in bytes.
pub const MAX_LINE: usize = 1 << 20;

/// Reads a stream of lines.
///
/// ```
/// use cara_sdk::ndjson::Lines;
///
/// let (mut lines, mut seen) = (Lines::new(), Vec::new());
/// for piece in [b"{\"a\":".as_slice(), b"1}\n{\"b\":2}"] {
///     lines.push(piece, |line| Ok(seen.push(line.to_vec()))).unwrap();
/// }
/// lines.finish(|line| Ok(seen.push(line.to_vec()))).unwrap();
/// assert_eq!(seen, [b"{\"a\":1}", b"{\"b\":2}"]);
/// ```
#[derive(Debug, Default)]
pub struct Lines {
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
}

impl Lines {
    /// A reader at the beginning of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a piece and calls `on_line` for each line that is complete and not blank, without its ending.
    ///
    /// # Errors
    /// What `on_line` returned, or `network` when a line is longer than [`MAX_LINE`].
    pub fn push<F>(&mut self, piece: &[u8], mut on_line: F) -> Result<(), Error>
    where
        F: FnMut(&[u8]) -> Result<(), Error>,
    {
        let mut rest = piece;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let line = &rest[..end];
            rest = &rest[end + 1..];
            if self.line.is_empty() {
                hand_on(line, &mut on_line)?;
            } else {
                self.line.extend_from_slice(line);
                let result = hand_on(&self.line, &mut on_line);
                self.line.clear();
                result?;
            }
        }
        self.line.extend_from_slice(rest);
        check(&self.line)
    }

    /// Calls `on_line` for a last line that had no ending.
    ///
    /// # Errors
    /// What `on_line` returned.
    pub fn finish<F>(self, mut on_line: F) -> Result<(), Error>
    where
        F: FnMut(&[u8]) -> Result<(), Error>,
    {
        hand_on(&self.line, &mut on_line)
    }
}

/// Calls `on_line` unless the line is blank or too long.
fn hand_on(line: &[u8], on_line: &mut dyn FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
    check(line)?;
    let line = line.trim_ascii();
    if line.is_empty() { Ok(()) } else { on_line(line) }
}

/// Refuses a line over the limit.
fn check(line: &[u8]) -> Result<(), Error> {
    if line.len() <= MAX_LINE {
        return Ok(());
    }
    Err(Error::network(format!("a line of the answer is longer than {MAX_LINE} bytes")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(pieces: &[&[u8]]) -> Result<Vec<Vec<u8>>, Error> {
        let mut lines = Lines::new();
        let mut seen = Vec::new();
        let mut keep = |line: &[u8]| {
            seen.push(line.to_vec());
            Ok(())
        };
        for piece in pieces {
            lines.push(piece, &mut keep)?;
        }
        lines.finish(&mut keep)?;
        Ok(seen)
    }

    #[test]
    fn lines_cut_at_every_byte_read_the_same_and_blank_ones_are_left_out() {
        let stream = b"{\"a\":1}\r\n\n  \n{\"b\":2}\n{\"c\":3}".as_slice();
        let whole = read(&[stream]).unwrap();
        assert_eq!(whole, [b"{\"a\":1}", b"{\"b\":2}", b"{\"c\":3}"]);
        for cut in 0..=stream.len() {
            let (left, right) = stream.split_at(cut);
            assert_eq!(read(&[left, right]).unwrap(), whole, "cut at {cut}");
        }
        assert_eq!(read(&stream.chunks(1).collect::<Vec<_>>()).unwrap(), whole);
    }

    #[test]
    fn a_line_over_the_limit_is_refused_in_one_piece_or_many() {
        let piece = vec![b'x'; MAX_LINE];
        assert_eq!(read(&[&piece, b"\n"]).unwrap().len(), 1);
        assert!(read(&[&piece, b"x"]).is_err());
        assert!(read(&[&[piece.as_slice(), b"x\n"].concat()]).is_err());
    }
}
