//! The API's JSON: requests from the contract's types, answers into them.
//!
//! Pure: knows no host and no network.

use cara_sdk::json::{self, Text};
use cara_sdk::provider::{Abilities, Model};
use cara_sdk::{Error, ErrorKind};
use cara_wire::fault;
use serde::Deserialize;

mod plan;
mod request;
mod stream;
#[cfg(test)]
mod tests;

pub use request::messages;
pub use stream::Decoder;

/// The vendor's own address.
pub const BASE_URL: &str = "https://api.anthropic.com";

/// The version of the API that this speaks.
pub const VERSION: &str = "2023-06-01";

/// Before the data of a redacted block, in a thought's signature: the API takes it back in another form.
const REDACTED: &str = "redacted_thinking:";

/// The models of a list answer.
///
/// # Errors
/// `network` when it is something else.
pub fn models(answer: &[u8]) -> Result<Vec<Model>, Error> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        data: Vec<Item<'a>>,
    }
    #[derive(Deserialize)]
    struct Item<'a> {
        #[serde(borrow)]
        id: Text<'a>,
        #[serde(borrow)]
        display_name: Option<Text<'a>>,
        max_input_tokens: Option<u32>,
        max_tokens: Option<u32>,
        capabilities: Option<Capabilities>,
    }
    #[derive(Deserialize)]
    struct Capabilities {
        image_input: Option<Support>,
        pdf_input: Option<Support>,
        structured_outputs: Option<Support>,
        thinking: Option<Support>,
    }
    #[derive(Deserialize)]
    struct Support {
        supported: bool,
    }
    let abilities = |told: Capabilities| {
        let known = |support: Option<Support>| support.map(|support| support.supported);
        Abilities {
            images: known(told.image_input),
            files: known(told.pdf_input),
            structured_output: known(told.structured_outputs),
            reasoning: known(told.thinking),
            ..Abilities::unknown()
        }
    };
    let model = |item: Item<'_>| Model {
        name: item.display_name.as_ref().unwrap_or(&item.id).to_string(),
        id: item.id.into_string(),
        context_tokens: item.max_input_tokens,
        output_tokens: item.max_tokens,
        abilities: item.capabilities.map_or(Abilities::unknown(), abilities),
    };
    Ok(json::read::<Answer<'_>>(answer)?.data.into_iter().map(model).collect())
}

/// What the API says of a failure, in a body or in the stream.
#[derive(Debug, Deserialize)]
struct Fault<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    message: Text<'a>,
}

/// The error that an answer without success means.
#[must_use]
pub fn failure(status: u16, body: &[u8]) -> Error {
    match fault::read::<Fault<'_>>(body) {
        Some(fault) => explain(Some(status), &fault),
        None => fault::said(Some(status), body),
    }
}

/// Says what a failure means. `status` is that of the answer, none in a stream.
fn explain(status: Option<u16>, fault: &Fault<'_>) -> Error {
    let mut error = fault::said(status, fault.message.as_bytes());
    let kind = match &*fault.kind {
        "authentication_error" | "permission_error" | "billing_error" => ErrorKind::Auth,
        "rate_limit_error" => ErrorKind::RateLimit,
        "overloaded_error" => ErrorKind::Overloaded,
        "timeout_error" => ErrorKind::Network,
        "request_too_large" => ErrorKind::ContextTooLong,
        // The only sign of it is the text.
        "invalid_request_error" if too_long(&fault.message) => ErrorKind::ContextTooLong,
        "invalid_request_error" | "not_found_error" => ErrorKind::BadRequest,
        "api_error" => {
            error = Error::other(error.message);
            error.retry = true;
            return error;
        }
        _ => return error,
    };
    Error::new(kind, error.message)
}

/// Whether a message says that the request is larger than the context window.
fn too_long(message: &str) -> bool {
    ["prompt is too long", "exceed context limit", "context window"].iter().any(|text| message.contains(text))
}
