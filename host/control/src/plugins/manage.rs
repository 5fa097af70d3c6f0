//! What is done with installed components, and with packages of others.

use crate::application::Application;
use crate::candidate::{Candidate, follow, reference};
use crate::error::{Error, Result, error, fail};
use crate::event::Events;
use crate::grants::openings;
use crate::named_file;
use crate::operation::{Operation, Route};
use crate::plugins::install::current;
use crate::plugins::review::Review;
use cara_authority::{Capability, ComponentId, Principal};
use cara_packages::{Access, Credentials, Deadlines, Index, Reference, push};
use cara_services::vault::SecretValue;
use cara_signing::{Bundle, Package};
use schemars::JsonSchema;
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

/// Shows what a person needs to decide about a package.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewPlugin {
    /// A file, folder, URL, `oci://` reference, or the id of an installed component. A path is absolute.
    pub what: String,
    /// The version to compare with instead of the one in use.
    #[serde(default)]
    pub against: Option<String>,
}

impl Operation for ReviewPlugin {
    type View = Review;
    const ROUTE: Route = Route::post(
        "plugins.review",
        "/control/v1/plugins/review",
        "Show what a person needs to decide about a package.",
    )
    .admin();

    async fn run(self, application: &Arc<Application>, _: &Principal, events: &Events) -> Result<Self::View> {
        let installed = ComponentId::parse(&self.what).ok().map(|id| current(application, &id)).transpose()?.flatten();
        let candidate = match installed {
            Some(installed) => installed,
            None => {
                Candidate::fetch(&application.plugins, &application.services.egress, &reference(&self.what)?, events)
                    .await?
            }
        };
        let other = match &self.against {
            Some(version) => Some(kept(application, candidate.id(), &version.parse()?)?),
            None => {
                let used = current(application, candidate.id())?;
                used.filter(|used| used.package.digest() != candidate.package.digest())
            }
        };
        let trust = application.plugins.trusted()?;
        let mut review = Review::of(&candidate, &trust, &*application.installed()?, other.as_ref());
        review.warnings.extend(openings(application, candidate.id()).await?);
        Ok(review)
    }
}

/// A version of a component that is still here: in use, used before, waiting, or built in.
fn kept(application: &Application, id: &ComponentId, version: &Version) -> Result<Candidate> {
    let installed = application.installed()?;
    let entry = installed.lock.0.get(id);
    let versions = entry.into_iter().flat_map(|entry| [&entry.active, &entry.previous, &entry.waiting]).flatten();
    if let Some(pinned) = versions.into_iter().find(|pinned| pinned.version == *version) {
        let stored = application.plugins.store().get(&pinned.digest)?;
        let from = reference(&pinned.from)?;
        return Candidate::verified(&application.plugins, Package::read(stored.wasm)?, vec![stored.bundle], from);
    }
    let built_in = application.plugins.built_in(id).filter(|checked| checked.manifest().version() == version);
    let none = || {
        error!(NotFound, "no version {version} of `{id}` is here\nhint: `cara plugin list` shows the versions that are")
    };
    let from = Reference::parse(&format!("./{id}.wasm"))?;
    let bundle = application.plugins.built_in_bundle(id)?;
    // Who signed it may have been revoked since this process began.
    let package = Package::clone(built_in.ok_or_else(none)?.package());
    Candidate::verified(&application.plugins, package, vec![bundle], from)
}

/// Returns to the version that was in use before.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RollBackPlugin {
    /// The component.
    pub id: String,
}

/// Which versions were exchanged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RolledBackPlugin {
    /// The version of before.
    pub from: String,
    /// The version in use now.
    pub to: String,
}

impl Operation for RollBackPlugin {
    type View = RolledBackPlugin;
    const ROUTE: Route = Route::post(
        "plugins.rollback",
        "/control/v1/components/{id}/rollback",
        "Return to the version that was in use before.",
    )
    .once()
    .admin();

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let id = &ComponentId::parse(&self.id)?;
        let mut change = application.plugins.store().change()?;
        let entry = change.lock.0.get_mut(id);
        let entry = entry.ok_or_else(|| match application.plugins.built_in(id) {
            Some(_) => error!(
                Conflict,
                "`{id}` is built in, and no other version was installed\nhint: `cara plugin install` puts another in its place"
            ),
            None => error!(NotFound, "`{id}` was not installed\nhint: `cara plugin list` shows what was"),
        })?;
        let from = entry.active.as_ref().map(|active| active.version.to_string()).unwrap_or_default();
        let back = entry.roll_back().map(|pinned| pinned.version.to_string());
        let to = back.ok_or_else(|| {
            error!(
                Conflict,
                "there is no earlier version of `{id}` to return to\nhint: `cara plugin install` with the version you want"
            )
        })?;
        let detail = json!({ "from": from, "to": to, "by": "cara plugin rollback" });
        application.ledger.append("plugin-rolled-back", id.as_str(), detail).await?;
        change.commit()?;
        Ok(RolledBackPlugin { from, to })
    }
}

/// Switches a component on or off; it stays installed.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetPluginEnabled {
    /// The component.
    pub id: String,
    /// Whether the component shall be on.
    pub on: bool,
}

/// What was switched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SwitchedPlugin {
    /// Whether it was the other way before.
    pub changed: bool,
}

impl Operation for SetPluginEnabled {
    type View = SwitchedPlugin;
    const ROUTE: Route =
        Route::put("plugins.switch", "/control/v1/components/{id}/on", "Switch a component on or off.").admin();

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let (id, on) = (&ComponentId::parse(&self.id)?, self.on);
        let mut change = application.plugins.store().change()?;
        if !change.lock.0.contains_key(id) && application.plugins.built_in(id).is_none() {
            fail!(NotFound, "component `{id}` is not installed\nhint: `cara plugin list` shows those that are");
        }
        let entry = change.lock.entry(id);
        if entry.enabled == on {
            return Ok(SwitchedPlugin { changed: false });
        }
        entry.enabled = on;
        if on && entry.active.is_none() {
            change.lock.0.remove(id);
        }
        let event = if on { "plugin-enabled" } else { "plugin-disabled" };
        application.ledger.append(event, id.as_str(), json!({})).await?;
        change.commit()?;
        Ok(SwitchedPlugin { changed: true })
    }
}

/// Removes an installed component and what was granted to it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemovePlugin {
    /// The component.
    pub id: String,
    /// Remove what it kept between calls, too.
    #[serde(default)]
    pub state: bool,
}

/// What was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RemovedPlugin {
    /// Whether what is built in under its id is back.
    pub built_in_is_back: bool,
}

impl Operation for RemovePlugin {
    type View = RemovedPlugin;
    const ROUTE: Route =
        Route::delete("plugins.remove", "/control/v1/components/{id}", "Remove an installed component.").admin();

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let id = &ComponentId::parse(&self.id)?;
        let mut change = application.plugins.store().change()?;
        let entry = change.lock.0.remove(id);
        if entry.is_none_or(|entry| entry.active.is_none()) {
            match application.plugins.built_in(id) {
                Some(_) => fail!(Refused, "`{id}` is built in\nhint: `cara plugin disable {id}` switches it off"),
                None => fail!(NotFound, "`{id}` was not installed\nhint: `cara plugin list` shows what was"),
            }
        }
        application.ledger.append("plugin-removed", id.as_str(), json!({ "state": self.state })).await?;
        let grants = application.ledger.grants().await?.into_iter().filter(|grant| grant.component == *id);
        let granted: Vec<Capability> = grants.map(|grant| grant.capability).collect();
        application.ledger.revoke(id, &granted, "cara plugin remove").await?;
        if self.state {
            application.ledger.forget_state(id).await?;
        }
        // Last: cut off before, it is still there to be removed.
        change.commit()?;
        Ok(RemovedPlugin { built_in_is_back: application.plugins.built_in(id).is_some() })
    }
}

/// Finds components in an index.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchPlugins {
    /// Words that its id or summary must have.
    pub words: String,
    /// The index: a file, URL or `oci://` reference.
    pub index: String,
}

/// A component of an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SearchHit {
    /// The component's id.
    pub id: String,
    /// The version.
    pub version: String,
    /// The component in a sentence.
    pub summary: String,
    /// `provider`, `channel`, `tool`.
    pub kinds: Vec<String>,
    /// What to install.
    pub r#ref: String,
    /// The digest of the component's file.
    pub digest: String,
    /// The signer.
    pub signer: String,
}

impl Operation for SearchPlugins {
    type View = Vec<SearchHit>;
    const ROUTE: Route =
        Route::get("plugins.search", "/control/v1/plugins/search", "Find components in an index.").operating();

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let access = Access::anonymous(&application.services.egress);
        let index = Index::fetch(&Reference::parse_index(&self.index)?, access).await?;
        let hits = index.search(&self.words).into_iter().map(|entry| SearchHit {
            id: entry.id.to_string(),
            version: entry.version.to_string(),
            summary: entry.summary.clone(),
            kinds: entry.kinds.iter().map(ToString::to_string).collect(),
            r#ref: entry.reference.to_string(),
            digest: entry.digest.to_string(),
            signer: entry.signer.to_string(),
        });
        Ok(hits.collect())
    }
}

/// Puts a signed package into an OCI registry.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PushPlugin {
    /// The absolute path of the package, its signature file beside it.
    pub file: String,
    /// Where to: `oci://registry/repository:tag`.
    pub to: String,
    /// The user to log in as.
    #[serde(default)]
    pub user: Option<String>,
    /// The user's password.
    #[serde(default)]
    pub password: Option<String>,
}

impl Operation for PushPlugin {
    type View = String;
    const ROUTE: Route =
        Route::post("plugins.push", "/control/v1/plugins/push", "Put a signed package into a registry.")
            .admin()
            .audited();

    async fn run(self, application: &Arc<Application>, _: &Principal, events: &Events) -> Result<Self::View> {
        let (wasm, bundle) = beside(Path::new(&self.file))?;
        let to = &self.to;
        let Reference::Registry(to) = Reference::parse(to)? else {
            fail!(Invalid, "`{to}` is no registry\nhint: write `oci://registry/repository:tag`");
        };
        let credentials = match (self.user, self.password) {
            (Some(user), password) => {
                let password = SecretValue::new(password.unwrap_or_default().into_bytes())?;
                Credentials::Basic { user, password: Arc::new(password) }
            }
            (None, _) => Credentials::Anonymous,
        };
        let progress = follow(events, "sending");
        let access = Access {
            egress: &application.services.egress,
            credentials: &credentials,
            deadlines: Deadlines::PUSH,
            progress: &progress,
        };
        Ok(push(&to, &Package::read(wasm)?, &Bundle::from_json(&bundle)?, access).await?.to_string())
    }
}

/// A package that can be read, and the signature file beside it.
pub fn beside(file: &Path) -> Result<(Vec<u8>, String)> {
    let wasm = named_file::read(file, Package::MAX_BYTES as u64)?;
    let unsigned = |error: Error| Error {
        hint: Some("`cara plugin sign` signs it".to_owned()),
        ..error.context(format!("`{}` is not signed", file.display()))
    };
    let bundle = named_file::text(&signature_path(file), Bundle::MAX_BYTES as u64).map_err(unsigned)?;
    Ok((wasm, bundle))
}

/// Where the signature of a package is.
pub fn signature_path(file: &Path) -> std::path::PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(".sigstore.json");
    path.into()
}

/// Checks a package's signature against whom the operator trusts.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyPlugin {
    /// The absolute path of the package, its signature file beside it.
    pub file: String,
}

/// A package whose signature counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VerifiedPlugin {
    /// The component's id.
    pub id: String,
    /// The version.
    pub version: String,
    /// The digest of the component's file.
    pub digest: String,
    /// Who signed it, as the trust store calls them.
    pub signer: String,
}

impl Operation for VerifyPlugin {
    type View = VerifiedPlugin;
    const ROUTE: Route =
        Route::get("plugins.verify", "/control/v1/plugins/verify", "Check a package's signature.").operating();

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        verify(Path::new(&self.file), &application.plugins.trusted()?)
    }
}

/// Checks a package's signature against this trust.
pub fn verify(file: &Path, trust: &cara_signing::TrustStore) -> Result<VerifiedPlugin> {
    let (wasm, bundle) = beside(file)?;
    let package = Package::read(wasm)?;
    let (id, version, digest) = (package.id().to_string(), package.version().to_string(), package.digest());
    let bundle = Bundle::from_json(&bundle)?;
    let verified = cara_signing::verify(package, &bundle, trust, None).map_err(crate::candidate::with_cure)?;
    Ok(VerifiedPlugin { id, version, digest: digest.to_string(), signer: verified.signer_name().to_owned() })
}
