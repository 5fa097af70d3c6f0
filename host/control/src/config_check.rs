//! Whether what the configuration names exists: components, their settings
//! and tools, models, agents, channels.

use crate::component_settings::of_configuration;
use crate::configuration::Config;
use crate::error::{Context, Error, ErrorKind, Result, fail};
use crate::installed::{BUILT_IN, Installed, Plugins};
use crate::messages;
use crate::names::AGENT;
use crate::near_names::near_name;
use cara_assistant::ModelName;
use cara_assistant::toolbox::full_name;
use cara_authority::manifest::{Manifest, Tool};
use cara_authority::policy::Known;
use cara_authority::{ComponentId, ToolName, display_safe};

/// Whether all that the configuration names exists; `shown` names the file in errors.
pub(crate) fn check(plugins: &Plugins, config: &Config, shown: &str) -> Result<()> {
    components(plugins, config, shown)?;
    config.gateway.check().map_err(|error| error.context(format!("`{shown}`")))?;
    config.audit.anchor.check().map_err(|error| error.context(format!("`{shown}`")))?;
    config.telemetry.check().map_err(|error| error.context(format!("`{shown}`")))?;
    settings(plugins, config, shown)?;
    channels(plugins, config, shown)?;
    models(plugins, config, shown)?;
    agent(config, shown)?;
    tools_of_roles(plugins, config, shown)?;
    policy(plugins, config, shown)
}

/// A table for a component that is not there is an error: what it sets would count for nobody. Commands that could put the
/// component there, or mend the file, are not stopped by it.
pub(crate) fn components(plugins: &Plugins, config: &Config, shown: &str) -> Result<()> {
    let installed = plugins.now()?;
    for id in config.component.keys() {
        if known(&installed).any(|known| known == id) {
            continue;
        }
        let cure = near_name(id.as_str(), known(&installed).map(ComponentId::as_str)).map_or_else(
            || format!("install `{id}`, or take the table away; `cara plugin list` shows what is installed"),
            |near| format!("write `[component.{near}]`, if you mean that one"),
        );
        fail!(Invalid, "`{shown}` has a table for component `{id}`, which is not installed\nhint: {cure}");
    }
    Ok(())
}

fn known(installed: &Installed) -> impl Iterator<Item = &ComponentId> {
    installed.usable.keys().chain(installed.broken.keys()).chain(installed.lock.0.keys())
}

/// A setting that its component does not have, or of another type, is an error.
fn settings(plugins: &Plugins, config: &Config, shown: &str) -> Result<()> {
    let installed = plugins.now()?;
    for (id, own) in &config.component {
        if let Some(checked) = installed.usable.get(id) {
            let values = of_configuration(checked.manifest(), &own.settings);
            checked.manifest().settings(&values).map_err(|error| {
                let error = Error::from(error).kind(ErrorKind::Invalid).context(format!("`{shown}`"));
                let cure =
                    error.hint.clone().unwrap_or_else(|| format!("`cara plugin inspect {id}` shows its settings"));
                Error { hint: Some(cure), ..error }
            })?;
        }
    }
    Ok(())
}

/// An account of what is no channel is an error, and a setting that the channel does not have.
fn channels(plugins: &Plugins, config: &Config, shown: &str) -> Result<()> {
    let installed = plugins.now()?;
    for (id, accounts) in &config.channel {
        let Some(checked) = installed.usable.get(id) else {
            if known(&installed).any(|known| known == id) {
                // One that cannot be used now may be later.
                continue;
            }
            let channels = installed.usable.iter().filter(|(_, checked)| checked.manifest().channel().is_some());
            let near = near_name(id.as_str(), channels.map(|(id, _)| id.as_str()));
            let meant = near.map(|near| format!("`{near}`, if you mean that one; ")).unwrap_or_default();
            fail!(
                Invalid,
                "`{shown}` has an account of channel `{id}`, which is not installed\nhint: {meant}`cara plugin list` shows what is"
            );
        };
        if checked.manifest().channel().is_none() {
            fail!(Invalid, "`{shown}` has an account of `{id}`, which is no channel\nhint: take `[channel.{id}]` away");
        }
        for (account, own) in accounts {
            let values = of_configuration(checked.manifest(), &own.settings);
            checked.manifest().settings(&values).map_err(|error| {
                let of = format!("`{shown}`: `channel.{id}.{account}`");
                Error::from(error).kind(ErrorKind::Invalid).context(of)
            })?;
        }
    }
    Ok(())
}

/// A model of a provider that is not there is an error. One that cannot be used now may be later.
fn models(plugins: &Plugins, config: &Config, shown: &str) -> Result<()> {
    let installed = plugins.now()?;
    let of_agents =
        config.agent.iter().filter_map(|(name, agent)| Some((format!("agent.{name}.model"), agent.model.as_ref()?)));
    let of_chat = config.chat.model.iter().map(|model| ("chat.model".to_owned(), model));
    let of_guards = config.guards.classifier.iter().map(|model| ("guards.classifier".to_owned(), model));
    let of_roles =
        config.role.all().into_iter().flat_map(|(role, rights)| {
            rights.models.iter().flatten().map(move |model| (format!("{role}.models"), model))
        });
    for (key, model) in of_chat.chain(of_agents).chain(of_guards).chain(of_roles) {
        provider(&installed, model).map_err(|error| error.context(format!("`{shown}`: `{key}`")))?;
    }
    Ok(())
}

/// An agent for conversations that nobody configured is an error: none would begin.
fn agent(config: &Config, shown: &str) -> Result<()> {
    let of_roles = config.role.all().map(|(role, rights)| (format!("{role}.agent"), rights.agent.as_ref()));
    let of_chat = ("chat.agent".to_owned(), config.chat.agent.as_ref());
    for (key, name) in std::iter::once(of_chat).chain(of_roles) {
        let Some(name) = name.filter(|name| *name != AGENT && !config.agent.contains_key(*name)) else { continue };
        let meant = near_name(name, config.agent.keys().map(String::as_str));
        let meant = meant.map(|near| format!("`{near}`, if you mean that one; ")).unwrap_or_default();
        let name = display_safe(name);
        fail!(
            Invalid,
            "`{shown}`: `{key}` names agent `{name}`, which is not configured\n\
             hint: {meant}`cara config set agent.{name}.system TEXT` makes it; `cara config unset {key}` goes back to `{AGENT}`"
        )
    }
    Ok(())
}

/// What a role may call that no component has is an error: a name that means nothing lets nobody do what was wanted. Tools
/// have their full names here, so that no other component's tool of that name is meant as well.
fn tools_of_roles(plugins: &Plugins, config: &Config, shown: &str) -> Result<()> {
    let named = config.role.all().map(|(role, rights)| (role, rights.tools.as_deref().unwrap_or_default()));
    if named.iter().all(|(_, tools)| tools.is_empty()) {
        return Ok(());
    }
    let installed = plugins.now()?;
    let full = |manifest: &Manifest| -> Vec<String> {
        manifest.tools().iter().map(|tool| full_name(manifest.id(), &tool.name).to_string()).collect()
    };
    let with_tools = installed.usable.values().map(|checked| checked.manifest());
    let with_tools: Vec<&Manifest> = with_tools.filter(|manifest| !manifest.tools().is_empty()).collect();
    let ids = with_tools.iter().map(|manifest| manifest.id().to_string());
    let mut names: Vec<String> = ids.chain(with_tools.iter().flat_map(|manifest| full(manifest))).collect();
    // One that cannot be used now may be later.
    names.extend(known(&installed).filter(|id| !installed.usable.contains_key(*id)).map(ToString::to_string));
    for (role, name) in named.iter().flat_map(|(role, tools)| tools.iter().map(move |name| (role, name))) {
        if names.contains(name) {
            continue;
        }
        let of_own =
            with_tools.iter().flat_map(|manifest| manifest.tools().iter().map(|tool| (manifest.id(), &tool.name)));
        let own: Vec<String> =
            of_own.filter(|(_, own)| own.as_str() == name).map(|(id, own)| full_name(id, own).to_string()).collect();
        let near = own.first().map(String::as_str).or_else(|| near_name(name, names.iter().map(String::as_str)));
        let cure = near.map_or_else(
            || "write `component` or `component__tool`; `cara tools list` shows them".to_owned(),
            |near| format!("`{near}`, if you mean that one"),
        );
        let name = display_safe(name);
        fail!(
            Invalid,
            "`{shown}`: `{role}.tools` has `{name}`, which is no tool and no component with tools\nhint: {cure}"
        );
    }
    Ok(())
}

fn provider(installed: &Installed, model: &ModelName) -> Result<(), Error> {
    let id = &model.component;
    match installed.usable.get(id) {
        Some(checked) if checked.manifest().provider().is_some() => Ok(()),
        Some(_) => fail!(Invalid, "component `{id}` offers no models\nhint: `cara plugin list` shows the providers"),
        None if known(installed).any(|known| known == id) => Ok(()),
        None => {
            let providers = || installed.usable.values().filter(|checked| checked.manifest().provider().is_some());
            let ids = || providers().map(|checked| checked.manifest().id());
            let cure = near_name(id.as_str(), ids().map(ComponentId::as_str)).map_or_else(
                || format!("the providers are {}", ids().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ")),
                |near| format!("`{near}`, if you mean that one"),
            );
            fail!(Invalid, "there is no provider `{id}`\nhint: {cure}")
        }
    }
}

/// Unknown names in the policy are errors, also for tools that are not switched on.
pub(crate) fn policy(plugins: &Plugins, config: &Config, shown: &str) -> Result<()> {
    let installed = plugins.now()?;
    let manifests = installed.usable.values().map(|checked| checked.manifest());
    let tools = manifests.flat_map(|manifest| {
        let names = move |tool: &Tool| [tool.name.to_string(), full_name(manifest.id(), &tool.name).to_string()];
        manifest.tools().iter().flat_map(names)
    });
    let tools: Vec<String> = tools.collect();
    let components: Vec<String> = installed.usable.keys().map(ToString::to_string).collect();
    let agents: Vec<String> = std::iter::once(AGENT.to_owned()).chain(config.agent.keys().cloned()).collect();
    let channels: Vec<String> = messages::channels(config);
    let known = Known { tools: &tools, components: &components, agents: &agents, channels: &channels };
    for (id, own) in &config.component {
        let Some(checked) = installed.usable.get(id) else { continue };
        let offered = |name: &ToolName| checked.manifest().tools().iter().any(|tool| tool.name == *name);
        if let Some(name) = own.tool.keys().find(|name| !offered(name)) {
            fail!(Invalid, "`{shown}`: component `{id}` has no tool `{name}`\nhint: `cara tools list` shows them");
        }
    }
    config.policy.check(&known).with_context(|| format!("`{shown}` cannot be used"))?;
    signers(plugins, config, shown)
}

/// A name in `[results] signers` is an error: another key can be trusted under it later, and would be believed.
fn signers(plugins: &Plugins, config: &Config, shown: &str) -> Result<()> {
    let is_key = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let names = |text: &&String| *text != BUILT_IN && !is_key(text) && !text.ends_with(')');
    let Some(name) = config.results.signers.iter().find(names) else { return Ok(()) };
    let trust = plugins.trusted()?;
    let keys = trust.keys().iter().map(|key| (key.name.as_str(), key.id.to_hex()));
    let identities = trust.identities().iter().map(|known| {
        let who = format!("{} ({})", known.identity, known.issuer);
        (known.name.as_str(), who)
    });
    let found = keys.chain(identities).find(|(known, _)| *known == name).map(|(_, who)| who);
    let cure = found.map_or_else(
        || "write the id of a key, as `cara trust list --json` shows it".to_owned(),
        |who| format!("write the key itself: `signers = [\"{who}\"]`"),
    );
    let name = display_safe(name);
    fail!(Invalid, "`{shown}`: `signers` of `[results]` has `{name}`, a name that another key can get\nhint: {cure}")
}
