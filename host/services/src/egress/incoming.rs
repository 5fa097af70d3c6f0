//! The way back: the answer is checked and the values are taken out, its body
//! as the component reads it.

use super::AnswerBody;
use super::error::{EgressError, Phase};
use super::exchange::{Exchange, Passage, own, size};
use super::pool::HEADER;
use super::redaction::{Patterns, Scanner};
use bytes::Bytes;
use cara_authority::{Refusal, Rule};
use futures_util::stream;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use std::pin::Pin;
use std::sync::Arc;
use tokio::time::{Instant, Sleep, sleep_until};

/// The answer as a component may see it. Everything else hyper knows about it (the reason phrase is one) is left out.
pub(super) fn answer(exchange: Arc<Exchange>, answer: Response<Incoming>) -> Result<Response<AnswerBody>, EgressError> {
    let (parts, body) = answer.into_parts();
    exchange.limits.budget.take(size(&parts.headers))?;
    let origin = exchange.destination.origin();
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Refusal::new(Rule::Denied, format!("`{origin}` wants to switch to another protocol")).into());
    }
    if size(&parts.headers) > HEADER {
        return Err(Refusal::new(Rule::Limit, format!("the header of the answer is over {HEADER} bytes")).into());
    }
    let plain = only(&parts.headers, &header::CONTENT_ENCODING, "identity")
        && only(&parts.headers, &header::TRANSFER_ENCODING, "chunked");
    if !plain {
        let text = format!("the answer of `{origin}` is compressed, though it was asked not to");
        return Err(Refusal::new(Rule::Denied, text).hint("secrets could not be found in it").into());
    }
    let length = parts.headers.get(header::CONTENT_LENGTH).cloned();
    let mut headers = scrubbed(parts.headers, exchange.search.as_ref());
    // A value that is taken out changes the length; of the answer to `HEAD` it is that of another.
    if let Some(length) = length.filter(|_| exchange.search.is_none() || *exchange.destination.method() == Method::HEAD)
    {
        headers.insert(header::CONTENT_LENGTH, length);
    }
    let answer = Answer { body, passage: Passage::new(exchange), timer: None };
    let frames = stream::try_unfold(answer, async |mut answer: Answer| {
        answer.next().await.map(|frame| frame.map(|frame| (frame, answer)))
    });
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    (*response.status_mut(), *response.headers_mut()) = (parts.status, headers);
    Ok(response)
}

/// Whether a header, where there is one, says nothing but `word`.
fn only(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let says = |value: &HeaderValue| {
        let said = value.to_str().unwrap_or("?").to_owned();
        said.split(',').map(str::trim).all(|part| part.is_empty() || part.eq_ignore_ascii_case(word))
    };
    headers.get_all(name).iter().all(says)
}

/// Headers without those of the connection, the values taken out of the rest. What is no name or value any more after
/// that is left out.
fn scrubbed(headers: HeaderMap, search: Option<&Arc<Patterns>>) -> HeaderMap {
    let headers = own(headers);
    let Some(search) = search else { return headers };
    let clean = |value: &HeaderValue| {
        let bytes = Bytes::copy_from_slice(value.as_bytes());
        HeaderValue::from_maybe_shared(Scanner::new(Arc::clone(search)).push(bytes, true).0).ok()
    };
    let names = headers.iter().filter(|(name, _)| !search.any(name.as_str().as_bytes()));
    names.filter_map(|(name, value)| Some((name.clone(), clean(value)?))).collect()
}

/// A server's body, the values taken out as the component reads it.
struct Answer {
    body: Incoming,
    passage: Passage,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Answer {
    async fn next(&mut self) -> Result<Option<Frame<Bytes>>, EgressError> {
        while !self.passage.over {
            let frame = self.frame().await?;
            // Bytes that come too late are refused even when they are there: a drip never leaves the timer alone.
            if Instant::now() >= self.passage.exchange.deadline {
                return Err(self.passage.exchange.late(Phase::Finish));
            }
            // A server may answer in full before it has read a request that is then refused.
            if let Some(error) = self.passage.exchange.fault() {
                return Err(error);
            }
            let (data, _) = self.passage.pass(frame)?;
            if !data.is_empty() {
                return Ok(Some(Frame::data(data)));
            }
        }
        let trailers = self.passage.trailers.take();
        Ok(trailers.map(|trailers| Frame::trailers(scrubbed(trailers, self.passage.exchange.search.as_ref()))))
    }

    /// The next frame, in time. The clock starts when it is asked for and not there. The timer is only moved when it
    /// fires: an answer that comes in thousands of parts would otherwise set it thousands of times.
    async fn frame(&mut self) -> Result<Option<Frame<Bytes>>, EgressError> {
        let exchange = &self.passage.exchange;
        let next = Instant::now() + exchange.limits.between_bytes;
        let (phase, due) =
            if next < exchange.deadline { (Phase::NextByte, next) } else { (Phase::Finish, exchange.deadline) };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        loop {
            tokio::select! {
                biased;
                frame = self.body.frame() => return frame.transpose().map_err(|error| exchange.broken(&error)),
                () = timer.as_mut() => {}
            }
            if Instant::now() >= due {
                return Err(exchange.late(phase));
            }
            timer.as_mut().reset(due);
        }
    }
}
