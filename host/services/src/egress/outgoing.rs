//! The way out: a component's request is looked through,
//! then the values are put in.
//!
//! ```text
//! guest's bytes ─→ known secret? refuse ─→ placeholder? of this call, audience and place fit ─→ value ─→ wire
//! ```
//!
//! The header is done before anything is sent, the body as it streams. A refusal in the middle of a body ends the
//! request; what was found is held back, what came before it is gone.

use super::connect::HEADER;
use super::error::EgressError;
use super::forms;
use super::known::Search;
use super::limits::Budget;
use super::needles::{Match, Sieve, Verdict};
use super::placeholder::{self, LENGTH, PREFIX, Revealed};
use super::spending::{Spending, Spent};
use bytes::Bytes;
use cara_authority::manifest::Place;
use cara_authority::{Destination, Refusal, Rule};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Request, Uri, request};
use percent_encoding::percent_decode;
use std::sync::Arc;

/// Headers that belong to a connection or to this host, not to a component (RFC 9110 section 7.6.1).
const OURS: [HeaderName; 14] = [
    header::ACCEPT_ENCODING,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// The end of a body that may not go on; the reason lies in [`super::Fault`].
#[derive(Debug, thiserror::Error)]
#[error("the request was ended")]
pub(super) struct Stopped;

/// Looks through one request and puts the values in.
#[derive(Clone)]
pub(super) struct Exchange {
    pub(super) destination: Destination,
    pub(super) spending: Spending,
    pub(super) search: Option<Arc<Search>>,
    pub(super) budget: Arc<Budget>,
}

/// How a value is written where it goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Quoting {
    Raw,
    Json,
    Form,
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
        let (destination, headers) = (&self.destination, own(parts.headers));
        let sent = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 4;
        let size = destination.uri().to_string().len() + headers.iter().map(sent).sum::<usize>();
        if size > HEADER {
            return Err(Refusal::new(Rule::Limit, format!("the header of the request is over {HEADER} bytes")).into());
        }
        self.budget.take(size)?;
        let mut request = Request::new(());
        *request.method_mut() = destination.method().clone();
        *request.uri_mut() = self.uri()?;
        for (name, value) in &headers {
            self.unmarked(name.as_str(), "the name of a header")?;
            let exchanged = self.whole(Bytes::copy_from_slice(value.as_bytes()), Place::Header)?;
            let changed = exchanged != value.as_bytes();
            let mut exchanged = HeaderValue::from_maybe_shared(exchanged).map_err(|_| {
                Refusal::new(Rule::Invalid, format!("a secret in header `{name}` has a line break in it"))
            })?;
            exchanged.set_sensitive(changed || value.is_sensitive());
            request.headers_mut().append(name, exchanged);
        }
        request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        Ok(request)
    }

    fn uri(&self) -> Result<Uri, Refusal> {
        let destination = &self.destination;
        let uri = destination.uri();
        self.unmarked(&destination.origin().to_string(), "the host")?;
        let path = self.whole(Bytes::copy_from_slice(uri.path().as_bytes()), Place::Path)?;
        let mut text = String::from_utf8_lossy(&path).into_owned();
        if text != uri.path() && percent_decode(&path).collect::<Vec<u8>>().split(|b| b"/\\".contains(b)).any(dots) {
            return Err(Refusal::new(Rule::Invalid, "a secret in the path would lead to another path"));
        }
        if let Some(query) = uri.query() {
            let query = self.whole(Bytes::copy_from_slice(query.as_bytes()), Place::Query)?;
            text = format!("{text}?{}", String::from_utf8_lossy(&query));
        }
        let invalid = || Refusal::new(Rule::Invalid, format!("the URL for `{}` cannot be sent", destination.origin()));
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::from_maybe_shared(text).map_err(|_| invalid())?);
        Uri::from_parts(parts).map_err(|_| invalid())
    }

    /// Looks through one part that is there as a whole, and puts the values in.
    pub(super) fn whole(&self, bytes: Bytes, place: Place) -> Result<Bytes, Refusal> {
        if self.search.as_ref().is_some_and(|search| search.needles.any(&bytes)) {
            return Err(self.seen());
        }
        if place != Place::Body {
            let decoded: Vec<u8> = percent_decode(&bytes).collect();
            if self.spending.count(&decoded) > self.spending.count(&bytes) {
                return Err(self.disguised());
            }
            if self.search.as_ref().is_some_and(|search| search.needles.any(&decoded)) {
                return Err(self.seen());
            }
        }
        let mut sieve = Sieve::new(placeholder::needles());
        sieve.push(bytes, true, &mut |found| self.judge(&found, place, Quoting::Raw))
    }

    /// Refuses a placeholder and a known value where neither can be exchanged.
    fn unmarked(&self, text: &str, place: &str) -> Result<(), Refusal> {
        if self.search.as_ref().is_some_and(|search| search.needles.any(text.as_bytes())) {
            return Err(self.seen());
        }
        if text.contains(PREFIX) {
            let text = format!("{} put a placeholder into {place}", self.destination.sender());
            return Err(Refusal::new(Rule::Denied, text).hint(HOW));
        }
        Ok(())
    }

    fn judge(&self, found: &Match<'_>, place: Place, quoting: Quoting) -> Result<Verdict, Refusal> {
        let text = match placeholder::reveal(found.needle, found.bytes, found.last) {
            Revealed::More(needed) => return Ok(Verdict::More(needed)),
            Revealed::Encoded(after_first) if self.spending.holds(&after_first) => return Err(self.disguised()),
            Revealed::Encoded(_) | Revealed::Other => return Ok(Verdict::Keep),
            // In a body the bare beginning, or digits that no call ever had, is somebody's prose.
            Revealed::Torn if place == Place::Body => return Ok(Verdict::Keep),
            Revealed::Torn => return Err(self.stale()),
            Revealed::Plain(text) => text,
        };
        match self.spending.spend(text, &self.destination, place)? {
            Some(spent) => Ok(Verdict::Replace { length: LENGTH, with: written(&spent, place, quoting)? }),
            None if place == Place::Body && !self.spending.made(text) => Ok(Verdict::Keep),
            None => Err(self.stale()),
        }
    }

    fn seen(&self) -> Refusal {
        // Which one is not said: a component could guess values and watch the answer.
        let sender = self.destination.sender();
        Refusal::new(Rule::Denied, format!("the request of {sender} holds a stored secret in the clear")).hint(HOW)
    }

    fn disguised(&self) -> Refusal {
        let sender = self.destination.sender();
        Refusal::new(Rule::Denied, format!("{sender} encoded a placeholder"))
            .hint("put it in as it is; for `Authorization: Basic` use `secrets.basic`")
    }

    fn stale(&self) -> Refusal {
        let sender = self.destination.sender();
        Refusal::new(Rule::Denied, format!("{sender} used a placeholder that is not of this call"))
            .hint("ask for a new one in each call; it means nothing afterwards")
    }
}

const HOW: &str = "put what `secrets.placeholder` gives where the value belongs, unchanged";

/// The headers of a component without those that are ours and those that `connection` names.
fn own(mut headers: HeaderMap) -> HeaderMap {
    for name in hop_by_hop(&headers).into_iter().chain(OURS) {
        headers.remove(name);
    }
    headers
}

/// The headers that `connection` names.
pub(super) fn hop_by_hop(headers: &HeaderMap) -> Vec<HeaderName> {
    let named = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    named.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok()).collect()
}

/// Whether a segment of a path means another place than itself.
fn dots(segment: &[u8]) -> bool {
    segment == b"." || segment == b".."
}

fn written(spent: &Spent, place: Place, quoting: Quoting) -> Result<Bytes, Refusal> {
    let value = spent.value.expose();
    Ok(match (place, quoting) {
        (Place::Path, _) => forms::path(value).into(),
        (Place::Query, _) | (Place::Body, Quoting::Form) => forms::query(value).into(),
        (Place::Body, Quoting::Json) => forms::json(value)
            .ok_or_else(|| {
                Refusal::new(Rule::Invalid, format!("secret `{}` is no text, JSON cannot hold it", spent.name))
            })?
            .into(),
        _ => Bytes::copy_from_slice(value),
    })
}

/// Looks through a body as it streams, and puts the values in.
pub(super) struct Stream {
    exchange: Exchange,
    known: Option<Sieve>,
    placeholders: Sieve,
    quoting: Quoting,
}

impl Stream {
    /// Begins a body whose kind the headers tell.
    pub(super) fn new(exchange: Exchange, headers: &HeaderMap) -> Self {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let quoting = match kind.as_str() {
            "application/x-www-form-urlencoded" => Quoting::Form,
            kind if kind.ends_with("/json") || kind.ends_with("+json") => Quoting::Json,
            _ => Quoting::Raw,
        };
        let known = exchange.search.as_ref().map(|search| Sieve::new(Arc::clone(&search.needles)));
        Self { exchange, known, placeholders: Sieve::new(placeholder::needles()), quoting }
    }

    /// Takes the next chunk, gives what may go out.
    pub(super) fn push(&mut self, chunk: Bytes, last: bool) -> Result<Bytes, Refusal> {
        let Self { exchange, known, placeholders, quoting } = self;
        let chunk = match known {
            Some(known) => known.push(chunk, last, &mut |_| Err(exchange.seen()))?,
            None => chunk,
        };
        placeholders.push(chunk, last, &mut |found| exchange.judge(&found, Place::Body, *quoting))
    }

    /// Trailers are looked through like headers.
    pub(super) fn trailers(&self, trailers: HeaderMap) -> Result<HeaderMap, Refusal> {
        let mut exchanged = HeaderMap::new();
        for (name, value) in &own(trailers) {
            self.exchange.unmarked(name.as_str(), "the name of a trailer")?;
            self.exchange.unmarked(&String::from_utf8_lossy(value.as_bytes()), "a trailer")?;
            exchanged.append(name, value.clone());
        }
        Ok(exchanged)
    }
}
