//! Ollama's API: chat, generate, embed, and what there is.
//!
//! Forms: <https://docs.ollama.com/api>. Streams are a JSON object a line, and are what is sent unless `stream` is false.

mod chat;
mod embed;
mod message;
mod models;
mod reply;

use super::{Around, served};
use crate::failure::json as answer;
use crate::refusal::Shape;
use axum::extract::Request;
use axum::routing::{get, post};
use cara_control::Application;
use http::StatusCode;
use std::sync::Arc;

/// The version whose forms these are: clients look at it for what they can ask.
const VERSION: &str = r#"{"version":"0.12.0"}"#;

/// The paths.
pub(super) fn router() -> axum::Router<Arc<Application>> {
    let chat = async |around: Around, request: Request| served(Shape::Ollama, around, request, chat::serve).await;
    let generate =
        async |around: Around, request: Request| served(Shape::Ollama, around, request, chat::generate).await;
    let embed = async |around: Around, request: Request| served(Shape::Ollama, around, request, embed::serve).await;
    let show = async |around: Around, request: Request| served(Shape::Ollama, around, request, models::show).await;
    axum::Router::new()
        .route("/api/chat", post(chat))
        .route("/api/generate", post(generate))
        .route("/api/embed", post(embed))
        .route("/api/show", post(show))
        .route("/api/tags", get(models::tags))
        .route("/api/version", get(async || answer(StatusCode::OK, VERSION)))
}
