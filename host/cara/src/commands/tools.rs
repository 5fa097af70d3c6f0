//! `cara tools`: which tools a model is offered,
//! and switching them on and off.

use super::chat::PERSON;
use crate::assemble::{AGENT, CONSOLE};
use crate::boot::Cara;
use crate::cli::Tools;
use crate::offer::Offer;
use crate::places::Places;
use crate::{choose, layout, show};
use anyhow::{Result, bail};
use cara_assistant::Toolbox;
use cara_assistant::toolbox::{full_name, shared_names};
use cara_authority::{
    Action, Capability, ComponentId, Label, PersonId, Provenance, SessionId, Situation, Source, ToolAuthority, ToolCall,
};
use cara_kernel::Checked;
use cara_services::vault::SecretId;
use serde::Serialize;
use std::process::ExitCode;
use std::sync::Arc;

/// Runs the command.
pub(crate) async fn run(cara: &Cara, tools: Tools) -> Result<ExitCode> {
    match tools {
        Tools::List { json } => list(cara, json).await?,
        Tools::Enable { components } => {
            for checked in with_tools(cara, &components)? {
                enable(cara, &checked).await?;
            }
        }
        Tools::Disable { components } => {
            let checked = with_tools(cara, &components)?;
            for checked in &checked {
                refuse_without_wishes(cara, checked).await?;
            }
            for checked in &checked {
                disable(cara, checked).await?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The components of these ids; each must be installed and offer a tool.
fn with_tools(cara: &Cara, ids: &[ComponentId]) -> Result<Vec<Arc<Checked>>> {
    let mut found = Vec::new();
    for id in ids {
        let checked = cara.checked(id)?;
        if checked.manifest().tools().is_empty() {
            bail!("component `{id}` offers no tools\nhint: `cara tools list` shows those that do");
        }
        found.push(checked);
    }
    Ok(found)
}

/// How a component's tools stand.
async fn offer(cara: &Cara, checked: &Checked) -> Result<Offer> {
    let granted = cara.ledger.granted(checked.manifest().id()).await?;
    Offer::of(&cara.config, &*cara.installed()?, checked, &granted)
}

/// Whether a model is offered the tools of a component.
pub(super) async fn is_on(cara: &Cara, checked: &Checked) -> Result<bool> {
    Ok(offer(cara, checked).await?.stands())
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Row {
    tool: String,
    component: String,
    effects: Vec<&'static str>,
    on: bool,
    why: String,
    /// What becomes of a call while only the owner has spoken.
    then: Action,
    description: String,
}

async fn list(cara: &Cara, json: bool) -> Result<()> {
    let (mut rows, mut on) = (Vec::new(), Vec::new());
    for checked in cara.installed()?.usable.values() {
        if is_on(cara, checked).await? {
            on.push(checked.clone());
        }
    }
    // As the toolbox names them.
    let clash = Toolbox::sharing(shared_names(on.iter().map(|checked| checked.manifest())));
    let installed = cara.installed()?;
    for checked in installed.usable.values().filter(|checked| !checked.manifest().tools().is_empty()) {
        let offer = offer(cara, checked).await?;
        let id = checked.manifest().id();
        for (tool, declared) in checked.authority().tools().iter().zip(checked.manifest().tools()) {
            rows.push(Row {
                tool: match clash.is_shared(&tool.name) {
                    true => full_name(id, &tool.name).to_string(),
                    false => tool.name.to_string(),
                },
                component: id.to_string(),
                effects: tool.raised.keys().map(|effect| effect.name()).collect(),
                on: offer.stands(),
                why: offer.why(),
                then: usually(cara, checked, tool, cara.plugins.is_unclear(&installed, checked, &tool.name)?)?,
                description: declared.description.clone(),
            });
        }
    }
    if json {
        return layout::json(&rows);
    }
    let cells = rows.into_iter().map(|row| {
        let effects = if row.effects.is_empty() { "-".to_owned() } else { row.effects.join(", ") };
        let on = if row.on { "on" } else { "off" };
        vec![row.tool, row.component, on.to_owned(), row.then.to_string(), effects, row.why]
    });
    show::table(&["TOOL", "COMPONENT", "STATE", "THEN", "EFFECTS", "WHY"], &cells.collect::<Vec<_>>());
    Ok(())
}

/// What the policy says of a call while only the owner has spoken, and wrote the destination.
fn usually(cara: &Cara, checked: &Checked, tool: &ToolAuthority, unclear: bool) -> Result<Action> {
    let call = ToolCall {
        component: checked.manifest().id().clone(),
        digest: *checked.package().digest().as_bytes(),
        tool: tool.name.clone(),
        arguments: "{}".into(),
        destinations: Vec::new(),
        session: SessionId::parse("s-listed")?,
    };
    let person = PersonId::parse(PERSON)?;
    let decision = cara.config.policy.decide(&Situation {
        call: &call,
        full_name: &full_name(&call.component, &call.tool),
        unclear,
        effects: &tool.effects(),
        agent: AGENT,
        channel: CONSOLE,
        person: &person,
        seen: Label::of(Source::Owner),
        provenance: (!tool.destination.is_empty()).then_some(Provenance::Owner),
        followed: 0,
        dictated: false,
        queries: false,
    });
    Ok(decision.then())
}

async fn enable(cara: &Cara, checked: &Checked) -> Result<()> {
    let id = checked.manifest().id();
    let before = offer(cara, checked).await?;
    if before.waits() {
        bail!("`{id}` cannot be switched on: {}", before.why());
    }
    if before.asked.is_empty() {
        show::note(&format!("`{id}` asks for nothing and is always on"));
        return Ok(());
    }
    if before.asked.iter().all(|wish| before.granted.contains(wish)) {
        show::note(&format!("`{id}` was on already"));
    }
    choose::grant(cara, checked, &choose::asking(cara, checked, &[])?, "cara tools enable").await?;
    say_missing_secrets(cara, checked).await
}

/// A secret that is needed and not stored would only show at the first call.
async fn say_missing_secrets(cara: &Cara, checked: &Checked) -> Result<()> {
    let manifest = checked.manifest();
    if manifest.secrets().iter().all(|secret| secret.optional) {
        return Ok(());
    }
    for secret in manifest.secrets().iter().filter(|secret| !secret.optional) {
        let id = SecretId::component(manifest.id().clone(), secret.name.clone());
        if !cara.vault.holds(&id)? {
            show::note(&format!("it needs {}: `cara secrets set {id}`", secret.label));
        }
    }
    Ok(())
}

async fn refuse_without_wishes(cara: &Cara, checked: &Checked) -> Result<()> {
    if offer(cara, checked).await?.asks_nothing() {
        let id = checked.manifest().id();
        bail!(
            "component `{id}` asks for nothing, so there is nothing to take away\n\
             hint: to deny its calls, add to `{}`:\n[[policy.rule]]\ncomponent = \"{id}\"\nthen = \"deny\"",
            cara.home.config().display()
        );
    }
    Ok(())
}

async fn disable(cara: &Cara, checked: &Checked) -> Result<()> {
    let id = checked.manifest().id();
    // Expired ones too, so that nothing is left.
    let recorded = cara.ledger.grants().await?.into_iter().filter(|grant| grant.component == *id);
    let recorded: Vec<Capability> = recorded.map(|grant| grant.capability).collect();
    let gone = cara.ledger.revoke(id, &recorded, "cara tools disable").await?;
    if gone.is_empty() {
        show::note(&format!("`{id}` was off already"));
        return Ok(());
    }
    let gone: Vec<String> = gone.iter().map(ToString::to_string).collect();
    show::note(&format!("taken from `{id}`: {} (cara tools disable)", gone.join(", ")));
    Ok(())
}
