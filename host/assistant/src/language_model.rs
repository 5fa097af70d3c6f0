//! Who thinks: a model behind a provider component,
//! or anything else that answers a request with events.

use crate::event::Failure;
use cara_authority::manifest::Price;
use cara_authority::{ComponentId, Grants};
use cara_kernel::bindings::provider::{EmbedRequest, Embeddings, Model, Outcome, Request};
use cara_kernel::bindings::turn::Event;
use cara_kernel::exports::provider::Answered;
use cara_kernel::{CallServices, Component};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Answers requests. Dropping the future of [`LanguageModel::complete`] ends the answer at once.
#[async_trait::async_trait]
pub trait LanguageModel: Send + Sync {
    /// The component that answers, for budgets and the audit log.
    fn component(&self) -> &ComponentId;
    /// The component's model.
    fn model(&self) -> &str;
    /// How many tokens the model takes, prompt and answer together.
    fn context_tokens(&self) -> u32;
    /// What it costs, when that is known.
    fn price(&self) -> Option<Price>;
    /// Answers. Events come in order; an error after some of them means the answer is incomplete.
    async fn complete(&self, request: Request, events: mpsc::Sender<Event>) -> Result<Outcome, Failure>;
    /// Turns texts into vectors.
    async fn embed(&self, request: EmbedRequest) -> Result<Embeddings, Failure>;
    /// The models on offer where this one comes from.
    async fn models(&self) -> Result<Vec<Model>, Failure>;
}

/// A component and what it may do, as it is now: both can change between two calls.
#[async_trait::async_trait]
pub trait Granted: Send + Sync {
    /// What is called at this moment.
    async fn now(&self) -> Result<(Arc<Component>, Arc<Grants>), Failure>;

    /// What a person can do about a failure, where the host knows more than the component can say: whose key was refused, or
    /// which of the models on offer was meant.
    async fn cure(&self, _failure: &Failure, _model: &str, _offered: &[Model]) -> Option<String> {
        None
    }
}

/// A model behind a provider component.
#[derive(Clone)]
pub struct Provider {
    /// The component's id.
    pub id: ComponentId,
    /// The component.
    pub component: Arc<dyn Granted>,
    /// The gates it goes through.
    pub services: CallServices,
    /// The model.
    pub model: String,
    /// How many tokens it takes.
    pub context_tokens: u32,
    /// The price of the model, when it is known.
    pub price: Option<Price>,
}

#[async_trait::async_trait]
impl LanguageModel for Provider {
    fn component(&self) -> &ComponentId {
        &self.id
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn context_tokens(&self) -> u32 {
        self.context_tokens
    }

    fn price(&self) -> Option<Price> {
        self.price
    }

    async fn complete(&self, request: Request, events: mpsc::Sender<Event>) -> Result<Outcome, Failure> {
        let (component, grants) = self.component.now().await?;
        match came(component.complete(&grants, &self.services, request, events).await) {
            Ok(outcome) => Ok(outcome),
            Err(failure) => Err(self.explained(failure).await),
        }
    }

    async fn embed(&self, request: EmbedRequest) -> Result<Embeddings, Failure> {
        let (component, grants) = self.component.now().await?;
        match came(component.embed(&grants, &self.services, request).await) {
            Ok(embeddings) => Ok(embeddings),
            Err(failure) => Err(self.explained(failure).await),
        }
    }

    async fn models(&self) -> Result<Vec<Model>, Failure> {
        let (component, grants) = self.component.now().await?;
        match came(component.models(&grants, &self.services).await) {
            Ok(models) => Ok(models),
            Err(failure) => Err(self.with_cure(failure, &[]).await),
        }
    }
}

/// What came of a call.
fn came<T>(answered: Answered<T>) -> Result<T, Failure> {
    let returned = answered.map_err(|fault| Failure::fault(&fault))?;
    let refusals = returned.refusals.iter().map(ToString::to_string).collect();
    returned.answer.map_err(|error| Failure::reported(error, refusals))
}

impl Provider {
    /// A server calls a model that it has not a bad request, each in its own words.
    async fn explained(&self, failure: Failure) -> Failure {
        let offered = if failure.kind == "bad-request" { self.models().await.unwrap_or_default() } else { Vec::new() };
        self.with_cure(failure, &offered).await
    }

    async fn with_cure(&self, mut failure: Failure, offered: &[Model]) -> Failure {
        if let Some(cure) = self.component.cure(&failure, &self.model, offered).await {
            failure.message += &format!("\nhint: {cure}");
        }
        failure
    }
}
