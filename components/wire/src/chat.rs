//! The JSON of OpenAI's chat completions: requests from the contract's types,
//! answers into them.
//!
//! What other servers of this format (vLLM, llama.cpp, DeepSeek) do differently is read too.

use cara_sdk::json::{self, Text};
use cara_sdk::provider::{EmbedRequest, Embeddings, Model};
use cara_sdk::{Error, ErrorKind};
use serde::{Deserialize, Serialize};

use crate::answer::counted;
use crate::body::to_json;
use crate::fault;

mod request;
mod stream;
#[cfg(test)]
mod tests;

pub use request::request;
pub use stream::Decoder;

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
        #[serde(skip_serializing_if = "Option::is_none")]
        dimensions: Option<u32>,
    }
    let EmbedRequest { model, inputs: input, dimensions } = request;
    to_json(&Body { model, input, encoding_format: "float", dimensions: *dimensions })
}

/// The vectors of an embeddings answer, in the order of the inputs.
///
/// # Errors
/// `network` when it is something else, and as [`counted`].
pub fn embedded(answer: &[u8], request: &EmbedRequest) -> Result<Embeddings, Error> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        data: Vec<Item>,
        #[serde(borrow)]
        model: Option<Text<'a>>,
        usage: Option<Tokens>,
    }
    #[derive(Deserialize)]
    struct Tokens {
        prompt_tokens: Option<u64>,
    }
    #[derive(Deserialize)]
    struct Item {
        #[serde(default)]
        index: usize,
        embedding: Vec<f32>,
    }
    let Answer { data: mut items, model, usage } = json::read(answer)?;
    items.sort_by_key(|item| item.index);
    Ok(Embeddings {
        vectors: counted(items.into_iter().map(|item| item.embedding).collect(), request)?,
        model: model.map_or_else(|| request.model.clone(), Text::into_string),
        input_tokens: usage.and_then(|usage| usage.prompt_tokens),
    })
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
    let model = |item: Item<'_>| Model { context_tokens: item.max_model_len, ..Model::new(item.id.into_string()) };
    Ok(items.into_iter().map(model).collect())
}

/// The error that an answer without success means.
#[must_use]
pub fn failure(status: u16, body: &[u8]) -> Error {
    // Older vLLM sends the error itself.
    match fault::read::<Fault<'_>>(body).or_else(|| serde_json::from_slice(body).ok()) {
        Some(fault) => explain(Some(status), &fault),
        None => fault::said(Some(status), body),
    }
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
    let mut error = fault::said(status, message.as_bytes());
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
