//! Puts an assistant together: tools with their grants, policy, budgets,
//! guards.

use crate::application::Application;
use crate::choose;
use crate::config::Config;
use crate::environment::{Brought, Environment};
use crate::error::{Context, Error, ErrorKind, Result, fail};
use crate::event::Events;
use crate::live::LiveTools;
use crate::offer::Offer;
use crate::outbound::Channels;
use crate::places::Places;
use crate::plugins::{BUILT_IN, Installed};
use crate::text::short;
use cara_assistant::guards::classifier::Classifier;
use cara_assistant::toolbox::{Fixed, full_name};
use cara_assistant::{Approvals, Assistant, Tools};
use cara_authority::manifest::{Manifest, Tool};
use cara_authority::policy::Known;
use cara_authority::{Action, ComponentId, PersonId, ToolName};
use cara_kernel::Checked;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// So many slips of the finger may lie between what was written and what was meant.
const NEAR: usize = 2;

/// The agent that answers when none is named.
pub const AGENT: &str = "main";

/// The channel of a terminal.
pub const CONSOLE: &str = "console";

/// Who speaks at a terminal of the account that holds the home.
pub(crate) fn owner() -> PersonId {
    PersonId::parse("local:owner").expect("an id")
}

/// Grants what a conversation with these tools asks for, and says what will not work as written.
pub(crate) async fn prepare(
    application: &Application,
    named: &[ComponentId],
    environment: &Environment,
    events: &Events,
) -> Result<()> {
    check_components(application)?;
    let around = application.around_in(environment)?;
    for id in named {
        let checked = application.checked(id)?;
        let asking = around.asking(&checked, &BTreeMap::new())?;
        choose::grant(application, &checked, &asking, "--tool names it", events).await?;
    }
    for checked in around.installed.usable.values().filter(|checked| !checked.manifest().tools().is_empty()) {
        choose::say_unread(application, checked, environment, events).await?;
    }
    if let Some(name) = &around.config.guards.classifier {
        choose::naming(application, name, &Brought::of(environment), "the configuration names it", events).await?;
    }
    check_policy(application)?;
    say_unclear(application, &around.config, &around.installed, events);
    Ok(())
}

/// The tools that are switched on.
pub(crate) fn tools(application: &Application, environment: &Environment) -> Arc<dyn Tools> {
    Arc::new(LiveTools::new(application.live(environment)))
}

/// The assistant as things are now; messages of tools go to `events`.
pub(crate) async fn assistant(
    application: &Application,
    with_tools: bool,
    environment: &Environment,
    events: &Events,
) -> Result<Assistant> {
    let records = application.records().await?.clone();
    let tools = if with_tools { tools(application, environment) } else { Arc::new(Fixed(Arc::default())) };
    check_policy(application)?;
    let config = application.config()?;
    let clock = application.services.clock;
    Ok(Assistant {
        approvals: Approvals::new(records.clone(), clock, config.approvals),
        services: application.services_for(&Brought::of(environment)),
        records,
        tools,
        rules: application.settings.rules().into(),
        limits: config.run,
        guards: (&config.guards).into(),
        classifier: classifier(application, &config, environment).await?,
        outbound: Arc::new(Channels::new(application.sent.clone(), events.clone())),
        configuration: Arc::new(configuration(application)?),
        process: application.process.clone(),
        time_zone: time_zone(),
    })
}

/// Whether what the configuration names exists.
pub(crate) fn check(application: &Application, config: &Config, shown: &str) -> Result<()> {
    components_exist(application, config, shown)?;
    names_exist(application, config, shown)
}

/// Unknown names in the policy are errors, also for tools that are not switched on.
pub(crate) fn check_policy(application: &Application) -> Result<()> {
    names_exist(application, &*application.config()?, &application.home.config().display().to_string())
}

fn names_exist(application: &Application, config: &Config, shown: &str) -> Result<()> {
    let installed = application.installed()?;
    let manifests = installed.usable.values().map(|checked| checked.manifest());
    let tools = manifests.flat_map(|manifest| {
        let names = move |tool: &Tool| [tool.name.to_string(), full_name(manifest.id(), &tool.name).to_string()];
        manifest.tools().iter().flat_map(names)
    });
    let tools: Vec<String> = tools.collect();
    let components: Vec<String> = installed.usable.keys().map(ToString::to_string).collect();
    let agents: Vec<String> = std::iter::once(AGENT.to_owned()).chain(config.agent.keys().cloned()).collect();
    let channels: Vec<String> = std::iter::once(CONSOLE.to_owned()).chain(Channels::names()).collect();
    let known = Known { tools: &tools, components: &components, agents: &agents, channels: &channels };
    for (id, own) in &config.component {
        let Some(checked) = installed.usable.get(id) else { continue };
        let offered = |name: &ToolName| checked.manifest().tools().iter().any(|tool| tool.name == *name);
        if let Some(name) = own.tool.keys().find(|name| !offered(name)) {
            fail!(Invalid, "`{shown}`: component `{id}` has no tool `{name}`\nhint: `cara tools list` shows them");
        }
    }
    config.policy.check(&known).with_context(|| format!("`{shown}` cannot be used"))?;
    check_signers(application, config, shown)
}

/// A name in `[results] signers` is an error: another key can be trusted under it later, and would be believed.
fn check_signers(application: &Application, config: &Config, shown: &str) -> Result<()> {
    let is_key = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let names = |text: &&String| *text != BUILT_IN && !is_key(text) && !text.ends_with(')');
    let Some(name) = config.results.signers.iter().find(names) else { return Ok(()) };
    let trust = application.plugins.trusted()?;
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
    let name = short(name);
    fail!(Invalid, "`{shown}`: `signers` of `[results]` has `{name}`, a name that another key can get\nhint: {cure}")
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
        let name = short(name);
        events.note(format!(
            "rule {number} of the policy lets no `{name}` run: {why}; `component = \"…\"` says whose is meant"
        ));
    }
}

/// A table for a component that is not there is an error: what it sets would count for nobody. Commands that could put the
/// component there, or mend the file, are not stopped by it.
pub(crate) fn check_components(application: &Application) -> Result<()> {
    components_exist(application, &*application.config()?, &application.home.config().display().to_string())
}

fn components_exist(application: &Application, config: &Config, shown: &str) -> Result<()> {
    let installed = application.installed()?;
    let known = || installed.usable.keys().chain(installed.broken.keys()).chain(installed.lock.0.keys());
    for id in config.component.keys() {
        if known().any(|known| known == id) {
            continue;
        }
        let near = known().min_by_key(|known| strsim::damerau_levenshtein(known.as_str(), id.as_str()));
        let near = near.filter(|known| strsim::damerau_levenshtein(known.as_str(), id.as_str()) <= NEAR);
        let cure = near.map_or_else(
            || format!("install `{id}`, or take the table away; `cara plugin list` shows what is installed"),
            |near| format!("write `[component.{near}]`, if you mean that one"),
        );
        fail!(Invalid, "`{shown}` has a table for component `{id}`, which is not installed\nhint: {cure}");
    }
    Ok(())
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
    let provider = choose::provider(application, &name.component, &model, &Brought::of(environment)).await?;
    Ok(Some(Classifier::new(Arc::new(provider))))
}

/// The configuration in use as data.
fn configuration(application: &Application) -> Result<Value> {
    let (text, _) = application.settings.text(&application.listeners);
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
        if application.ledger.granted(checked.manifest().id()).await?.is_empty() {
            continue;
        }
        match application.live(environment).open_vault(checked).await {
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
    let toolbox = tools(application, environment).now().await.map_err(Error::from)?;
    let names: Vec<String> = toolbox.all().map(|(name, _)| name.to_string()).collect();
    let around = application.around_in(environment)?;
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
