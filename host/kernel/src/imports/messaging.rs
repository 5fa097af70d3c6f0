//! `messaging`: messages to channels.

use super::*;
use crate::bindings::messaging::{Address, Host, Inbound, Outbound, Receipt};

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

    async fn deliver(&mut self, _: Inbound) -> Answer<()> {
        let text = format!("component `{}` is no channel and cannot hand in messages", self.call.grants.component());
        Ok(self.answer(Err(Refusal::new(Rule::Denied, text))))
    }
}
