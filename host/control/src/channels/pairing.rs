//! Codes that the owner gave somebody, as they come back on a channel.

use crate::application::Application;
use crate::delivery::{Delivered, notice, words};
use crate::error::{Result, error};
use cara_records::NewInbound;

impl Application {
    /// What becomes of a message that is a code which the owner gave somebody: who sends it is known from then on. Nothing,
    /// where it is none, and of somebody who is known already.
    pub(crate) async fn greeted(&self, message: &NewInbound) -> Result<Option<Delivered>> {
        let (now_ms, address) = (self.now_ms(), &message.sender);
        if !self.accounts.codes.are_some(now_ms) {
            return Ok(None);
        }
        if message.group {
            // Others read it there.
            if self.accounts.codes.spend(message, &words(message), now_ms).is_some() {
                tracing::warn!(sender = %address, "a code was written in a group, and counts no more");
            }
            return Ok(None);
        }
        let records = self.records().await?;
        if records.principal(address, &address.channel).await?.is_some() {
            return Ok(None);
        }
        let Some(person) = self.accounts.codes.spend(message, &words(message), now_ms) else { return Ok(None) };
        match records.link_address(&person, address, "a code that was given out").await {
            Ok(()) => {}
            Err(error) => return Err(error!(Conflict, "a code was right, and its person cannot be linked: {error}")),
        }
        let received = records.receive(message).await?;
        records
            .enqueue(&notice(message, &received.id, "You are linked now. Write to me here whenever you like."))
            .await?;
        records.drop_inbound(&received.id, "a code").await?;
        Ok(Some(Delivered::Taken(received.id)))
    }
}
