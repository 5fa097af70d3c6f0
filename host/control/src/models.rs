//! The models that a provider offers now.

use crate::application::Application;
use crate::error::{Error, Result};
use crate::event::Events;
use crate::model_selection::{self, Naming};
use crate::operation::{Operation, Route};
use crate::variables::Variables;
use cara_assistant::LanguageModel;
use cara_authority::Principal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A model on offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ModelRow {
    /// The model, as `provider:model`.
    pub model: String,
    /// What the vendor calls it.
    pub name: String,
    /// Tokens that prompt and answer have together.
    pub context_tokens: Option<u32>,
    /// The longest answer, tokens.
    pub output_tokens: Option<u32>,
}

/// Lists the models that a provider offers.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ListModels {
    /// The provider, as `provider` or `provider:model`; the one that would answer when left out. Naming a provider grants
    /// what its manifest asks.
    pub model: Option<String>,
    /// Settings of the provider for this request.
    pub settings: BTreeMap<String, String>,
    /// Environment variables of the caller, for this request alone; `environment.wanted` says which count.
    pub environment: Variables,
}

impl Operation for ListModels {
    type View = Vec<ModelRow>;
    const ROUTE: Route =
        Route::post("models.list", "/control/v1/models", "List the models that a provider offers.").admin();

    async fn run(self, application: &Arc<Application>, by: &Principal, events: &Events) -> Result<Self::View> {
        application.check_components()?;
        let brought = application.brought(&self.settings, &self.environment)?;
        let named = self.model.as_deref().map(str::parse).transpose()?;
        application.plugins.compile_all(events).await?;
        let means = Naming::by(by);
        let chosen = model_selection::choose(application, named.as_ref(), means, &brought, events).await?;
        if let Some(why) = &chosen.why {
            events.note(why);
        }
        let provider = model_selection::provider(application, &chosen.id, &chosen.model, &brought).await?;
        let offered = provider.models().await.map_err(Error::from)?;
        let id = &chosen.id;
        model_selection::learn(application, id, &offered);
        let row = |model: cara_kernel::bindings::provider::Model| ModelRow {
            model: format!("{id}:{}", model.id),
            name: model.name,
            context_tokens: model.context_tokens,
            output_tokens: model.output_tokens,
        };
        Ok(offered.into_iter().map(row).collect())
    }
}
