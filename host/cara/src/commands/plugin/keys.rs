//! `cara plugin keygen`, `pubkey`, `sign`.

use super::install::absolute;
use crate::cli::Sign;
use crate::commands::trust;
use crate::door::Door;
use crate::error::told;
use crate::output::{Output, show};
use crate::text_file;
use anyhow::{Context, Result};
use cara_control::plugins::{
    MakeKey, ShowKey, SignPlugin, SignPluginKeyless, key_file, make_key_file, sign_with_file, signature_path,
};
use cara_control::trust::TrustKey;
use cara_services::files;
use std::path::Path;
use zeroize::Zeroizing;

/// The largest identity token, bytes.
const LARGEST_TOKEN: u64 = 16 * 1024;

/// Whether a key is named by the path of its file, not by its name in the vault.
fn is_file(name: &str) -> bool {
    name.contains(['/', '\\']) || name.ends_with(".pem")
}

/// `cara plugin keygen`. Nothing is printed before the secret part is safe.
pub(super) async fn keygen(
    door: &Door,
    output: Output,
    name: String,
    file: Option<&Path>,
    trusted: Vec<String>,
) -> Result<()> {
    let public = match file {
        None => {
            // A shell has emptied the file that stdout goes to before anything runs: the key that is there fills it again.
            let public = door.call(MakeKey { name: name.clone(), trust: trusted, existing: true }).await?;
            show::note(&match &public.vault {
                Some(key) => format!("the secret part is in the vault, protected by the {key}"),
                None => {
                    format!("there was a key `{name}` already: this is its public part; another key needs another name")
                }
            });
            public
        }
        Some(path) => {
            let (mut public, new) = make_key_file(path).map_err(told)?;
            let shown = path.display();
            show::note(&match new {
                true => format!("the secret part is in `{shown}`"),
                false => format!(
                    "there was a key in `{shown}` already: this is its public part; another key needs another path"
                ),
            });
            if !trusted.is_empty() {
                let added =
                    door.call(TrustKey { name: name.clone(), key: Some(public.pem.clone()), may: trusted }).await;
                public.trusted = Some(added.context("the key was made, and is not trusted")?);
            }
            public
        }
    };
    if let Some(added) = &public.trusted {
        show::note(&trust::words(added));
    }
    output.print(&public, || {
        let id = &public.id;
        show::note(&format!("key {id}; who trusts it runs `cara trust add {name} FILE --may PATTERN` with this:"));
        show::line(public.pem.trim_end());
    })
}

/// `cara plugin pubkey`.
pub(super) async fn pubkey(door: &Door, output: Output, name: &str) -> Result<()> {
    let public = if is_file(name) {
        key_file(Path::new(name)).map_err(told)?
    } else {
        door.call(ShowKey { name: name.to_owned() }).await?
    };
    output.print(&public, || show::line(public.pem.trim_end()))
}

/// `cara plugin sign`.
pub(super) async fn sign(door: &Door, output: Output, how: &Sign) -> Result<()> {
    let file = absolute(&how.file)?;
    let signed = match how.key.as_deref() {
        Some(name) if is_file(name) => sign_with_file(&how.file, Path::new(name)).map_err(told)?,
        Some(name) => door.call(SignPlugin { name: name.to_owned(), file }).await?,
        None => {
            let (token, authority, log) = (token(how.token.as_deref())?, how.authority.clone(), how.log.clone());
            door.call(SignPluginKeyless { file, token, authority, log }).await?
        }
    };
    let path = signature_path(&how.file);
    files::write_private_atomic(&path, signed.bundle.as_bytes())?;
    output.done(&signed, &format!("signed `{}` {} in `{}`", signed.id, signed.version, path.display()))
}

/// The identity token to sign in with, if there is one.
fn token(path: Option<&Path>) -> Result<Option<String>> {
    let Some(path) = path else {
        return Ok(std::env::var("SIGSTORE_ID_TOKEN").ok());
    };
    let text = Zeroizing::new(text_file::read(path, LARGEST_TOKEN)?);
    Ok(Some(text.trim().to_owned()))
}
