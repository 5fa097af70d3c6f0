//! The vault's password as the surroundings of a process give it, where
//! nobody can be asked.

use crate::configuration::Followed;
use crate::error::{Result, error};
use cara_services::files;
use cara_services::vault::{PromptError, SecretValue};
use std::path::{Path, PathBuf};

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
