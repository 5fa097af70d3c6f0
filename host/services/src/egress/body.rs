//! The bodies of a request and its answer, on their way through the gate.

use super::connect::Sent;
use super::error::{EgressError, Stage, reason};
use super::known::KnownSecrets;
use super::limits::Budget;
use super::needles::{Needles, Sieve};
use super::outgoing::{Exchange, Stopped, Stream};
use super::placing;
use super::{EgressLimits, Fault, incoming};
use bytes::{Bytes, BytesMut};
use cara_authority::{Origin, Refusal, Rule};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

type BoxError = Box<dyn Error + Send + Sync>;

/// A component's body, looked through as hyper sends it.
pub(super) struct Outgoing<B> {
    pub(super) body: B,
    pub(super) stream: Stream,
    pub(super) budget: Arc<Budget>,
    /// The length that was promised, if one was.
    pub(super) length: Option<u64>,
    pub(super) sent: u64,
    pub(super) ended: bool,
    pub(super) trailers: Option<HeaderMap>,
    pub(super) fault: Fault,
    pub(super) origin: Origin,
    pub(super) known: KnownSecrets,
}

impl<B> Outgoing<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    /// The body in the one type that the pools know.
    pub(super) fn boxed(self) -> Sent {
        if self.length == Some(0) || (self.length.is_none() && self.body.is_end_stream()) {
            return http_body_util::Empty::new().map_err(|never| match never {}).boxed_unsync();
        }
        self.boxed_unsync()
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        loop {
            if self.ended {
                return Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
            }
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                None => None,
                Some(Ok(frame)) => Some(frame),
                Some(Err(error)) => {
                    let error: BoxError = error.into();
                    let reason = reason(&self.known, &*error);
                    return Poll::Ready(Some(Err(EgressError::Body { origin: self.origin.clone(), reason })));
                }
            };
            match self.pass(frame) {
                Ok(data) if data.is_empty() => {}
                Ok(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Err(refusal) => return Poll::Ready(Some(Err(refusal.into()))),
            }
        }
    }

    fn pass(&mut self, frame: Option<Frame<Bytes>>) -> Result<Bytes, Refusal> {
        let data = match frame.map(Frame::into_data) {
            Some(Ok(data)) => {
                self.budget.take(data.len())?;
                self.stream.push(data, false)?
            }
            Some(Err(frame)) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                self.budget.take(incoming::size(&trailers))?;
                self.trailers = Some(self.stream.trailers(trailers)?);
                self.finish()?
            }
            None => self.finish()?,
        };
        self.sent += data.len() as u64;
        match self.length {
            Some(length) if self.sent > length || (self.ended && self.sent < length) => {
                let text = format!("the request promised a body of {length} bytes and has another");
                Err(Refusal::new(Rule::Invalid, text))
            }
            _ => Ok(data),
        }
    }

    fn finish(&mut self) -> Result<Bytes, Refusal> {
        self.ended = true;
        self.stream.push(Bytes::new(), true)
    }
}

impl<B> Body for Outgoing<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = Stopped;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Stopped>>> {
        Poll::Ready(match ready!(self.poll_next(context)) {
            Some(Err(error)) => {
                self.ended = true;
                self.fault.set(error);
                Some(Err(Stopped))
            }
            Some(Ok(frame)) => Some(Ok(frame)),
            None => None,
        })
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, |length| SizeHint::with_exact(length.saturating_sub(self.sent)))
    }
}

/// A component's body as a whole, looked through, with the values in it.
pub(super) async fn filled<B>(
    mut body: B,
    exchange: &Exchange,
    headers: &HeaderMap,
    known: &KnownSecrets,
) -> Result<Bytes, EgressError>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let error: BoxError = error.into();
            EgressError::Body { origin: exchange.destination.origin().clone(), reason: reason(known, &*error) }
        })?;
        // Trailers mean nothing beside a form or JSON.
        let Ok(data) = frame.into_data() else { continue };
        exchange.budget.take(data.len())?;
        whole.extend_from_slice(&data);
        if whole.len() > placing::BODY {
            let text = format!("a body that a secret may be put into is at most {} bytes", placing::BODY);
            return Err(Refusal::new(Rule::Limit, text)
                .hint("name the `path` of such requests beside `json` or `form` in the manifest")
                .into());
        }
    }
    exchange.unknown(&whole)?;
    Ok(exchange.placing.body(headers, whole.freeze())?)
}

/// A server's body, the values taken out as the component reads it.
pub(super) struct Answer {
    pub(super) body: Incoming,
    pub(super) search: Option<Arc<Needles>>,
    pub(super) sieve: Option<Sieve>,
    pub(super) limits: EgressLimits,
    pub(super) deadline: Instant,
    /// Since when the component waits for the next part.
    pub(super) waiting: Option<Instant>,
    pub(super) timer: Option<Pin<Box<Sleep>>>,
    pub(super) ended: bool,
    pub(super) trailers: Option<HeaderMap>,
    pub(super) fault: Fault,
    pub(super) origin: Origin,
    pub(super) known: KnownSecrets,
}

impl Answer {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        loop {
            if self.ended {
                return Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
            }
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
                return self.poll_late(context).map(Some);
            };
            let frame = match frame {
                None => None,
                Some(Ok(frame)) => Some(frame),
                Some(Err(error)) => return Poll::Ready(Some(Err(self.broken(&error)))),
            };
            // Bytes that come too late are refused even when they are there: a drip never leaves the timer alone.
            if Instant::now() >= self.deadline {
                return Poll::Ready(Some(Err(self.late(Stage::Finish))));
            }
            // A server may answer in full before it has read a request that is then refused.
            if let Some(error) = self.fault.take() {
                return Poll::Ready(Some(Err(error)));
            }
            match self.pass(frame) {
                Ok(data) if data.is_empty() => self.waiting = None,
                Ok(data) => {
                    self.waiting = None;
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Err(refusal) => return Poll::Ready(Some(Err(refusal.into()))),
            }
        }
    }

    fn pass(&mut self, frame: Option<Frame<Bytes>>) -> Result<Bytes, Refusal> {
        match frame.map(Frame::into_data) {
            Some(Ok(data)) => {
                self.limits.budget.take(data.len())?;
                Ok(self.scrub(data, false))
            }
            Some(Err(frame)) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                self.limits.budget.take(incoming::size(&trailers))?;
                self.trailers = Some(incoming::scrubbed(&trailers, self.search.as_ref()));
                self.ended = true;
                Ok(self.scrub(Bytes::new(), true))
            }
            None => {
                self.ended = true;
                Ok(self.scrub(Bytes::new(), true))
            }
        }
    }

    fn scrub(&mut self, data: Bytes, last: bool) -> Bytes {
        let Some(sieve) = &mut self.sieve else { return data };
        sieve.push(data, last).0
    }

    /// Starts the clock when nothing is there, and says when it has run out. The timer is only moved when it fires:
    /// an answer that comes in thousands of parts would otherwise set it thousands of times.
    fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<Result<Frame<Bytes>, EgressError>> {
        let began = *self.waiting.get_or_insert_with(Instant::now);
        let next = began + self.limits.between_bytes;
        let (stage, due) = if next < self.deadline { (Stage::NextByte, next) } else { (Stage::Finish, self.deadline) };
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        loop {
            ready!(timer.as_mut().poll(context));
            if Instant::now() >= due {
                return Poll::Ready(Err(self.late(stage)));
            }
            timer.as_mut().reset(due);
        }
    }

    fn late(&self, stage: Stage) -> EgressError {
        let limit: Duration = if stage == Stage::Finish { self.limits.total } else { self.limits.between_bytes };
        EgressError::Timeout { origin: self.origin.clone(), stage, limit }
    }

    fn broken(&self, error: &hyper::Error) -> EgressError {
        self.fault
            .take()
            .unwrap_or_else(|| EgressError::Broken { origin: self.origin.clone(), reason: reason(&self.known, error) })
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = EgressError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        let frame = ready!(self.poll_next(context));
        if matches!(frame, Some(Err(_))) {
            self.ended = true;
            self.trailers = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.ended && self.trailers.is_none()
    }
}
