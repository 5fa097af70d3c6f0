//! `cara secrets`: values are never shown and never an argument.

use crate::boot::Cara;
use crate::cli::{KdfName, Secrets};
use crate::prompt::agreed;
use crate::{choose, content_key, passwords, show};
use anyhow::{Error, Result, bail};
use cara_authority::ComponentId;
use cara_services::vault::{Kdf, Owner, Purpose, SecretId, StoreKind, VaultError};
use serde::Serialize;
use std::io::IsTerminal;
use std::process::ExitCode;
use tokio::task::spawn_blocking;

/// Runs the command.
pub(crate) async fn run(cara: &Cara, secrets: Secrets) -> Result<ExitCode> {
    match secrets {
        Secrets::Set { secret } => set(cara, &secret).await?,
        Secrets::List { json } => list(cara, json).await?,
        Secrets::Remove { secret, yes } => remove(cara, &secret, yes).await?,
        Secrets::Seal => seal(cara).await?,
        Secrets::Unseal => unseal(cara).await?,
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
    if component.is_reserved() {
        return Err(VaultError::Reserved(component.to_string()).into());
    }
    match cara.checked(&component)?.manifest().secrets() {
        [only] => Ok(SecretId::component(component, only.name.clone())),
        [] => bail!("component `{component}` has no secrets"),
        several => {
            let names: Vec<String> = several.iter().map(|secret| format!("`{component}/{}`", secret.name)).collect();
            bail!("component `{component}` has several secrets\nhint: name one: {}", names.join(", "))
        }
    }
}

async fn remove(cara: &Cara, secret: &str, yes: bool) -> Result<()> {
    let id = identify(cara, secret)?;
    if !cara.vault.list()?.contains(&id) {
        bail!("no value is stored for secret `{id}`\nhint: `cara secrets list` shows the stored ones");
    }
    if !yes {
        if !std::io::stdin().is_terminal() {
            bail!("the value of `{id}` would be lost, and there is no terminal to ask on\nhint: `--yes` removes it");
        }
        let question = format!("remove the value of `{id}`? cara cannot get it back. [y/N] ");
        if !spawn_blocking(move || agreed(&question)).await?? {
            show::note("nothing was removed");
            return Ok(());
        }
    }
    let (vault, wanted) = (cara.vault.clone(), id.clone());
    spawn_blocking(move || vault.remove(&wanted)).await??;
    show::note(&format!("removed `{id}`"));
    Ok(())
}

async fn seal(cara: &Cara) -> Result<()> {
    cara.records().await?;
    let (home, vault) = (cara.home.clone(), cara.vault.clone());
    show::note(match spawn_blocking(move || content_key::seal(&home, &vault)).await?? {
        true => "the key of the conversations is in the vault; from now on `cara chat` needs the vault",
        false => "the key of the conversations is in the vault already",
    });
    Ok(())
}

async fn unseal(cara: &Cara) -> Result<()> {
    cara.records().await?;
    let (home, vault) = (cara.home.clone(), cara.vault.clone());
    show::note(match spawn_blocking(move || content_key::unseal(&home, &vault)).await?? {
        true => "the key of the conversations is in `keys/ledger-content`; who reads your files can read them",
        false => "the key of the conversations is in `keys/ledger-content` already",
    });
    Ok(())
}

async fn set(cara: &Cara, text: &str) -> Result<()> {
    let id = identify(cara, text)?;
    let Owner::Component(component) = &id.owner else { return Err(VaultError::Reserved(text.to_owned()).into()) };
    let checked = cara.checked(component)?;
    let secrets = checked.manifest().secrets();
    let Some(declared) = secrets.iter().find(|secret| secret.name == id.name) else {
        let names: Vec<String> = secrets.iter().map(|secret| format!("`{component}/{}`", secret.name)).collect();
        let known = if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
        bail!("component `{component}` declares no secret `{}`\nhint: {known}", id.name);
    };
    let prompt = format!("{}: ", declared.label);
    let (vault, wanted) = (cara.vault.clone(), id.clone());
    let stored = spawn_blocking(move || -> Result<_> {
        let value = passwords::secret_value(&prompt).map_err(Error::from_boxed)?;
        vault.set(&wanted, value)?;
        Ok(vault.kind()?.map(|kind| kind.to_string()))
    });
    let kind = stored.await??.unwrap_or_default();
    show::note(&format!("stored `{id}` in the vault; its key: {kind}"));
    choose::grant(cara, &checked, &choose::asking(cara, &checked, &[])?, "its key was stored").await
}

#[derive(Serialize)]
struct Row {
    secret: String,
    /// Where the vault's key comes from.
    key: String,
    label: Option<String>,
}

async fn list(cara: &Cara, json: bool) -> Result<()> {
    let vault = cara.vault.clone();
    let (ids, kind) = spawn_blocking(move || -> Result<_> { Ok((vault.list()?, vault.kind()?)) }).await??;
    let kind = kind.map(|kind| kind.to_string()).unwrap_or_default();
    let installed = cara.installed()?;
    let label = |id: &SecretId| {
        let Owner::Component(component) = &id.owner else { return None };
        let secrets = installed.usable.get(component)?.manifest().secrets();
        secrets.iter().find(|secret| secret.name == id.name).map(|secret| secret.label.clone())
    };
    let rows = ids.iter().map(|id| Row { secret: id.to_string(), key: kind.clone(), label: label(id) });
    if json {
        show::line(&serde_json::to_string_pretty(&rows.collect::<Vec<_>>())?);
    } else if ids.is_empty() {
        show::note("no secret is stored; `cara secrets set` stores one");
    } else {
        let cells = rows.map(|row| vec![row.secret, row.key, row.label.unwrap_or_default()]);
        show::table(&["SECRET", "VAULT KEY", "LABEL"], &cells.collect::<Vec<_>>());
    }
    Ok(())
}

async fn rotate(cara: &Cara, kdf: KdfName) -> Result<()> {
    let kdf = match kdf {
        KdfName::Argon2id => Kdf::default(),
        KdfName::Pbkdf2HmacSha256 => Kdf::pbkdf2(),
    };
    let (vault, folder) = (cara.vault.clone(), cara.home.vault_dir());
    let file = cara.config.vault.password_file.clone();
    spawn_blocking(move || -> Result<()> {
        if let Some(kind) = vault.kind()?.filter(|kind| *kind != StoreKind::File) {
            return Err(VaultError::NoPasswordHere(kind).into());
        }
        let old = passwords::vault_password(Purpose::Unlock, &folder, file.as_deref()).map_err(Error::from_boxed)?;
        let new = passwords::replacement().map_err(Error::from_boxed)?;
        Ok(vault.rotate_password(&old, &new, kdf)?)
    })
    .await??;
    show::note("the vault is encrypted under the new password");
    Ok(())
}
