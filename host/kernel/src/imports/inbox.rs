//! `inbox`: what came on a channel.

use super::*;
use crate::bindings::inbox::{Host, Inbound};
use cara_authority::{AccountId, ChannelGrant};

/// The most messages that are handed in together.
const MOST_MESSAGES: usize = 100;

/// Takes in what came on a channel.
#[async_trait::async_trait]
pub trait Inbox: Send + Sync {
    /// Takes in messages that came to an account, in their order; durable when it returns.
    async fn deliver(&self, by: ChannelGrant, account: &AccountId, messages: Vec<Inbound>) -> Result<(), Refusal>;
}

impl Call {
    async fn deliver(&self, messages: Vec<Inbound>) -> Result<(), Refusal> {
        let by = self.grants.channel()?;
        let unavailable = || {
            let text = format!("component `{}` is called for no account", by.component());
            Refusal::new(Rule::Unavailable, text).hint("a channel hands in messages while it handles an event")
        };
        let services = &self.services;
        let (inbox, account) =
            services.host_services.inbox.as_ref().zip(services.account.as_ref()).ok_or_else(unavailable)?;
        if messages.len() > MOST_MESSAGES {
            let text = format!("{} messages were handed in together", messages.len());
            return Err(Refusal::new(Rule::Limit, text).hint(format!("hand in at most {MOST_MESSAGES}")));
        }
        inbox.deliver(by, account, messages).await
    }
}

impl Host for CallState {
    async fn deliver(&mut self, messages: Vec<Inbound>) -> Answer<()> {
        let delivered = self.call.deliver(messages).await;
        Ok(self.answer(delivered))
    }
}
