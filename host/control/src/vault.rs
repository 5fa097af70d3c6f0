//! The password of the vault: given by a client before what needs it, or by
//! the surroundings of an unattended process.

use crate::application::Application;
use crate::error::{Error, Result, error};
use crate::event::Events;
use crate::operation::{Done, Operation, Route};
use cara_services::files;
use cara_services::vault::{PromptError, Purpose, SecretValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::spawn_blocking;

/// The environment variable with the password, for unattended use.
pub const PASSWORD_VARIABLE: &str = "CARA_VAULT_PASSWORD";

/// The environment variable with the path of a file that holds the password.
pub const FILE_VARIABLE: &str = "CARA_VAULT_PASSWORD_FILE";

/// The largest password file, bytes.
const LARGEST: u64 = 64 * 1024;

/// Where the vault gets its password from. Nobody is asked here.
#[derive(Clone)]
pub(crate) struct Password {
    given: Arc<Mutex<Option<SecretValue>>>,
    file: Option<PathBuf>,
}

impl Password {
    /// A password that nobody gave yet; `file` is what the configuration names.
    pub(crate) fn new(file: Option<PathBuf>) -> Self {
        Self { given: Arc::default(), file }
    }

    /// What the surroundings say.
    pub(crate) fn surroundings(&self) -> Result<SecretValue> {
        let given = unattended(self.file.as_deref()).map_err(|error| error!(Internal, "{error}"))?;
        given.ok_or_else(|| {
            error!(
                VaultLocked,
                "nobody gave the vault's password\nhint: run in a terminal, or set `{PASSWORD_VARIABLE}`"
            )
        })
    }

    /// What a client gave, else what the surroundings say.
    pub(crate) fn give(&self, _: Purpose) -> std::result::Result<SecretValue, PromptError> {
        if let Some(given) = self.given.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Ok(given);
        }
        unattended(self.file.as_deref())?.ok_or_else(|| PromptError::from("there is no terminal to ask on"))
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

/// Opens the vault with its password, or makes the password that of a vault which is not there yet.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnlockVault {
    /// The password.
    pub password: String,
}

impl Operation for UnlockVault {
    type View = Done;
    const ROUTE: Route = Route::post("vault.unlock", "/v1/vault/unlock", "Open the vault with its password.");

    async fn run(self, application: &Arc<Application>, _: &Events) -> Result<Self::View> {
        let given = SecretValue::new(self.password.into_bytes())?;
        *application.password.given.lock().unwrap_or_else(PoisonError::into_inner) = Some(given);
        let vault = application.vault.clone();
        let opened = spawn_blocking(move || vault.open()).await?;
        // A vault that is not there yet is made by what needs it, with this password.
        if !matches!(opened, Ok(false)) {
            application.password.given.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
        opened.map(|_| Done {}).map_err(Error::from)
    }
}
