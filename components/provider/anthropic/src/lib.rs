//! Claude, by Anthropic's Messages API.

use cara_sdk::http::{Request as Http, Response, join};
use cara_sdk::provider::{EmbedRequest, Embeddings, Model, Outcome, Provider, Request, stream};
use cara_sdk::turn::Turn;
use cara_sdk::{Error, settings};
use cara_wire::answer::{self, LIST_LIMIT};

pub mod wire;

/// The component.
#[derive(Debug)]
pub struct Anthropic;

cara_sdk::export_provider!(Anthropic);

impl Provider for Anthropic {
    fn models() -> Result<Vec<Model>, Error> {
        let response = send(Http::get(address("v1/models?limit=1000")?))?;
        wire::models(&response.bytes(LIST_LIMIT)?)
    }

    fn complete(request: Request) -> Result<Outcome, Error> {
        let http = Http::post(address("v1/messages")?)
            .header("accept", "text/event-stream")
            .body("application/json", wire::messages(&request)?);
        let mut response = send(http)?;
        let outcome = stream(&mut response, &mut wire::Decoder::new(&request), &mut Turn)?;
        Ok(Outcome { request_id: answer::request_id(&response).or(outcome.request_id), ..outcome })
    }

    fn embed(_: EmbedRequest) -> Result<Embeddings, Error> {
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
    answer::send(http.header("anthropic-version", wire::VERSION), wire::failure)
}
