//! Claude, by Anthropic's Messages API.

use cara_sdk::http::{Request as Http, Response, join};
use cara_sdk::provider::{EmbedRequest, Model, Outcome, Provider, Request, stream};
use cara_sdk::turn::Turn;
use cara_sdk::{Error, settings};

pub mod wire;

/// The most bytes of a list of models.
const ANSWER_LIMIT: u64 = 8 << 20;

/// The component.
#[derive(Debug)]
pub struct Anthropic;

cara_sdk::export_provider!(Anthropic);

impl Provider for Anthropic {
    fn models() -> Result<Vec<Model>, Error> {
        let response = send(Http::get(address("v1/models?limit=1000")?))?;
        wire::models(&response.bytes(ANSWER_LIMIT)?)
    }

    fn complete(request: Request) -> Result<Outcome, Error> {
        let http = Http::post(address("v1/messages")?)
            .header("accept", "text/event-stream")
            .body("application/json", wire::messages(&request)?);
        let mut response = send(http)?;
        stream(&mut response, &mut wire::Decoder::new(&request), &mut Turn)
    }

    fn embed(_: EmbedRequest) -> Result<Vec<Vec<f32>>, Error> {
        Err(Error::unsupported("anthropic offers no embeddings"))
    }
}

/// The address of a path under the setting `base-url`.
fn address(path: &str) -> Result<String, Error> {
    let base: Option<String> = settings::get("base-url")?;
    Ok(join(base.as_deref().unwrap_or(wire::BASE_URL), path))
}

/// Sends a request, to which the host adds the key, and answers with a success.
fn send(http: Http) -> Result<Response, Error> {
    let response = http.header("anthropic-version", wire::VERSION).send()?;
    if response.is_success() {
        return Ok(response);
    }
    let (status, after) = (response.status(), response.retry_after_ms());
    Err(wire::failure(status, &response.excerpt(64 << 10)).after(after))
}
