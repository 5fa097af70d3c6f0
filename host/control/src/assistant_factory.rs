//! Puts an assistant together: tools with their grants, policy, budgets,
//! guards.

use crate::application::Application;
use crate::configuration::Config;
use crate::current_components::LiveTools;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Events;
use crate::installed::Installed;
use crate::messages;
use crate::model_selection::{self, Naming};
use crate::tool_offer::Offer;
use crate::variables::{Brought, Environment};
use cara_assistant::guards::classifier::Classifier;
use cara_assistant::toolbox::Fixed;
use cara_assistant::{Approvals, Assistant, Tools};
use cara_authority::manifest::Manifest;
use cara_authority::{Action, ComponentId, display_safe};
use cara_channels::Outbox;
use cara_kernel::Checked;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Grants what a conversation with these tools asks for, and says what will not work as written.
pub(crate) async fn prepare(
    application: &Application,
    named: &[ComponentId],
    means: Naming,
    environment: &Environment,
    events: &Events,
) -> Result<()> {
    application.check_components()?;
    let around = application.setting_sources_in(environment)?;
    for id in named {
        let checked = application.checked(id)?;
        model_selection::grant(application, &checked, &around, &BTreeMap::new(), "--tool names it", events).await?;
    }
    for checked in around.installed.usable.values().filter(|checked| !checked.manifest().tools().is_empty()) {
        model_selection::say_unread(application, checked, environment, events).await?;
        // One whose variable does not fit is left out, which is said where the tools are put together.
        let _misfit = model_selection::say_led(application, checked, &Brought::of(environment), events).await;
    }
    if let Some(name) = around.config.guards.classifier.as_ref().filter(|_| means == Naming::Grants) {
        let brought = Brought::of(environment);
        model_selection::naming(application, name, means, &brought, "the configuration names it", events).await?;
    }
    application.check_policy()?;
    say_unclear(application, &around.config, &around.installed, events);
    Ok(())
}

/// The tools that are switched on; which are left out is told to `events`.
pub(crate) fn tools(application: &Application, environment: &Environment, events: &Events) -> Arc<dyn Tools> {
    Arc::new(LiveTools::new(application.live(environment), events.clone()))
}

/// The assistant as things are now; which tools are left out is told to `events`.
pub(crate) async fn assistant(
    application: &Application,
    with_tools: bool,
    environment: &Environment,
    events: &Events,
) -> Result<Assistant> {
    let records = application.records().await?.clone();
    let tools = if with_tools { tools(application, environment, events) } else { Arc::new(Fixed(Arc::default())) };
    application.check_policy()?;
    let config = application.config()?;
    let clock = application.services.clock;
    Ok(Assistant {
        approvals: Approvals::new(records.clone(), clock, &config.approvals),
        services: application.services_for(&Brought::of(environment)),
        outbound: Arc::new(Outbox::new(records.clone(), messages::channels(&config))),
        records,
        tools,
        rules: application.settings.rules().into(),
        limits: config.run,
        guards: (&config.guards).into(),
        classifier: classifier(application, &config, environment).await?,
        configuration: Arc::new(configuration(application)?),
        process: application.holder.process.clone(),
        time_zone: time_zone(),
    })
}

/// Says which rules let nothing run, since the name in them does not say whose tool is meant: it is no tool's of what is
/// built in, or several components'.
pub(crate) fn say_unclear(application: &Application, config: &Config, installed: &Installed, events: &Events) {
    let shared = application.plugins.shared_names(installed);
    for (number, rule) in (1..).zip(&config.policy.rule) {
        let Some(name) = rule.tool.as_deref().filter(|_| rule.component.is_none() && rule.then == Action::Allow) else {
            continue;
        };
        let is_named = |manifest: &Manifest| manifest.tools().iter().any(|tool| tool.name.as_str() == name);
        let owner = installed.usable.values().map(|checked| checked.manifest()).find(|manifest| is_named(manifest));
        let why = match owner {
            _ if shared.iter().any(|shared| shared.as_str() == name) => "several components have that tool".to_owned(),
            Some(owner) if application.plugins.built_in(owner.id()).is_none() => {
                format!("`{}` is not built in, so another could take its place", owner.id())
            }
            _ => continue,
        };
        let name = display_safe(name);
        events.note(format!(
            "rule {number} of the policy lets no `{name}` run: {why}; `component = \"…\"` says whose is meant"
        ));
    }
}

/// The model that `[guards]` names; naming it there is the operator's grant, made when a conversation begins.
async fn classifier(
    application: &Application,
    config: &Config,
    environment: &Environment,
) -> Result<Option<Classifier>> {
    let Some(name) = &config.guards.classifier else { return Ok(None) };
    let checked = application.checked(&name.component)?;
    let default = || checked.manifest().provider().map(|provider| provider.default_model.clone()).unwrap_or_default();
    let model = name.model.clone().unwrap_or_else(default);
    let provider = model_selection::provider(application, &name.component, &model, &Brought::of(environment)).await?;
    Ok(Some(Classifier::new(Arc::new(provider))))
}

/// The configuration in use as data.
fn configuration(application: &Application) -> Result<Value> {
    let (text, _) = application.settings.text(&application.events);
    let table: toml::Table = toml::from_str(&text)?;
    Ok(serde_json::to_value(table)?)
}

/// The machine's IANA zone: of TZ, or the link that Unix systems keep.
fn time_zone() -> Option<String> {
    let named = std::env::var("TZ").ok().map(|zone| zone.trim_start_matches(':').to_owned());
    let named = named.filter(|zone| zone.contains('/') && !zone.starts_with('/'));
    named.or_else(|| {
        let link = cara_services::files::link_target(std::path::Path::new("/etc/localtime"))?;
        let (_, zone) = link.to_str()?.split_once("zoneinfo/")?;
        Some(zone.to_owned())
    })
}

/// Whether a tool that is switched on has a secret in the vault, and the vault waits for its password.
pub(crate) async fn is_vault_locked(application: &Application, environment: &Environment) -> Result<bool> {
    let installed = application.installed()?;
    let with_tools = |checked: &&Arc<Checked>| !checked.manifest().tools().is_empty();
    for checked in installed.usable.values().filter(with_tools) {
        let granted = application.ledger.granted(checked.manifest().id()).await?;
        if granted.is_empty() {
            continue;
        }
        match application.live(environment).open_vault(checked, &BTreeMap::new(), &granted).await {
            Err(error) if error.kind == ErrorKind::VaultLocked => return Ok(true),
            // What else is wrong with it, the tool says when it is called.
            _ => {}
        }
    }
    Ok(false)
}

/// What is said of the tools when a conversation begins: which the model has; and of each component that was installed
/// for its tools and is off, why.
pub(crate) async fn say_tools(
    application: &Application,
    environment: &Environment,
    events: &Events,
) -> Result<Vec<String>> {
    let toolbox = tools(application, environment, events).now().await.map_err(Error::from)?;
    let names: Vec<String> = toolbox.all().map(|(name, _)| name.to_string()).collect();
    let around = application.setting_sources_in(environment)?;
    let installed = &around.installed;
    for (id, _) in installed.lock.0.iter().filter(|(_, entry)| entry.active.is_some()) {
        match (installed.usable.get(id), installed.broken.get(id)) {
            (Some(checked), _) if !checked.manifest().tools().is_empty() => {
                match Offer::of(&around, checked, &application.ledger.granted(id).await?) {
                    Ok(offer) if offer.stands() => {}
                    Ok(offer) => events.note(format!("`{id}` is off: {}", offer.why())),
                    Err(error) => events.note(format!("`{id}` is off: {error}")),
                }
            }
            (None, Some(why)) => events.note(format!("`{id}` cannot be used: {why}")),
            _ => {}
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::component_settings;
    use crate::event::{Event, Scope};
    use crate::plugins::tests::{open, with_a_file_for_secrets};
    use crate::variables::Variables;

    async fn said(events: &Events) -> String {
        events.end();
        let (mut reader, mut said) = (events.read(), String::new());
        while let Some(event) = reader.next().await {
            if let Event::Note { text } = &*event {
                said += text;
            }
        }
        said
    }

    #[tokio::test]
    async fn a_variable_that_does_not_fit_is_read_where_it_is_granted_and_named_to_who_brought_it_alone() {
        let folder = tempfile::tempdir().unwrap();
        let application = open(&with_a_file_for_secrets(folder.path()));
        let variables = Variables([("SEARXNG_URL".into(), "x WORDS OF A STRANGER".into())].into());
        let environment = application.brought(&BTreeMap::new(), &variables).unwrap().environment;
        let id = ComponentId::parse("search").unwrap();
        let checked = application.checked(&id).unwrap();
        assert!(Offer::of(&application.setting_sources_in(&environment).unwrap(), &checked, &[]).is_ok());
        application.ledger.grant(&id, &component_settings::variables(&checked), "a test", None).await.unwrap();
        let run = Events::new(Scope::Run);
        assert!(tools(&application, &environment, &run).now().await.is_ok());
        let of_run = said(&run).await;
        assert!(of_run.contains("`search` is left out: environment variable SEARXNG_URL"), "{of_run}");
        assert!(!of_run.contains("STRANGER"), "{of_run}");
        assert_eq!(said(&application.events).await, "");
    }
}
