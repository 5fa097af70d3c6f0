//! What each component may do: granting, taking away, listing.

use crate::application::Application;
use crate::error::{Result, fail};
use crate::event::Events;
use crate::model_selection;
use crate::operation::{Operation, Route};
use cara_authority::{Capability, ComponentId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Grants a component capabilities that its manifest asks for.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AddGrants {
    /// The component.
    pub component: String,
    /// The capabilities, each as `http https://api.example.com`, `secret api-key`, `environment REGION`, `state`.
    pub capabilities: Vec<String>,
    /// For how long, milliseconds; for good when left out.
    #[serde(default)]
    pub for_ms: Option<u64>,
}

/// What became of each capability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AddedGrants {
    /// Those that are new.
    pub granted: Vec<String>,
    /// Those that were granted already, for as long or longer.
    pub already: Vec<String>,
}

impl Operation for AddGrants {
    type View = AddedGrants;
    const ROUTE: Route =
        Route::post("grants.add", "/v1/grants", "Grant a component capabilities, for good or for a time.");

    async fn run(self, application: &Arc<Application>, _: &Events) -> Result<Self::View> {
        let id = ComponentId::parse(&self.component)?;
        let checked = application.checked(&id)?;
        let requested = application.around()?.requested(&checked)?;
        let capabilities = parsed(&self.capabilities)?;
        if let Some(other) = capabilities.iter().find(|capability| !requested.contains(capability)) {
            let asked: Vec<String> = requested.iter().map(|wish| format!("`{wish}`")).collect();
            let asked = if asked.is_empty() { "nothing".to_owned() } else { asked.join(", ") };
            fail!(
                Refused,
                "component `{id}` does not ask for `{other}`, so it could not use it\nhint: it asks for {asked}"
            );
        }
        model_selection::refuse_secrets(application, &checked, &capabilities)?;
        let new = match self.for_ms {
            Some(ms) => {
                let until = application.services.clock.now_ms().saturating_add(ms);
                application.ledger.grant_until(&id, &capabilities, "cara grant", until).await?
            }
            None => application.ledger.grant(&id, &capabilities, "cara grant").await?,
        };
        let (granted, already): (Vec<_>, Vec<_>) =
            capabilities.into_iter().partition(|capability| new.contains(capability));
        let texts = |all: Vec<Capability>| all.iter().map(ToString::to_string).collect();
        Ok(AddedGrants { granted: texts(granted), already: texts(already) })
    }
}

/// Takes capabilities from a component; it counts from its next call on.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TakeGrants {
    /// The component.
    pub component: String,
    /// The capabilities; all when there are none.
    #[serde(default)]
    pub capabilities: Vec<String>,
}

impl Operation for TakeGrants {
    type View = Vec<String>;
    const ROUTE: Route = Route::post("grants.take", "/v1/grants/revoke", "Take capabilities from a component.").once();

    async fn run(self, application: &Arc<Application>, _: &Events) -> Result<Self::View> {
        let id = ComponentId::parse(&self.component)?;
        let recorded = application.ledger.grants().await?.into_iter().filter(|grant| grant.component == id);
        let capabilities = match self.capabilities.is_empty() {
            true => recorded.map(|grant| grant.capability).collect(),
            false => parsed(&self.capabilities)?,
        };
        let gone = application.ledger.revoke(&id, &capabilities, "cara revoke").await?;
        if gone.is_empty() {
            fail!(NotFound, "nothing of that was granted to `{id}`\nhint: `cara grants {id}` shows what is");
        }
        Ok(gone.iter().map(ToString::to_string).collect())
    }
}

fn parsed(texts: &[String]) -> Result<Vec<Capability>> {
    Ok(texts.iter().map(|text| Capability::parse(text)).collect::<std::result::Result<_, _>>()?)
}

/// A grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct GrantRow {
    /// The component.
    pub component: String,
    /// What it may do.
    pub capability: String,
    /// Since when, Unix milliseconds.
    pub since_ms: u64,
    /// Until when.
    pub expires_ms: Option<u64>,
    /// Whether it holds now.
    pub holds: bool,
    /// By which act.
    pub by: String,
}

/// Lists what is granted.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListGrants {
    /// Only what is granted to this component.
    #[serde(default)]
    pub component: Option<String>,
}

impl Operation for ListGrants {
    type View = Vec<GrantRow>;
    const ROUTE: Route =
        Route::get("grants.list", "/v1/grants", "List what is granted to whom, since when, by which act.");

    async fn run(self, application: &Arc<Application>, _: &Events) -> Result<Self::View> {
        let now_ms = application.services.clock.now_ms();
        let component = self.component.as_deref().map(ComponentId::parse).transpose()?;
        let all = application.ledger.grants().await?.into_iter();
        let rows =
            all.filter(|grant| component.as_ref().is_none_or(|id| grant.component == *id)).map(|grant| GrantRow {
                component: grant.component.to_string(),
                capability: grant.capability.to_string(),
                since_ms: grant.since_ms,
                expires_ms: grant.expires_ms,
                holds: grant.holds(now_ms),
                by: grant.reason.clone(),
            });
        Ok(rows.collect())
    }
}
