//! `cara plugin review`, and what is done with installed components.

use super::install::current;
use crate::boot::Cara;
use crate::candidate::{Candidate, reference};
use crate::review::Review;
use crate::{layout, passwords, show};
use anyhow::{Context, Result, anyhow, bail};
use cara_authority::{Capability, ComponentId};
use cara_packages::{Access, Credentials, Deadlines, Index, Reference, push as send};
use cara_signing::{Bundle, Package};
use semver::Version;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// `cara plugin review`.
pub(super) async fn review(cara: &Cara, what: &str, against: Option<&Version>, json: bool) -> Result<ExitCode> {
    let trust = cara.plugins.trusted()?;
    let installed = ComponentId::parse(what).ok().map(|id| current(cara, &id)).transpose()?.flatten();
    let candidate = match installed {
        Some(installed) => installed,
        None => Candidate::fetch(cara, &reference(what)?).await?,
    };
    let other = match against {
        Some(version) => Some(kept(cara, candidate.id(), version)?),
        None => current(cara, candidate.id())?.filter(|used| used.package.digest() != candidate.package.digest()),
    };
    let review = Review::of(&candidate, &trust, &*cara.installed()?, other.as_ref().map(|other| (other, &trust)));
    if json {
        layout::json(&review)?
    } else {
        review.print()
    }
    Ok(if review.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A version of a component that is still here: in use, used before, waiting, or built in.
fn kept(cara: &Cara, id: &ComponentId, version: &Version) -> Result<Candidate> {
    let installed = cara.installed()?;
    let entry = installed.lock.0.get(id);
    let versions = entry.into_iter().flat_map(|entry| [&entry.active, &entry.previous, &entry.waiting]).flatten();
    if let Some(pinned) = versions.into_iter().find(|pinned| pinned.version == *version) {
        let stored = cara.plugins.store().get(&pinned.digest)?;
        return Candidate::stored(Package::read(stored.wasm)?, stored.bundle, reference(&pinned.from)?);
    }
    let built_in = cara.plugins.built_in(id).filter(|checked| checked.manifest().version() == version);
    let built_in = built_in.ok_or_else(|| {
        anyhow!("no version {version} of `{id}` is here\nhint: `cara plugin list` shows the versions that are")
    })?;
    let from = Reference::parse(&format!("./{id}.wasm"))?;
    Candidate::installed(built_in, crate::candidate::built_in_bundle(id)?, from)
}

/// `cara plugin rollback`.
pub(super) async fn rollback(cara: &Cara, id: &ComponentId) -> Result<()> {
    let mut change = cara.plugins.store().change()?;
    let entry = change.lock.0.get_mut(id);
    let entry = entry.ok_or_else(|| match cara.plugins.built_in(id) {
        Some(_) => {
            anyhow!("`{id}` is built in, and no other version was installed\nhint: `cara plugin install` puts another in its place")
        }
        None => anyhow!("`{id}` was not installed\nhint: `cara plugin list` shows what was"),
    })?;
    let from = entry.active.as_ref().map(|active| active.version.to_string()).unwrap_or_default();
    let back = entry.roll_back().map(|pinned| pinned.version.to_string());
    let to = back.ok_or_else(|| {
        anyhow!(
            "there is no earlier version of `{id}` to return to\nhint: `cara plugin install` with the version you want"
        )
    })?;
    let detail = json!({ "from": from, "to": to, "by": "cara plugin rollback" });
    cara.ledger.append("plugin-rolled-back", id.as_str(), detail).await?;
    change.commit()?;
    show::note(&format!("`{id}` {to} is in use from the next call on; `cara plugin rollback {id}` returns to {from}"));
    Ok(())
}

/// `cara plugin enable`, `disable`.
pub(super) async fn switch(cara: &Cara, id: &ComponentId, on: bool) -> Result<()> {
    let mut change = cara.plugins.store().change()?;
    let known = change.lock.0.contains_key(id) || cara.plugins.built_in(id).is_some();
    if !known {
        bail!("component `{id}` is not installed\nhint: `cara plugin list` shows those that are");
    }
    let state = if on { "on" } else { "off" };
    let entry = change.lock.entry(id);
    if entry.enabled == on {
        show::note(&format!("`{id}` was {state} already"));
        return Ok(());
    }
    entry.enabled = on;
    if on && entry.active.is_none() {
        change.lock.0.remove(id);
    }
    let event = if on { "plugin-enabled" } else { "plugin-disabled" };
    cara.ledger.append(event, id.as_str(), json!({})).await?;
    change.commit()?;
    show::note(&format!("`{id}` is {state} from the next call on"));
    Ok(())
}

/// `cara plugin remove`.
pub(super) async fn remove(cara: &Cara, id: &ComponentId, state: bool) -> Result<()> {
    let mut change = cara.plugins.store().change()?;
    let entry = change.lock.0.remove(id);
    if entry.is_none_or(|entry| entry.active.is_none()) {
        match cara.plugins.built_in(id) {
            Some(_) => bail!("`{id}` is built in\nhint: `cara plugin disable {id}` switches it off"),
            None => bail!("`{id}` was not installed\nhint: `cara plugin list` shows what was"),
        }
    }
    cara.ledger.append("plugin-removed", id.as_str(), json!({ "state": state })).await?;
    change.commit()?;
    let granted: Vec<Capability> =
        cara.ledger.grants().await?.into_iter().filter(|g| g.component == *id).map(|g| g.capability).collect();
    cara.ledger.revoke(id, &granted, "cara plugin remove").await?;
    if state {
        cara.ledger.forget_state(id).await?;
    }
    let kept = if state { "" } else { "; what it kept between calls stays (`--state` removes it)" };
    let back = if cara.plugins.built_in(id).is_some() { "; what is built in under this id is back" } else { "" };
    show::note(&format!("removed `{id}`{kept}{back}"));
    Ok(())
}

/// `cara plugin search`.
pub(super) async fn search(cara: &Cara, words: &[String], index: &str, as_json: bool) -> Result<()> {
    let index = Index::fetch(&Reference::parse_index(index)?, Access::anonymous(&cara.services.egress)).await?;
    let found = index.search(&words.join(" "));
    if as_json {
        let entries = found.iter().map(|entry| {
            let kinds: Vec<String> = entry.kinds.iter().map(ToString::to_string).collect();
            json!({
                "id": entry.id.as_str(), "version": entry.version.to_string(), "summary": entry.summary, "kinds": kinds,
                "ref": entry.reference.to_string(), "digest": entry.digest.to_string(),
                "signer": entry.signer.to_string(),
            })
        });
        return layout::json(&entries.collect::<Vec<_>>());
    }
    if found.is_empty() {
        show::note("nothing in the index has all these words");
    }
    for entry in found {
        layout::hang(&format!("{} {}  ", entry.id, entry.version), &entry.summary);
        layout::paragraph(2, &format!("cara plugin install {}", entry.reference));
    }
    Ok(())
}

/// `cara plugin push`.
pub(super) async fn push(cara: &Cara, file: &Path, to: &str, user: Option<String>) -> Result<()> {
    let (wasm, bundle) = beside(file)?;
    let Reference::Registry(to) = Reference::parse(to)? else {
        bail!("`{to}` is no registry\nhint: write `oci://registry/repository:tag`");
    };
    let credentials = match user {
        Some(user) => {
            let password =
                passwords::secret_value(&format!("Password of {user}: ")).map_err(anyhow::Error::from_boxed)?;
            Credentials::Basic { user, password: Arc::new(password) }
        }
        None => Credentials::Anonymous,
    };
    let bar = show::bytes("sending");
    let progress = show::follow(&bar);
    let access = Access {
        egress: &cara.services.egress,
        credentials: &credentials,
        deadlines: Deadlines::PUSH,
        progress: &progress,
    };
    let pushed = send(&to, &Package::read(wasm)?, &Bundle::from_json(&bundle)?, access).await;
    bar.finish_and_clear();
    show::line(&pushed?.to_string());
    Ok(())
}

/// A package that can be read, and the signature file beside it.
pub(super) fn beside(file: &Path) -> Result<(Vec<u8>, String)> {
    let read = |path: &Path, most: usize| {
        let bytes = cara_services::files::read_capped(path, most as u64)?;
        bytes.ok_or_else(|| anyhow!("`{}` does not exist", path.display()))
    };
    let wasm = read(file, Package::MAX_BYTES)?;
    let signature = signature_path(file);
    let bundle =
        read(&signature, Bundle::MAX_BYTES).context("the package is not signed; `cara plugin sign` signs it")?;
    let bundle = String::from_utf8(bundle).with_context(|| format!("`{}` is not UTF-8", signature.display()))?;
    Ok((wasm, bundle))
}

/// Where the signature of a package is.
pub(super) fn signature_path(file: &Path) -> std::path::PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(".sigstore.json");
    path.into()
}
