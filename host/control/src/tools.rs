//! Which tools a model is offered, and switching them on and off.

use crate::application::Application;
use crate::assistant_factory;
use crate::error::{Error, Result, fail};
use crate::event::Events;
use crate::home_files::HomeFiles;
use crate::model_selection;
use crate::names::{AGENT, CONSOLE};
use crate::operation::{Operation, Route};
use crate::tool_offer::Offer;
use crate::variables::{Environment, Variables};
use cara_assistant::Toolbox;
use cara_assistant::toolbox::{full_name, shared_names};
use cara_authority::{
    Action, Capability, ComponentId, Label, PersonId, Principal, Provenance, SessionId, Situation, Source,
    ToolAuthority, ToolCall,
};
use cara_kernel::Checked;
use cara_services::vault::SecretId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The components of these ids; each must be installed and offer a tool.
fn with_tools(application: &Application, ids: &[String]) -> Result<Vec<Arc<Checked>>> {
    let mut found = Vec::new();
    for id in ids {
        let id = ComponentId::parse(id)?;
        let checked = application.checked(&id)?;
        if checked.manifest().tools().is_empty() {
            fail!(Invalid, "component `{id}` offers no tools\nhint: `cara tools list` shows those that do");
        }
        found.push(checked);
    }
    Ok(found)
}

/// How a component's tools stand.
async fn offer(application: &Application, checked: &Checked) -> Result<Offer> {
    let granted = application.ledger.granted(checked.manifest().id()).await?;
    Offer::of(&application.setting_sources()?, checked, &granted)
}

/// How they will stand once the component has all that it asks for, with this environment.
async fn asking(application: &Application, checked: &Checked, environment: &Environment) -> Result<Offer> {
    let granted = application.ledger.granted(checked.manifest().id()).await?;
    Offer::asking(&application.setting_sources_in(environment)?, checked, &granted)
}

/// Whether a model is offered the tools of a component.
pub(crate) async fn is_on(application: &Application, checked: &Checked) -> Result<bool> {
    Ok(offer(application, checked).await?.stands())
}

/// A tool of an installed component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ToolRow {
    /// The tool, as models call it.
    pub tool: String,
    /// The component whose it is.
    pub component: String,
    /// What its calls can do.
    pub effects: Vec<String>,
    /// Whether a model is offered it.
    pub on: bool,
    /// Why.
    pub why: String,
    /// Settings that have no value, without any of which it has nowhere to connect.
    pub needs: Vec<String>,
    /// What becomes of a call while only the owner has spoken.
    pub then: Action,
    /// What a model is told of it.
    pub description: String,
}

/// Lists the tools of all installed components.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct ListTools {}

impl Operation for ListTools {
    type View = Vec<ToolRow>;
    const ROUTE: Route =
        Route::get("tools.list", "/control/v1/tools", "List all tools, and whether a model is offered them.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        application.check_components()?;
        let (mut rows, mut on) = (Vec::new(), Vec::new());
        let installed = application.installed()?;
        for checked in installed.usable.values() {
            if is_on(application, checked).await? {
                on.push(checked.clone());
            }
        }
        // As the toolbox names them.
        let clash = Toolbox::sharing(shared_names(on.iter().map(|checked| checked.manifest())));
        for checked in installed.usable.values().filter(|checked| !checked.manifest().tools().is_empty()) {
            let offer = offer(application, checked).await?;
            let id = checked.manifest().id();
            for (tool, declared) in checked.authority().tools().iter().zip(checked.manifest().tools()) {
                let unclear = application.plugins.is_unclear(&installed, checked, &tool.name);
                rows.push(ToolRow {
                    tool: match clash.is_shared(&tool.name) {
                        true => full_name(id, &tool.name).to_string(),
                        false => tool.name.to_string(),
                    },
                    component: id.to_string(),
                    effects: tool.raised.keys().map(|effect| effect.name().to_owned()).collect(),
                    on: offer.stands(),
                    why: offer.why(),
                    needs: offer.needs(),
                    then: usually(application, checked, tool, unclear)?,
                    description: declared.description.clone(),
                });
            }
        }
        Ok(rows)
    }
}

/// What the policy says of a call while only the owner has spoken, and wrote the destination.
fn usually(application: &Application, checked: &Checked, tool: &ToolAuthority, unclear: bool) -> Result<Action> {
    let call = ToolCall {
        component: checked.manifest().id().clone(),
        digest: *checked.package().digest().as_bytes(),
        tool: tool.name.clone(),
        arguments: "{}".into(),
        destinations: Vec::new(),
        servers: Vec::new(),
        session: SessionId::parse("s-listed")?,
    };
    let decision = application.config()?.policy.decide(&Situation {
        call: &call,
        full_name: &full_name(&call.component, &call.tool),
        unclear,
        effects: &tool.effects(),
        agent: AGENT,
        channel: CONSOLE,
        person: &PersonId::owner(),
        seen: &Label::of(Source::Owner),
        provenance: (!tool.destination.is_empty()).then_some(Provenance::Owner),
        followed: 0,
        dictated: false,
        queries: false,
    });
    Ok(decision.then())
}

/// A tool as a model is offered it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OfferedTool {
    /// The tool, as models call it.
    pub tool: String,
    /// The component whose it is.
    pub component: String,
    /// What its calls can do.
    pub effects: Vec<String>,
}

/// Lists the tools that a model is offered in a run of who asks: as `runs.begin` would offer them now.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ListOfferedTools {
    /// Environment variables of the caller, for this request alone; `environment.wanted` says which count.
    #[serde(default)]
    pub environment: Variables,
    /// Offer the model no tools.
    #[serde(default)]
    pub no_tools: bool,
}

impl Operation for ListOfferedTools {
    type View = Vec<OfferedTool>;
    const ROUTE: Route =
        Route::post("tools.offered", "/control/v1/tools/offered", "List the tools that a model is offered now.")
            .reading();

    async fn run(self, application: &Arc<Application>, _: &Principal, events: &Events) -> Result<Self::View> {
        if self.no_tools {
            return Ok(Vec::new());
        }
        let environment = application.brought(&BTreeMap::new(), &self.environment)?.environment;
        let tools = assistant_factory::tools(application, &environment, events);
        let toolbox = tools.now().await.map_err(Error::from)?;
        let offered = toolbox.all().map(|(name, offered)| OfferedTool {
            tool: name.to_string(),
            component: offered.component.id().to_string(),
            effects: offered.effects.iter().map(|effect| effect.name().to_owned()).collect(),
        });
        Ok(offered.collect())
    }
}

/// Switches the tools of components on: grants what their manifests ask.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnableTools {
    /// The components.
    pub components: Vec<String>,
    /// Environment variables of the caller, for this request alone; `environment.wanted` says which count.
    #[serde(default)]
    pub environment: Variables,
}

/// What a component was granted, or what was taken from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SwitchedTools {
    /// The component.
    pub component: String,
    /// Whether its tools are on from now on.
    pub on: bool,
    /// The capabilities that were granted or taken; none where they were on, or off, already.
    pub capabilities: Vec<String>,
}

impl SwitchedTools {
    fn of(id: &ComponentId, on: bool, capabilities: &[Capability]) -> Self {
        let capabilities = capabilities.iter().map(ToString::to_string).collect();
        Self { component: id.to_string(), on, capabilities }
    }

    /// The same in a sentence.
    pub fn words(&self) -> String {
        let (id, all) = (&self.component, self.capabilities.join(", "));
        match (self.on, all.is_empty()) {
            (true, true) => format!("`{id}` was on already"),
            (true, false) => format!("granted to `{id}`: {all} (cara tools enable)"),
            (false, true) => format!("`{id}` was off already"),
            (false, false) => format!("taken from `{id}`: {all} (cara tools disable)"),
        }
    }
}

impl Operation for EnableTools {
    type View = Vec<SwitchedTools>;
    const ROUTE: Route =
        Route::post("tools.enable", "/control/v1/tools/enable", "Switch the tools of components on.").admin();

    async fn run(self, application: &Arc<Application>, _: &Principal, events: &Events) -> Result<Self::View> {
        application.check_components()?;
        let environment = application.brought(&BTreeMap::new(), &self.environment)?.environment;
        let all = with_tools(application, &self.components)?;
        for checked in &all {
            let before = asking(application, checked, &environment).await?;
            if before.waits() {
                fail!(Refused, "`{}` cannot be switched on: {}", checked.manifest().id(), before.why());
            }
        }
        let mut switched = Vec::new();
        for checked in &all {
            switched.extend(enable(application, checked, &environment, events).await?);
        }
        Ok(switched)
    }
}

async fn enable(
    application: &Application,
    checked: &Checked,
    environment: &Environment,
    events: &Events,
) -> Result<Option<SwitchedTools>> {
    let id = checked.manifest().id();
    if asking(application, checked, environment).await?.asked.is_empty() {
        events.note(format!("`{id}` asks for nothing and is always on"));
        return Ok(None);
    }
    let around = application.setting_sources_in(environment)?;
    let new = model_selection::record(application, checked, &around, &BTreeMap::new(), "cara tools enable").await?;
    let switched = Some(SwitchedTools::of(id, true, &new));
    // A secret that is needed and not stored would only show at the first call.
    for secret in checked.manifest().secrets().iter().filter(|secret| !secret.optional) {
        let id = SecretId::component(id.clone(), secret.name.clone());
        if environment.secret(secret).is_none() && !application.vault.holds(&id)? {
            events.note(format!("it needs {}: `cara secrets set {id}`", secret.label));
        }
    }
    // Of several that are optional, which one is needed is often said by a setting; none at all is seldom enough.
    let optional = checked.manifest().secrets().iter().filter(|secret| secret.optional);
    let mut lacking = Vec::new();
    for secret in optional {
        let id = SecretId::component(id.clone(), secret.name.clone());
        if application.vault.holds(&id)? || secret.env.iter().any(|name| environment.get(name).is_some()) {
            return Ok(switched);
        }
        lacking.push(format!("`cara secrets set {id}` ({})", secret.label));
    }
    if !lacking.is_empty() {
        events.note(format!("no key of `{id}` is stored; it may need one: {}", lacking.join(" or ")));
    }
    Ok(switched)
}

/// Switches the tools of components off: takes all their grants away.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DisableTools {
    /// The components.
    pub components: Vec<String>,
}

impl Operation for DisableTools {
    type View = Vec<SwitchedTools>;
    const ROUTE: Route =
        Route::post("tools.disable", "/control/v1/tools/disable", "Switch the tools of components off.").admin();

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        application.check_components()?;
        let all = with_tools(application, &self.components)?;
        for checked in &all {
            if offer(application, checked).await?.asks_nothing() {
                let id = checked.manifest().id();
                fail!(
                    Refused,
                    "component `{id}` asks for nothing, so there is nothing to take away\n\
                     hint: to deny its calls, add to `{}`:\n[[policy.rule]]\ncomponent = \"{id}\"\nthen = \"deny\"",
                    application.home().config().display()
                );
            }
        }
        let mut switched = Vec::new();
        for checked in &all {
            switched.push(disable(application, checked).await?);
        }
        Ok(switched)
    }
}

async fn disable(application: &Application, checked: &Checked) -> Result<SwitchedTools> {
    let id = checked.manifest().id();
    // Expired ones too, so that nothing is left.
    let recorded = application.ledger.grants().await?.into_iter().filter(|grant| grant.component == *id);
    let recorded: Vec<Capability> = recorded.map(|grant| grant.capability).collect();
    let gone = application.ledger.revoke(id, &recorded, "cara tools disable").await?;
    Ok(SwitchedTools::of(id, false, &gone))
}
