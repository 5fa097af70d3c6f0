//! Reading as much of a body as is wanted.

use cara_sdk::Error;
use cara_sdk::http::Chunks;

/// Why there is no more of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The body is whole.
    Whole,
    /// There is more than was wanted.
    Cut,
    /// The connection ended too early.
    Broken,
}

/// What was read.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) bytes: Vec<u8>,
    pub(crate) end: End,
}

/// Reads at most `most` bytes. What came before the connection broke is kept; when nothing came, its error is returned.
pub(crate) fn read(source: &mut impl Chunks, most: usize) -> Result<Body, Error> {
    let mut bytes = Vec::new();
    let end = loop {
        match source.next_chunk() {
            Ok(Some(piece)) => bytes.extend_from_slice(&piece),
            Ok(None) => break End::Whole,
            Err(error) if bytes.is_empty() => return Err(error),
            Err(_) => break End::Broken,
        }
        if bytes.len() > most {
            bytes.truncate(most);
            break End::Cut;
        }
    };
    Ok(Body { bytes, end })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    struct Pieces(Vec<Result<Vec<u8>, Error>>);

    impl Chunks for Pieces {
        fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, Error> {
            if self.0.is_empty() { Ok(None) } else { self.0.remove(0).map(Some) }
        }
    }

    #[test]
    fn no_more_is_read_than_wanted_and_the_end_is_known() {
        let whole = read(&mut Pieces(vec![Ok(vec![1; 6]), Ok(vec![2; 4])]), 10).unwrap();
        assert_eq!((whole.bytes.len(), whole.end), (10, End::Whole));
        let mut more = Pieces(vec![Ok(vec![1; 6]), Ok(vec![2; 5]), Ok(vec![3; 5])]);
        let cut = read(&mut more, 10).unwrap();
        assert_eq!((cut.bytes.len(), cut.end), (10, End::Cut));
        assert_eq!(more.0.len(), 1, "the rest is left");
    }

    #[test]
    fn what_came_before_the_connection_broke_is_kept() {
        let broken = read(&mut Pieces(vec![Ok(vec![1; 6]), Err(Error::network("gone"))]), 10).unwrap();
        assert_eq!((broken.bytes.len(), broken.end), (6, End::Broken));
        assert_eq!(read(&mut Pieces(vec![Err(Error::network("gone"))]), 10).unwrap_err().message, "gone");
    }
}
