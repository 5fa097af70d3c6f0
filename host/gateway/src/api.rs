//! The APIs of models that other software speaks: OpenAI's, Anthropic's and
//! Ollama's.
//!
//! Each translates to `cara_control::completion` and back, and has no rule of its own. A field is honoured or refused by name:
//! none is left out in silence. Who asks, a layer around this says.
//!
//! ```text
//! body ─→ json (strict) ─→ chat, messages, … ─→ Completion ─→ Answer ─→ reply ─→ one JSON, or events as they come
//! ```

mod anthropic;
mod content;
mod json;
mod ollama;
mod openai;
mod reply;
mod sampling;

use crate::body::{Arrived, Place, Room};
use crate::refusal::{Refusal, Shape};
use axum::extract::{Extension, Request, State};
use axum::response::Response;
use bytes::Bytes;
use cara_authority::Principal;
use cara_control::Application;
use http::StatusCode;
use std::future::Future;
use std::sync::Arc;

/// The most bytes of a request: a conversation with its images and files.
const MOST: usize = 64 * 1024 * 1024;

/// Whoever asks, and of whom.
pub(super) struct Asked {
    pub(super) application: Arc<Application>,
    pub(super) by: Principal,
    /// The room that the request takes up, until it was passed on.
    pub(super) place: Place,
}

/// The paths of all of them.
pub(crate) fn router(application: Arc<Application>, room: Room) -> axum::Router {
    let all = axum::Router::new().merge(openai::router()).merge(anthropic::router()).merge(ollama::router());
    all.layer(Extension(room)).with_state(application)
}

/// Answers a request with a body.
pub(super) async fn served<F: Future<Output = Result<Response, Refusal>>>(
    shape: Shape,
    (State(application), Extension(by), Extension(room)): Around,
    request: Request,
    serve: impl FnOnce(Asked, Bytes) -> F,
) -> Response {
    let Arrived { bytes, place } = match room.read(request, MOST, by.credential()).await {
        Ok(arrived) => arrived,
        Err((status, text)) => return Refusal::new(status, text).response(shape),
    };
    let wrong = match bytes.trim_ascii_start().first() {
        Some(b'{') => None,
        // A list would be read as the fields of a request, in their order.
        Some(_) => Some("the body is no JSON object\nhint: name each field"),
        None => Some("the request has no body\nhint: send JSON"),
    };
    if let Some(text) = wrong {
        return Refusal::new(StatusCode::BAD_REQUEST, text).response(shape);
    }
    serve(Asked { application, by, place }, bytes).await.unwrap_or_else(|refusal| refusal.response(shape))
}

/// What a handler is given of whoever asks.
pub(super) type Around = (State<Arc<Application>>, Extension<Principal>, Extension<Room>);
