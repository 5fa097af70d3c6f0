//! `GET /api/tags` and `POST /api/show`.

use crate::api::Asked;
use crate::api::json::{Unsupported, read};
use crate::failure::json as answer;
use crate::refusal::{Refusal, Shape};
use axum::extract::{Extension, State};
use axum::response::Response;
use bytes::Bytes;
use cara_authority::Principal;
use cara_control::Application;
use cara_control::completion::{OfferedModel, Unanswered, Why};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// What nobody here knows of a model is empty.
fn written(model: &OfferedModel, modified: &str) -> Value {
    json!({
        "name": model.id,
        "model": model.id,
        "modified_at": modified,
        "size": 0,
        "digest": "",
        "details": details(model),
    })
}

fn details(model: &OfferedModel) -> Value {
    json!({
        "parent_model": "",
        "format": "",
        "family": model.owner,
        "families": [model.owner],
        "parameter_size": "",
        "quantization_level": "",
    })
}

/// All that may be named.
pub(super) async fn tags(State(application): State<Arc<Application>>, Extension(by): Extension<Principal>) -> Response {
    match application.offered_models(&by).await {
        Ok(models) => {
            let modified = application.now_text();
            let all: Vec<Value> = models.iter().map(|model| written(model, &modified)).collect();
            answer(StatusCode::OK, json!({ "models": all }).to_string())
        }
        Err(unanswered) => Refusal::from(unanswered).response(Shape::Ollama),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Show {
    #[serde(default)]
    model: Option<String>,
    /// What older clients call it.
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    verbose: Unsupported,
}

/// One of them.
pub(super) async fn show(asked: Asked, body: Bytes) -> Result<Response, Refusal> {
    let Show { model, name, verbose } = read(&body)?;
    verbose.refuse("verbose", &["false"], "no more is known of a model")?;
    let wanted = model.or(name).ok_or_else(|| Refusal::missing("model"))?;
    let models = asked.application.offered_models(&asked.by).await?;
    let none = || {
        let text = format!("there is no model `{wanted}` for you\nhint: `GET /api/tags` lists what there is");
        Unanswered::new(Why::NotFound, text)
    };
    let model = models.iter().find(|model| model.id == wanted).ok_or_else(none)?;
    let mut info = json!({ "general.architecture": model.owner, "general.basename": model.name });
    if let Some(tokens) = model.context_tokens {
        info[format!("{}.context_length", model.owner)] = json!(tokens);
    }
    let shown = json!({
        "modelfile": "",
        "parameters": "",
        "template": "",
        "details": details(model),
        "model_info": info,
        "capabilities": ["completion"],
        "modified_at": asked.application.now_text(),
    });
    Ok(answer(StatusCode::OK, shown.to_string()))
}
