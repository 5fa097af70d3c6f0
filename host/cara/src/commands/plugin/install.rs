//! `cara plugin install`, `update`: reviews, asks, and puts into use.

use crate::cli::{Consent, Install, Update};
use crate::door::Door;
use crate::output::{Output, Show, layout, show};
use crate::text_file;
use anyhow::{Context, Result, anyhow, bail};
use cara_control::plugins::{
    InstallPlugin, InstalledIds, InstalledPlugin, PrepareInstall, PreparedInstall, Review, UpdatePlugin, UpdatedPlugin,
};
use cara_packages::Reference;
use cara_terminal::prompt;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::path::Path;

/// The largest file of grants, bytes.
const LARGEST: u64 = 64 * 1024;

/// A reference as the holder of the home reads it: from another folder.
pub(super) fn reference(text: &str) -> Result<String> {
    match Reference::parse(text) {
        Ok(Reference::File(_)) => absolute(Path::new(text)),
        // What it cannot read, the holder says.
        Ok(_) | Err(_) => Ok(text.to_owned()),
    }
}

/// A path as the holder of the home finds it.
pub(super) fn absolute(path: &Path) -> Result<String> {
    let absolute = std::path::absolute(path)?;
    let text = absolute.to_str().ok_or_else(|| anyhow!("`{}` is not UTF-8", absolute.display()))?;
    Ok(text.to_owned())
}

/// `cara plugin install`.
pub(super) async fn install(door: &Door, output: Output, install: Install) -> Result<()> {
    let (from, allow_downgrade) = (reference(&install.from)?, install.allow_downgrade);
    let prepared = door.call(PrepareInstall { from: from.clone(), allow_downgrade }).await?;
    say_times(&prepared);
    if !output.json {
        prepared.review.show();
    }
    let question = format!("Install `{}` {}", prepared.review.id, prepared.review.version);
    let Some(grants) = consent(&install.consent, &prepared, &question)? else {
        return Err(prompt::Declined("nothing was installed").into());
    };
    let act = "cara plugin install".to_owned();
    put(door, output, InstallPlugin { from, digest: prepared.review.digest, grants, allow_downgrade, act }).await
}

fn say_times(prepared: &PreparedInstall) {
    let [fetched, verified, compiled] = prepared.took_ms;
    show::note(&format!("fetched in {fetched} ms, verified in {verified} ms, compiled in {compiled} ms"));
}

async fn put(door: &Door, output: Output, install: InstallPlugin) -> Result<()> {
    let installed = door.call(install).await?;
    output.emit(&installed)
}

impl Show for InstalledPlugin {
    fn show(&self) {
        let Self { id, version, not_granted, tools_off } = self;
        show::note(&format!("`{id}` {version} is in use from the next call on"));
        if !not_granted.is_empty() {
            let missing: Vec<String> = not_granted.iter().map(|capability| format!("`{capability}`")).collect();
            show::note(&format!("not granted: {}; `cara grant {id} CAPABILITY` grants more", missing.join(", ")));
        }
        if let Some(why) = tools_off {
            show::note(&format!("its tools are off: {why}"));
        }
    }
}

/// `cara plugin update`.
pub(super) async fn update(door: &Door, output: Output, update: Update) -> Result<()> {
    let ids: Vec<String> = match update.ids.is_empty() {
        true => door.call(InstalledIds {}).await?,
        false => update.ids.iter().map(ToString::to_string).collect(),
    };
    if ids.is_empty() {
        show::note("nothing was installed; what is built in is updated with the program");
    }
    for id in ids {
        let updated = one_update(door, output, &id, &update.consent).await;
        updated.with_context(|| format!("`{id}` was not updated"))?;
    }
    Ok(())
}

/// Updates one component.
pub(super) async fn one_update(door: &Door, output: Output, id: &str, agreed: &Consent) -> Result<()> {
    let (used, from, prepared) = match door.call(UpdatePlugin { id: id.to_owned() }).await? {
        UpdatedPlugin::Newest { version } => {
            show::note(&format!("`{id}` {version} is the newest"));
            return Ok(());
        }
        UpdatedPlugin::Updated { version } => {
            show::note(&format!("`{id}` {version} is in use from the next call on"));
            return Ok(());
        }
        UpdatedPlugin::AsksForMore { used, from, prepared } => (used, from, *prepared),
    };
    say_times(&prepared);
    if !output.json {
        prepared.review.show();
    }
    let version = &prepared.review.version;
    match consent(agreed, &prepared, &format!("`{id}` {version} asks for more. Use it")) {
        Ok(Some(grants)) => {
            let act = "cara plugin update".to_owned();
            let digest = prepared.review.digest;
            put(door, output, InstallPlugin { from, digest, grants, allow_downgrade: false, act }).await
        }
        refused => {
            show::note(&format!(
                "`{id}` {version} asks for more and waits; {used} stays in use. `cara plugin update {id} --yes` agrees"
            ));
            refused.map(drop).or_else(|error| if agreed.grants.is_some() { Err(error) } else { Ok(()) })
        }
    }
}

/// What the person grants; nothing when they do not agree at all. Within: all that is asked, or these.
fn consent(consent: &Consent, prepared: &PreparedInstall, question: &str) -> Result<Option<Option<Vec<String>>>> {
    let asks = &prepared.asks;
    if let Some(path) = &consent.grants {
        return listed(path).map(|granted| Some(Some(granted)));
    }
    if consent.yes {
        return Ok(Some(Some(asks.to_vec())));
    }
    if !std::io::stdin().is_terminal() {
        bail!(
            "there is no terminal to ask on\nhint: `--yes` agrees to what the review shows, `--grants FILE` to a part of it"
        );
    }
    let asked: Vec<String> = asks.iter().map(|ask| with_methods(&prepared.review, ask)).collect();
    let granting = if asks.is_empty() { String::new() } else { format!(" and grant: {}", asked.join(", ")) };
    layout::paragraph(0, &format!("{question}{granting}?"));
    Ok(prompt::agreed("[y/N] ").then(|| Some(asks.to_vec())))
}

/// What is asked for, with the methods of requests to an address: one that sends is another thing than one that reads.
fn with_methods(review: &Review, ask: &str) -> String {
    let Some(origin) = ask.strip_prefix("http ") else { return ask.to_owned() };
    let methods = |fits: &dyn Fn(&str) -> bool| -> BTreeSet<String> {
        let reached = review.may.iter().filter(|asked| asked.about == "reaches");
        let words = reached.filter_map(|asked| asked.what.split_once(' ')).filter(|(host, _)| fits(host));
        words.filter_map(|(_, rest)| rest.split(' ').next().map(str::to_owned)).collect()
    };
    let mut named = methods(&|host| origin == host || origin.strip_prefix("https://") == Some(host));
    if named.is_empty() {
        // An address that a setting names.
        named = methods(&|host| host.starts_with('{'));
    }
    if named.is_empty() { ask.to_owned() } else { format!("{ask} ({})", Vec::from_iter(named).join(", ")) }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    grants: Vec<String>,
}

/// What a file grants; that all of it is asked for, the application looks at.
fn listed(path: &Path) -> Result<Vec<String>> {
    let text = text_file::read(path, LARGEST)?;
    let listed: Listed = toml::from_str(&text).with_context(|| format!("`{}` cannot be used", path.display()))?;
    Ok(listed.grants)
}
