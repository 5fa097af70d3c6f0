//! `cara plugin keygen`, `sign`, `verify`.

use super::manage::{beside, signature_path};
use crate::boot::Cara;
use crate::candidate::with_cure;
use crate::cli::Sign;
use crate::commands::trust;
use crate::{content_key, layout, show};
use anyhow::{Context, Result, anyhow, bail};
use cara_authority::SecretName;
use cara_packages::keyless::Signing;
use cara_packages::{Access, ClientError};
use cara_sdk_sign::{Answer, Instance, SecretKey, Transport, sign as signed, sign_keyless};
use cara_services::files;
use cara_services::vault::{SecretId, SecretValue};
use cara_signing::{Bundle, Package, verify as verified};
use serde_json::json;
use std::path::Path;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

/// The largest key file, bytes.
const LARGEST: u64 = 4 * 1024;

/// The largest identity token, bytes.
const LARGEST_TOKEN: u64 = 16 * 1024;

/// `cara plugin keygen`. Nothing is printed before the secret part is safe.
pub(super) async fn keygen(cara: &Cara, name: &str, file: Option<&Path>, trust: &[String]) -> Result<()> {
    let patterns = trust::patterns(trust)?;
    let key = SecretKey::generate()?;
    let (public, pem) = (key.public(), key.to_pem());
    match file {
        Some(path) => {
            let shown = path.display();
            if !files::create_private(path, pem.as_bytes())? {
                bail!(
                    "`{shown}` is there already, and a key that is lost cannot be made again\n\
                     hint: choose another path; `cara plugin pubkey {shown}` prints the public part of a key"
                );
            }
            show::note(&format!("the secret part is in `{shown}`"));
        }
        None => {
            let (vault, id, named) = (cara.vault.clone(), in_vault(name)?, name.to_owned());
            let value = SecretValue::new(pem.as_bytes().to_vec())?;
            let kind = spawn_blocking(move || {
                if vault.holds(&id)? {
                    bail!(
                        "there is a key `{named}` already\n\
                         hint: `cara plugin pubkey {named}` prints its public part; another key needs another name"
                    );
                }
                vault.set(&id, value)?;
                Ok(vault.kind()?.map(|kind| kind.to_string()))
            });
            show::note(&format!("the secret part is in the vault; its key: {}", kind.await??.unwrap_or_default()));
        }
    }
    if !trust.is_empty() {
        let trusted = trust::add_key(cara, name, public.clone(), patterns).await;
        trusted.context("the key was made, and is not trusted")?;
    }
    show::note(&format!(
        "key {}; who trusts it runs `cara trust add {name} FILE --may PATTERN` with this:",
        public.id()
    ));
    show::line(public.to_pem().trim_end());
    Ok(())
}

pub(super) fn in_vault(name: &str) -> Result<SecretId> {
    let name = SecretName::parse(name).context("a key's name is like a secret's: `my-key`")?;
    if name.as_str() == content_key::NAME {
        bail!("`{name}` is a key of cara's own\nhint: choose another name");
    }
    Ok(SecretId::host(name))
}

/// A key of the vault, or of a file when the name is a path.
pub(crate) async fn key(cara: &Cara, name: &str) -> Result<SecretKey> {
    if name.contains(['/', '\\']) || name.ends_with(".pem") {
        let path = Path::new(name);
        let bytes = files::read_private(path, LARGEST)?.ok_or_else(|| anyhow!("`{name}` does not exist"))?;
        let bytes = Zeroizing::new(bytes);
        let pem = std::str::from_utf8(&bytes).with_context(|| format!("`{name}` is no PEM file"))?;
        return Ok(SecretKey::from_pem(pem)?);
    }
    let (vault, id) = (cara.vault.clone(), in_vault(name)?);
    let value = spawn_blocking(move || vault.get(&id)).await??;
    let value =
        value.ok_or_else(|| anyhow!("there is no key `{name}`\nhint: `cara plugin keygen {name}` makes one"))?;
    Ok(SecretKey::from_pem(std::str::from_utf8(value.expose())?)?)
}

/// `cara plugin sign`.
pub(super) async fn sign(cara: &Cara, how: &Sign) -> Result<()> {
    let file = how.file.as_path();
    let bytes = files::read_capped(file, Package::MAX_BYTES as u64)?;
    let bytes = bytes.ok_or_else(|| anyhow!("`{}` does not exist", file.display()))?;
    let package = Package::read(bytes)?;
    // What nobody could install is not worth a signature.
    let manifest = cara_authority::Manifest::parse(package.manifest())?;
    cara_authority::Interfaces::read(package.bytes())?.agree(&manifest)?;
    let bundle = match &how.key {
        Some(name) => signed(&package, &key(cara, name).await?),
        None => keyless(cara, &package, how).await?,
    };
    let bundle = bundle.to_json();
    let path = signature_path(file);
    files::write_private_atomic(&path, bundle.as_bytes())?;
    show::note(&format!("signed `{}` {} in `{}`", package.id(), package.version(), path.display()));
    Ok(())
}

/// Signs as whom the token names.
async fn keyless(cara: &Cara, package: &Package, how: &Sign) -> Result<Bundle> {
    let trust = cara.plugins.trusted()?;
    let root = trust.root().cloned();
    let root = root.ok_or_else(|| anyhow!("no Sigstore instance is trusted\nhint: `cara trust root public-good`"))?;
    let instance = Instance { authority: how.authority.parse()?, log: how.log.parse()?, root };
    let token = match &how.token {
        Some(path) => {
            let bytes = files::read_capped(path, LARGEST_TOKEN)?;
            let bytes = Zeroizing::new(bytes.ok_or_else(|| anyhow!("`{}` does not exist", path.display()))?);
            let text = std::str::from_utf8(&bytes).with_context(|| format!("`{}` is no token", path.display()))?;
            Zeroizing::new(text.trim().to_owned())
        }
        None => Zeroizing::new(std::env::var("SIGSTORE_ID_TOKEN").map_err(|_| {
            anyhow!("there is no token to sign in with\nhint: `--token PATH`, or set SIGSTORE_ID_TOKEN; a CI makes one for the audience `sigstore`")
        })?),
    };
    let way = Way(Signing::new(Access::anonymous(&cara.services.egress)));
    Ok(sign_keyless(package, &token, &instance, &way).await?)
}

/// The way to authority and log.
struct Way<'a>(Signing<'a>);

impl Transport for Way<'_> {
    type Error = ClientError;

    async fn post(&self, url: &str, body: &str) -> Result<Answer, ClientError> {
        let (status, body) = self.0.post(url, body).await?;
        Ok(Answer { status, body })
    }
}

/// `cara plugin verify`.
pub(super) fn verify(cara: &Cara, file: &Path, json: bool) -> Result<()> {
    let (wasm, bundle) = beside(file)?;
    let package = Package::read(wasm)?;
    let (id, version, digest) = (package.id().to_string(), package.version().to_string(), package.digest());
    let bundle = Bundle::from_json(&bundle)?;
    let verified = verified(package, &bundle, &cara.plugins.trusted()?, None).map_err(with_cure)?;
    let signer = verified.signer_name();
    if json {
        return layout::json(&json!({ "id": id, "version": version, "digest": digest, "signer": signer }));
    }
    show::line(&format!("`{id}` {version} is signed by `{signer}`, who is trusted for it"));
    Ok(())
}
