//! The body of a request, as far as there is room for it.

use axum::extract::Request;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// How long a body may take to arrive, with the wait for its room.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bodies up to this size need no room of their own.
const SMALL: usize = 64 * 1024;

/// How much room there is for all larger bodies, in KiB: one as large as a route takes, and some more.
const ROOM: usize = 96 * 1024;

/// The room for large bodies; a clone is the same.
#[derive(Clone)]
pub(crate) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ROOM)))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

impl Room {
    /// The body of a request, of at most so many bytes.
    pub(crate) async fn read(&self, request: Request, most: usize) -> Result<Bytes, (StatusCode, String)> {
        if request.body().is_end_stream() {
            return Ok(Bytes::new());
        }
        if !is_json(request.headers()) {
            let text = "the body is not said to be JSON\nhint: send `Content-Type: application/json`";
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, text.to_owned()));
        }
        // A body that does not say how large it is may be as large as the route takes.
        let size =
            request.body().size_hint().upper().map_or(most, |size| most.min(usize::try_from(size).unwrap_or(most)));
        let room = self.0.acquire_many(u32::try_from(size.div_ceil(1024)).unwrap_or(u32::MAX));
        let _room = match size {
            ..=SMALL => None,
            _ => Some(timeout(PATIENCE, room).await.map_err(|_| {
                let text = "others send large bodies at this moment\nhint: try again";
                (StatusCode::SERVICE_UNAVAILABLE, text.to_owned())
            })?),
        };
        match timeout(PATIENCE, Limited::new(request.into_body(), most).collect()).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                let text = format!("the body has more than {most} bytes\nhint: `cara api` says what goes into it");
                Err((StatusCode::PAYLOAD_TOO_LARGE, text))
            }
            Ok(Err(error)) => Err((StatusCode::BAD_REQUEST, format!("the body cannot be read: {error}"))),
            Err(_) => {
                let text = format!("the body did not arrive in {} s\nhint: send it at once", PATIENCE.as_secs());
                Err((StatusCode::REQUEST_TIMEOUT, text))
            }
        }
    }
}
