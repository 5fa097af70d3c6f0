//! Work at a response: the answer of whoever was asked, put into events, and
//! kept before its end is told.

use super::events::Writer;
use crate::api::reply;
use crate::body::Place;
use crate::failure::json as answer;
use crate::refusal::Refusal;
use axum::response::Response;
use bytes::Bytes;
use cara_authority::Principal;
use cara_control::Application;
use cara_control::completion::parts::Event;
use cara_control::completion::{Answer, Finish, Unanswered};
use cara_control::responses::{Background, Response as Kept};
use futures_util::stream::unfold;
use futures_util::{Stream, StreamExt};
use http::StatusCode;
use serde_json::Value;
use std::sync::Arc;

/// Where a response is kept, once it has ended.
pub(super) struct Keep {
    pub(super) application: Arc<Application>,
    pub(super) by: Principal,
    pub(super) previous: Option<String>,
    pub(super) items: Vec<Value>,
}

/// A response under way. Dropped, it ends the work for it.
pub(super) struct Work {
    answer: Answer,
    writer: Writer,
    keep: Option<Keep>,
    events: Vec<Event>,
    /// What the first step came to, where it was waited for before anything is told.
    first: Option<Option<Finish>>,
    is_begun: bool,
    ended: Option<Value>,
    /// The room that the request takes up: until it was passed on, and as long as it is to be kept.
    place: Option<Place>,
}

impl Work {
    /// Waits until something came: what fails before that is a refusal like any other.
    pub(super) async fn begin(
        mut answer: Answer,
        writer: Writer,
        keep: Option<Keep>,
        place: Place,
    ) -> Result<Self, Refusal> {
        let mut events = Vec::new();
        let first = answer.step(&mut events).await?;
        let place = keep.is_some().then_some(place);
        Ok(Self { answer, writer, keep, events, first: Some(first), is_begun: false, ended: None, place })
    }

    /// Waits for nothing: what fails is told in the response. It is kept by whoever works at it.
    pub(super) fn later(answer: Answer, writer: Writer, place: Place) -> Self {
        let (keep, events, first, is_begun, ended) = Default::default();
        Self { answer, writer, keep, events, first, is_begun, ended, place: Some(place) }
    }

    /// More events, as JSON; none after the end.
    async fn step(&mut self) -> Option<Vec<String>> {
        if self.ended.is_some() {
            return None;
        }
        if !std::mem::replace(&mut self.is_begun, true) {
            self.writer.begin();
            if self.first.is_none() {
                return Some(self.writer.take());
            }
        }
        let stepped = match self.first.take() {
            Some(first) => Ok(first),
            None => self.answer.step(&mut self.events).await,
        };
        if self.keep.is_none() {
            drop(self.place.take());
        }
        for event in joined(&mut self.events) {
            self.writer.event(event);
        }
        match stepped {
            Ok(None) => {}
            Ok(Some(finish)) => self.end(&finish).await,
            Err(unanswered) => self.ended = Some(self.writer.fail(&unanswered.into())),
        }
        Some(self.writer.take())
    }

    /// The end is told once it is kept.
    async fn end(&mut self, finish: &Finish) {
        let response = self.writer.end(finish);
        let kept = match &self.keep {
            Some(keep) => keep.keep(&response).await,
            None => Ok(()),
        };
        self.ended = Some(match kept {
            Ok(()) => {
                self.writer.conclude(&response);
                response
            }
            Err(unanswered) => self.writer.fail(&unanswered.into()),
        });
    }

    /// The response as a whole.
    pub(super) async fn whole(mut self) -> Result<Response, Refusal> {
        loop {
            let stepped = match self.first.take() {
                Some(first) => first,
                None => self.answer.step(&mut self.events).await?,
            };
            for event in self.events.drain(..) {
                self.writer.event(event);
            }
            self.writer.take();
            let Some(finish) = stepped else { continue };
            let response = self.writer.end(&finish);
            if let Some(keep) = &self.keep {
                keep.keep(&response).await?;
            }
            return Ok(answer(StatusCode::OK, self.writer.object().shown(&response).to_string()));
        }
    }

    /// The response event by event.
    pub(super) fn streamed(self) -> Response {
        let pieces = unfold(self, |mut work| async move {
            let told = work.step().await?;
            Some((told, work))
        });
        stream(pieces)
    }

    /// Works at the response whoever listens, until it ends or is stopped; the end is told when it is kept.
    pub(super) async fn in_background(mut self, background: Arc<Background>) {
        let (response, told) = loop {
            let told = tokio::select! {
                biased;
                () = background.stopped() => break (self.writer.cancel(), Vec::new()),
                told = self.step() => told,
            };
            let told = told.unwrap_or_default();
            if let Some(response) = self.ended.take() {
                break (response, told);
            }
            if !background.tell(told) {
                let text = "the answer has more events than are kept\nhint: ask for it without `background`";
                let response = self.writer.fail(&Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, text));
                break (response, self.writer.take());
            }
        };
        drop(self);
        background.end(&response.to_string(), told).await;
    }
}

impl Keep {
    pub(super) fn kept(&self, response: &Value) -> Kept {
        Kept {
            id: response["id"].as_str().unwrap_or_default().to_owned(),
            previous: self.previous.clone(),
            input: serde_json::to_string(&self.items).expect("values are plain data"),
            response: response.to_string(),
        }
    }

    async fn keep(&self, response: &Value) -> Result<(), Unanswered> {
        self.application.keep_response(&self.by, self.kept(response)).await
    }
}

/// Events of which neighbours that say more of the same are one.
fn joined(events: &mut Vec<Event>) -> Vec<Event> {
    let mut joined: Vec<Event> = Vec::with_capacity(events.len());
    for event in events.drain(..) {
        match (joined.last_mut(), event) {
            (Some(Event::Text(text)), Event::Text(more)) | (Some(Event::Thinking(text)), Event::Thinking(more)) => {
                text.push_str(&more);
            }
            (Some(Event::ToolFragment(last)), Event::ToolFragment(more)) if last.id == more.id => {
                last.json.push_str(&more.json);
            }
            (_, event) => joined.push(event),
        }
    }
    joined
}

/// Events on their way to a client.
pub(super) fn stream(pieces: impl Stream<Item = Vec<String>> + Send + 'static) -> Response {
    reply::stream("text/event-stream", pieces.map(|told| Ok(Bytes::from(told.concat()))))
}
