//! `cara trust`: whose signatures count, and for which components.

use crate::boot::Cara;
use crate::cli::Trust;
use crate::places::Places;
use crate::plugins::BUILT_IN;
use crate::{layout, show};
use anyhow::{Context, Result, anyhow, bail};
use cara_packages::confusables::imitated;
use cara_services::files;
use cara_signing::{
    Digest, Identity, Issuer, KeyId, Pattern, PublicKey, Revoked, TrustRoot, TrustStore, TrustedIdentity, TrustedKey,
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

/// The largest key file, bytes.
const LARGEST: u64 = 4 * 1024;

/// Runs the command.
pub(crate) async fn run(cara: &Cara, trust: Trust) -> Result<ExitCode> {
    match trust {
        Trust::Add { name, identity: Some(identity), issuer, may, .. } => {
            let issuer = issuer.unwrap_or_default().parse()?;
            identify(cara, &name, identity.parse()?, issuer, &may).await?;
        }
        Trust::Add { name, key, may, .. } => {
            let key = match key {
                Some(file) => read_key(&file)?,
                None => super::plugin::keys::key(cara, &name).await?.public(),
            };
            add_key(cara, &name, key, patterns(&may)?).await?;
        }
        Trust::Root { root, .. } => set_root(cara, root.as_deref()).await?,
        Trust::List { json } => list(cara, json)?,
        Trust::Remove { name } => remove(cara, &name).await?,
        Trust::Revoke { what } => revoke(cara, &what).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads the file, changes it, and writes it as a whole; alone.
pub(crate) async fn change(
    cara: &Cara,
    event: &'static str,
    subject: &str,
    change: impl FnOnce(&mut TrustStore) -> Result<serde_json::Value>,
) -> Result<()> {
    let path = cara.home.trust();
    let _alone = files::lock(&path.with_extension("toml.writer"))?;
    let mut store = read(&path)?;
    let detail = change(&mut store)?;
    cara.ledger.append(event, subject, detail).await?;
    Ok(files::write_private_atomic(&path, store.to_toml().as_bytes())?)
}

fn read(path: &Path) -> Result<TrustStore> {
    let text = files::read_capped(path, TrustStore::MAX_BYTES as u64)?.unwrap_or_default();
    let text = String::from_utf8(text).with_context(|| format!("`{}` is not UTF-8", path.display()))?;
    TrustStore::from_toml(&text).with_context(|| format!("`{}` cannot be used", path.display()))
}

fn read_key(file: &Path) -> Result<PublicKey> {
    let shown = file.display();
    let pem = files::read_capped(file, LARGEST)?.ok_or_else(|| anyhow!("`{shown}` does not exist"))?;
    Ok(String::from_utf8(pem).with_context(|| format!("`{shown}` is no PEM file"))?.parse()?)
}

/// What somebody may sign.
pub(super) fn patterns(may: &[String]) -> Result<Vec<Pattern>> {
    Ok(may.iter().map(|text| text.parse()).collect::<Result<Vec<_>, _>>()?)
}

/// Trusts a key; one that is trusted already under this name may sign more.
pub(super) async fn add_key(cara: &Cara, name: &str, key: PublicKey, patterns: Vec<Pattern>) -> Result<()> {
    let may: Vec<String> = patterns.iter().map(ToString::to_string).collect();
    let since = Timestamp::from_millisecond(i64::try_from(cara.services.clock.now_ms())?)?;
    let id = key.id();
    change(cara, "trust-added", name, |store| {
        if store.key(&id).is_some_and(|known| known.name == name) {
            patterns.into_iter().try_for_each(|pattern| store.allow(name, pattern))?;
        } else {
            check_name(store, name)?;
            store.add(TrustedKey { since: Some(since), ..TrustedKey::new(key, name, patterns) })?;
        }
        Ok(json!({ "key": id.to_hex(), "may": may }))
    })
    .await?;
    show::note(&format!("`{name}` (key {id}) may sign {}", may.join(", ")));
    Ok(())
}

/// A name that nobody else has, and that nobody takes for another.
fn check_name(store: &TrustStore, name: &str) -> Result<()> {
    let identities = store.identities().iter().map(|known| known.name.as_str());
    let mut names = store.keys().iter().map(|key| key.name.as_str()).chain(identities).chain([BUILT_IN]);
    if let Some(other) = imitated(name, names.clone()) {
        bail!("`{name}` looks like `{other}`, whom you trust already\nhint: choose a name you will not mix up");
    }
    if names.any(|known| known == name) {
        bail!("`{name}` is somebody else's name already\nhint: choose another, or `cara trust remove {name}` first");
    }
    Ok(())
}

async fn identify(cara: &Cara, name: &str, identity: Identity, issuer: Issuer, may: &[String]) -> Result<()> {
    let patterns = patterns(may)?;
    let since = Timestamp::from_millisecond(i64::try_from(cara.services.clock.now_ms())?)?;
    let shown = format!("{identity} ({issuer})");
    change(cara, "trust-added", name, |store| {
        let same = |known: &TrustedIdentity| {
            (known.name.as_str(), &known.identity, &known.issuer) == (name, &identity, &issuer)
        };
        if store.identities().iter().any(same) {
            patterns.into_iter().try_for_each(|pattern| store.allow(name, pattern))?;
        } else {
            check_name(store, name)?;
            let (name, since) = (name.to_owned(), Some(since));
            store.add_identity(TrustedIdentity { name, identity, issuer, components: patterns, since })?;
        }
        Ok(json!({ "identity": shown, "may": may }))
    })
    .await?;
    show::note(&format!("`{name}`, {shown}, may sign {}", may.join(", ")));
    if !files::exists(&cara.home.trust_root())? {
        show::note("no certificate counts until you say whose: `cara trust root public-good`");
    }
    Ok(())
}

/// Puts the trust root in its place, or takes it away.
async fn set_root(cara: &Cara, from: Option<&str>) -> Result<()> {
    let path = cara.home.trust_root();
    let _alone = files::lock(&cara.home.trust().with_extension("toml.writer"))?;
    let Some(from) = from else {
        cara.ledger.append("trust-root-removed", "", json!({})).await?;
        files::remove(&path)?;
        show::note("no certificate counts any more");
        return Ok(());
    };
    let text = match from {
        "public-good" => TrustRoot::PUBLIC_GOOD.to_owned(),
        file => {
            let bytes = files::read_capped(Path::new(file), TrustRoot::MAX_BYTES as u64)?;
            let bytes = bytes.ok_or_else(|| anyhow!("`{file}` does not exist"))?;
            String::from_utf8(bytes).with_context(|| format!("`{file}` is no trust root"))?
        }
    };
    TrustRoot::from_json(&text).with_context(|| format!("`{from}` is no trust root"))?;
    cara.ledger.append("trust-root-set", from, json!({ "digest": Digest::of(text.as_bytes()).to_string() })).await?;
    files::write_private_atomic(&path, text.as_bytes())?;
    show::note(&format!("certificates of `{from}` count, for the identities you trust"));
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Listed {
    keys: Vec<Row>,
    identities: Vec<Identified>,
    /// Whether certificates count at all.
    root: bool,
    revoked: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Row {
    name: String,
    key: String,
    may: Vec<String>,
    since: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Identified {
    name: String,
    identity: String,
    issuer: String,
    may: Vec<String>,
    since: Option<String>,
}

fn list(cara: &Cara, json: bool) -> Result<()> {
    let store = read(&cara.home.trust())?;
    let row = |key: &TrustedKey| Row {
        name: key.name.clone(),
        key: key.id.to_hex(),
        may: key.components.iter().map(ToString::to_string).collect(),
        since: key.since.map(day),
    };
    let identified = |known: &TrustedIdentity| Identified {
        name: known.name.clone(),
        identity: known.identity.to_string(),
        issuer: known.issuer.to_string(),
        may: known.components.iter().map(ToString::to_string).collect(),
        since: known.since.map(day),
    };
    let listed = Listed {
        keys: store.keys().iter().map(row).collect(),
        identities: store.identities().iter().map(identified).collect(),
        root: files::exists(&cara.home.trust_root())?,
        revoked: store.revoked().iter().map(ToString::to_string).collect(),
    };
    if json {
        return layout::json(&listed);
    }
    if listed.keys.is_empty() && listed.identities.is_empty() {
        show::note("you trust nobody; what is built in is signed by this program's own key, and only that");
    }
    let cells = listed
        .keys
        .into_iter()
        .map(|row| vec![row.name, row.key[..16].to_owned(), row.since.unwrap_or_default(), row.may.join(", ")]);
    let cells: Vec<Vec<String>> = cells.collect();
    if !cells.is_empty() {
        show::table(&["NAME", "KEY", "SINCE", "MAY SIGN"], &cells);
    }
    for known in &listed.identities {
        let since = known.since.as_deref().map(|since| format!(", since {since}")).unwrap_or_default();
        let of = format!("{} by {} may sign {}{since}", known.identity, known.issuer, known.may.join(", "));
        layout::hang("", &format!("{}: {of}", known.name));
    }
    if !listed.identities.is_empty() && !listed.root {
        show::note("no certificate counts until you say whose: `cara trust root public-good`");
    }
    for revoked in listed.revoked {
        show::line(&format!("revoked: {revoked}"));
    }
    Ok(())
}

fn day(since: Timestamp) -> String {
    since.strftime("%Y-%m-%d").to_string()
}

async fn remove(cara: &Cara, name: &str) -> Result<()> {
    change(cara, "trust-removed", name, |store| {
        if let Some(known) = store.identities().iter().find(|known| known.name == name) {
            let detail = json!({ "identity": known.identity, "issuer": known.issuer });
            store.remove(name);
            return Ok(detail);
        }
        let named = |key: &&TrustedKey| key.name == name || (name.len() >= 8 && key.id.to_hex().starts_with(name));
        let found: Vec<(KeyId, String)> =
            store.keys().iter().filter(named).map(|key| (key.id, key.name.clone())).collect();
        let [(id, known)] = &found[..] else {
            bail!("{} keys are called `{name}`\nhint: `cara trust list` shows them; name one by its id", found.len());
        };
        store.remove(known);
        Ok(json!({ "key": id.to_hex() }))
    })
    .await?;
    show::note(&format!("`{name}` is trusted no more; what it signed is not used from the next call on"));
    Ok(())
}

async fn revoke(cara: &Cara, what: &str) -> Result<()> {
    let revoked = Revoked::try_from(what.to_owned())?;
    change(cara, "trust-revoked", what, |store| {
        store.revoke(revoked);
        Ok(json!({}))
    })
    .await?;
    show::note(&format!("revoked {revoked}, from the next call on; to take that back, remove it from `trust.toml`"));
    Ok(())
}
