//! The component: models of a server that speaks chat completions.
//!
//! Every call runs in a fresh sandbox: nothing in memory survives it. What the server's JSON says is in `wire.rs`, which is
//! pure and tested natively: `cargo test`.

use cara_sdk::http::{Request as Http, Response, join};
use cara_sdk::provider::{EmbedRequest, Embeddings, Model, Outcome, Provider, Request, stream};
use cara_sdk::turn::Turn;
use cara_sdk::{Error, settings};

mod wire;

/// The most bytes of a list of models.
const LIST_LIMIT: u64 = 4 << 20;

/// The most bytes that are read of what a server says of a failure.
const FAULT_LIMIT: usize = 64 << 10;

/// The component.
#[derive(Debug)]
pub struct Component;

cara_sdk::export_provider!(Component);

impl Provider for Component {
    fn models() -> Result<Vec<Model>, Error> {
        let response = send(Http::get(join(&base_url()?, "models")))?;
        wire::models(&response.bytes(LIST_LIMIT)?)
    }

    /// Emits the answer piece by piece while it comes.
    fn complete(request: Request) -> Result<Outcome, Error> {
        let http = Http::post(join(&base_url()?, "chat/completions"))
            .header("accept", "text/event-stream")
            .json(&wire::chat(&request)?)?;
        let mut response = send(http)?;
        stream(
            &mut response,
            &mut wire::Decoder::new(request.model),
            &mut Turn,
        )
    }

    fn embed(_: EmbedRequest) -> Result<Embeddings, Error> {
        Err(Error::unsupported("this provider has no embeddings"))
    }
}

/// The setting `base-url`: the operator's, or the default in component.toml.
fn base_url() -> Result<String, Error> {
    settings::get("base-url")?
        .ok_or_else(|| Error::bad_request("the setting `base-url` has no value"))
}

/// Sends a request. The host adds the key on the wire, as `component.toml` says (`place`).
fn send(http: Http) -> Result<Response, Error> {
    let response = http.send()?;
    if response.is_success() {
        return Ok(response);
    }
    let (status, after) = (response.status(), response.retry_after_ms());
    Err(wire::failure(status, &response.excerpt(FAULT_LIMIT)).after(after))
}
