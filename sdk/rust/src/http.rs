//! The HTTP client, over `wasi:http/outgoing-handler`.
//!
//! The host decides where a request may go, exchanges placeholders for secrets, and follows no redirect; [`follow`] does.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::provider_component::wasi::http::outgoing_handler::handle;
use crate::bindings::provider_component::wasi::http::types as wasi;
use crate::bindings::provider_component::wasi::io::streams::{InputStream, StreamError};
use crate::{Error, clock, error};

mod fault;
mod follow;
mod url;

use self::url::Url;
pub use self::url::join;
pub use crate::bindings::provider_component::wasi::http::types::Method;
pub use follow::{Followed, follow, redirection};

/// How many bytes are asked for at once.
const CHUNK: u64 = 64 * 1024;

/// The most bytes of a body unless [`Request::limit`] says otherwise.
const LIMIT: u64 = 64 << 20;

/// Something that gives bytes piece by piece: a response in a component, a list in a test.
pub trait Chunks {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// When the rest cannot be had.
    fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, Error>;
}

/// A request to be sent. Every method but `send` only describes it.
#[derive(Debug, Clone)]
pub struct Request {
    method: Method,
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
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

    /// Adds `Authorization: Bearer` (RFC 6750) with a placeholder.
    #[must_use]
    pub fn bearer(self, placeholder: &str) -> Self {
        self.header("authorization", format!("Bearer {placeholder}"))
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

    /// Sends the request and waits for the head of the answer.
    ///
    /// # Errors
    /// `bad-request` for a URL or header that is none, else what the connection or the host answered.
    pub fn send(self) -> Result<Response, Error> {
        let url = Url::parse(&self.url)?;
        let limit = self.limit;
        let (options, body) = (self.options(), self.body);
        let request = outgoing(self.method, &url, self.headers, body.len())?;
        let outgoing = request.body().map_err(|()| broken())?;
        let future = handle(request, Some(options)).map_err(|code| fault::explain(&code, url.authority))?;
        // An answer can come before the whole body is sent, and then says more than the write that failed.
        let written = write(outgoing, &body);
        future.subscribe().block();
        let answer = match future.get() {
            Some(Ok(Ok(response))) => Ok(response),
            Some(Ok(Err(code))) => Err(fault::explain(&code, url.authority)),
            Some(Err(())) | None => Err(written.err().unwrap_or_else(broken)),
        };
        Response::new(answer?, url.authority, limit)
    }

    /// The time limits, as the host takes them.
    fn options(&self) -> wasi::RequestOptions {
        let options = wasi::RequestOptions::new();
        let nanoseconds = |ms: u64| Some(ms.saturating_mul(1_000_000));
        // A host that supports none of these has limits of its own.
        let _ = options.set_connect_timeout(nanoseconds(self.connect_ms));
        let _ = options.set_first_byte_timeout(nanoseconds(self.first_byte_ms));
        let _ = options.set_between_bytes_timeout(nanoseconds(self.between_bytes_ms));
        options
    }
}

/// Makes the host's request.
fn outgoing(
    method: Method,
    url: &Url<'_>,
    mut headers: Vec<(String, Vec<u8>)>,
    length: usize,
) -> Result<wasi::OutgoingRequest, Error> {
    if length > 0 || matches!(method, Method::Post | Method::Put | Method::Patch) {
        headers.push(("content-length".to_owned(), length.to_string().into_bytes()));
    }
    let headers = wasi::Fields::from_list(&headers)
        .map_err(|error| Error::bad_request(format!("a header of the request is not allowed: {error}")))?;
    let request = wasi::OutgoingRequest::new(headers);
    let scheme = if url.secure { wasi::Scheme::Https } else { wasi::Scheme::Http };
    request
        .set_method(&method)
        .and_then(|()| request.set_scheme(Some(&scheme)))
        .and_then(|()| request.set_authority(Some(url.authority)))
        .and_then(|()| request.set_path_with_query(Some(&url.path)))
        .map_err(|()| Error::bad_request(format!("the address on `{}` is no URL", url.authority)))?;
    Ok(request)
}

/// Writes the whole body, as much at once as the host takes.
fn write(body: wasi::OutgoingBody, bytes: &[u8]) -> Result<(), Error> {
    if !bytes.is_empty() {
        let stream = body.write().map_err(|()| broken())?;
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = usize::try_from(stream.check_write().map_err(unwritten)?).unwrap_or(usize::MAX);
            if room == 0 {
                stream.subscribe().block();
                continue;
            }
            let (now, later) = rest.split_at(room.min(rest.len()));
            stream.write(now).map_err(unwritten)?;
            rest = later;
        }
        stream.blocking_flush().map_err(unwritten)?;
    }
    wasi::OutgoingBody::finish(body, None).map_err(|code| fault::explain(&code, "the server"))
}

/// What a failed write means.
fn unwritten(_: StreamError) -> Error {
    Error::network("the connection ended before the request was sent")
}

/// The host did not keep to `wasi:http`.
fn broken() -> Error {
    Error::network("the request ended without an answer")
}

/// The head of an answer, and its body to be read.
#[derive(Debug)]
pub struct Response {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    authority: String,
    left: u64,
    limit: u64,
    // Children before parents: the host forbids dropping a parent first.
    stream: InputStream,
    _body: wasi::IncomingBody,
}

impl Response {
    /// Opens the body of an answer.
    fn new(response: wasi::IncomingResponse, authority: &str, limit: u64) -> Result<Self, Error> {
        let headers = response.headers().entries();
        let body = response.consume().map_err(|()| broken())?;
        let stream = body.stream().map_err(|()| broken())?;
        Ok(Self {
            status: response.status(),
            headers,
            authority: authority.to_owned(),
            left: limit,
            limit,
            stream,
            _body: body,
        })
    }

    /// The status code.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// Whether the status is 2xx.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.status / 100 == 2
    }

    /// The first header of a name, any case, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
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
        loop {
            match self.stream.blocking_read(CHUNK) {
                Ok(piece) if piece.is_empty() => {}
                Ok(piece) => {
                    let Some(left) = self.left.checked_sub(piece.len() as u64) else {
                        let (authority, limit) = (&self.authority, self.limit);
                        return Err(Error::network(format!(
                            "the answer of `{authority}` is larger than {limit} bytes"
                        )));
                    };
                    self.left = left;
                    return Ok(Some(piece));
                }
                Err(StreamError::Closed) => return Ok(None),
                Err(StreamError::LastOperationFailed(error)) => {
                    return Err(match wasi::http_error_code(&error) {
                        Some(code) => fault::explain(&code, &self.authority),
                        None => Error::network(format!("the answer of `{}` broke off", self.authority)),
                    });
                }
            }
        }
    }
}
