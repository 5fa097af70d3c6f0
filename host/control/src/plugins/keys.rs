//! Keys that sign packages: made, kept in the vault, and used.

use crate::application::Application;
use crate::error::{Context, Result, error, fail};
use crate::event::Events;
use crate::named_file;
use crate::operation::{Operation, Route};
use crate::signing_keys::{in_vault, secret};
use crate::signing_transport::SigningTransport;
use crate::trust::{self, AddedTrust};
use cara_authority::Principal;
use cara_packages::Access;
use cara_sdk_sign::{Instance, SecretKey, sign, sign_keyless};
use cara_services::vault::SecretValue;
use cara_signing::{Bundle, Package};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PublicKey {
    /// The key's id, 64 hex digits.
    pub id: String,
    /// The key, PEM.
    pub pem: String,
    /// Where the vault's key comes from, of a key that was just made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<String>,
    /// What the key may sign here, of a key that was trusted at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted: Option<AddedTrust>,
}

/// Makes a key to sign with; the secret part goes into the vault.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MakeKey {
    /// What to call it.
    pub name: String,
    /// What it may sign here at once: ids, prefixes with `*`, or `*`.
    #[serde(default)]
    pub trust: Vec<String>,
    /// Give the key that is there, if there is one, instead of an error.
    #[serde(default)]
    pub existing: bool,
}

impl Operation for MakeKey {
    type View = PublicKey;
    const ROUTE: Route =
        Route::post("keys.make", "/control/v1/keys", "Make a key to sign packages with.").once().admin().audited();

    fn subject(&self) -> String {
        self.name.clone()
    }

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let patterns = trust::patterns(&self.trust)?;
        let key = SecretKey::generate()?;
        let (vault, id, name, existing) =
            (application.vault.clone(), in_vault(&self.name)?, self.name.clone(), self.existing);
        let made = spawn_blocking(move || -> Result<_> {
            if vault.holds(&id)? {
                if existing && let Some(value) = vault.get(&id)? {
                    return Ok((SecretKey::from_pem(std::str::from_utf8(value.expose())?)?, None));
                }
                fail!(
                    Conflict,
                    "there is a key `{name}` already\n\
                     hint: `cara plugin pubkey {name}` prints its public part; another key needs another name"
                );
            }
            vault.set(&id, SecretValue::new(key.to_pem().as_bytes().to_vec())?)?;
            Ok((key, Some(vault.kind()?.map(|kind| kind.to_string()).unwrap_or_default())))
        });
        let (key, vault) = made.await??;
        let public = key.public();
        let mut trusted = None;
        if !self.trust.is_empty() {
            let added = trust::add_key(application, &self.name, public.clone(), patterns).await;
            trusted = Some(added.context("the key was made, and is not trusted")?);
        }
        Ok(PublicKey { id: public.id().to_hex(), pem: public.to_pem(), vault, trusted })
    }
}

/// Gives the public part of a key that was made here.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowKey {
    /// The key's name.
    pub name: String,
}

impl Operation for ShowKey {
    type View = PublicKey;
    const ROUTE: Route = Route::get("keys.show", "/control/v1/keys/{name}", "Give the public part of a key.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let public = secret(&application.vault, &self.name).await?.public();
        Ok(PublicKey { id: public.id().to_hex(), pem: public.to_pem(), vault: None, trusted: None })
    }
}

/// A package that nobody could install is not worth a signature.
pub(crate) fn signable(file: &Path) -> Result<Package> {
    let package = Package::read(named_file::read(file, Package::MAX_BYTES as u64)?)?;
    let manifest = cara_authority::Manifest::parse(package.manifest())?;
    cara_authority::Interfaces::read(package.bytes())?.agree(&manifest)?;
    Ok(package)
}

/// A signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SignedPlugin {
    /// The component's id.
    pub id: String,
    /// The version.
    pub version: String,
    /// The signature file, a Sigstore bundle.
    pub bundle: String,
}

impl SignedPlugin {
    /// A package with its signature.
    pub fn of(package: &Package, bundle: &Bundle) -> Self {
        Self { id: package.id().to_string(), version: package.version().to_string(), bundle: bundle.to_json() }
    }
}

/// Signs a package with a key of the vault.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignPlugin {
    /// The key's name.
    pub name: String,
    /// The absolute path of the package.
    pub file: String,
}

impl Operation for SignPlugin {
    type View = SignedPlugin;
    const ROUTE: Route =
        Route::post("keys.sign", "/control/v1/keys/{name}/sign", "Sign a package with a key of the vault.")
            .admin()
            .audited();

    fn subject(&self) -> String {
        self.name.clone()
    }

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let package = signable(Path::new(&self.file))?;
        let key = secret(&application.vault, &self.name).await?;
        Ok(SignedPlugin::of(&package, &sign(&package, &key)))
    }
}

/// Signs a package by certificate, as whom an identity token names; this is public for ever.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignPluginKeyless {
    /// The absolute path of the package.
    pub file: String,
    /// The identity token, made for `sigstore`.
    #[serde(default)]
    pub token: Option<String>,
    /// The URL of the certificate authority, a Fulcio.
    pub authority: String,
    /// The URL of the transparency log, a Rekor.
    pub log: String,
}

impl Operation for SignPluginKeyless {
    type View = SignedPlugin;
    const ROUTE: Route = Route::post("keys.sign-keyless", "/control/v1/keyless/sign", "Sign a package by certificate.")
        .once()
        .admin()
        .audited();

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let package = signable(Path::new(&self.file))?;
        let trust = application.plugins.trusted()?;
        let none = || error!(Refused, "no Sigstore instance is trusted\nhint: `cara trust root public-good`");
        let root = trust.root().cloned().ok_or_else(none)?;
        let instance = Instance { authority: self.authority.parse()?, log: self.log.parse()?, root };
        let none = || {
            error!(
                Invalid,
                "there is no token to sign in with\nhint: `--token PATH`, or set SIGSTORE_ID_TOKEN; a CI makes one for the \
                 audience `sigstore`"
            )
        };
        let token = Zeroizing::new(self.token.ok_or_else(none)?);
        let way = SigningTransport::new(Access::anonymous(&application.services.egress));
        Ok(SignedPlugin::of(&package, &sign_keyless(&package, &token, &instance, &way).await?))
    }
}
