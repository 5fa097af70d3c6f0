//! Puts an assistant together: tools with their grants, policy, budgets,
//! guards.

use crate::boot::Cara;
use crate::choose;
use crate::live::LiveTools;
use crate::offer::Offer;
use crate::outbound::Channels;
use crate::places::Places;
use crate::plugins::{BUILT_IN, Installed};
use crate::show;
use anyhow::{Context, Result, anyhow, bail};
use cara_assistant::guards::classifier::Classifier;
use cara_assistant::outbound::Outbound;
use cara_assistant::toolbox::{Fixed, full_name};
use cara_assistant::{Approvals, Assistant, Rules, Tools};
use cara_authority::manifest::{Manifest, Tool};
use cara_authority::policy::Known;
use cara_authority::{Action, ComponentId, ToolName};
use serde_json::Value;
use std::sync::Arc;

/// So many slips of the finger may lie between what was written and what was meant.
const NEAR: usize = 2;

/// The agent that answers when none is named.
pub(crate) const AGENT: &str = "main";

/// The channel of `cara chat`.
pub(crate) const CONSOLE: &str = "console";

/// The assistant with the tools that are switched on, and those named for this run.
pub(crate) async fn assistant(cara: &Cara, named: &[ComponentId], tools: bool) -> Result<Assistant> {
    let records = cara.records().await?.clone();
    for id in named {
        let checked = cara.checked(id)?;
        choose::grant(cara, &checked, &choose::asking(cara, &checked, &[])?, "--tool names it").await?;
    }
    for checked in cara.installed()?.usable.values().filter(|checked| !checked.manifest().tools().is_empty()) {
        choose::use_environment(cara, checked);
        choose::say_unread(cara, checked).await?;
    }
    let tools: Arc<dyn Tools> = match tools {
        true => Arc::new(LiveTools::new(cara.live())),
        false => Arc::new(Fixed(Arc::default())),
    };
    // What cannot be offered together is better said now than in the middle of a conversation.
    tools.now().await.map_err(|failure| anyhow!("{failure}"))?;
    let outbound: Arc<dyn Outbound> = Arc::new(Channels::new());
    check_policy(cara, &*outbound)?;
    let config = &cara.config;
    let clock = cara.services.clock;
    Ok(Assistant {
        approvals: Approvals::new(records.clone(), clock, config.approvals),
        services: cara.services.clone(),
        records,
        tools,
        rules: Rules { policy: config.policy.clone(), budgets: config.budget.clone() }.into(),
        limits: config.run,
        guards: (&config.guards).into(),
        classifier: classifier(cara).await?,
        outbound,
        configuration: Arc::new(configuration(cara)?),
        process: cara.process.name().to_owned(),
        time_zone: time_zone(),
    })
}

/// Unknown names in the policy are errors, also for tools that are not switched on.
pub(crate) fn check_policy(cara: &Cara, outbound: &dyn Outbound) -> Result<()> {
    let installed = cara.installed()?;
    let manifests = installed.usable.values().map(|checked| checked.manifest());
    let tools = manifests.flat_map(|manifest| {
        let names = move |tool: &Tool| [tool.name.to_string(), full_name(manifest.id(), &tool.name).to_string()];
        manifest.tools().iter().flat_map(names)
    });
    let tools: Vec<String> = tools.collect();
    let components: Vec<String> = installed.usable.keys().map(ToString::to_string).collect();
    let agents: Vec<String> = std::iter::once(AGENT.to_owned()).chain(cara.config.agent.keys().cloned()).collect();
    let channels: Vec<String> = std::iter::once(CONSOLE.to_owned()).chain(outbound.channels()).collect();
    let known = Known { tools: &tools, components: &components, agents: &agents, channels: &channels };
    let path = cara.home.config();
    for (id, own) in &cara.config.component {
        let Some(checked) = installed.usable.get(id) else { continue };
        let offered = |name: &ToolName| checked.manifest().tools().iter().any(|tool| tool.name == *name);
        if let Some(name) = own.tool.keys().find(|name| !offered(name)) {
            bail!("`{}`: component `{id}` has no tool `{name}`\nhint: `cara tools list` shows them", path.display());
        }
    }
    cara.config.policy.check(&known).with_context(|| format!("`{}` cannot be used", path.display()))?;
    check_signers(cara)?;
    say_unclear(cara, &installed);
    Ok(())
}

/// A name in `[results] signers` is an error: another key can be trusted under it later, and would be believed.
fn check_signers(cara: &Cara) -> Result<()> {
    let is_key = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let names = |text: &&String| *text != BUILT_IN && !is_key(text) && !text.ends_with(')');
    let Some(name) = cara.config.results.signers.iter().find(names) else { return Ok(()) };
    let trust = cara.plugins.trusted()?;
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
    let (path, name) = (cara.home.config(), show::short(name));
    bail!("`{}`: `signers` of `[results]` has `{name}`, a name that another key can get\nhint: {cure}", path.display())
}

/// Says which rules let nothing run, since the name in them does not say whose tool is meant: it is no tool's of what is
/// built in, or several components'.
fn say_unclear(cara: &Cara, installed: &Installed) {
    let shared = cara.plugins.shared_names(installed);
    for (number, rule) in (1..).zip(&cara.config.policy.rule) {
        let Some(name) = rule.tool.as_deref().filter(|_| rule.component.is_none() && rule.then == Action::Allow) else {
            continue;
        };
        let is_named = |manifest: &Manifest| manifest.tools().iter().any(|tool| tool.name.as_str() == name);
        let owner = installed.usable.values().map(|checked| checked.manifest()).find(|manifest| is_named(manifest));
        let why = match owner {
            _ if shared.iter().any(|shared| shared.as_str() == name) => "several components have that tool".to_owned(),
            Some(owner) if cara.plugins.built_in(owner.id()).is_none() => {
                format!("`{}` is not built in, so another could take its place", owner.id())
            }
            _ => continue,
        };
        let name = show::short(name);
        show::note(&format!(
            "rule {number} of the policy lets no `{name}` run: {why}; `component = \"…\"` says whose is meant"
        ));
    }
}

/// A table for a component that is not there is an error: what it sets would count for nobody. Commands that could put the
/// component there, or mend the file, are not stopped by it.
pub(crate) fn check_components(cara: &Cara) -> Result<()> {
    let installed = cara.installed()?;
    let known = || installed.usable.keys().chain(installed.broken.keys()).chain(installed.lock.0.keys());
    for id in cara.config.component.keys() {
        if known().any(|known| known == id) {
            continue;
        }
        let near = known().min_by_key(|known| strsim::damerau_levenshtein(known.as_str(), id.as_str()));
        let near = near.filter(|known| strsim::damerau_levenshtein(known.as_str(), id.as_str()) <= NEAR);
        let cure = near.map_or_else(
            || format!("install `{id}`, or take the table away; `cara plugin list` shows what is installed"),
            |near| format!("write `[component.{near}]`, if you mean that one"),
        );
        let path = cara.home.config();
        bail!("`{}` has a table for component `{id}`, which is not installed\nhint: {cure}", path.display());
    }
    Ok(())
}

/// The model that `[guards]` names; naming it there is the operator's grant.
async fn classifier(cara: &Cara) -> Result<Option<Classifier>> {
    let Some(name) = &cara.config.guards.classifier else { return Ok(None) };
    let provider = choose::named(cara, name, &[], "the configuration names it").await?;
    Ok(Some(Classifier::new(Arc::new(provider))))
}

/// The configuration file as data.
fn configuration(cara: &Cara) -> Result<Value> {
    let path = cara.home.config();
    let text = cara_services::files::read_capped(&path, crate::config::LARGEST)?.unwrap_or_default();
    let text = String::from_utf8(text).with_context(|| format!("`{}` is not UTF-8", path.display()))?;
    let table: toml::Table = toml::from_str(&text).with_context(|| format!("`{}` cannot be used", path.display()))?;
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

/// Says which tools the model has, in one line; and of each component that was installed for its tools and is off, why.
pub(crate) async fn say_tools(cara: &Cara, assistant: &Assistant) -> Result<()> {
    let toolbox = assistant.tools.now().await.map_err(|failure| anyhow!("{failure}"))?;
    let names: Vec<&str> = toolbox.all().map(|(name, _)| name.as_str()).collect();
    if names.is_empty() {
        return Ok(());
    }
    show::note(&format!("tools: {} · `cara tools list` shows more", names.join(", ")));
    let installed = cara.installed()?;
    for (id, _) in installed.lock.0.iter().filter(|(_, entry)| entry.active.is_some()) {
        match (installed.usable.get(id), installed.broken.get(id)) {
            (Some(checked), _) if !checked.manifest().tools().is_empty() => {
                match Offer::of(&cara.config, &installed, checked, &cara.ledger.granted(id).await?) {
                    Ok(offer) if offer.stands() => {}
                    Ok(offer) => show::note(&format!("`{id}` is off: {}", offer.why())),
                    Err(error) => show::note(&format!("`{id}` is off: {error:#}")),
                }
            }
            (None, Some(why)) => show::note(&format!("`{id}` cannot be used: {why}")),
            _ => {}
        }
    }
    Ok(())
}
