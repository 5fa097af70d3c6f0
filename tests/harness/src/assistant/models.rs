//! Models that do as a test says.

use cara_assistant::event::Failure;
use cara_assistant::language_model::LanguageModel;
use cara_authority::ComponentId;
use cara_authority::manifest::Price;
use cara_kernel::bindings::provider::{EmbedRequest, Embeddings, Model, Outcome, Request, StopReason};
use cara_kernel::bindings::turn::Event;
use cara_kernel::bindings::types::{Content, Image, Part, ToolCall, Usage};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// What a scripted model answers.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// The words of the answer.
    pub text: String,
    /// The calls of the answer: tool and arguments.
    pub calls: Vec<(String, String)>,
    /// Tokens in and out, when it says.
    pub tokens: Option<(u64, u64)>,
    /// Ends in this after what it said.
    pub failure: Option<Failure>,
    /// Never ends after what it said.
    pub hangs: bool,
}

impl Reply {
    /// Words alone.
    pub fn says(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// One call.
    pub fn calls(name: &str, arguments: impl ToString) -> Self {
        Self { calls: vec![(name.to_owned(), arguments.to_string())], ..Self::default() }
    }

    /// One call more.
    #[must_use]
    pub fn and(mut self, name: &str, arguments: impl ToString) -> Self {
        self.calls.push((name.to_owned(), arguments.to_string()));
        self
    }
}

type Script = dyn Fn(usize, &Request) -> Reply + Send + Sync;

/// A model that answers by a script.
pub struct Scripted {
    component: ComponentId,
    context: u32,
    price: Option<Price>,
    script: Box<Script>,
    requests: Mutex<Vec<Request>>,
}

impl Scripted {
    /// Answers by this; it is told how often it was asked before.
    ///
    /// # Panics
    /// Never.
    pub fn new(script: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> Self {
        let component = ComponentId::parse("scripted").unwrap();
        Self { component, context: 200_000, price: None, script: Box::new(script), requests: Mutex::default() }
    }

    /// With a context of so many tokens.
    #[must_use]
    pub fn context(mut self, tokens: u32) -> Self {
        self.context = tokens;
        self
    }

    /// With a price.
    #[must_use]
    pub fn price(mut self, price: Price) -> Self {
        self.price = Some(price);
        self
    }

    /// As runs want it.
    pub fn shared(self) -> (Arc<Self>, Arc<dyn LanguageModel>) {
        let shared = Arc::new(self);
        (shared.clone(), shared)
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait::async_trait]
impl LanguageModel for Scripted {
    fn component(&self) -> &ComponentId {
        &self.component
    }

    fn model(&self) -> &str {
        "script"
    }

    fn context_tokens(&self) -> u32 {
        self.context
    }

    fn price(&self) -> Option<Price> {
        self.price
    }

    async fn models(&self) -> Result<Vec<Model>, Failure> {
        Ok(Vec::new())
    }

    async fn embed(&self, _: EmbedRequest) -> Result<Embeddings, Failure> {
        Err(Failure::own("unsupported", "a script has no embeddings"))
    }

    async fn complete(&self, request: Request, events: mpsc::Sender<Event>) -> Result<Outcome, Failure> {
        let number = {
            let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
            requests.push(request.clone());
            requests.len() - 1
        };
        let reply = (self.script)(number, &request);
        if !reply.text.is_empty() {
            let _ = events.send(Event::Text(reply.text)).await;
        }
        let stop = if reply.calls.is_empty() { StopReason::Complete } else { StopReason::ToolCalls };
        for (index, (name, arguments)) in reply.calls.into_iter().enumerate() {
            let call = ToolCall { id: format!("c{number}_{index}"), name, arguments };
            let _ = events.send(Event::ToolCall(call)).await;
        }
        if let Some((input, output)) = reply.tokens {
            let usage = Usage { input, output, cache_read: 0, cache_write: 0, reasoning: 0 };
            let _ = events.send(Event::Usage(usage)).await;
        }
        if reply.hangs {
            std::future::pending::<()>().await;
        }
        match reply.failure {
            Some(failure) => Err(failure),
            None => {
                Ok(Outcome { stop, model: "script".into(), request_id: None, stop_sequence: None, fingerprint: None })
            }
        }
    }
}

/// Everything that a model is shown in messages, each piece on its own; bytes of blobs as text.
#[must_use]
pub fn shown_to_model(request: &Request) -> Vec<String> {
    let content = |content: &Content| match content {
        Content::Text(text) => text.clone(),
        Content::Image(blob) | Content::Audio(blob) | Content::File(blob) => {
            String::from_utf8_lossy(&blob.data).into_owned()
        }
    };
    let piece = |part: &Part| match part {
        Part::Text(text) => vec![text.clone()],
        Part::Thinking(thought) => vec![thought.text.clone()],
        Part::ToolCall(call) => vec![call.arguments.clone()],
        Part::ToolResult(result) => result.content.iter().map(content).collect(),
        Part::CachePoint(_) => Vec::new(),
        Part::Image(Image { blob, .. }) | Part::Audio(blob) | Part::File(blob) => {
            vec![String::from_utf8_lossy(&blob.data).into_owned()]
        }
    };
    request.messages.iter().flat_map(|message| message.parts.iter().flat_map(piece)).collect()
}
