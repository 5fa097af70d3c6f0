//! `cara plugin install`, `update`: from a reference to a component in use.
//!
//! ```text
//! fetch ─→ verify, check ─→ compile, link ─→ review ─→ consent ─→ put, grant ─→ commit of the lock: in use
//! ```

use crate::boot::Cara;
use crate::candidate::{Candidate, built_in_bundle, reference};
use crate::cli::{Consent, Install, Update};
use crate::offer::Offer;
use crate::review::{self, Review};
use crate::{choose, layout, prompt, show};
use anyhow::{Context, Result, anyhow, bail};
use cara_assistant::toolbox::full_name;
use cara_authority::{Capability, ComponentId};
use cara_kernel::Checked;
use cara_packages::Reference;
use cara_packages::lock::Pinned;
use jiff::Timestamp;
use semver::Version;
use serde::Deserialize;
use serde_json::json;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// The largest file of grants, bytes.
const LARGEST: u64 = 64 * 1024;

/// `cara plugin install`.
pub(super) async fn install(cara: &Cara, install: Install) -> Result<()> {
    let reference = reference(&install.from)?;
    let candidate = Candidate::fetch(cara, &reference).await?;
    let id = candidate.id().clone();
    candidate.check_name(cara)?;
    let floor = if install.allow_downgrade { None } else { cara.ledger.floor(&id).await? };
    let checked = prepared(cara, &candidate, floor.as_ref()).await?;
    say_shared(cara, &candidate)?;
    let current = current(cara, &id)?;
    let trust = cara.plugins.trusted()?;
    let review = Review::of(&candidate, &trust, &*cara.installed()?, current.as_ref().map(|current| (current, &trust)));
    review.print();
    let requested = requested(cara, &checked)?;
    let Some(granted) = consent(&install.consent, &requested, &format!("Install `{id}` {}", review.version))? else {
        show::note("nothing was installed");
        return Ok(());
    };
    activate(cara, &candidate, &checked, &granted, "cara plugin install").await?;
    show::note(&format!("`{id}` {} is in use from the next call on", review.version));
    say_missing(&requested, &granted, &id);
    if !checked.manifest().tools().is_empty() {
        let offer = Offer::of(&cara.config, &*cara.installed()?, &checked, &granted)?;
        if !offer.stands() {
            show::note(&format!("its tools are off: {}", offer.why()));
        }
    }
    Ok(())
}

/// `cara plugin update`.
pub(super) async fn update(cara: &Cara, update: Update) -> Result<()> {
    let installed = cara.installed()?;
    let all = installed.lock.0.iter().filter(|(_, entry)| entry.active.is_some());
    let ids: Vec<ComponentId> = match update.ids.is_empty() {
        true => all.map(|(id, _)| id.clone()).collect(),
        false => update.ids,
    };
    if ids.is_empty() {
        show::note("nothing was installed; what is built in is updated with the program");
    }
    for id in ids {
        one_update(cara, &id, &update.consent).await.with_context(|| format!("`{id}` was not updated"))?;
    }
    Ok(())
}

pub(super) async fn one_update(cara: &Cara, id: &ComponentId, agreed: &Consent) -> Result<()> {
    let installed = cara.installed()?;
    let active = installed.lock.0.get(id).and_then(|entry| entry.active.clone());
    let active = active.ok_or_else(|| anyhow!("`{id}` was not installed\nhint: `cara plugin list` shows what was"))?;
    let candidate = Candidate::fetch(cara, &reference(&active.from)?).await?;
    if candidate.id() != id {
        bail!("`{}` now offers `{}`", active.from, candidate.id());
    }
    if candidate.package.digest() == active.digest {
        show::note(&format!("`{id}` {} is the newest", active.version));
        return Ok(());
    }
    let floor = cara.ledger.floor(id).await?.max(Some(active.version));
    let checked = prepared(cara, &candidate, floor.as_ref()).await?;
    say_shared(cara, &candidate)?;
    let current = current(cara, id)?.ok_or_else(|| anyhow!("the version in use cannot be read"))?;
    let trust = cara.plugins.trusted()?;
    let changes = review::changes(&current, &trust, &candidate);
    let requested = requested(cara, &checked)?;
    let granted = cara.ledger.granted(id).await?;
    if !changes.grows {
        let kept: Vec<Capability> = requested.into_iter().filter(|wish| granted.contains(wish)).collect();
        activate(cara, &candidate, &checked, &kept, "cara plugin update").await?;
        show::note(&format!("`{id}` {} is in use from the next call on", candidate.manifest.version()));
        return Ok(());
    }
    Review::of(&candidate, &trust, &installed, Some((&current, &trust))).print();
    let question = format!("`{id}` {} asks for more. Use it", candidate.manifest.version());
    match consent(agreed, &requested, &question) {
        Ok(Some(granted)) => {
            activate(cara, &candidate, &checked, &granted, "cara plugin update").await?;
            show::note(&format!("`{id}` {} is in use from the next call on", candidate.manifest.version()));
        }
        refused => {
            wait(cara, &candidate, &checked).await?;
            show::note(&format!(
                "`{id}` {} asks for more and waits; {} stays in use. `cara plugin update {id} --yes` agrees",
                candidate.manifest.version(),
                current.manifest.version()
            ));
            refused.map(drop).or_else(|error| if agreed.grants.is_some() { Err(error) } else { Ok(()) })?;
        }
    }
    Ok(())
}

/// Verified, checked, compiled and linked: whatever can fail has failed before anything is changed.
async fn prepared(cara: &Cara, candidate: &Candidate, floor: Option<&Version>) -> Result<Arc<Checked>> {
    let began = Instant::now();
    let checked = Arc::new(candidate.checked(&cara.plugins.trusted()?, floor)?);
    let verified = began.elapsed();
    let (kernel, cache) = cara.plugins.engine();
    let (kernel, cache, loading) = (kernel.clone(), cache.clone(), checked.clone());
    let bar = show::progress(1, "compiling");
    let loaded = tokio::task::spawn_blocking(move || kernel.load(loading, Some(&cache)).map(drop)).await;
    bar.finish_and_clear();
    loaded??;
    let compiled = began.elapsed() - verified;
    let [fetched, verified, compiled] = [candidate.fetched, verified, compiled].map(|time| time.as_secs_f64() * 1e3);
    show::note(&format!("fetched in {fetched:.0} ms, verified in {verified:.0} ms, compiled in {compiled:.0} ms"));
    Ok(checked)
}

/// What is in use under this id, or built in.
pub(super) fn current(cara: &Cara, id: &ComponentId) -> Result<Option<Candidate>> {
    let installed = cara.installed()?;
    let Some(checked) = installed.usable.get(id) else { return Ok(None) };
    if let Some(active) = installed.lock.0.get(id).and_then(|entry| entry.active.as_ref()) {
        let bundle = cara.plugins.store().get(&active.digest)?.bundle;
        return Candidate::installed(checked, bundle, reference(&active.from)?).map(Some);
    }
    let from = Reference::parse(&format!("./{id}.wasm"))?;
    Candidate::installed(checked, built_in_bundle(id)?, from).map(Some)
}

fn requested(cara: &Cara, checked: &Checked) -> Result<Vec<Capability>> {
    let requested = checked.manifest().requested(&choose::asking(cara, checked, &[])?);
    choose::refuse_secrets(cara, checked, &requested)?;
    Ok(requested)
}

/// What the person grants; nothing when they do not agree at all.
fn consent(consent: &Consent, requested: &[Capability], question: &str) -> Result<Option<Vec<Capability>>> {
    if let Some(path) = &consent.grants {
        return listed(path, requested).map(Some);
    }
    if consent.yes {
        return Ok(Some(requested.to_vec()));
    }
    if !std::io::stdin().is_terminal() {
        bail!(
            "there is no terminal to ask on\nhint: `--yes` agrees to what the review shows, `--grants FILE` to a part of it"
        );
    }
    let list: Vec<String> = requested.iter().map(ToString::to_string).collect();
    let granting = if list.is_empty() { String::new() } else { format!(" and grant: {}", list.join(", ")) };
    layout::paragraph(0, &format!("{question}{granting}?"));
    Ok(prompt::agreed("[y/N] ")?.then(|| requested.to_vec()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    grants: Vec<String>,
}

fn listed(path: &Path, requested: &[Capability]) -> Result<Vec<Capability>> {
    let shown = path.display();
    let bytes = cara_services::files::read_capped(path, LARGEST)?.ok_or_else(|| anyhow!("`{shown}` does not exist"))?;
    let text = String::from_utf8(bytes).with_context(|| format!("`{shown}` is not UTF-8"))?;
    let listed: Listed = toml::from_str(&text).with_context(|| format!("`{shown}` cannot be used"))?;
    let mut granted = Vec::new();
    for text in &listed.grants {
        let capability = Capability::parse(text).with_context(|| format!("`{shown}`"))?;
        if !requested.contains(&capability) {
            bail!("`{shown}` grants `{capability}`, which the component does not ask for");
        }
        granted.push(capability);
    }
    Ok(granted)
}

/// Tools of one name are no fault: while both are on, each has its full name. What a rule said of the name counts for none.
fn say_shared(cara: &Cara, candidate: &Candidate) -> Result<()> {
    for (other, tool) in candidate.shared_tools(cara)? {
        let (own, others) = (full_name(candidate.id(), &tool), full_name(&other, &tool));
        show::note(&format!(
            "`{other}` has a tool `{tool}` too: while both are on, models call them `{own}` and `{others}`, and a rule \
             that lets `{tool}` run holds for neither"
        ));
    }
    Ok(())
}

fn say_missing(requested: &[Capability], granted: &[Capability], id: &ComponentId) {
    let missing: Vec<String> =
        requested.iter().filter(|wish| !granted.contains(wish)).map(|wish| format!("`{wish}`")).collect();
    if !missing.is_empty() {
        show::note(&format!("not granted: {}; `cara grant {id} CAPABILITY` grants more", missing.join(", ")));
    }
}

fn pinned(candidate: &Candidate, checked: &Checked, now: Timestamp) -> Result<Pinned> {
    let package = checked.package();
    Ok(Pinned {
        version: checked.manifest().version().clone(),
        digest: package.digest(),
        signer: package.signer_name().to_owned(),
        key: package.signer().to_string(),
        from: candidate.from.to_string(),
        since: now,
    })
}

fn now(cara: &Cara) -> Result<Timestamp> {
    Ok(Timestamp::from_millisecond(i64::try_from(cara.services.clock.now_ms())?)?)
}

/// Puts a version into use. The commit of the lock is the moment; all before it can be cut off anywhere.
async fn activate(
    cara: &Cara,
    candidate: &Candidate,
    checked: &Checked,
    granted: &[Capability],
    act: &str,
) -> Result<()> {
    let id = checked.manifest().id();
    let pinned = pinned(candidate, checked, now(cara)?)?;
    let detail = json!({
        "version": pinned.version, "digest": pinned.digest, "signer": pinned.signer, "from": pinned.from, "act": act,
    });
    cara.ledger.append("plugin-activated", id.as_str(), detail).await?;
    cara.ledger.grant(id, granted, act).await?;
    cara.ledger.seen(id, &pinned.version, &pinned.digest).await?;
    let mut change = cara.plugins.store().change()?;
    change.put(checked.package(), &candidate.bundle)?;
    change.lock.entry(id).activate(pinned);
    change.commit()?;
    // What the new version does not ask for, or the person did not grant again. After the commit: before it, the old
    // version still needs it.
    let before = cara.ledger.granted(id).await?;
    let gone: Vec<Capability> = before.into_iter().filter(|old| !granted.contains(old)).collect();
    cara.ledger.revoke(id, &gone, act).await?;
    Ok(())
}

/// Keeps a version that waits for a person.
async fn wait(cara: &Cara, candidate: &Candidate, checked: &Checked) -> Result<()> {
    let id = checked.manifest().id();
    let pinned = pinned(candidate, checked, now(cara)?)?;
    cara.ledger.append("plugin-waits", id.as_str(), json!({ "version": pinned.version })).await?;
    let mut change = cara.plugins.store().change()?;
    change.put(checked.package(), &candidate.bundle)?;
    change.lock.entry(id).waiting = Some(pinned);
    Ok(change.commit()?)
}
