//! The API's JSON: requests from the contract's types, answers into them.
//!
//! Pure: knows no host and no network.

use cara_sdk::error::excerpt;
use cara_sdk::json::{self, Text};
use cara_sdk::provider::{Abilities, EmbedRequest, Embeddings, Model};
use cara_sdk::{Error, ErrorKind};
use cara_wire::answer::counted;
use cara_wire::body::to_json;
use cara_wire::fault;
use serde::{Deserialize, Serialize};

mod request;
mod stream;
#[cfg(test)]
mod tests;

pub use request::chat;
pub use stream::Decoder;

/// The body of an embedding request.
///
/// # Errors
/// `other` when it cannot be written as JSON.
pub fn embed(request: &EmbedRequest) -> Result<Vec<u8>, Error> {
    #[derive(Serialize)]
    struct Body<'a> {
        model: &'a str,
        input: &'a [String],
        #[serde(skip_serializing_if = "Option::is_none")]
        dimensions: Option<u32>,
        /// Else the server cuts what is too long, and says nothing.
        truncate: bool,
    }
    let EmbedRequest { model, inputs: input, dimensions } = request;
    to_json(&Body { model, input, dimensions: *dimensions, truncate: false })
}

/// The vectors of an embedding answer, in the order of the inputs.
///
/// # Errors
/// `network` when it is something else, and as [`counted`].
pub fn embedded(answer: &[u8], request: &EmbedRequest) -> Result<Embeddings, Error> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        embeddings: Vec<Vec<f32>>,
        #[serde(borrow)]
        model: Option<Text<'a>>,
        prompt_eval_count: Option<u64>,
    }
    let Answer { embeddings, model, prompt_eval_count } = json::read(answer)?;
    Ok(Embeddings {
        vectors: counted(embeddings, request)?,
        model: model.map_or_else(|| request.model.clone(), Text::into_string),
        input_tokens: prompt_eval_count,
    })
}

/// The models of a list answer.
///
/// # Errors
/// `network` when it is something else.
pub fn models(answer: &[u8]) -> Result<Vec<Model>, Error> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        models: Option<Vec<Item<'a>>>,
    }
    #[derive(Deserialize)]
    struct Item<'a> {
        #[serde(borrow)]
        name: Text<'a>,
        #[serde(borrow)]
        capabilities: Option<Vec<Text<'a>>>,
        details: Option<Details>,
    }
    #[derive(Deserialize)]
    struct Details {
        context_length: Option<u32>,
    }
    let abilities = |told: Vec<Text<'_>>| {
        let can = |name: &str| Some(told.iter().any(|told| &**told == name));
        Abilities {
            tools: can("tools"),
            images: can("vision"),
            audio: can("audio"),
            reasoning: can("thinking"),
            embeddings: can("embedding"),
            ..Abilities::unknown()
        }
    };
    let model = |item: Item<'_>| Model {
        context_tokens: item.details.and_then(|details| details.context_length).filter(|length| *length > 0),
        abilities: item.capabilities.map_or(Abilities::unknown(), abilities),
        ..Model::new(item.name.into_string())
    };
    let items = json::read::<Answer<'_>>(answer)?.models.unwrap_or_default();
    Ok(items.into_iter().map(model).collect())
}

/// The error that an answer without success means.
#[must_use]
pub fn failure(status: u16, body: &[u8]) -> Error {
    match fault::read::<Text<'_>>(body) {
        Some(said) => explain(Some(status), &said),
        None => fault::said(Some(status), body),
    }
}

/// Says what a failure means. `status` is that of the answer, none in a stream.
fn explain(status: Option<u16>, said: &str) -> Error {
    let error = match status {
        Some(404) if said.contains("not found") => {
            let said = excerpt(said.as_bytes());
            Error::bad_request(format!("{said}\nhint: to get it, run `ollama pull` with its name"))
        }
        _ => fault::said(status, said.as_bytes()),
    };
    // The only sign of either is the text.
    if said.contains("context length") || said.contains("context window") {
        return Error::new(ErrorKind::ContextTooLong, error.message);
    }
    if said.contains("server busy") {
        return Error::new(ErrorKind::Overloaded, error.message);
    }
    error
}
