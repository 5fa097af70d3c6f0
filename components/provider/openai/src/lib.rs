//! OpenAI chat completions, and any server that speaks them.

use cara_sdk::http::{Request as Http, Response, join};
use cara_sdk::provider::{EmbedRequest, Model, Outcome, Provider, Request, stream};
use cara_sdk::turn::Turn;
use cara_sdk::{Error, secrets, settings};

pub mod wire;

/// The most bytes of a list of models or of vectors.
const ANSWER_LIMIT: u64 = 32 << 20;

/// The component.
#[derive(Debug)]
pub struct OpenAi;

cara_sdk::export_provider!(OpenAi);

impl Provider for OpenAi {
    fn models() -> Result<Vec<Model>, Error> {
        let base = base_url()?;
        let response = send(&base, Http::get(join(&base, "models")))?;
        wire::models(&response.bytes(ANSWER_LIMIT)?)
    }

    fn complete(request: Request) -> Result<Outcome, Error> {
        let base = base_url()?;
        let http = Http::post(join(&base, "chat/completions"))
            .header("accept", "text/event-stream")
            .body("application/json", wire::chat(&request)?);
        let mut response = send(&base, http)?;
        stream(&mut response, &mut wire::Decoder::new(&request), &mut Turn)
    }

    fn embed(request: EmbedRequest) -> Result<Vec<Vec<f32>>, Error> {
        let base = base_url()?;
        let http = Http::post(join(&base, "embeddings")).body("application/json", wire::embeddings(&request)?);
        let response = send(&base, http)?;
        wire::vectors(&response.bytes(ANSWER_LIMIT)?, request.inputs.len())
    }
}

/// The setting `base-url`.
fn base_url() -> Result<String, Error> {
    Ok(settings::get("base-url")?.unwrap_or_else(|| wire::BASE_URL.to_owned()))
}

/// Sends a request with the key, where there is one, and answers with a success.
fn send(base: &str, http: Http) -> Result<Response, Error> {
    // The host adds the key, where there is one. Only a server of the operator's own may do without.
    if base == wire::BASE_URL {
        secrets::available("api-key")?;
    }
    let response = http.send()?;
    if response.is_success() {
        return Ok(response);
    }
    let (status, after) = (response.status(), response.retry_after_ms());
    Err(wire::failure(status, &response.excerpt(64 << 10)).after(after))
}
