//! The vault: opened with a password that a client gives, or made under one.

use crate::allowed;
use crate::application::Application;
use crate::error::Result;
use crate::event::Events;
use crate::operation::{Done, Operation, Route};
pub use crate::password::unattended;
use cara_authority::Principal;
use cara_services::vault::{SecretValue, StoreKind, VaultError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// What is said of a vault that waits for its password, with the cure.
pub(crate) const LOCKED: &str = "the vault is locked\nhint: `cara secrets unlock` opens it";

impl Application {
    /// Whether there is a vault that waits for a password, which the surroundings of this process do not give.
    ///
    /// # Errors
    ///
    /// The vault cannot be read.
    pub async fn is_vault_locked(&self) -> Result<bool> {
        if self.password.is_given() {
            return Ok(false);
        }
        let vault = self.vault.clone();
        Ok(spawn_blocking(move || vault.is_locked()).await??)
    }
}

/// Opens the vault with its password, which is checked also where the vault is open.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnlockVault {
    /// The password.
    pub password: String,
}

impl Operation for UnlockVault {
    type View = Done;
    const ROUTE: Route =
        Route::post("vault.unlock", "/control/v1/vault/unlock", "Open the vault with its password.").admin().audited();

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let (vault, password) = (application.vault.clone(), SecretValue::new(self.password.into_bytes())?);
        let _turn = application.password.turn().await?;
        spawn_blocking(move || vault.open_with(&password)).await??;
        // What was not signed for want of it perhaps can be now.
        application.doors.certificates_changed();
        Ok(Done {})
    }
}

/// Makes an empty vault under a password. Where there is a vault, nothing is done.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MakeVault {
    /// The password, of at least 8 characters.
    pub password: String,
}

impl Operation for MakeVault {
    type View = Done;
    const ROUTE: Route = Route::post("vault.make", "/control/v1/vault", "Make an empty vault under a password.")
        .once()
        .admin()
        .audited();

    async fn run(self, application: &Arc<Application>, by: &Principal, _: &Events) -> Result<Self::View> {
        allowed::without_credential(by, "the vault's password", "`cara secrets set`")?;
        application.in_use.check_vault()?;
        let (vault, password) = (application.vault.clone(), SecretValue::new(self.password.into_bytes())?);
        let _turn = application.password.turn().await?;
        let made = spawn_blocking(move || match vault.kind()? {
            Some(kind) if kind != StoreKind::File => Err(VaultError::NoPasswordHere(kind)),
            _ => vault.make(&password),
        });
        made.await??;
        Ok(Done {})
    }
}

/// Opens the vault, and makes it where there is none: before a person types what shall be in it.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct PrepareVault {}

impl Operation for PrepareVault {
    type View = Done;
    const ROUTE: Route =
        Route::post("vault.prepare", "/control/v1/vault/prepare", "Open the vault, or make it.").admin();

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        application.in_use.check_vault()?;
        let vault = application.vault.clone();
        spawn_blocking(move || vault.prepare()).await??;
        Ok(Done {})
    }
}
