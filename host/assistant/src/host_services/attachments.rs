//! `attachments` for a tool: files of the conversation.

use super::{TurnServices, fits, ledger};
use cara_authority::{Refusal, Rule, ServiceGrant, display_safe};
use cara_kernel::Labels;
use cara_kernel::bindings::types::Blob;

#[async_trait::async_trait]
impl cara_kernel::Attachments for TurnServices {
    async fn get(&self, by: ServiceGrant, id: String, room: u64) -> Result<Blob, Refusal> {
        // It is asked for before it is loaded: a file that was kept never changes.
        let size = self.records.attachment_size(&self.session, &id).await.map_err(ledger)?;
        fits(&by, size.unwrap_or(0), room)?;
        let found = self.records.attachment(&self.session, &id).await.map_err(ledger)?;
        let found = found.ok_or_else(|| {
            let id = display_safe(&id);
            Refusal::new(Rule::Invalid, format!("this conversation has no attachment `{id}`"))
        })?;
        self.saw(&self.audience.own(&found.attachment.label));
        let name = Some(found.attachment.name).filter(|name| !name.is_empty());
        Ok(Blob { media_type: found.attachment.media_type, name, data: found.content })
    }
}
