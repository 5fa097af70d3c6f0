//! `cara trust`: whose signatures count, and for which components.

use crate::boot::Cara;
use crate::cli::Trust;
use crate::plugins::BUILT_IN;
use crate::{layout, show};
use anyhow::{Context, Result, anyhow, bail};
use cara_packages::imitation::imitated;
use cara_services::files;
use cara_signing::{KeyId, PublicKey, Revoked, TrustStore, TrustedKey};
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
        Trust::Add { name, key, may } => add(cara, &name, &key, &may).await?,
        Trust::List { json } => list(cara, json)?,
        Trust::Remove { name } => remove(cara, &name).await?,
        Trust::Revoke { what } => revoke(cara, &what).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads the file, changes it, and writes it as a whole; alone.
async fn change(
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

async fn add(cara: &Cara, name: &str, file: &Path, may: &[String]) -> Result<()> {
    let shown = file.display();
    let pem = files::read_capped(file, LARGEST)?.ok_or_else(|| anyhow!("`{shown}` does not exist"))?;
    let key: PublicKey = String::from_utf8(pem).with_context(|| format!("`{shown}` is no PEM file"))?.parse()?;
    let patterns = may.iter().map(|text| text.parse()).collect::<Result<Vec<_>, _>>()?;
    let since = Timestamp::from_millisecond(i64::try_from(cara.services.clock.now_ms())?)?;
    let id = key.id();
    change(cara, "trust-added", name, |store| {
        let names = store.keys().iter().map(TrustedKey::name).chain([BUILT_IN]);
        if let Some(other) = imitated(name, names.clone()) {
            bail!("`{name}` looks like `{other}`, whom you trust already\nhint: choose a name you will not mix up");
        }
        if names.into_iter().any(|known| known == name) && store.key(&id).is_none() {
            bail!("`{name}` is the name of another key\nhint: choose another, or `cara trust remove {name}` first");
        }
        match store.key(&id) {
            Some(_) => patterns.into_iter().try_for_each(|pattern| store.allow(&id, pattern))?,
            None => store.add(TrustedKey::new(key, name, patterns)?.with_since(since))?,
        }
        Ok(json!({ "key": id.to_hex(), "may": may }))
    })
    .await?;
    show::note(&format!("`{name}` (key {id}) may sign {}", may.join(", ")));
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Listed {
    keys: Vec<Row>,
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

fn list(cara: &Cara, json: bool) -> Result<()> {
    let store = read(&cara.home.trust())?;
    let row = |key: &TrustedKey| Row {
        name: key.name().to_owned(),
        key: key.id().to_hex(),
        may: key.components().iter().map(ToString::to_string).collect(),
        since: key.since().map(|since| since.strftime("%Y-%m-%d").to_string()),
    };
    let listed = Listed {
        keys: store.keys().iter().map(row).collect(),
        revoked: store.revoked().iter().map(ToString::to_string).collect(),
    };
    if json {
        return layout::json(&listed);
    }
    if listed.keys.is_empty() {
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
    for revoked in listed.revoked {
        show::line(&format!("revoked: {revoked}"));
    }
    Ok(())
}

async fn remove(cara: &Cara, name: &str) -> Result<()> {
    change(cara, "trust-removed", name, |store| {
        let named = |key: &&TrustedKey| key.name() == name || (name.len() >= 8 && key.id().to_hex().starts_with(name));
        let found: Vec<KeyId> = store.keys().iter().filter(named).map(TrustedKey::id).collect();
        let [id] = found[..] else {
            bail!("{} keys are called `{name}`\nhint: `cara trust list` shows them; name one by its id", found.len());
        };
        store.remove(&id);
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
    show::note(&format!("revoked {revoked}"));
    Ok(())
}
