//! What goes on only as long as the credential holds with which it began.

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Is cancelled when the credential holds no more with which a request came: for what goes on without a body, such as a
/// WebSocket, which then closes. It is in the extensions of each request that was let in.
#[derive(Debug, Clone)]
pub struct Alive(pub CancellationToken);

/// Bodies up to this size are not watched: they are gone at once.
const SMALL: u64 = 64 * 1024;

/// A body that breaks off when the credential ends.
struct Until {
    body: Body,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    over: bool,
}

/// Why a body broke off.
#[derive(Debug, thiserror::Error)]
#[error("the credential was taken back")]
struct TakenBack;

/// The body, as long as the credential holds.
pub(crate) fn until(body: Body, alive: CancellationToken) -> Body {
    if body.size_hint().exact().is_some_and(|size| size <= SMALL) {
        return body;
    }
    Body::new(Until { body, ended: Box::pin(alive.cancelled_owned()), over: false })
}

impl http_body::Body for Until {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.over {
            return Poll::Ready(None);
        }
        if self.ended.as_mut().poll(cx).is_ready() {
            self.over = true;
            return Poll::Ready(Some(Err(axum::Error::new(TakenBack))));
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
