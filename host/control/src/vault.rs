//! The vault: opened with a password that a client gives, or that the
//! surroundings of an unattended process have.

use crate::application::Application;
use crate::config::Followed;
use crate::error::{Result, error};
use crate::event::Events;
use crate::operation::{Done, Operation, Route};
use cara_services::files;
use cara_services::vault::{PromptError, SecretValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// The environment variable with the password, for unattended use.
pub const PASSWORD_VARIABLE: &str = "CARA_VAULT_PASSWORD";

/// The environment variable with the path of a file that holds the password.
pub const FILE_VARIABLE: &str = "CARA_VAULT_PASSWORD_FILE";

/// The largest password file, bytes.
const LARGEST: u64 = 64 * 1024;

/// Where the vault gets its password from while nobody can be asked: the surroundings of the process.
#[derive(Clone)]
pub(crate) struct Password {
    settings: Followed,
}

impl Password {
    /// The file that the configuration names counts as it is at that time.
    pub(crate) fn new(settings: Followed) -> Self {
        Self { settings }
    }

    fn unattended(&self) -> std::result::Result<Option<SecretValue>, PromptError> {
        unattended(self.settings.read().and_then(|config| config.vault.password_file.clone()).as_deref())
    }

    /// What the surroundings say.
    pub(crate) fn surroundings(&self) -> Result<SecretValue> {
        let given = self.unattended().map_err(|error| error!(Internal, "{error}"))?;
        given.ok_or_else(|| {
            error!(
                VaultLocked,
                "nobody gave the vault's password\nhint: run in a terminal, or set `{PASSWORD_VARIABLE}`"
            )
        })
    }

    /// The same for the vault itself.
    pub(crate) fn give(&self) -> std::result::Result<SecretValue, PromptError> {
        self.unattended()?.ok_or_else(|| PromptError::from("there is no terminal to ask on"))
    }
}

/// The password as the environment gives it, or the file that the environment or the configuration names.
pub fn unattended(file: Option<&Path>) -> std::result::Result<Option<SecretValue>, PromptError> {
    if let Some(value) = std::env::var_os(PASSWORD_VARIABLE).filter(|value| !value.is_empty()) {
        return Ok(Some(SecretValue::new(value.into_encoded_bytes())?));
    }
    let Some(path) = std::env::var_os(FILE_VARIABLE).map(PathBuf::from).or(file.map(Path::to_owned)) else {
        return Ok(None);
    };
    let bytes = files::read_private(&path, LARGEST)?;
    let mut bytes = bytes.ok_or_else(|| format!("the password file `{}` does not exist", path.display()))?;
    while bytes.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        bytes.pop();
    }
    Ok(Some(SecretValue::new(bytes)?))
}

/// Opens the vault with its password, which is checked also where the vault is open.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unlock {
    /// The password.
    pub password: String,
}

impl Operation for Unlock {
    type View = Done;
    const ROUTE: Route = Route::post("vault.unlock", "/v1/vault/unlock", "Open the vault with its password.");

    async fn run(self, application: &Arc<Application>, _: &Events) -> Result<Self::View> {
        let (vault, password) = (application.vault.clone(), SecretValue::new(self.password.into_bytes())?);
        spawn_blocking(move || vault.open_with(&password)).await??;
        Ok(Done {})
    }
}

/// Makes an empty vault under a password. Where there is a vault, nothing is done.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Make {
    /// The password, of at least 8 characters.
    pub password: String,
}

impl Operation for Make {
    type View = Done;
    const ROUTE: Route = Route::post("vault.make", "/v1/vault", "Make an empty vault under a password.").once();

    async fn run(self, application: &Arc<Application>, _: &Events) -> Result<Self::View> {
        application.check_vault()?;
        let (vault, password) = (application.vault.clone(), SecretValue::new(self.password.into_bytes())?);
        spawn_blocking(move || vault.make(&password)).await??;
        Ok(Done {})
    }
}

/// Opens the vault, and makes it where there is none: before a person types what shall be in it.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Prepare {}

impl Operation for Prepare {
    type View = Done;
    const ROUTE: Route = Route::post("vault.prepare", "/v1/vault/prepare", "Open the vault, or make it.");

    async fn run(self, application: &Arc<Application>, _: &Events) -> Result<Self::View> {
        application.check_vault()?;
        let vault = application.vault.clone();
        spawn_blocking(move || vault.prepare()).await??;
        Ok(Done {})
    }
}
