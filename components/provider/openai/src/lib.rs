//! OpenAI chat completions, and any server that speaks them.

use cara_sdk::http::{Request as Http, Response, join};
use cara_sdk::provider::{EmbedRequest, Embeddings, Model, Outcome, Provider, Request, stream};
use cara_sdk::turn::Turn;
use cara_sdk::{Error, secrets, settings};
use cara_wire::answer::{self, LIST_LIMIT};
use cara_wire::chat;

/// The vendor's own address.
const BASE_URL: &str = "https://api.openai.com/v1";

/// The component.
#[derive(Debug)]
pub struct OpenAi;

cara_sdk::export_provider!(OpenAi);

impl Provider for OpenAi {
    fn models() -> Result<Vec<Model>, Error> {
        let base = base_url()?;
        let response = send(&base, Http::get(join(&base, "models")))?;
        chat::models(&response.bytes(LIST_LIMIT)?)
    }

    fn complete(request: Request) -> Result<Outcome, Error> {
        let base = base_url()?;
        let http = Http::post(join(&base, "chat/completions"))
            .header("accept", "text/event-stream")
            .body("application/json", chat::request(&request)?);
        let mut response = send(&base, http)?;
        let outcome = stream(&mut response, &mut chat::Decoder::new(&request), &mut Turn)?;
        Ok(Outcome { request_id: answer::request_id(&response).or(outcome.request_id), ..outcome })
    }

    fn embed(request: EmbedRequest) -> Result<Embeddings, Error> {
        let base = base_url()?;
        let http = Http::post(join(&base, "embeddings")).body("application/json", chat::embeddings(&request)?);
        let response = send(&base, http)?;
        chat::embedded(&response.bytes(LIST_LIMIT)?, &request)
    }
}

/// The setting `base-url`.
fn base_url() -> Result<String, Error> {
    Ok(settings::get("base-url")?.unwrap_or_else(|| BASE_URL.to_owned()))
}

/// Sends a request with the key, where there is one, and answers with a success.
fn send(base: &str, http: Http) -> Result<Response, Error> {
    // The host adds the key, where there is one. Only a server of the operator's own may do without.
    if base == BASE_URL {
        secrets::available("api-key")?;
    }
    answer::send(http, chat::failure)
}
