//! `POST /api/embed`.

use crate::api::Asked;
use crate::api::content::Content;
use crate::api::json::{NO_PROVIDER, Unsupported, read};
use crate::failure::json as answer;
use crate::refusal::Refusal;
use axum::response::Response;
use bytes::Bytes;
use cara_control::completion::{Embedded, Embedding};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Embed {
    model: String,
    input: Content<String>,
    #[serde(default)]
    truncate: Unsupported,
    #[serde(default)]
    dimensions: Option<u32>,
    #[serde(default)]
    options: Unsupported,
    #[serde(default)]
    keep_alive: Unsupported,
}

#[derive(Serialize)]
struct Answered<'a> {
    model: &'a str,
    embeddings: &'a [Vec<f32>],
    total_duration: u64,
    load_duration: u64,
    prompt_eval_count: u64,
}

/// Answers a request.
pub(super) async fn serve(asked: Asked, body: Bytes) -> Result<Response, Refusal> {
    let Embed { model, input, truncate, dimensions, options, keep_alive } = read(&body)?;
    for (field, name, harmless) in
        [(&truncate, "truncate", &["false"][..]), (&options, "options", &[]), (&keep_alive, "keep_alive", &[])]
    {
        field.refuse(name, harmless, NO_PROVIDER)?;
    }
    let inputs = input.all();
    let began = Instant::now();
    let Embedded { vectors, tokens, .. } =
        asked.application.embed(&asked.by, Embedding { model: model.clone(), inputs, dimensions }).await?;
    let answered = Answered {
        model: &model,
        embeddings: &vectors,
        total_duration: u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX),
        load_duration: 0,
        prompt_eval_count: tokens,
    };
    let text = serde_json::to_string(&answered).expect("an answer is plain data");
    Ok(answer(StatusCode::OK, text))
}
