//! The HTTP client, over `wasi:http/outgoing-handler`.
//!
//! The host decides where a request may go, puts secrets in, and follows no redirect; [`follow`] does.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, clock, error, host};

pub(crate) mod fault;
mod follow;
pub(crate) mod url;
#[cfg(target_arch = "wasm32")]
pub(crate) mod wasi;

use self::url::Url;
pub use self::url::join;
pub use crate::bindings::provider_component::wasi::http::types::Method;
pub use follow::{Followed, follow, redirection};

/// How many bytes are asked for at once.
#[cfg(target_arch = "wasm32")]
const CHUNK: u64 = 64 * 1024;

/// The most bytes of a body unless [`Request::limit`] says otherwise.
const LIMIT: u64 = 64 << 20;

/// Something that gives bytes piece by piece: a response in a component, a list in a test.
///
/// ```
/// use cara_sdk::Error;
/// use cara_sdk::http::Chunks;
///
/// struct List(std::vec::IntoIter<&'static str>);
/// impl Chunks for List {
///     fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, Error> {
///         Ok(self.0.next().map(|piece| piece.as_bytes().to_vec()))
///     }
/// }
/// let mut list = List(vec!["a", "b"].into_iter());
/// assert_eq!(list.next_chunk().unwrap().unwrap(), b"a");
/// ```
pub trait Chunks {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// When the rest cannot be had.
    fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, Error>;
}

/// A request to be sent. Every method but `send` only describes it.
///
/// ```
/// use cara_sdk::http::{Method, Request};
/// use cara_sdk::testing::{Reply, MockHost};
///
/// let mock = MockHost::new().reply(Method::Post, "https://h.example/v1", Reply::json(200, &["a"]));
/// let names: Vec<String> = mock.run(|| {
///     Request::post("https://h.example/v1")
///         .header("accept", "application/json")
///         .json(&["question"])?
///         .timeouts(5_000, 10_000, 10_000)
///         .limit(1 << 20)
///         .send()?
///         .json(1 << 20)
/// })?;
/// assert_eq!(names, ["a"]);
/// # Ok::<(), cara_sdk::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Request {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    connect_ms: u64,
    first_byte_ms: u64,
    between_bytes_ms: u64,
    limit: u64,
}

impl Request {
    /// A request without headers and body. Waits at most 15 s to connect and 85 s for bytes: a call may be silent
    /// for 90 s, and an error that says what happened is better than being ended.
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self {
            method,
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            connect_ms: 15_000,
            first_byte_ms: 85_000,
            between_bytes_ms: 85_000,
            limit: LIMIT,
        }
    }

    /// A GET request.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(Method::Get, url)
    }

    /// A POST request.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new(Method::Post, url)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sets the body and its media type.
    #[must_use]
    pub fn body(mut self, media_type: &str, body: Vec<u8>) -> Self {
        self.body = body;
        self.header("content-type", media_type)
    }

    /// Sets a JSON body.
    ///
    /// # Errors
    /// `other` when `value` cannot be written as JSON.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Result<Self, Error> {
        let body =
            serde_json::to_vec(value).map_err(|error| Error::other(format!("the request is no JSON: {error}")))?;
        Ok(self.body("application/json", body))
    }

    /// How long to wait for the connection, for the first byte, and from byte to byte, in milliseconds.
    #[must_use]
    pub const fn timeouts(mut self, connect: u64, first_byte: u64, between_bytes: u64) -> Self {
        self.connect_ms = connect;
        self.first_byte_ms = first_byte;
        self.between_bytes_ms = between_bytes;
        self
    }

    /// The most bytes of the answer's body; 64 MiB unless set.
    #[must_use]
    pub const fn limit(mut self, bytes: u64) -> Self {
        self.limit = bytes;
        self
    }

    /// The time limits: connection, first byte, between bytes.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) const fn timeouts_ms(&self) -> [u64; 3] {
        [self.connect_ms, self.first_byte_ms, self.between_bytes_ms]
    }

    /// Sends the request and waits for the head of the answer.
    ///
    /// # Errors
    /// `bad-request` for a URL or header that is none, else what the connection or the host answered.
    pub fn send(self) -> Result<Response, Error> {
        let (address, limit) = (self.url.clone(), self.limit);
        let url = Url::parse(&address)?;
        let incoming = host::http::send(self, &url)?;
        Ok(Response { incoming, authority: url.authority.to_owned(), left: limit, limit })
    }
}

/// The host did not keep to `wasi:http`.
#[cfg(target_arch = "wasm32")]
fn broken() -> Error {
    Error::network("the request ended without an answer")
}

/// The head of an answer, and its body to be read.
///
/// ```
/// use cara_sdk::http::{Chunks, Method, Request};
/// use cara_sdk::testing::{Reply, MockHost};
///
/// let reply = Reply::new(200).header("content-type", "text/plain").body("one").body("two");
/// let mock = MockHost::new().reply(Method::Get, "https://h.example/", reply);
/// mock.run(|| {
///     let mut response = Request::get("https://h.example/").send()?;
///     assert!(response.is_success());
///     assert_eq!(response.header("Content-Type"), Some("text/plain"));
///     assert_eq!(response.next_chunk()?.unwrap(), b"one");
///     assert_eq!(response.bytes(1024)?, b"two");
///     Ok::<(), cara_sdk::Error>(())
/// })?;
/// # Ok::<(), cara_sdk::Error>(())
/// ```
#[derive(Debug)]
pub struct Response {
    incoming: Incoming,
    authority: String,
    left: u64,
    limit: u64,
}

/// An answer as the host gives it.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: host::http::Body,
}

impl Response {
    /// The status code.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.incoming.status
    }

    /// Whether the status is 2xx.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.incoming.status / 100 == 2
    }

    /// The first header of a name, any case, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.incoming.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// How long the server asked to wait, in milliseconds: `retry-after-ms`, else `retry-after`.
    #[must_use]
    pub fn retry_after_ms(&self) -> Option<u64> {
        let exact = self.header("retry-after-ms").and_then(|value| value.trim().parse().ok());
        exact.or_else(|| {
            let value = self.header("retry-after")?;
            error::parse_retry_after(value, clock::now_ms())
        })
    }

    /// The whole body.
    ///
    /// # Errors
    /// `network` when it is larger than `cap` or cannot be read to its end.
    pub fn bytes(mut self, cap: u64) -> Result<Vec<u8>, Error> {
        self.left = self.left.min(cap);
        self.limit = self.limit.min(cap);
        let mut whole = self.next_chunk()?.unwrap_or_default();
        while let Some(piece) = self.next_chunk()? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole)
    }

    /// As much of the body as comes and fits; for showing what a server said of a failure.
    #[must_use]
    pub fn excerpt(mut self, cap: usize) -> Vec<u8> {
        let mut whole = Vec::new();
        while whole.len() < cap
            && let Ok(Some(piece)) = self.next_chunk()
        {
            whole.extend_from_slice(&piece);
        }
        whole.truncate(cap);
        whole
    }

    /// The whole body, read as JSON.
    ///
    /// # Errors
    /// As [`Response::bytes`], or `network` when it does not fit `T`.
    pub fn json<T: DeserializeOwned>(self, cap: u64) -> Result<T, Error> {
        let authority = self.authority.clone();
        serde_json::from_slice(&self.bytes(cap)?)
            .map_err(|error| Error::network(format!("the answer of `{authority}` is not the JSON expected: {error}")))
    }
}

impl Chunks for Response {
    /// The next piece of the body, at most 64 KiB; waits until there is one.
    fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let Some(piece) = self.incoming.body.next(&self.authority)? else { return Ok(None) };
        let Some(left) = self.left.checked_sub(piece.len() as u64) else {
            let (authority, limit) = (&self.authority, self.limit);
            return Err(Error::network(format!("the answer of `{authority}` is larger than {limit} bytes")));
        };
        self.left = left;
        Ok(Some(piece))
    }
}
