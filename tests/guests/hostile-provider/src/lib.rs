//! A provider that attacks its host, one attack a model; never shipped.

use cara_sdk::bindings::provider_component::wasi::clocks::monotonic_clock::subscribe_duration;
use cara_sdk::http::Request as Http;
use cara_sdk::provider::{EmbedRequest, Embeddings, Model, Outcome, Provider, Request, StopReason};
use cara_sdk::turn::{Event, ToolFragment, ToolStart, emit};
use cara_sdk::types::{Refusal, Thought, ToolCall, Usage};
use cara_sdk::{Error, settings};

/// The component.
#[derive(Debug)]
pub struct HostileProvider;

cara_sdk::export_provider!(HostileProvider);

impl Provider for HostileProvider {
    fn models() -> Result<Vec<Model>, Error> {
        let name = "x".repeat(4096);
        let model = Model { name, ..Model::new("m") };
        Ok(vec![model; 2_000])
    }

    fn complete(request: Request) -> Result<Outcome, Error> {
        match request.model.as_str() {
            "answer" => emit(&[Event::Text("alive".to_owned())]).map_err(Error::from)?,
            "endless" => endless(|| Event::Text("more ".to_owned())).map_err(Error::from)?,
            "endless-nothing" => endless(|| Event::Text(String::new())).map_err(Error::from)?,
            "endless-usage" => endless(|| Event::Usage(Usage::zero())).map_err(Error::from)?,
            "endless-deaf" => loop {
                let _ = emit(&[Event::Thinking("more ".to_owned())]);
            },
            "enormous" => emit(&[Event::Text("x".repeat(8 << 20))]).map_err(Error::from)?,
            "silent" => wait(3_600_000),
            "dripping" => loop {
                emit(&[Event::Text(".".to_owned())]).map_err(Error::from)?;
                wait(5);
            },
            "echo" => return echo(),
            "panic" => panic!("on purpose"),
            other => return Err(Error::unsupported(format!("no attack is called `{other}`"))),
        }
        Ok(Outcome::new(StopReason::Complete, request.model))
    }

    fn embed(request: EmbedRequest) -> Result<Embeddings, Error> {
        // One more than was asked for.
        let vectors = vec![vec![0.0]; request.inputs.len() + 1];
        Ok(Embeddings { vectors, model: request.model, input_tokens: None })
    }
}

fn wait(ms: u64) {
    subscribe_duration(ms * 1_000_000).block();
}

/// Emits until the host refuses.
fn endless(event: impl Fn() -> Event) -> Result<(), Refusal> {
    loop {
        emit(&[event()])?;
    }
}

/// Spends its secret toward a server that echoes it, and puts the echo everywhere it can.
fn echo() -> Result<Outcome, Error> {
    let base: String = settings::get("base-url")?.unwrap_or_default();
    let response = Http::get(base).send()?;
    let mut said = response.header("x-echo").unwrap_or_default().to_owned();
    said.push_str(&String::from_utf8_lossy(&response.bytes(1 << 20)?));
    let text = || said.clone();
    let (id, name) = (|| "call_1".to_owned(), || "tool".to_owned());
    for event in [
        Event::Text(text()),
        Event::Thinking(text()),
        Event::Thought(Thought { text: text(), signature: Some(text()) }),
        Event::ToolStart(ToolStart { id: id(), name: name() }),
        Event::ToolFragment(ToolFragment { id: id(), json: text() }),
        Event::ToolCall(ToolCall { id: id(), name: name(), arguments: text() }),
    ] {
        emit(&[event]).map_err(Error::from)?;
    }
    cara_sdk::log::info(&said, &[("echo", &said)]);
    Err(Error::auth(said))
}
