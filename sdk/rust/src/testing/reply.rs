//! What a scripted server answers, and what it was sent.

use std::collections::VecDeque;

use serde::Serialize;

use super::ErrorCode;
use crate::Error;
use crate::http::{Method, Request, fault};

/// What a server answers to one request.
///
/// ```
/// use cara_sdk::http::{Method, Request};
/// use cara_sdk::testing::{ErrorCode, Reply, MockHost};
///
/// let busy = Reply::new(429).header("retry-after", "2").body("slow down");
/// let mock = MockHost::new().reply(Method::Get, "https://h.example/", busy).reply(
///     Method::Get,
///     "https://h.example/",
///     Reply::failed(ErrorCode::ConnectionRefused),
/// );
/// mock.run(|| {
///     let response = Request::get("https://h.example/").send().unwrap();
///     assert_eq!((response.status(), response.retry_after_ms()), (429, Some(2_000)));
///     let error = Request::get("https://h.example/").send().unwrap_err();
///     assert_eq!(error.message, "`h.example` refused the connection");
/// });
/// ```
#[derive(Debug, Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    pieces: VecDeque<Vec<u8>>,
    failure: Option<ErrorCode>,
    breaks_off: bool,
}

impl Reply {
    /// An answer without headers and body.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), pieces: VecDeque::new(), failure: None, breaks_off: false }
    }

    /// An answer with a JSON body.
    ///
    /// # Panics
    /// When `value` is no JSON.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test's mistake is told by a panic")]
    pub fn json<T: Serialize + ?Sized>(status: u16, value: &T) -> Self {
        let body = serde_json::to_vec(value).expect("the body of a reply is JSON");
        Self::new(status).header("content-type", "application/json").body(body)
    }

    /// No answer: the connection, or the host, fails so.
    #[must_use]
    pub fn failed(code: ErrorCode) -> Self {
        Self { failure: Some(code), ..Self::new(0) }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }

    /// Adds a piece of the body; several come one by one, as a stream does. An empty one counts as none.
    #[must_use]
    pub fn body(mut self, piece: impl Into<Vec<u8>>) -> Self {
        let piece = piece.into();
        if !piece.is_empty() {
            self.pieces.push_back(piece);
        }
        self
    }

    /// After the pieces the connection breaks off.
    #[must_use]
    pub fn breaking_off(mut self) -> Self {
        self.breaks_off = true;
        self
    }

    /// The answer, opened.
    pub(super) fn open(self, authority: &str) -> Result<crate::http::Incoming, Error> {
        if let Some(code) = self.failure {
            return Err(fault::explain(&code, authority));
        }
        let body = Body { pieces: self.pieces, breaks_off: self.breaks_off };
        Ok(crate::http::Incoming { status: self.status, headers: self.headers, body })
    }
}

/// The body of a scripted answer.
#[derive(Debug)]
pub(crate) struct Body {
    pieces: VecDeque<Vec<u8>>,
    breaks_off: bool,
}

impl Body {
    /// The next piece. Like the host it gives at most 64 KiB at once.
    pub(crate) fn next(&mut self, authority: &str) -> Result<Option<Vec<u8>>, Error> {
        const MOST: usize = 64 * 1024;
        match self.pieces.pop_front() {
            Some(mut piece) => {
                if piece.len() > MOST {
                    self.pieces.push_front(piece.split_off(MOST));
                }
                Ok(Some(piece))
            }
            None if self.breaks_off => Err(fault::broken_off(authority)),
            None => Ok(None),
        }
    }
}

/// A request that was made, before the host would put secrets in.
///
/// ```
/// use cara_sdk::http::{Method, Request};
/// use cara_sdk::testing::{Reply, MockHost};
///
/// let mock = MockHost::new().reply(Method::Post, "https://h.example/v1", Reply::new(204));
/// mock.run(|| Request::post("https://h.example/v1").json(&[1, 2]).unwrap().send()).unwrap();
/// let sent = mock.sent().remove(0);
/// assert_eq!((sent.header("content-type"), sent.body.as_slice()), (Some("application/json"), b"[1,2]".as_slice()));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// The method.
    pub method: Method,
    /// The whole address.
    pub url: String,
    /// The headers, in their order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
    /// How long it waits for the connection, the first byte, and from byte to byte, in milliseconds.
    pub timeouts_ms: [u64; 3],
}

impl Sent {
    pub(super) fn of(request: Request) -> Self {
        let timeouts_ms = request.timeouts_ms();
        let Request { method, url, headers, body, .. } = request;
        Self { method, url, headers, body, timeouts_ms }
    }

    /// The first header of a name, any case, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// The body, read as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test's mistake is told by a panic")]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the body of the request is JSON")
    }
}
