//! `GET /v1/models`, for OpenAI's clients and for Anthropic's, which say so.

use crate::failure::json as answer;
use crate::refusal::{Refusal, Shape};
use axum::extract::{Extension, Path, State};
use axum::response::Response;
use cara_authority::Principal;
use cara_control::Application;
use cara_control::completion::OfferedModel;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

/// When a model was made is not known.
const UNKNOWN: &str = "1970-01-01T00:00:00Z";

fn written(shape: Shape, model: &OfferedModel) -> Value {
    match shape {
        Shape::Anthropic => {
            json!({ "type": "model", "id": model.id, "display_name": model.name, "created_at": UNKNOWN })
        }
        _ => json!({ "id": model.id, "object": "model", "created": 0, "owned_by": model.owner }),
    }
}

async fn offered(application: &Arc<Application>, by: &Principal) -> Result<Vec<OfferedModel>, Refusal> {
    Ok(application.offered_models(by).await?)
}

/// All that may be named.
pub(super) async fn list(
    State(application): State<Arc<Application>>,
    Extension(by): Extension<Principal>,
    headers: HeaderMap,
) -> Response {
    let shape = Shape::of_models(&headers);
    let models = match offered(&application, &by).await {
        Ok(models) => models,
        Err(refusal) => return refusal.response(shape),
    };
    let all: Vec<Value> = models.iter().map(|model| written(shape, model)).collect();
    let (first, last) = (models.first().map(|model| &model.id), models.last().map(|model| &model.id));
    let list = match shape {
        Shape::Anthropic => json!({ "data": all, "has_more": false, "first_id": first, "last_id": last }),
        _ => json!({ "object": "list", "data": all }),
    };
    answer(StatusCode::OK, list.to_string())
}

/// One of them.
pub(super) async fn one(
    State(application): State<Arc<Application>>,
    Extension(by): Extension<Principal>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let shape = Shape::of_models(&headers);
    let found = offered(&application, &by).await.and_then(|models| {
        let none = || {
            let text = format!("there is no model `{id}` for you\nhint: `GET /v1/models` lists what there is");
            Refusal::from(cara_control::completion::Unanswered::new(cara_control::completion::Why::NotFound, text))
        };
        models.into_iter().find(|model| model.id == id).ok_or_else(none)
    });
    match found {
        Ok(model) => answer(StatusCode::OK, written(shape, &model).to_string()),
        Err(refusal) => refusal.response(shape),
    }
}
