//! Models on one's own machine, by Ollama.

use cara_sdk::http::{Request as Http, join};
use cara_sdk::provider::{EmbedRequest, Embeddings, Model, Outcome, Provider, Request, stream};
use cara_sdk::turn::Turn;
use cara_sdk::{Error, settings};
use cara_wire::answer::{self, LIST_LIMIT};

pub mod wire;

/// The component.
#[derive(Debug)]
pub struct Ollama;

cara_sdk::export_provider!(Ollama);

impl Provider for Ollama {
    fn models() -> Result<Vec<Model>, Error> {
        let response = answer::send(Http::get(address("api/tags")?), wire::failure)?;
        wire::models(&response.bytes(LIST_LIMIT)?)
    }

    fn complete(request: Request) -> Result<Outcome, Error> {
        let http = Http::post(address("api/chat")?).body("application/json", wire::chat(&request)?);
        let mut response = answer::send(http, wire::failure)?;
        stream(&mut response, &mut wire::Decoder::new(&request), &mut Turn)
    }

    fn embed(request: EmbedRequest) -> Result<Embeddings, Error> {
        let http = Http::post(address("api/embed")?).body("application/json", wire::embed(&request)?);
        let response = answer::send(http, wire::failure)?;
        wire::embedded(&response.bytes(LIST_LIMIT)?, &request)
    }
}

/// The address of a path under the setting `base-url`.
fn address(path: &str) -> Result<String, Error> {
    let base: Option<String> = settings::get("base-url")?;
    Ok(join(&base.unwrap_or_default(), path))
}
