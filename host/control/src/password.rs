//! The vault's password as the surroundings of a process give it, where
//! nobody can be asked.

use crate::configuration::Followed;
use crate::error::{Result, error, fail};
use cara_services::files;
use cara_services::vault::{PromptError, SecretValue};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The environment variable with the password, for unattended use.
const PASSWORD_VARIABLE: &str = "CARA_VAULT_PASSWORD";

/// The environment variable with the path of a file that holds the password.
const FILE_VARIABLE: &str = "CARA_VAULT_PASSWORD_FILE";

/// How many requests may try a password at once: one tries, the others wait, which costs a connection each.
const WAITING: usize = 16;

/// The largest password file, bytes.
const LARGEST: u64 = 64 * 1024;

/// Where the vault gets its password from while nobody can be asked: the surroundings of the process.
#[derive(Clone)]
pub(crate) struct Password {
    settings: Followed,
    waiting: Arc<Semaphore>,
    trying: Arc<Semaphore>,
}

impl Password {
    /// The file that the configuration names counts as it is at that time.
    pub(crate) fn new(settings: Followed) -> Self {
        let [waiting, trying] = [WAITING, 1].map(|places| Arc::new(Semaphore::new(places)));
        Self { settings, waiting, trying }
    }

    /// Waits until no other password is tried, which takes a second of a processor and 64 MiB. Few can wait.
    pub(crate) async fn turn(&self) -> Result<[OwnedSemaphorePermit; 2]> {
        let Ok(waiting) = self.waiting.clone().try_acquire_owned() else {
            fail!(Conflict, "{WAITING} others try a password already\nhint: try again in a moment");
        };
        Ok([waiting, self.trying.clone().acquire_owned().await?])
    }

    fn unattended(&self) -> std::result::Result<Option<SecretValue>, PromptError> {
        unattended(self.settings.read().and_then(|config| config.vault.password_file.clone()).as_deref())
    }

    /// Whether the surroundings give one.
    pub(crate) fn is_given(&self) -> bool {
        matches!(self.unattended(), Ok(Some(_)))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::error::ErrorKind;
    use std::time::Duration;
    use tokio::time::timeout;

    #[tokio::test]
    async fn one_password_is_tried_at_a_time_and_few_requests_wait() {
        let folder = tempfile::tempdir().unwrap();
        let password = Password::new(Followed::open(folder.path().join("config.toml")));
        let first = password.turn().await.unwrap();
        let mut others: Vec<_> = (1..WAITING).map(|_| Box::pin(password.turn())).collect();
        for other in &mut others {
            assert!(timeout(Duration::ZERO, other).await.is_err());
        }
        assert_eq!(password.turn().await.unwrap_err().kind, ErrorKind::Conflict);
        drop(first);
        assert!(others.remove(0).await.is_ok());
    }
}
