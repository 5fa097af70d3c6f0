//! `/v1/responses`: answers that are kept, gone on from, and worked at in the
//! background.
//!
//! ```text
//! request ─→ kept items of `previous_response_id` + items of `input` ─→ Completion ─→ Answer ─→ work ─┬─ object or events
//!                                                                                          └─ kept
//! ```
//!
//! Forms: <https://platform.openai.com/docs/api-reference/responses>, and `ResponseStreamEvent` of OpenAI's OpenAPI document.

mod events;
mod input;
mod object;
mod request;
mod stored;
mod work;

use crate::api::content::Conversation;
use crate::api::json::read;
use crate::api::{Around, Asked, served};
use crate::failure::json as answer;
use crate::refusal::{Refusal, Shape};
use axum::extract::Request;
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use cara_authority::Principal;
use cara_control::Application;
use cara_control::completion::{Completion, speaks_for_operator};
use events::Writer;
use http::StatusCode;
use request::Create;
use serde_json::Value;
use std::sync::Arc;
use work::{Keep, Work};

/// The most responses that one goes on from, and the most bytes of them.
const LONGEST: (usize, usize) = (500, 32 * 1024 * 1024);

/// The paths.
pub(super) fn router() -> axum::Router<Arc<Application>> {
    let create = async |around: Around, request: Request| served(Shape::OpenAi, around, request, serve).await;
    axum::Router::new()
        .route("/v1/responses", post(create))
        .route("/v1/responses/{id}", get(stored::get).delete(stored::delete))
        .route("/v1/responses/{id}/cancel", post(stored::cancel))
        .route("/v1/responses/{id}/input_items", get(stored::input_items))
}

/// Adds what was said and answered before, the first first.
async fn go_on(asked: &Asked, last: &str, to: &mut Conversation) -> Result<(), Refusal> {
    let mut chain = Vec::new();
    let (mut next, mut bytes) = (Some(last.to_owned()), 0);
    while let Some(id) = next.take() {
        let found = stored::kept(&asked.application, &asked.by, &id).await;
        let missing = |why: Refusal| match why.is_missing() {
            true => Refusal::coded("previous_response_id", "previous_response_not_found", why.message()),
            false => why,
        };
        let kept = found.map_err(missing)?;
        if kept.process.is_some() {
            let text = "this response has not ended\nhint: wait for its end, or cancel it";
            return Err(Refusal::field("previous_response_id", text));
        }
        bytes += kept.input.len() + kept.response.len();
        if chain.len() == LONGEST.0 || bytes > LONGEST.1 {
            let text = "the conversation is too long to go on from\nhint: begin a new one";
            return Err(Refusal::field("previous_response_id", text));
        }
        next.clone_from(&kept.previous);
        chain.push(kept);
    }
    for kept in chain.iter().rev() {
        let items: Vec<Value> = serde_json::from_str(&kept.input).unwrap_or_default();
        input::add_kept(&items, to)?;
        let response: Value = serde_json::from_str(&kept.response).unwrap_or_default();
        input::add_kept(response["output"].as_array().map(Vec::as_slice).unwrap_or_default(), to)?;
    }
    Ok(())
}

/// Items as they are kept, of which it is not kept who said them: instructions that were not the operator's are words of the
/// client from here on, whoever goes on from them.
fn kept_as(by: &Principal, mut items: Vec<Value>) -> Vec<Value> {
    let is_operator = speaks_for_operator(by);
    for item in
        items.iter_mut().filter(|item| !is_operator && (item["role"] == "system" || item["role"] == "developer"))
    {
        item["role"] = "user".into();
    }
    items
}

async fn serve(asked: Asked, body: Bytes) -> Result<Response, Refusal> {
    let mut create: Create = read(&body)?;
    drop(body);
    create.check()?;
    let mut request = create.wanted()?.request(&create.model)?;
    let id = asked.application.new_response_id()?;
    let object = create.object(&id, asked.application.now_ms() / 1000);
    let mut said = Conversation::default();
    said.instruct(create.instructions.as_deref().unwrap_or_default());
    if let Some(previous) = &create.previous_response_id {
        go_on(&asked, previous, &mut said).await?;
    }
    let input = create.input.take();
    let items = match input {
        Some(input) => input::add_said(input, object.suffix(), &mut said)?,
        None => Vec::new(),
    };
    said.check().map_err(|_| Refusal::field("input", "nothing is said\nhint: the last item is the user's"))?;
    request.messages = said.messages;
    let completion = Completion { model: create.model.clone(), instructions: said.instructions, request };
    let answered = asked.application.complete(&asked.by, completion).await?;
    let writer = Writer::new(object);
    let Asked { application, by, place } = asked;
    let previous = create.previous_response_id.clone();
    let keep = Keep { application: application.clone(), by: by.clone(), previous, items: kept_as(&by, items) };
    if create.background == Some(true) {
        let now = writer.object().told("in_progress", &[]);
        let work = move |background| Work::later(answered, writer, place).in_background(background);
        let is_told = create.stream == Some(true);
        let background = application.work_in_background(&by, keep.kept(&now), is_told, work).await?;
        return Ok(if is_told { stored::followed(background, 0) } else { answer(StatusCode::OK, now.to_string()) });
    }
    let keep = create.is_kept().then_some(keep);
    let work = Work::begin(answered, writer, keep, place).await?;
    if create.stream == Some(true) { Ok(work.streamed()) } else { work.whole().await }
}
