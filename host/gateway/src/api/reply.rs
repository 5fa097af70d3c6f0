//! Answers on their way to a client: as a whole, or piece by piece.
//!
//! The body of a streamed answer drives the work: what one look at the provider brought goes out as one piece, without a task
//! in between, and a client that goes away ends it.

use crate::refusal::{Refusal, Shape};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use cara_control::completion::parts::{Event, Thought, ToolCall};
use cara_control::completion::{Answer, Finish};
use futures_util::stream::{Stream, unfold};
use http::{HeaderValue, header};
use serde_json::value::RawValue;
use std::convert::Infallible;

/// Writes an answer in the form of one interface.
pub(super) trait Encode: Send + 'static {
    /// The media type of the stream.
    const MEDIA_TYPE: &'static str;
    /// Whose errors stand in the stream.
    const SHAPE: Shape;

    /// What stands before the first event.
    fn begin(&mut self, to: &mut Vec<u8>);
    /// More of the answer.
    fn event(&mut self, event: Event, to: &mut Vec<u8>);
    /// The end.
    fn end(&mut self, finish: Finish, to: &mut Vec<u8>);
    /// The answer is incomplete.
    fn fail(&mut self, refusal: &Refusal, to: &mut Vec<u8>);
}

struct Going<E> {
    answer: Answer,
    encode: E,
    events: Vec<Event>,
    /// What the first step came to, which was waited for before the answer began.
    first: Option<Option<Finish>>,
    over: bool,
}

impl<E: Encode> Going<E> {
    async fn piece(&mut self) -> Option<Bytes> {
        let mut to = Vec::new();
        while to.is_empty() && !self.over {
            let stepped = match self.first.take() {
                Some(first) => {
                    self.encode.begin(&mut to);
                    Ok(first)
                }
                None => self.answer.step(&mut self.events).await,
            };
            for event in self.events.drain(..) {
                self.encode.event(event, &mut to);
            }
            match stepped {
                Ok(None) => {}
                Ok(Some(finish)) => {
                    self.over = true;
                    self.encode.end(finish, &mut to);
                }
                Err(unanswered) => {
                    self.over = true;
                    self.encode.fail(&unanswered.into(), &mut to);
                }
            }
        }
        (!to.is_empty()).then(|| to.into())
    }
}

/// An answer piece by piece. What fails before anything came is a refusal like any other.
pub(super) async fn streamed<E: Encode>(mut answer: Answer, encode: E) -> Result<Response, Refusal> {
    let mut events = Vec::new();
    let first = answer.step(&mut events).await?;
    let going = Going { answer, encode, events, first: Some(first), over: false };
    let pieces = unfold(going, |mut going| async move {
        let piece = going.piece().await;
        piece.map(|piece| (Ok::<_, Infallible>(piece), going))
    });
    Ok(stream(E::MEDIA_TYPE, pieces))
}

/// Pieces on their way to a client.
pub(super) fn stream(
    media_type: &'static str,
    pieces: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static,
) -> Response {
    let mut response = Response::new(Body::from_stream(pieces));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// The arguments of a call, as JSON; what is none is told as a text.
pub(super) fn raw(arguments: &str) -> Box<RawValue> {
    let raw = RawValue::from_string(arguments.to_owned());
    raw.or_else(|_| serde_json::value::to_raw_value(arguments)).expect("a text is JSON")
}

/// An answer as a whole.
pub(super) struct Whole {
    pub(super) text: String,
    /// Reasoning as it was told.
    pub(super) thinking: String,
    /// Blocks of reasoning, as they have to be sent back.
    pub(super) thoughts: Vec<Thought>,
    pub(super) calls: Vec<ToolCall>,
    pub(super) finish: Finish,
}

/// Waits for the whole answer.
pub(super) async fn whole(answer: &mut Answer) -> Result<Whole, Refusal> {
    let (mut text, mut thinking, mut thoughts, mut calls) = (String::new(), String::new(), Vec::new(), Vec::new());
    let mut events = Vec::new();
    loop {
        let stepped = answer.step(&mut events).await?;
        for event in events.drain(..) {
            match event {
                Event::Text(piece) => text.push_str(&piece),
                Event::Thinking(piece) => thinking.push_str(&piece),
                Event::Thought(thought) => thoughts.push(thought),
                Event::ToolCall(call) => calls.push(call),
                Event::ToolStart(_) | Event::ToolFragment(_) | Event::Usage(_) => {}
            }
        }
        if let Some(finish) = stepped {
            return Ok(Whole { text, thinking, thoughts, calls, finish });
        }
    }
}

/// Writes one server-sent event whose data is `written`.
pub(super) fn data(to: &mut Vec<u8>, written: &impl serde::Serialize) {
    to.extend_from_slice(b"data: ");
    serde_json::to_writer(&mut *to, written).expect("what is written is plain data");
    to.extend_from_slice(b"\n\n");
}
