//! Requests over `wasi:http`, and waiting: what a component imports of WASI.

use super::url::Url;
use super::{CHUNK, Incoming, Method, Request, broken, fault};
use crate::Error;
use crate::bindings::provider_component::wasi::clocks::monotonic_clock::subscribe_duration;
use crate::bindings::provider_component::wasi::http::outgoing_handler::handle;
use crate::bindings::provider_component::wasi::http::types as wasi;
use crate::bindings::provider_component::wasi::io::streams::{InputStream, OutputStream, StreamError};

/// Waits without burning fuel.
pub(crate) fn sleep_ms(milliseconds: u64) {
    subscribe_duration(milliseconds.saturating_mul(1_000_000)).block();
}

/// Sends the request and waits for the head of the answer.
pub(crate) fn send(request: Request, url: &Url<'_>) -> Result<Incoming, Error> {
    let options = options(&request);
    let Request { method, headers, body, .. } = request;
    let request = outgoing(&method, url, headers, body.len())?;
    let outgoing = request.body().map_err(|()| broken())?;
    let future = handle(request, Some(options)).map_err(|code| fault::explain(&code, url.authority))?;
    write(outgoing, &body);
    future.subscribe().block();
    let answer = match future.get() {
        Some(Ok(Ok(response))) => response,
        Some(Ok(Err(code))) => return Err(fault::explain(&code, url.authority)),
        Some(Err(())) | None => return Err(broken()),
    };
    let headers = answer.headers().entries();
    let body = answer.consume().map_err(|()| broken())?;
    let stream = body.stream().map_err(|()| broken())?;
    Ok(Incoming { status: answer.status(), headers, body: Body { stream, _body: body } })
}

/// The time limits, as the host takes them.
fn options(request: &Request) -> wasi::RequestOptions {
    let options = wasi::RequestOptions::new();
    let nanoseconds = |ms: u64| Some(ms.saturating_mul(1_000_000));
    // A host that supports none of these has limits of its own.
    let _ = options.set_connect_timeout(nanoseconds(request.connect_ms));
    let _ = options.set_first_byte_timeout(nanoseconds(request.first_byte_ms));
    let _ = options.set_between_bytes_timeout(nanoseconds(request.between_bytes_ms));
    options
}

/// Makes the host's request.
fn outgoing(
    method: &Method,
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
        .set_method(method)
        .and_then(|()| request.set_scheme(Some(&scheme)))
        .and_then(|()| request.set_authority(Some(url.authority)))
        .and_then(|()| request.set_path_with_query(Some(&url.path)))
        .map_err(|()| Error::bad_request(format!("the address on `{}` is no URL", url.authority)))?;
    Ok(request)
}

/// Writes the whole body, as much at once as the host takes.
///
/// What becomes of the request, its answer tells. A stream that closes is no failure: the other side may have taken every
/// byte that was promised, or have answered before the end.
fn write(body: wasi::OutgoingBody, bytes: &[u8]) {
    if let Some(stream) = body.write().ok().filter(|_| !bytes.is_empty()) {
        let _ = fill(&stream, bytes);
    }
    let _ = wasi::OutgoingBody::finish(body, None);
}

fn fill(stream: &OutputStream, mut rest: &[u8]) -> Result<(), StreamError> {
    while !rest.is_empty() {
        let room = usize::try_from(stream.check_write()?).unwrap_or(usize::MAX);
        if room == 0 {
            stream.subscribe().block();
            continue;
        }
        let (now, later) = rest.split_at(room.min(rest.len()));
        stream.write(now)?;
        rest = later;
    }
    stream.blocking_flush()
}

/// The body of an answer, as it comes.
#[derive(Debug)]
pub(crate) struct Body {
    // Children before parents: the host forbids dropping a parent first.
    stream: InputStream,
    _body: wasi::IncomingBody,
}

impl Body {
    /// The next piece, not empty; waits until there is one. `None` at the end.
    pub(crate) fn next(&mut self, authority: &str) -> Result<Option<Vec<u8>>, Error> {
        loop {
            match self.stream.blocking_read(CHUNK) {
                Ok(piece) if piece.is_empty() => {}
                Ok(piece) => return Ok(Some(piece)),
                Err(StreamError::Closed) => return Ok(None),
                Err(StreamError::LastOperationFailed(error)) => {
                    return Err(match wasi::http_error_code(&error) {
                        Some(code) => fault::explain(&code, authority),
                        None => fault::broken_off(authority),
                    });
                }
            }
        }
    }
}
