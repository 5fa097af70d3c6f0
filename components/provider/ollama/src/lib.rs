//! Models on one's own machine, by Ollama.

use cara_sdk::http::{Request as Http, Response, join};
use cara_sdk::provider::{EmbedRequest, Model, Outcome, Provider, Request, stream};
use cara_sdk::turn::Turn;
use cara_sdk::{Error, settings};

pub mod wire;

/// The most bytes of a list of models or of vectors.
const ANSWER_LIMIT: u64 = 32 << 20;

/// The component.
#[derive(Debug)]
pub struct Ollama;

cara_sdk::export_provider!(Ollama);

impl Provider for Ollama {
    fn models() -> Result<Vec<Model>, Error> {
        let response = send(Http::get(address("api/tags")?))?;
        wire::models(&response.bytes(ANSWER_LIMIT)?)
    }

    fn complete(request: Request) -> Result<Outcome, Error> {
        let http = Http::post(address("api/chat")?).body("application/json", wire::chat(&request)?);
        let mut response = send(http)?;
        stream(&mut response, &mut wire::Decoder::new(&request), &mut Turn)
    }

    fn embed(request: EmbedRequest) -> Result<Vec<Vec<f32>>, Error> {
        let http = Http::post(address("api/embed")?).body("application/json", wire::embed(&request)?);
        let response = send(http)?;
        wire::vectors(&response.bytes(ANSWER_LIMIT)?, request.inputs.len())
    }
}

/// The address of a path under the setting `base-url`.
fn address(path: &str) -> Result<String, Error> {
    let base: Option<String> = settings::get("base-url")?;
    let base = base.map_or_else(|| wire::BASE_URL.to_owned(), |base| wire::base_url(&base));
    Ok(join(&base, path))
}

/// Sends a request and answers with a success.
fn send(http: Http) -> Result<Response, Error> {
    let response = http.send()?;
    if response.is_success() {
        return Ok(response);
    }
    let (status, after) = (response.status(), response.retry_after_ms());
    Err(wire::failure(status, &response.excerpt(64 << 10)).after(after))
}
