//! The API's JSON: requests from the contract's types, answers into them.
//!
//! Pure: knows no host and no network.

use cara_sdk::error::excerpt;
use cara_sdk::json::{self, Text};
use cara_sdk::provider::{EmbedRequest, Model};
use cara_sdk::{Error, ErrorKind};
use serde::{Deserialize, Serialize};

mod request;
mod stream;
#[cfg(test)]
mod tests;

pub use request::chat;
pub use stream::Decoder;

/// The vendor's own address.
pub const BASE_URL: &str = "https://api.openai.com/v1";

/// The body of an embeddings request.
///
/// # Errors
/// `other` when it cannot be written as JSON.
pub fn embeddings(request: &EmbedRequest) -> Result<Vec<u8>, Error> {
    #[derive(Serialize)]
    struct Body<'a> {
        model: &'a str,
        input: &'a [String],
        encoding_format: &'static str,
    }
    to_json(&Body { model: &request.model, input: &request.inputs, encoding_format: "float" })
}

/// The vectors of an embeddings answer, in the order of the inputs.
///
/// # Errors
/// `network` when it is something else, or not `count` vectors.
pub fn vectors(answer: &[u8], count: usize) -> Result<Vec<Vec<f32>>, Error> {
    #[derive(Deserialize)]
    struct Answer {
        data: Vec<Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        #[serde(default)]
        index: usize,
        embedding: Vec<f32>,
    }
    let mut items = json::read::<Answer>(answer)?.data;
    items.sort_by_key(|item| item.index);
    if items.len() != count {
        let found = items.len();
        return Err(Error::network(format!("the server answered {count} inputs with {found} vectors")));
    }
    Ok(items.into_iter().map(|item| item.embedding).collect())
}

/// The models of a list answer. `max_model_len` is vLLM's.
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
        max_model_len: Option<u32>,
    }
    let items = json::read::<Answer<'_>>(answer)?.data;
    let model = |item: Item<'_>| Model {
        id: item.id.to_string(),
        name: item.id.into_string(),
        context_tokens: item.max_model_len,
        output_tokens: None,
    };
    Ok(items.into_iter().map(model).collect())
}

/// The error that an answer without success means.
#[must_use]
pub fn failure(status: u16, body: &[u8]) -> Error {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        error: Fault<'a>,
    }
    if let Ok(answer) = serde_json::from_slice::<Answer<'_>>(body) {
        return explain(Some(status), &answer.error);
    }
    if let Ok(fault) = serde_json::from_slice::<Fault<'_>>(body) {
        return explain(Some(status), &fault);
    }
    Error::from_status(status, format!("the server answered {status}: {}", excerpt(body)))
}

/// What a server says of a failure, in a body or in the stream.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Fault<'a> {
    /// OpenAI's and most others' form.
    Detailed {
        #[serde(borrow)]
        message: Text<'a>,
        #[serde(borrow, default, rename = "type")]
        kind: Option<Text<'a>>,
        #[serde(borrow, default)]
        code: Option<Code<'a>>,
    },
    /// Only a text, as some servers send it.
    Plain(#[serde(borrow)] Text<'a>),
}

/// An error code: a name, or with vLLM and llama.cpp the HTTP status.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Code<'a> {
    Status(u16),
    Name(#[serde(borrow)] Text<'a>),
}

/// Says what a failure means. `status` is that of the answer, none in a stream.
fn explain(status: Option<u16>, fault: &Fault<'_>) -> Error {
    let (message, kind, code) = match fault {
        Fault::Plain(message) => (message, "", ""),
        Fault::Detailed { message, kind, code } => {
            let name = match code {
                Some(Code::Name(name)) => &**name,
                _ => "",
            };
            (message, kind.as_deref().unwrap_or_default(), name)
        }
    };
    let status = status.or(match fault {
        Fault::Detailed { code: Some(Code::Status(status)), .. } => Some(*status),
        Fault::Detailed { code: Some(Code::Name(name)), .. } => name.parse().ok(),
        _ => None,
    });
    let said = excerpt(message.as_bytes());
    let mut error = match status {
        Some(status) => Error::from_status(status, format!("the server answered {status}: {said}")),
        None => Error::other(format!("the server ended the answer: {said}")),
    };
    let renamed = |kind| Error::new(kind, error.message.clone());
    for name in [code, kind] {
        match name {
            "context_length_exceeded" | "exceed_context_size_error" => {
                return renamed(ErrorKind::ContextTooLong);
            }
            "content_filter" | "content_policy_violation" => return renamed(ErrorKind::Refused),
            "invalid_api_key" | "authentication_error" => return renamed(ErrorKind::Auth),
            // Waiting does not fill an empty account.
            "insufficient_quota" => {
                error = renamed(ErrorKind::RateLimit);
                error.retry = false;
                return error;
            }
            "rate_limit_exceeded" | "rate_limit_error" => return renamed(ErrorKind::RateLimit),
            "server_overloaded" | "overloaded_error" => return renamed(ErrorKind::Overloaded),
            "server_error" | "internal_error" => error.retry = true,
            _ => {}
        }
    }
    // vLLM and llama.cpp say it in the text only.
    let about_context = ["maximum context length", "context size", "context window"];
    if error.kind == ErrorKind::BadRequest && about_context.iter().any(|text| message.contains(text)) {
        return renamed(ErrorKind::ContextTooLong);
    }
    error
}

/// Writes a request body.
fn to_json<T: Serialize>(body: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(body).map_err(|error| Error::other(format!("the request cannot be written: {error}")))
}
