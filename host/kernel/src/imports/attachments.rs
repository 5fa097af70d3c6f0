//! `attachments`: what a person attached to the conversation.

use super::*;
use crate::bindings::attachments::Host;
use crate::bindings::types::Blob;

/// Reads attachments of the conversation.
#[async_trait::async_trait]
pub trait Attachments: Send + Sync {
    /// Reads an attachment of at most `room` bytes; a larger one is a `limit` and is not loaded.
    async fn get(&self, by: ServiceGrant, id: String, room: u64) -> Result<Blob, Refusal>;
}

impl Host for CallState {
    async fn get(&mut self, id: String) -> Answer<Blob> {
        let get = async |by, attachments: Arc<dyn Attachments>, room| attachments.get(by, id, room).await;
        self.loaded((0, MOST), Power::Attachments, |host| &host.attachments, get).await
    }
}
