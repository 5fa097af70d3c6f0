//! One request and its answer: where it goes, what is looked for, what it may
//! take, and why it broke.

use super::dial::{CONNECT, ConnectError};
use super::error::{EgressError, Phase, reason};
use super::limits::EgressLimits;
use super::placing::Placing;
use super::redaction::KnownSecrets;
use super::redaction::{Patterns, Scanner};
use bytes::Bytes;
use cara_authority::manifest::HOST_HEADERS;
use cara_authority::{Destination, Origin, Refusal, Rule};
use http::header::{self, HeaderMap, HeaderName};
use http_body::Frame;
use hyper_util::client::legacy;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

/// What both ways of an exchange share.
pub(super) struct Exchange {
    pub(super) destination: Destination,
    pub(super) placing: Placing,
    pub(super) known: KnownSecrets,
    /// What was known when it began; `None` when nothing was.
    pub(super) search: Option<Arc<Patterns>>,
    pub(super) limits: EgressLimits,
    pub(super) deadline: Instant,
    /// Why the request's body was ended, for whoever sees the exchange break.
    pub(super) fault: Mutex<Option<EgressError>>,
}

impl Exchange {
    pub(super) fn origin(&self) -> Origin {
        self.destination.origin().clone()
    }

    /// Refuses bytes in which a known value stands.
    pub(super) fn unknown(&self, bytes: &[u8]) -> Result<(), Refusal> {
        if self.search.as_ref().is_some_and(|search| search.any(bytes)) { Err(self.seen()) } else { Ok(()) }
    }

    /// Refuses headers in which a known value stands.
    pub(super) fn unknown_in(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let mut texts = headers.iter().flat_map(|(name, value)| [name.as_str().as_bytes(), value.as_bytes()]);
        texts.try_for_each(|text| self.unknown(text))
    }

    pub(super) fn seen(&self) -> Refusal {
        // Which one is not said: a component could guess values and watch the answer.
        let sender = self.destination.sender();
        Refusal::new(Rule::Denied, format!("the request of {sender} holds a stored secret in the clear"))
            .hint("write `cara-secret--NAME` in a spot that the manifest names; the host puts the value there")
    }

    pub(super) fn late(&self, phase: Phase) -> EgressError {
        let EgressLimits { connect, first_byte, between_bytes, total, .. } = self.limits;
        let limit = match phase {
            Phase::Connect => connect,
            Phase::FirstByte => first_byte,
            Phase::NextByte => between_bytes,
            Phase::Finish => total,
        };
        EgressError::Timeout { origin: self.origin(), phase, limit }
    }

    /// Why the request was ended, when it was.
    pub(super) fn fault(&self) -> Option<EgressError> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn reason(&self, error: &(dyn Error + 'static)) -> String {
        reason(&self.known, error)
    }

    /// What an error in the middle means.
    pub(super) fn broken(&self, error: &(dyn Error + 'static)) -> EgressError {
        let broken = || EgressError::Broken { origin: self.origin(), reason: self.reason(error) };
        self.fault().unwrap_or_else(broken)
    }

    /// What an error of the client means.
    pub(super) fn failed(&self, error: &legacy::Error) -> EgressError {
        let origin = self.origin();
        if !error.is_connect() {
            return self.broken(error);
        }
        let mut causes = std::iter::successors(error.source(), |&cause| cause.source());
        match causes.find_map(|cause| cause.downcast_ref()) {
            Some(ConnectError::Refused(address, why)) => self.destination.refused(*address, *why).into(),
            Some(ConnectError::Timeout) => EgressError::Timeout { origin, phase: Phase::Connect, limit: CONNECT },
            Some(cause @ (ConnectError::Dial(_) | ConnectError::Full)) => {
                EgressError::Connect { origin, reason: self.reason(cause) }
            }
            Some(cause) => EgressError::Resolve { origin, reason: self.reason(cause) },
            // What is left comes from the layer between the connection and HTTP, which is TLS.
            None => {
                EgressError::Tls { origin, reason: error.source().map_or_else(String::new, |error| self.reason(error)) }
            }
        }
    }
}

/// One way of an exchange: what passes is counted and looked through.
pub(super) struct Passage {
    pub(super) exchange: Arc<Exchange>,
    scanner: Option<Scanner>,
    pub(super) over: bool,
    pub(super) trailers: Option<HeaderMap>,
}

impl Passage {
    pub(super) fn new(exchange: Arc<Exchange>) -> Self {
        let scanner = exchange.search.clone().map(Scanner::new);
        Self { exchange, scanner, over: false, trailers: None }
    }

    /// What of the next frame may pass, and whether a known value stood there.
    pub(super) fn pass(&mut self, frame: Option<Frame<Bytes>>) -> Result<(Bytes, bool), Refusal> {
        let (data, trailers) = match frame.map(Frame::into_data) {
            Some(Ok(data)) => (data, None),
            ended => (Bytes::new(), Some(ended.and_then(|frame| frame.err()?.into_trailers().ok()))),
        };
        self.exchange.limits.budget.take(data.len())?;
        if let Some(trailers) = trailers {
            self.exchange.limits.budget.take(trailers.as_ref().map_or(0, size))?;
            (self.over, self.trailers) = (true, trailers);
        }
        Ok(match &mut self.scanner {
            Some(scanner) => scanner.push(data, self.over),
            None => (data, false),
        })
    }
}

/// Headers without those of the host and those that `connection` names.
pub(super) fn own(mut headers: HeaderMap) -> HeaderMap {
    let named = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named = named.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok());
    for name in named.collect::<Vec<HeaderName>>() {
        headers.remove(name);
    }
    for name in HOST_HEADERS {
        headers.remove(name);
    }
    headers
}

/// Bytes of all names and values, as HTTP/2 counts them (RFC 9113 section 10.5.1) but for its 32 for each.
pub(super) fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}
