//! `messaging`: messages to channels.

use super::*;
use crate::bindings::messaging::{Address, Host, Outbound, Receipt};

/// Sends messages to channels.
#[async_trait::async_trait]
pub trait Messaging: Send + Sync {
    /// Sends a message to an address.
    async fn send(&self, by: ServiceGrant, to: Address, message: Outbound) -> Result<Receipt, Refusal>;
}

impl Host for CallState {
    async fn send(&mut self, to: Address, message: Outbound) -> Answer<Receipt> {
        let send = async |by, messaging: Arc<dyn Messaging>| messaging.send(by, to, message).await;
        self.waiting(Some(Effect::SendsOutside), Power::Messaging, |host| &host.messaging, send).await
    }
}
