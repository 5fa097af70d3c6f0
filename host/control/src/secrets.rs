//! Secrets: stored and removed, never shown.

use crate::allowed;
use crate::application::Application;
use crate::content_key;
use crate::error::{Error, ErrorKind, Result, error, fail};
use crate::event::Events;
use crate::model_selection;
use crate::operation::{Done, Operation, Route};
use crate::variables::Environment;
use cara_authority::id::BadName;
use cara_authority::{ComponentId, Principal};
use cara_services::vault::{Kdf, Owner, SecretId, SecretValue, StoreKind, VaultError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// The shortest value that is looked for in a message, bytes: a shorter one may stand there by chance.
const SHORTEST_KNOWN: usize = 8;

/// `component/name`, or just a component that has one secret.
fn identify(application: &Application, text: &str) -> Result<SecretId> {
    if text.contains('/') {
        return Ok(SecretId::parse(text)?);
    }
    let component = ComponentId::parse(text)?;
    if component.is_reserved() {
        return Err(VaultError::Reserved(component.to_string()).into());
    }
    match application.checked(&component)?.manifest().secrets() {
        [only] => Ok(SecretId::component(component, only.name.clone())),
        [] => fail!(Invalid, "component `{component}` has no secrets"),
        several => {
            let names: Vec<String> = several.iter().map(|secret| format!("`{component}/{}`", secret.name)).collect();
            fail!(Invalid, "component `{component}` has several secrets\nhint: name one: {}", names.join(", "))
        }
    }
}

/// What names a secret: `component/name`, or a component; whether there is one, the application says.
pub fn named(text: &str) -> std::result::Result<String, BadName> {
    text.split(['/', '@']).try_for_each(|part| ComponentId::parse(part).map(drop))?;
    Ok(text.to_owned())
}

/// Refuses a text that contains the value of a secret. Only values that are at hand are known: of a vault that nobody opened
/// yet, none is.
pub(crate) fn refuse_values(application: &Application, environment: &Environment, text: &str) -> Result<()> {
    for (id, checked) in &application.installed()?.usable {
        for secret in checked.manifest().secrets() {
            let id = SecretId::component(id.clone(), secret.name.clone());
            let stored = application.vault.at_hand(&id)?;
            let Some(value) = environment.secret(secret).map(Arc::new).or(stored) else { continue };
            let value = value.expose();
            if value.len() >= SHORTEST_KNOWN && text.as_bytes().windows(value.len()).any(|part| part == value) {
                fail!(
                    Refused,
                    "your message contains the value of secret `{id}`; it was not sent\n\
                     hint: leave the value out: its component spends it, and no model needs to read it"
                );
            }
        }
    }
    Ok(())
}

/// Finds a secret by what a person wrote, and says what it is and what storing it takes.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FindSecret {
    /// `COMPONENT/NAME`, or a component with one secret.
    pub secret: String,
}

/// A secret that a component declares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FoundSecret {
    /// `component/name`.
    pub secret: String,
    /// What its author calls it; nothing when the component does not declare it.
    pub label: Option<String>,
    /// Whether a value is stored.
    pub stored: bool,
}

impl Operation for FindSecret {
    type View = FoundSecret;
    const ROUTE: Route = Route::get("secrets.find", "/control/v1/secrets/find", "Find a secret, and say what it is.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let id = identify(application, &self.secret)?;
        let label = match &id.owner {
            Owner::Component(component) => application.checked(component).ok().and_then(|checked| {
                let secrets = checked.manifest().secrets().iter();
                secrets.clone().find(|secret| secret.name == id.name).map(|secret| secret.label.clone())
            }),
            _ => None,
        };
        let stored = application.vault.list()?.contains(&id);
        Ok(FoundSecret { secret: id.to_string(), label, stored })
    }
}

/// Stores a secret, in place of an earlier value, and grants its component what the manifest asks.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetSecret {
    /// `COMPONENT/NAME`, or a component with one secret.
    pub secret: String,
    /// The value.
    pub value: String,
}

/// Where a secret was stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StoredSecret {
    /// `component/name`.
    pub secret: String,
    /// Where the vault's key comes from.
    pub key: String,
}

impl Operation for SetSecret {
    type View = StoredSecret;
    const ROUTE: Route = Route::put("secrets.set", "/control/v1/secrets", "Store a secret.").admin().audited();

    fn subject(&self) -> String {
        self.secret.clone()
    }

    async fn run(self, application: &Arc<Application>, _: &Principal, events: &Events) -> Result<Self::View> {
        let id = identify(application, &self.secret)?;
        let Owner::Component(component) = &id.owner else { return Err(VaultError::Reserved(self.secret).into()) };
        let checked = application.checked(component)?;
        let secrets = checked.manifest().secrets();
        if !secrets.iter().any(|secret| secret.name == id.name) {
            let names: Vec<String> = secrets.iter().map(|secret| format!("`{component}/{}`", secret.name)).collect();
            let known =
                if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
            fail!(Invalid, "component `{component}` declares no secret `{}`\nhint: {known}", id.name);
        }
        // A configuration that cannot be read does not say where a new vault's key shall be.
        application.in_use.check_vault()?;
        let around = application.setting_sources()?;
        let value = SecretValue::new(self.value.into_bytes())?;
        let (vault, wanted) = (application.vault.clone(), id.clone());
        let stored = spawn_blocking(move || -> Result<_> {
            vault.set(&wanted, value)?;
            Ok(vault.kind()?.map(|kind| kind.to_string()))
        });
        let key = stored.await??.unwrap_or_default();
        model_selection::grant(application, &checked, &around, &BTreeMap::new(), "its key was stored", events).await?;
        application.accounts.anew(component, id.account.as_ref());
        Ok(StoredSecret { secret: id.to_string(), key })
    }
}

/// Removes a stored secret; nobody can get its value back.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveSecret {
    /// `COMPONENT/NAME`, or a component with one secret.
    pub secret: String,
}

impl Operation for RemoveSecret {
    type View = Done;
    const ROUTE: Route =
        Route::delete("secrets.remove", "/control/v1/secrets", "Remove a stored secret.").admin().audited();

    fn subject(&self) -> String {
        self.secret.clone()
    }

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let id = identify(application, &self.secret)?;
        if !application.vault.list()?.contains(&id) {
            return Err(none(&id.to_string()));
        }
        let (vault, gone) = (application.vault.clone(), id.clone());
        spawn_blocking(move || vault.remove(&gone)).await??;
        if let Owner::Component(component) = &id.owner {
            application.accounts.anew(component, id.account.as_ref());
        }
        Ok(Done {})
    }
}

/// The error of a secret without a value.
pub fn none(id: &str) -> Error {
    error!(NotFound, "no value is stored for secret `{id}`\nhint: `cara secrets list` shows the stored ones")
}

/// A stored secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretRow {
    /// `component/name`.
    pub secret: String,
    /// Where the vault's key comes from.
    pub key: String,
    /// What its author calls it.
    pub label: Option<String>,
}

/// Lists the stored secrets; values are never shown.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct ListSecrets {}

impl Operation for ListSecrets {
    type View = Vec<SecretRow>;
    const ROUTE: Route = Route::get("secrets.list", "/control/v1/secrets", "List the stored secrets, without values.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let vault = application.vault.clone();
        let (ids, kind) = spawn_blocking(move || -> Result<_> { Ok((vault.list()?, vault.kind()?)) }).await??;
        let kind = kind.map(|kind| kind.to_string()).unwrap_or_default();
        let installed = application.installed()?;
        let label = |id: &SecretId| {
            let Owner::Component(component) = &id.owner else { return None };
            let secrets = installed.usable.get(component)?.manifest().secrets();
            secrets.iter().find(|secret| secret.name == id.name).map(|secret| secret.label.clone())
        };
        let rows = ids.iter().map(|id| SecretRow { secret: id.to_string(), key: kind.clone(), label: label(id) });
        Ok(rows.collect())
    }
}

/// Where the key of the conversations is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MovedSecrets {
    /// Whether it was moved; else it was there before.
    pub moved: bool,
}

/// Moves the key of the conversations into the vault.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct SealSecrets {}

impl Operation for SealSecrets {
    type View = MovedSecrets;
    const ROUTE: Route =
        Route::post("secrets.seal", "/control/v1/secrets/seal", "Move the conversations' key into the vault.")
            .admin()
            .audited();

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        application.records().await?;
        let (home, vault) = (application.home().clone(), application.vault.clone());
        Ok(MovedSecrets { moved: spawn_blocking(move || content_key::seal(&home, &vault)).await?? })
    }
}

/// Moves the key of the conversations back into its file.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct UnsealSecrets {}

impl Operation for UnsealSecrets {
    type View = MovedSecrets;
    const ROUTE: Route =
        Route::post("secrets.unseal", "/control/v1/secrets/unseal", "Move the conversations' key out of the vault.")
            .admin()
            .audited();

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        application.records().await?;
        let (home, vault) = (application.home().clone(), application.vault.clone());
        Ok(MovedSecrets { moved: spawn_blocking(move || content_key::unseal(&home, &vault)).await?? })
    }
}

/// How a key is derived from a password.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KdfName {
    /// Argon2id, 64 MiB, 3 passes.
    #[default]
    Argon2id,
    /// PBKDF2-HMAC-SHA256, 600 000 rounds.
    Pbkdf2HmacSha256,
}

/// Says whether the vault has a password, and which; for who wants to change it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct HasVaultPassword {}

impl Operation for HasVaultPassword {
    type View = Done;
    const ROUTE: Route =
        Route::get("vault.has-password", "/control/v1/vault/password", "Check that the vault has a password.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let vault = application.vault.clone();
        match spawn_blocking(move || vault.kind()).await?? {
            Some(kind) if kind != StoreKind::File => Err(VaultError::NoPasswordHere(kind).into()),
            _ => Ok(Done {}),
        }
    }
}

/// Encrypts the vault anew under another password.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateVaultPassword {
    /// The password of now; what the holder's surroundings give when left out.
    #[serde(default)]
    pub old: Option<String>,
    /// The new one, of at least 8 characters.
    pub new: String,
    /// How the key is derived from it.
    #[serde(default)]
    pub kdf: KdfName,
}

impl Operation for RotateVaultPassword {
    type View = Done;
    const ROUTE: Route =
        Route::put("vault.rotate-password", "/control/v1/vault/password", "Encrypt the vault under another password.")
            .once()
            .admin()
            .audited();

    async fn run(self, application: &Arc<Application>, by: &Principal, _: &Events) -> Result<Self::View> {
        allowed::without_credential(by, "the vault's password", "`cara secrets rotate-password`")?;
        let kdf = match self.kdf {
            KdfName::Argon2id => Kdf::default(),
            KdfName::Pbkdf2HmacSha256 => Kdf::pbkdf2(),
        };
        let old = match self.old {
            Some(old) => SecretValue::new(old.into_bytes())?,
            None => application.password.surroundings()?,
        };
        let (vault, new) = (application.vault.clone(), SecretValue::new(self.new.into_bytes())?);
        let _turn = application.password.turn().await?;
        let rotated = spawn_blocking(move || vault.rotate_password(&old, &new, kdf)).await?;
        // Another password for the vault is no cure: the one of this request is wrong.
        rotated.map_err(|error| match error {
            wrong @ VaultError::WrongPassword(_) => Error::from(wrong).kind(ErrorKind::Refused),
            error => error.into(),
        })?;
        Ok(Done {})
    }
}
