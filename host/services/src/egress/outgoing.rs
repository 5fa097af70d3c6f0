//! The way out: a component's request is looked through,
//! then the values are put in.
//!
//! ```text
//! guest's bytes ─→ known secret? refuse ─→ spots of the manifest (`placing.rs`) ─→ wire
//! ```
//!
//! The header is done before anything is sent, a body that is to be filled as well; any other is looked through as it
//! streams. A refusal in the middle of a body ends the request; what was found is held back, what came before it is gone.

use super::error::{EgressError, Stopped};
use super::exchange::{Exchange, Passage, own, size};
use super::placing;
use super::pool::{HEADER, Sent};
use bytes::{Bytes, BytesMut};
use cara_authority::{Refusal, Rule};
use futures_util::stream::{self, TryStreamExt};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, request};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use std::error::Error;
use std::sync::{Arc, PoisonError};

type BoxError = Box<dyn Error + Send + Sync>;

/// The request as it goes out: header with the values in it, body whole with them or streaming without.
pub(super) async fn prepared<B>(exchange: &Arc<Exchange>, request: Request<B>) -> Result<Request<Sent>, EgressError>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    let (mut parts, body) = request.into_parts();
    let length = declared_length(&parts.headers)?.or(body.size_hint().exact());
    // What is sent decides what the body is taken for.
    parts.headers = own(parts.headers);
    let (body, length) = match length {
        None if body.is_end_stream() => (Empty::new().map_err(|never| match never {}).boxed_unsync(), None),
        Some(0) => (Empty::new().map_err(|never| match never {}).boxed_unsync(), None),
        _ if exchange.placing.fills_body(&parts.headers) => {
            let body = filled(exchange, body, &parts.headers).await?;
            let length = body.len() as u64;
            (Full::new(body).map_err(|never| match never {}).boxed_unsync(), Some(length))
        }
        length => (streamed(exchange, body, length), length),
    };
    let mut request = head(exchange, parts)?.map(|()| body);
    if let Some(length) = length {
        request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(request)
}

/// The length of a body, where it is known and stays.
fn declared_length(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else { return Ok(None) };
    let length = first.to_str().ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    match length.and_then(|text| text.parse().ok()) {
        Some(length) if lengths.all(|other| other == first) => Ok(Some(length)),
        _ => Err(Refusal::new(Rule::Invalid, "the request has no single `content-length`")),
    }
}

/// The header of the request as it goes out; the URL and the method are those of the destination.
fn head(exchange: &Exchange, parts: request::Parts) -> Result<Request<()>, EgressError> {
    let (destination, mut headers) = (&exchange.destination, parts.headers);
    let url = destination.uri().to_string();
    let size = url.len() + size(&headers);
    if size > HEADER {
        return Err(Refusal::new(Rule::Limit, format!("the header of the request is over {HEADER} bytes")).into());
    }
    exchange.limits.budget.take(size)?;
    exchange.unknown(url.as_bytes())?;
    exchange.unknown_in(&headers)?;
    let mut request = Request::new(());
    *request.method_mut() = destination.method().clone();
    *request.uri_mut() = exchange.placing.head(&mut headers)?;
    *request.headers_mut() = headers;
    request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    Ok(request)
}

fn failed(exchange: &Exchange, error: impl Into<BoxError>) -> EgressError {
    let error: BoxError = error.into();
    EgressError::Body { origin: exchange.origin(), reason: exchange.reason(&*error) }
}

/// A component's body as a whole, looked through, with the values in it.
async fn filled<B>(exchange: &Exchange, mut body: B, headers: &HeaderMap) -> Result<Bytes, EgressError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // Trailers mean nothing beside a form or JSON.
        let Ok(data) = frame.map_err(|error| failed(exchange, error))?.into_data() else { continue };
        exchange.limits.budget.take(data.len())?;
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

/// A component's body, looked through as hyper sends it.
fn streamed<B>(exchange: &Arc<Exchange>, body: B, length: Option<u64>) -> Sent
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    let outgoing = Outgoing { body, passage: Passage::new(exchange.clone()), length, sent: 0 };
    let frames = stream::try_unfold(outgoing, async |mut outgoing: Outgoing<B>| {
        outgoing.next().await.map(|frame| frame.map(|frame| (frame, outgoing)))
    });
    let exchange = exchange.clone();
    let stop = move |error| {
        *exchange.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        Stopped
    };
    StreamBody::new(frames.map_err(stop)).boxed_unsync()
}

struct Outgoing<B> {
    body: B,
    passage: Passage,
    /// The length that was promised, if one was.
    length: Option<u64>,
    sent: u64,
}

impl<B> Outgoing<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    async fn next(&mut self) -> Result<Option<Frame<Bytes>>, EgressError> {
        let exchange = self.passage.exchange.clone();
        while !self.passage.over {
            let frame = self.body.frame().await.transpose().map_err(|error| failed(&exchange, error))?;
            let (data, found) = self.passage.pass(frame)?;
            if found {
                return Err(exchange.seen().into());
            }
            self.sent += data.len() as u64;
            match self.length {
                Some(length) if self.sent > length || (self.passage.over && self.sent < length) => {
                    let text = format!("the request promised a body of {length} bytes and has another");
                    return Err(Refusal::new(Rule::Invalid, text).into());
                }
                _ if data.is_empty() => {}
                _ => return Ok(Some(Frame::data(data))),
            }
        }
        let trailers = self.passage.trailers.take().map(own);
        trailers.as_ref().map_or(Ok(()), |trailers| exchange.unknown_in(trailers))?;
        Ok(trailers.map(Frame::trailers))
    }
}
