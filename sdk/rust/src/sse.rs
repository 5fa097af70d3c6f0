//! Server-Sent Events, read piece by piece (WHATWG HTML section 9.2.6).
//!
//! Bytes may be cut anywhere. A field that lies whole in one piece is handed on without being copied.

use crate::Error;
use crate::json::Text;

/// The largest event in bytes, data and the line being read together.
pub const MAX_EVENT: usize = 1 << 20;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// One event. Lives until the next is read.
///
/// ```
/// use cara_sdk::sse::Parser;
///
/// let mut names = Vec::new();
/// Parser::new().push(b"event: delta\ndata: {}\n\n", |event| Ok(names.push(event.name.to_owned()))).unwrap();
/// assert_eq!(names, ["delta"]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// The `event` field; `message` when there was none.
    pub name: &'a str,
    /// The `data` lines, joined by line feeds. UTF-8 by the standard, not checked here: a JSON reader does.
    pub data: &'a [u8],
    /// The last `id` field of the stream so far, empty when there was none.
    pub id: &'a str,
    /// The last `retry` field of the stream so far, milliseconds.
    pub retry_ms: Option<u64>,
}

impl<'a> Event<'a> {
    /// The data as text; what is not UTF-8 becomes U+FFFD.
    #[must_use]
    pub fn text(&self) -> Text<'a> {
        Text(String::from_utf8_lossy(self.data))
    }
}

/// Reads a stream of events.
///
/// ```
/// use cara_sdk::sse::Parser;
///
/// let (mut parser, mut texts) = (Parser::new(), Vec::new());
/// for piece in [b"data: hel".as_slice(), b"lo\n\n"] {
///     parser.push(piece, |event| Ok(texts.push(event.text().into_string()))).unwrap();
/// }
/// assert_eq!(texts, ["hello"]);
/// ```
#[derive(Debug, Default)]
pub struct Parser {
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    /// The `data` of the event so far, a line feed after each line.
    data: Vec<u8>,
    name: String,
    id: String,
    retry_ms: Option<u64>,
    /// How many bytes of a byte order mark have been seen; above 3 when it is too late for one.
    mark: usize,
    /// The last byte was CR: a LF that follows belongs to it.
    after_cr: bool,
}

impl Parser {
    /// A reader at the beginning of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a piece and calls `on_event` for each event that is complete.
    ///
    /// # Errors
    /// What `on_event` returned, or `network` when an event is larger than [`MAX_EVENT`].
    pub fn push<F>(&mut self, piece: &[u8], mut on_event: F) -> Result<(), Error>
    where
        F: FnMut(Event<'_>) -> Result<(), Error>,
    {
        let mut rest = self.skip_mark(piece);
        // A first `data` line that lies whole in this piece; kept out of `self.data` until it must be.
        let mut held: Option<&[u8]> = None;
        while !rest.is_empty() {
            if std::mem::take(&mut self.after_cr) && rest[0] == b'\n' {
                rest = &rest[1..];
                continue;
            }
            let Some(end) = memchr::memchr2(b'\n', b'\r', rest) else {
                self.line.extend_from_slice(rest);
                break;
            };
            let (line, ending) = (&rest[..end], rest[end]);
            rest = &rest[end + 1..];
            self.after_cr = ending == b'\r';
            if !self.line.is_empty() {
                self.line.extend_from_slice(line);
                let whole = std::mem::take(&mut self.line);
                self.keep(&mut held);
                self.finish_line(&whole, held, &mut on_event)?;
                self.line = whole;
                self.line.clear();
            } else if let (Some((b"data", value)), None, true) = (field(line), held, self.data.is_empty()) {
                held = Some(value);
            } else if line.is_empty() {
                self.dispatch(held.take(), &mut on_event)?;
            } else {
                if line.starts_with(b"data") {
                    self.keep(&mut held);
                }
                self.finish_line(line, held, &mut on_event)?;
            }
            self.check(held)?;
        }
        self.keep(&mut held);
        self.check(None)
    }

    /// Leaves out a byte order mark at the very beginning, also a divided one.
    fn skip_mark<'a>(&mut self, piece: &'a [u8]) -> &'a [u8] {
        let mut rest = piece;
        while self.mark < BOM.len() {
            match rest.first() {
                None => return rest,
                Some(&byte) if byte == BOM[self.mark] => {
                    self.mark += 1;
                    rest = &rest[1..];
                }
                Some(_) => {
                    self.line.extend_from_slice(&BOM[..self.mark]);
                    self.mark = BOM.len();
                }
            }
        }
        rest
    }

    /// Takes a held line over into `self.data`.
    fn keep(&mut self, held: &mut Option<&[u8]>) {
        if let Some(value) = held.take() {
            self.data.extend_from_slice(value);
            self.data.push(b'\n');
        }
    }

    /// Reads a line that is not the first `data` line of its event.
    fn finish_line(
        &mut self,
        line: &[u8],
        held: Option<&[u8]>,
        on_event: &mut dyn FnMut(Event<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if line.is_empty() {
            return self.dispatch(held, on_event);
        }
        match field(line) {
            Some((b"data", value)) => {
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
            }
            Some((b"event", value)) => {
                self.name.clear();
                self.name.push_str(&String::from_utf8_lossy(value));
            }
            Some((b"id", value)) if !value.contains(&0) => {
                self.id.clear();
                self.id.push_str(&String::from_utf8_lossy(value));
            }
            Some((b"retry", value)) if value.iter().all(u8::is_ascii_digit) => {
                let digits = std::str::from_utf8(value).unwrap_or_default();
                self.retry_ms = digits.parse().ok().or(self.retry_ms);
            }
            _ => {}
        }
        Ok(())
    }

    /// Hands the event on, unless it has no data.
    fn dispatch(
        &mut self,
        held: Option<&[u8]>,
        on_event: &mut dyn FnMut(Event<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let data = match (held, self.data.split_last()) {
            (Some(value), _) => Some(value),
            (None, Some((_, lines))) => Some(lines),
            (None, None) => None,
        };
        let result = data.map_or(Ok(()), |data| {
            on_event(Event {
                name: if self.name.is_empty() { "message" } else { &self.name },
                data,
                id: &self.id,
                retry_ms: self.retry_ms,
            })
        });
        self.data.clear();
        self.name.clear();
        result
    }

    /// Refuses an event that has grown over the limit.
    fn check(&self, held: Option<&[u8]>) -> Result<(), Error> {
        if self.line.len() + self.data.len() + held.map_or(0, <[u8]>::len) <= MAX_EVENT {
            return Ok(());
        }
        Err(Error::network(format!("an event of the answer is larger than {MAX_EVENT} bytes")))
    }
}

/// Divides a line into field name and value; `None` for a comment.
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    match line.iter().position(|&byte| byte == b':') {
        Some(0) => None,
        None => Some((line, b"")),
        Some(colon) => {
            let value = &line[colon + 1..];
            Some((&line[..colon], value.strip_prefix(b" ").unwrap_or(value)))
        }
    }
}

#[cfg(test)]
#[path = "sse_tests.rs"]
mod tests;
