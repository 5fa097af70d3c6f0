//! `cara secrets`: values are never shown and never an argument.

use crate::boot::Cara;
use crate::cli::{KdfName, Secrets};
use crate::{choose, passwords, show};
use anyhow::{Error, Result, bail};
use cara_authority::ComponentId;
use cara_services::vault::{Kdf, Purpose, SecretId};
use serde::Serialize;
use std::process::ExitCode;
use tokio::task::spawn_blocking;

/// Runs the command.
pub(crate) async fn run(cara: &Cara, secrets: Secrets) -> Result<ExitCode> {
    match secrets {
        Secrets::Set { secret } => set(cara, &secret).await?,
        Secrets::List { json } => list(cara, json).await?,
        Secrets::Remove { secret } => {
            let id = identify(cara, &secret)?;
            let (vault, wanted) = (cara.vault.clone(), id.clone());
            if !spawn_blocking(move || vault.remove(&wanted)).await?? {
                bail!("no value is stored for secret `{id}`\nhint: `cara secrets list` shows the stored ones");
            }
            show::note(&format!("removed `{id}`"));
        }
        Secrets::RotatePassword { kdf } => rotate(cara, kdf).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// `component/name`, or just a component that has one secret.
fn identify(cara: &Cara, text: &str) -> Result<SecretId> {
    if text.contains('/') {
        return Ok(SecretId::parse(text)?);
    }
    let component = ComponentId::parse(text)?;
    match cara.checked(&component)?.manifest().secrets() {
        [only] => Ok(SecretId { component, name: only.name.clone() }),
        [] => bail!("component `{component}` has no secrets"),
        several => {
            let names: Vec<String> = several.iter().map(|secret| format!("`{component}/{}`", secret.name)).collect();
            bail!("component `{component}` has several secrets\nhint: name one: {}", names.join(", "))
        }
    }
}

async fn set(cara: &Cara, text: &str) -> Result<()> {
    let id = identify(cara, text)?;
    let checked = cara.checked(&id.component)?;
    let secrets = checked.manifest().secrets();
    let Some(declared) = secrets.iter().find(|secret| secret.name == id.name) else {
        let names: Vec<String> = secrets.iter().map(|secret| format!("`{}/{}`", id.component, secret.name)).collect();
        let known = if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
        bail!("component `{}` declares no secret `{}`\nhint: {known}", id.component, id.name);
    };
    let prompt = format!("{}: ", declared.label);
    let (vault, wanted) = (cara.vault.clone(), id.clone());
    let stored = spawn_blocking(move || -> Result<_> {
        let value = passwords::secret_value(&prompt).map_err(Error::from_boxed)?;
        vault.set(&wanted, value)?;
        Ok(vault.kind()?)
    });
    let kind = stored.await??;
    show::note(&format!("stored `{id}` in the {kind}"));
    choose::grant(cara, &checked, &choose::asking(cara, &checked, &[])?, "its key was stored").await
}

#[derive(Serialize)]
struct Row {
    secret: String,
    store: String,
    label: Option<String>,
}

async fn list(cara: &Cara, json: bool) -> Result<()> {
    let vault = cara.vault.clone();
    let (ids, kind) = spawn_blocking(move || -> Result<_> { Ok((vault.list()?, vault.kind()?)) }).await??;
    let installed = cara.installed()?;
    let label = |id: &SecretId| {
        let secrets = installed.usable.get(&id.component)?.manifest().secrets();
        secrets.iter().find(|secret| secret.name == id.name).map(|secret| secret.label.clone())
    };
    let rows = ids.iter().map(|id| Row { secret: id.to_string(), store: kind.to_string(), label: label(id) });
    if json {
        show::line(&serde_json::to_string_pretty(&rows.collect::<Vec<_>>())?);
    } else if ids.is_empty() {
        show::note("no secret is stored; `cara secrets set` stores one");
    } else {
        let cells = rows.map(|row| vec![row.secret, row.store, row.label.unwrap_or_default()]);
        show::table(&["SECRET", "STORE", "LABEL"], &cells.collect::<Vec<_>>());
    }
    Ok(())
}

async fn rotate(cara: &Cara, kdf: KdfName) -> Result<()> {
    let kdf = match kdf {
        KdfName::Argon2id => Kdf::default(),
        KdfName::Pbkdf2HmacSha256 => Kdf::pbkdf2(),
    };
    let (vault, folder) = (cara.vault.clone(), cara.home.vault_dir());
    spawn_blocking(move || -> Result<()> {
        let old = passwords::vault_password(Purpose::Unlock, &folder).map_err(Error::from_boxed)?;
        let new = passwords::replacement().map_err(Error::from_boxed)?;
        Ok(vault.rotate_password(&old, &new, kdf)?)
    })
    .await??;
    show::note("the vault is encrypted under the new password");
    Ok(())
}
