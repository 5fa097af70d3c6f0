//! Bodies of requests that have to arrive, and bodies of answers that have to
//! be read.

use super::activity::Request;
use super::requests::Counted;
use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

/// How long may be waited for a body in all, and …
const WAIT: Duration = Duration::from_secs(30);

/// … for how many bytes a second more: slower than this, a body is sent to occupy a connection.
const SLOWEST: u64 = 4 * 1024;

/// The body of a request. Waiting for it ends; time in which nobody wants it does not count.
pub(crate) struct Arriving {
    body: Incoming,
    received: u64,
    waited: Duration,
    /// Since when there is a wait, and its end.
    wait: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Arriving {
    /// The body as it is to be read.
    pub(crate) fn of(body: Incoming) -> Body {
        match body.is_end_stream() {
            true => Body::empty(),
            false => Body::new(Self { body, received: 0, waited: Duration::ZERO, wait: None }),
        }
    }
}

type Framed<E> = Poll<Option<Result<Frame<Bytes>, E>>>;

impl http_body::Body for Arriving {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Framed<Self::Error> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            if let Some((since, _)) = this.wait.take() {
                this.waited += since.elapsed();
            }
            if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
                this.received += data.len() as u64;
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(axum::Error::new)));
        }
        let left = (WAIT + Duration::from_secs(this.received / SLOWEST)).saturating_sub(this.waited);
        let (_, end) = this.wait.get_or_insert_with(|| (Instant::now(), Box::pin(sleep(left))));
        ready!(end.as_mut().poll(context));
        let late = io::Error::new(io::ErrorKind::TimedOut, "the body arrives too slowly");
        Poll::Ready(Some(Err(axum::Error::new(late))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer. Its request is under way until it ends.
pub(crate) struct Answer {
    body: Body,
    request: Request,
    _counted: Counted,
}

impl Answer {
    /// The body of the answer to a request that is counted.
    pub(crate) fn of(body: Body, request: Request, counted: Counted) -> Self {
        Self { body, request, _counted: counted }
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Framed<Self::Error> {
        self.request.asked();
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(_)) if !self.body.is_end_stream() => self.request.gave(),
            Some(Ok(_)) | None => self.request.done(),
            Some(Err(_)) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // An answer without a body is never asked for one.
        if self.body.is_end_stream() {
            self.request.done();
        }
    }
}
