//! What listeners tell the application, and ask of it.

use crate::application::Application;
use crate::error::{ErrorKind, Result};
use crate::gateway_settings::GatewaySettings;
use crate::reachable::Reachable;
use cara_records::CredentialKind;
use std::sync::Arc;
use tokio::sync::watch;

impl Application {
    /// Has the status say how this process is reached.
    pub fn reached_by(&self, tell: impl Fn() -> Reachable + Send + Sync + 'static) {
        self.doors.told_by(tell);
    }

    /// How this process is reached, beside the socket; nothing where it is no daemon.
    pub fn reachable(&self) -> Option<Reachable> {
        self.doors.reachable(self.services.clock.now_ms())
    }

    /// The settings of the gateway, while they change.
    pub fn gateway_settings(&self) -> watch::Receiver<Arc<GatewaySettings>> {
        self.settings.gateway()
    }

    /// Whether somebody could prove to a door who they are, beside a process of this account and a certificate of a client.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    pub async fn has_credential(&self) -> Result<bool> {
        use CredentialKind::{Certificate, Device, Password, Tailnet, Token};
        match self.credentials().await {
            Ok(all) => Ok(all
                .all()
                .iter()
                .any(|held| matches!(held.kind(), Token | Password | Device | Certificate | Tailnet))),
            // Nobody is let in before the vault is open, and then those who are in it.
            Err(error) if error.kind == ErrorKind::VaultLocked => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Changes when certificates do.
    pub fn certificates(&self) -> watch::Receiver<u64> {
        self.doors.certificates()
    }
}
