//! The way out: a component's request is looked through,
//! then the values are put in.
//!
//! ```text
//! guest's bytes ─→ known secret? refuse ─→ spots of the manifest (`placing.rs`) ─→ wire
//! ```
//!
//! The header is done before anything is sent, a body that is to be filled as well; any other is looked through as it
//! streams. A refusal in the middle of a body ends the request; what was found is held back, what came before it is gone.

use super::connect::HEADER;
use super::error::EgressError;
use super::limits::Budget;
use super::needles::{Needles, Sieve};
use super::placing::Placing;
use bytes::Bytes;
use cara_authority::manifest::HOST_HEADERS;
use cara_authority::{Destination, Refusal, Rule};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, request};
use std::sync::Arc;

/// The end of a body that may not go on; the reason lies in [`super::Fault`].
#[derive(Debug, thiserror::Error)]
#[error("the request was ended")]
pub(super) struct Stopped;

/// Looks through one request and puts the values in.
#[derive(Clone)]
pub(super) struct Exchange {
    pub(super) destination: Destination,
    pub(super) placing: Placing,
    pub(super) search: Option<Arc<Needles>>,
    pub(super) budget: Arc<Budget>,
}

/// The length of a body, where it is known and stays.
pub(super) fn declared_length(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else { return Ok(None) };
    let length = first.to_str().ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    match length.and_then(|text| text.parse().ok()) {
        Some(length) if lengths.all(|other| other == first) => Ok(Some(length)),
        _ => Err(Refusal::new(Rule::Invalid, "the request has no single `content-length`")),
    }
}

impl Exchange {
    /// The header of the request as it goes out; the URL and the method are those of the destination.
    pub(super) fn head(&self, parts: request::Parts) -> Result<Request<()>, EgressError> {
        let (destination, mut headers) = (&self.destination, own(parts.headers));
        let sent = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 4;
        let url = destination.uri().to_string();
        let size = url.len() + headers.iter().map(sent).sum::<usize>();
        if size > HEADER {
            return Err(Refusal::new(Rule::Limit, format!("the header of the request is over {HEADER} bytes")).into());
        }
        self.budget.take(size)?;
        self.unknown(url.as_bytes())?;
        for (name, value) in &headers {
            self.unknown(name.as_str().as_bytes())?;
            self.unknown(value.as_bytes())?;
        }
        let mut request = Request::new(());
        *request.method_mut() = destination.method().clone();
        *request.uri_mut() = self.placing.head(&mut headers)?;
        *request.headers_mut() = headers;
        request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        Ok(request)
    }

    /// Refuses bytes in which a known value stands.
    pub(super) fn unknown(&self, bytes: &[u8]) -> Result<(), Refusal> {
        if self.search.as_ref().is_some_and(|search| search.any(bytes)) { Err(self.seen()) } else { Ok(()) }
    }

    fn seen(&self) -> Refusal {
        // Which one is not said: a component could guess values and watch the answer.
        let sender = self.destination.sender();
        Refusal::new(Rule::Denied, format!("the request of {sender} holds a stored secret in the clear"))
            .hint("write `cara-secret--NAME` in a spot that the manifest names; the host puts the value there")
    }
}

/// The headers of a component without those that are ours and those that `connection` names.
fn own(mut headers: HeaderMap) -> HeaderMap {
    for name in hop_by_hop(&headers) {
        headers.remove(name);
    }
    for name in HOST_HEADERS {
        headers.remove(name);
    }
    headers
}

/// The headers that `connection` names.
pub(super) fn hop_by_hop(headers: &HeaderMap) -> Vec<HeaderName> {
    let named = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    named.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok()).collect()
}

/// Looks through a body as it streams.
pub(super) struct Stream {
    exchange: Exchange,
    sieve: Option<Sieve>,
}

impl Stream {
    /// Begins a body.
    pub(super) fn new(exchange: Exchange) -> Self {
        let sieve = exchange.search.clone().map(Sieve::new);
        Self { exchange, sieve }
    }

    /// Takes the next chunk, gives what may go out.
    pub(super) fn push(&mut self, chunk: Bytes, last: bool) -> Result<Bytes, Refusal> {
        let Some(sieve) = &mut self.sieve else { return Ok(chunk) };
        match sieve.push(chunk, last) {
            (chunk, false) => Ok(chunk),
            (_, true) => Err(self.exchange.seen()),
        }
    }

    /// Trailers are looked through like headers.
    pub(super) fn trailers(&self, trailers: HeaderMap) -> Result<HeaderMap, Refusal> {
        let trailers = own(trailers);
        for (name, value) in &trailers {
            self.exchange.unknown(name.as_str().as_bytes())?;
            self.exchange.unknown(value.as_bytes())?;
        }
        Ok(trailers)
    }
}
