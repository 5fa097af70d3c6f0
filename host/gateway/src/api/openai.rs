//! OpenAI's API: chat completions, responses, models and embeddings.
//!
//! Forms: <https://platform.openai.com/docs/api-reference>.

mod chat;
mod embeddings;
mod message;
mod models;
mod reply;
mod responses;

use super::{Around, served};
use crate::refusal::Shape;
use axum::extract::Request;
use axum::routing::{get, post};
use cara_control::Application;
use std::sync::Arc;

/// The paths.
pub(super) fn router() -> axum::Router<Arc<Application>> {
    let chat = async |around: Around, request: Request| served(Shape::OpenAi, around, request, chat::serve).await;
    let embed =
        async |around: Around, request: Request| served(Shape::OpenAi, around, request, embeddings::serve).await;
    axum::Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/v1/embeddings", post(embed))
        .merge(responses::router())
        .route("/v1/models", get(models::list))
        .route("/v1/models/{*id}", get(models::one))
}
