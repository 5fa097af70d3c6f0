//! From a reference to a component in use.
//!
//! ```text
//! prepare: fetch ─→ Verified ─→ Checked ─→ compile, link ─→ review ─→ (a person agrees)
//! install: the prepared one, Verified ─→ Checked ─→ put, grant, revoke ─→ commit of the lock: in use, Checked
//! ```
//!
//! It is verified once, and again only where the operator trusts others since.
//! What was reviewed is what is installed: its digest is part of the request. It is kept in memory for a while, and fetched
//! again when another process took the home over meanwhile.

use crate::application::Application;
use crate::candidate::{Candidate, reference};
use crate::error::{Result, error, fail};
use crate::event::Events;
use crate::grants::{openings, stays_open};
use crate::operation::{Operation, Route};
use crate::plugins::review::{self, Review};
use crate::tool_offer::Offer;
use cara_assistant::toolbox::full_name;
use cara_authority::{Capability, ComponentId, Principal};
use cara_kernel::Checked;
use cara_packages::Reference;
use cara_packages::lock::Pinned;
use jiff::Timestamp;
use schemars::JsonSchema;
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use std::time::Instant;

/// Fetches a package, verifies and compiles it, and reviews it. Nothing is changed.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PrepareInstall {
    /// A file, folder, URL or `oci://` reference. A path is absolute.
    pub from: String,
    /// Prepare it although a newer version was here before.
    #[serde(default)]
    pub allow_downgrade: bool,
}

/// What a person agrees to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PreparedInstall {
    /// The review.
    pub review: Review,
    /// What the component asks for.
    pub asks: Vec<String>,
    /// Whether these very bytes are in use already.
    pub in_use: bool,
    /// How long fetching, verifying and compiling took, milliseconds.
    pub took_ms: [u64; 3],
}

impl Operation for PrepareInstall {
    type View = PreparedInstall;
    const ROUTE: Route =
        Route::post("plugins.prepare", "/control/v1/plugins/prepare", "Fetch, verify, compile and review a package.");

    async fn run(self, application: &Arc<Application>, _: &Principal, events: &Events) -> Result<Self::View> {
        let candidate =
            Candidate::fetch(&application.plugins, &application.services.egress, &reference(&self.from)?, events)
                .await?;
        candidate.check_name(&application.plugins)?;
        let floor = floor(application, candidate.id(), self.allow_downgrade).await?;
        Ok(prepared(application, candidate, floor.as_ref(), events).await?.0)
    }
}

/// The newest version that was here: an older one is a downgrade.
async fn floor(application: &Application, id: &ComponentId, allow_downgrade: bool) -> Result<Option<Version>> {
    if allow_downgrade { Ok(None) } else { Ok(application.ledger.floor(id).await?) }
}

/// Verified, checked, compiled, linked and reviewed: whatever can fail has failed before anything is changed.
async fn prepared(
    application: &Application,
    candidate: Candidate,
    floor: Option<&Version>,
    events: &Events,
) -> Result<(PreparedInstall, Arc<Candidate>)> {
    let checked = Arc::new(candidate.checked(&application.plugins, floor)?);
    let began = Instant::now();
    events.note(format!("compiling `{}` {}", candidate.id(), candidate.manifest.version()));
    let (kernel, cache) = application.plugins.engine();
    let (kernel, cache, loading) = (kernel.clone(), cache.clone(), checked.clone());
    tokio::task::spawn_blocking(move || kernel.load(loading, Some(&cache)).map(drop)).await??;
    let compiled = began.elapsed();
    say_shared(application, &candidate, events)?;
    let current = current(application, candidate.id())?;
    let installed = application.installed()?;
    let mut review = Review::of(&candidate, &application.plugins.trusted()?, &installed, current.as_ref());
    review.warnings.extend(openings(application, candidate.id()).await?);
    let requested = application.setting_sources()?.requested(&checked)?;
    crate::grants::refuse_secrets(application, &checked, &requested)?;
    let [fetched, verified] = candidate.took;
    let took_ms = [fetched, verified, compiled].map(|took| took.as_millis() as u64);
    let digest = candidate.package.digest();
    let in_use = current.as_ref().is_some_and(|current| current.package.digest() == digest);
    let asks = requested.iter().map(ToString::to_string).collect();
    Ok((PreparedInstall { review, asks, in_use, took_ms }, application.reviewed.keep(candidate)))
}

/// Puts a package that was reviewed into use.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct InstallPlugin {
    /// Where it came from, as it was prepared.
    pub from: String,
    /// The digest that the review showed.
    pub digest: String,
    /// What is granted; all that it asks for when left out.
    #[serde(default)]
    pub grants: Option<Vec<String>>,
    /// Install it although a newer version was here before.
    #[serde(default)]
    pub allow_downgrade: bool,
    /// The act, for the audit log: `cara plugin install`.
    pub act: String,
}

/// What is in use now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct InstalledPlugin {
    /// The component.
    pub id: String,
    /// The version.
    pub version: String,
    /// What it asks for and was not granted.
    pub not_granted: Vec<String>,
    /// Why its tools are off, when they are.
    pub tools_off: Option<String>,
}

impl Operation for InstallPlugin {
    type View = InstalledPlugin;
    const ROUTE: Route =
        Route::post("plugins.install", "/control/v1/plugins", "Put a package that was reviewed into use.").admin();

    async fn run(self, application: &Arc<Application>, _: &Principal, events: &Events) -> Result<Self::View> {
        let candidate = &ready(application, &self, events).await?;
        // Whom the operator trusts, and what was here, may have changed since the review.
        let floor = floor(application, candidate.id(), self.allow_downgrade).await?;
        let checked = &Arc::new(candidate.checked(&application.plugins, floor.as_ref())?);
        let around = application.setting_sources()?;
        let requested = around.requested(checked)?;
        crate::grants::refuse_secrets(application, checked, &requested)?;
        let granted = match self.grants {
            None => requested.clone(),
            Some(texts) => chosen(&texts, &requested)?,
        };
        activate(application, candidate, checked, &granted, &self.act).await?;
        let missing = requested.iter().filter(|wish| !granted.contains(wish)).map(ToString::to_string).collect();
        let mut tools_off = None;
        if !checked.manifest().tools().is_empty() {
            let offer = Offer::of(&application.setting_sources()?, checked, &granted)?;
            tools_off = (!offer.stands()).then(|| offer.why());
        }
        Ok(InstalledPlugin {
            id: candidate.id().to_string(),
            version: candidate.manifest.version().to_string(),
            not_granted: missing,
            tools_off,
        })
    }
}

/// What was reviewed, from memory or fetched again.
async fn ready(application: &Application, wanted: &InstallPlugin, events: &Events) -> Result<Arc<Candidate>> {
    let (from, digest) = (reference(&wanted.from)?, &wanted.digest);
    if let Some(candidate) = application.reviewed.get(&from, digest) {
        return Ok(candidate);
    }
    let candidate = Candidate::fetch(&application.plugins, &application.services.egress, &from, events).await?;
    let came = candidate.package.digest().to_string();
    if came != *digest {
        fail!(Refused, "`{from}` now offers `{came}`, not what was reviewed\nhint: review it again");
    }
    candidate.check_name(&application.plugins)?;
    let floor = floor(application, candidate.id(), wanted.allow_downgrade).await?;
    Ok(prepared(application, candidate, floor.as_ref(), events).await?.1)
}

fn chosen(texts: &[String], requested: &[Capability]) -> Result<Vec<Capability>> {
    let mut granted = Vec::new();
    for text in texts {
        let capability = Capability::parse(text)?;
        if !requested.contains(&capability) {
            fail!(Invalid, "`{capability}` is granted, and the component does not ask for it");
        }
        granted.push(capability);
    }
    Ok(granted)
}

/// Fetches a newer version of a component from where it came. One that asks for no more is put into use at once.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdatePlugin {
    /// The component.
    pub id: String,
}

/// What an update came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum UpdatedPlugin {
    /// There is no newer version.
    Newest {
        /// The version in use.
        version: String,
    },
    /// The newer version is in use.
    Updated {
        /// The version.
        version: String,
    },
    /// The newer version asks for more; it waits, and the one of before stays in use.
    AsksForMore {
        /// The version in use.
        used: String,
        /// Where the new one comes from.
        from: String,
        /// What a person agrees to.
        prepared: Box<PreparedInstall>,
    },
}

impl Operation for UpdatePlugin {
    type View = UpdatedPlugin;
    const ROUTE: Route =
        Route::post("plugins.update", "/control/v1/components/{id}/update", "Fetch a newer version of a component.")
            .admin();

    async fn run(self, application: &Arc<Application>, _: &Principal, events: &Events) -> Result<Self::View> {
        let id = &ComponentId::parse(&self.id)?;
        let installed = application.installed()?;
        let active = installed.lock.0.get(id).and_then(|entry| entry.active.clone());
        let none = || error!(NotFound, "`{id}` was not installed\nhint: `cara plugin list` shows what was");
        let active = active.ok_or_else(none)?;
        let candidate =
            Candidate::fetch(&application.plugins, &application.services.egress, &reference(&active.from)?, events)
                .await?;
        if candidate.id() != id {
            fail!(Refused, "`{}` now offers `{}`", active.from, candidate.id());
        }
        if candidate.package.digest() == active.digest {
            return Ok(UpdatedPlugin::Newest { version: active.version.to_string() });
        }
        let floor = application.ledger.floor(id).await?.max(Some(active.version.clone()));
        let version = candidate.manifest.version().to_string();
        let (prepared, candidate) = prepared(application, candidate, floor.as_ref(), events).await?;
        let current = current(application, id)?;
        let current = current.ok_or_else(|| error!(Internal, "the version in use cannot be read"))?;
        let checked = Arc::new(candidate.checked(&application.plugins, floor.as_ref())?);
        if review::changes(&current, &candidate).grows {
            wait(application, &candidate, &checked).await?;
            let (used, from) = (active.version.to_string(), active.from);
            return Ok(UpdatedPlugin::AsksForMore { used, from, prepared: Box::new(prepared) });
        }
        let granted = application.ledger.granted(id).await?;
        let requested = application.setting_sources()?.requested(&checked)?;
        let kept: Vec<Capability> = requested.into_iter().filter(|wish| granted.contains(wish)).collect();
        activate(application, &candidate, &checked, &kept, "cara plugin update").await?;
        Ok(UpdatedPlugin::Updated { version })
    }
}

/// What is in use under this id, or built in.
pub(crate) fn current(application: &Application, id: &ComponentId) -> Result<Option<Candidate>> {
    let installed = application.installed()?;
    let Some(checked) = installed.usable.get(id) else { return Ok(None) };
    if let Some(active) = installed.lock.0.get(id).and_then(|entry| entry.active.as_ref()) {
        let bundle = application.plugins.store().get(&active.digest)?.bundle;
        return Candidate::installed(checked, installed.trusted_at(), bundle, reference(&active.from)?).map(Some);
    }
    let from = Reference::parse(&format!("./{id}.wasm"))?;
    Candidate::installed(checked, installed.trusted_at(), application.plugins.built_in_bundle(id)?, from).map(Some)
}

/// Tools of one name are no fault: while both are on, each has its full name. What a rule said of the name counts for none.
fn say_shared(application: &Application, candidate: &Candidate, events: &Events) -> Result<()> {
    for (other, tool) in candidate.shared_tools(&application.plugins)? {
        let (own, others) = (full_name(candidate.id(), &tool), full_name(&other, &tool));
        events.note(format!(
            "`{other}` has a tool `{tool}` too: while both are on, models call them `{own}` and `{others}`, and a rule \
             that lets `{tool}` run holds for neither"
        ));
    }
    Ok(())
}

fn pinned(application: &Application, candidate: &Candidate, checked: &Checked) -> Result<Pinned> {
    let package = checked.package();
    let now_ms = application.services.clock.now_ms();
    Ok(Pinned {
        version: checked.manifest().version().clone(),
        digest: package.digest(),
        signer: package.signer_name().to_owned(),
        key: package.signer().to_string(),
        from: candidate.from.to_string(),
        since: Timestamp::from_millisecond(i64::try_from(now_ms)?)?,
    })
}

/// Puts a version into use. The commit of the lock is the moment; all before it can be cut off anywhere.
async fn activate(
    application: &Application,
    candidate: &Candidate,
    checked: &Arc<Checked>,
    granted: &[Capability],
    act: &str,
) -> Result<()> {
    let id = checked.manifest().id();
    let pinned = pinned(application, candidate, checked)?;
    let detail = json!({
        "version": pinned.version, "digest": pinned.digest, "signer": pinned.signer, "from": pinned.from, "act": act,
    });
    application.ledger.append("plugin-activated", id.as_str(), detail).await?;
    // Before the commit goes what the new version does not ask for, or the person did not grant again: cut off here, the
    // old version lacks it, and never has the new one more than was granted.
    let before = application.ledger.granted(id).await?;
    let gone: Vec<Capability> =
        before.into_iter().filter(|old| !granted.contains(old) && !stays_open(old, granted)).collect();
    application.ledger.revoke(id, &gone, act).await?;
    application.ledger.grant(id, granted, act, None).await?;
    application.ledger.seen(id, &pinned.version, &pinned.digest).await?;
    let mut change = application.plugins.store().change()?;
    change.put(checked.package(), &candidate.bundle)?;
    change.lock.entry(id).activate(pinned);
    application.plugins.remember(checked, candidate.trusted_at);
    Ok(change.commit()?)
}

/// Keeps a version that waits for a person.
async fn wait(application: &Application, candidate: &Candidate, checked: &Checked) -> Result<()> {
    let id = checked.manifest().id();
    let pinned = pinned(application, candidate, checked)?;
    application.ledger.append("plugin-waits", id.as_str(), json!({ "version": pinned.version })).await?;
    let mut change = application.plugins.store().change()?;
    change.put(checked.package(), &candidate.bundle)?;
    change.lock.entry(id).waiting = Some(pinned);
    Ok(change.commit()?)
}

/// The ids of the components that were installed, for who updates all.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct InstalledIds {}

impl Operation for InstalledIds {
    type View = Vec<String>;
    const ROUTE: Route =
        Route::get("plugins.installed", "/control/v1/plugins/installed", "List the ids of what was installed.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let installed = application.installed()?;
        let all = installed.lock.0.iter().filter(|(_, entry)| entry.active.is_some());
        Ok(all.map(|(id, _)| id.to_string()).collect())
    }
}
