//! What is installed, and what is known of each.

use crate::application::Application;
use crate::error::Result;
use crate::event::Events;
use crate::operation::{Operation, Route};
use crate::plugins::remarks::limits;
use cara_authority::authority::Fact;
use cara_authority::{ComponentId, Grants, Principal};
use cara_kernel::Checked;
use cara_packages::lock::{Entry, Pinned};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// An installed component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PluginRow {
    /// The component's id.
    pub id: String,
    /// The version.
    pub version: String,
    /// `provider`, `channel`, `tool`.
    pub kinds: Vec<String>,
    /// Who signed it, as the trust store calls them.
    pub signer: String,
    /// The digest of the component's file.
    pub digest: String,
    /// The component in a sentence.
    pub summary: String,
    /// What is granted to it.
    pub granted: Vec<String>,
    /// Where it came from; nothing when it is built in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// A newer version that asks for more and waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<String>,
    /// Why it cannot be used, when it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

async fn row(application: &Application, checked: &Checked) -> Result<PluginRow> {
    let (manifest, package) = (checked.manifest(), checked.package());
    let granted = application.ledger.granted(manifest.id()).await?;
    let installed = application.installed()?;
    let entry = installed.lock.0.get(manifest.id());
    let pinned = entry.and_then(|entry| entry.active.as_ref());
    Ok(PluginRow {
        id: manifest.id().to_string(),
        version: manifest.version().to_string(),
        kinds: checked.interfaces().kinds().iter().map(ToString::to_string).collect(),
        signer: package.signer_name().to_owned(),
        digest: package.digest().to_string(),
        summary: manifest.summary().to_owned(),
        granted: granted.iter().map(ToString::to_string).collect(),
        from: pinned.map(|pinned| pinned.from.clone()),
        waiting: entry.and_then(|entry| entry.waiting.as_ref()).map(|pinned| pinned.version.to_string()),
        problem: None,
    })
}

/// One that is installed and cannot be used: what `cara.lock` knows of it.
fn unusable(id: &ComponentId, entry: Option<&Entry>, problem: &str) -> PluginRow {
    let active = entry.and_then(|entry| entry.active.as_ref());
    let of = |text: fn(&Pinned) -> String| active.map(text).unwrap_or_default();
    PluginRow {
        id: id.to_string(),
        version: of(|active| active.version.to_string()),
        kinds: Vec::new(),
        signer: of(|active| active.signer.clone()),
        digest: of(|active| active.digest.to_string()),
        summary: String::new(),
        granted: Vec::new(),
        from: active.map(|active| active.from.clone()),
        waiting: None,
        problem: Some(problem.to_owned()),
    }
}

/// Lists the installed components.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct ListPlugins {}

impl Operation for ListPlugins {
    type View = Vec<PluginRow>;
    const ROUTE: Route = Route::get("plugins.list", "/control/v1/plugins", "List the installed components.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let mut rows = Vec::new();
        let installed = application.installed()?;
        for checked in installed.usable.values() {
            rows.push(row(application, checked).await?);
        }
        for (id, problem) in &installed.broken {
            let entry = installed.lock.0.get(id);
            let built_in = application.plugins.built_in(id);
            rows.push(match built_in.filter(|_| entry.is_none_or(|entry| entry.active.is_none())) {
                Some(checked) => PluginRow { problem: Some(problem.clone()), ..row(application, checked).await? },
                None => unusable(id, entry, problem),
            });
        }
        rows.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(rows)
    }
}

/// Shows one component.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InspectPlugin {
    /// The component's id.
    pub id: String,
}

/// All that is known of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Inspection {
    /// As in the list.
    #[serde(flatten)]
    pub row: PluginRow,
    /// The key or identity that signed it.
    pub key: String,
    /// The size of the file.
    pub bytes: usize,
    /// What the binary imports.
    pub imports: Vec<String>,
    /// What the binary exports.
    pub exports: Vec<String>,
    /// What the manifest asks for.
    pub asks: Vec<String>,
    /// What it can do, computed from binary and manifest.
    pub can: Vec<String>,
    /// What a call may use up, by name.
    pub limits: BTreeMap<String, String>,
    /// The manifest, TOML.
    pub manifest: String,
}

impl Operation for InspectPlugin {
    type View = Inspection;
    const ROUTE: Route =
        Route::get("plugins.inspect", "/control/v1/components/{id}", "Show all that is known of a component.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let id = ComponentId::parse(&self.id)?;
        let checked = &*application.checked(&id)?;
        let around = application.setting_sources()?;
        let settings = around.asking(checked, &Default::default())?;
        let (manifest, package, interfaces) = (checked.manifest(), checked.package(), checked.interfaces());
        let overrides = around.config.component.get(&id).map(|config| config.limits.clone()).unwrap_or_default();
        let asks = manifest.requested(&settings).iter().map(ToString::to_string).collect();
        let grants = Grants::intersect(manifest, interfaces, &[], settings, &overrides);
        // What a model reads stands below, in the manifest.
        let can =
            |(fact, _): &(&Fact, &str)| !(fact.text.contains("` tells the model: ") || fact.text.contains("` takes "));
        Ok(Inspection {
            row: row(application, checked).await?,
            key: package.signer().to_string(),
            bytes: package.bytes().len(),
            imports: interfaces.imports().map(str::to_owned).collect(),
            exports: interfaces.exports().map(str::to_owned).collect(),
            asks,
            can: checked.authority().facts().filter(can).map(|(fact, _)| fact.to_string()).collect(),
            limits: limits(grants.limits()).into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            manifest: package.manifest().to_owned(),
        })
    }
}
