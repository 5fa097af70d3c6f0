//! `POST /v1/embeddings`.

use crate::api::Asked;
use crate::api::content::Content;
use crate::api::json::{PERSONS, Unsupported, read};
use crate::failure::json as answer;
use crate::refusal::Refusal;
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use cara_control::completion::{Embedded, Embedding};
use http::StatusCode;
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Embed {
    model: String,
    input: Content<Input>,
    #[serde(default)]
    encoding_format: Option<Encoding>,
    #[serde(default)]
    dimensions: Option<u32>,
    #[serde(default)]
    user: Unsupported,
}

/// A text; tokens are those of a model that the host does not know.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Input {
    Text(String),
    Tokens(serde::de::IgnoredAny),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    Float,
    Base64,
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Vector<'a>>,
    model: &'a str,
    usage: Tokens,
}

#[derive(Serialize)]
struct Vector<'a> {
    object: &'static str,
    index: usize,
    embedding: Numbers<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Numbers<'a> {
    Float(&'a [f32]),
    /// Little-endian, each in four bytes.
    Base64(String),
}

#[derive(Serialize)]
struct Tokens {
    prompt_tokens: u64,
    total_tokens: u64,
}

fn numbers(vector: &[f32], encoding: Encoding) -> Numbers<'_> {
    match encoding {
        Encoding::Float => Numbers::Float(vector),
        Encoding::Base64 => {
            let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
            Numbers::Base64(BASE64_STANDARD.encode(bytes))
        }
    }
}

/// Answers a request.
pub(super) async fn serve(asked: Asked, body: Bytes) -> Result<Response, Refusal> {
    let Embed { model, input, encoding_format, dimensions, user } = read(&body)?;
    user.refuse("user", &[], PERSONS)?;
    let inputs = match input {
        Content::Text(text) => vec![text],
        Content::Parts(all) => {
            let texts = all.into_iter().enumerate().map(|(place, input)| match input {
                Input::Text(text) => Ok(text),
                Input::Tokens(_) => {
                    let why = "tokens are not texts; send the texts themselves";
                    Err(Refusal::unsupported(format!("input[{place}]"), why))
                }
            });
            texts.collect::<Result<_, _>>()?
        }
    };
    let Embedded { model, vectors, tokens } =
        asked.application.embed(&asked.by, Embedding { model, inputs, dimensions }).await?;
    let encoding = encoding_format.unwrap_or(Encoding::Float);
    let data = vectors.iter().enumerate().map(|(index, vector)| {
        let embedding = numbers(vector, encoding);
        Vector { object: "embedding", index, embedding }
    });
    let data = data.collect();
    let list =
        List { object: "list", data, model: &model, usage: Tokens { prompt_tokens: tokens, total_tokens: tokens } };
    let text = serde_json::to_string(&list).expect("a list is plain data");
    Ok(answer(StatusCode::OK, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_base64_are_little_endian() {
        let Numbers::Base64(text) = numbers(&[1.0, -2.5], Encoding::Base64) else { panic!("it is no text") };
        assert_eq!(BASE64_STANDARD.decode(text).ok().as_deref(), Some(&[0, 0, 128, 63, 0, 0, 32, 192][..]));
    }
}
