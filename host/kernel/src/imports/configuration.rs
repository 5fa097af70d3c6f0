//! `configuration`: the operator's configuration, without secrets.

use super::*;
use crate::bindings::configuration::Host;

/// Reads the configuration.
#[async_trait::async_trait]
pub trait Configuration: Send + Sync {
    /// Reads at most `room` bytes of the configuration at a dotted path.
    async fn read(&self, by: ServiceGrant, path: String, room: u64) -> Result<Option<String>, Refusal>;
}

impl Host for CallState {
    async fn read(&mut self, path: String) -> Answer<Option<String>> {
        let read = async |by, configuration: Arc<dyn Configuration>, room| configuration.read(by, path, room).await;
        self.loaded((0, MOST), Power::Configuration, |host| &host.configuration, read).await
    }
}
