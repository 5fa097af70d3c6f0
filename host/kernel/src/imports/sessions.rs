//! `sessions`: the earlier conversations of a person.

use super::*;
use crate::bindings::sessions::{Host, Line, Session};

/// The titles of a hundred conversations.
const TITLES: u64 = 128 << 10;

/// Reads the person's earlier conversations.
#[async_trait::async_trait]
pub trait Sessions: Send + Sync {
    /// Lists the person's newest conversations.
    async fn recent(&self, by: ServiceGrant, most: u32) -> Result<Vec<Session>, Refusal>;
    /// Reads as many messages of a conversation as `room` bytes have room for.
    async fn read(&self, by: ServiceGrant, id: String, first: u32, most: u32, room: u64) -> Result<Vec<Line>, Refusal>;
}

impl Host for CallState {
    async fn recent(&mut self, most: u32) -> Answer<Vec<Session>> {
        let recent = async |by, sessions: Arc<dyn Sessions>, _| sessions.recent(by, most).await;
        self.loaded((TITLES, TITLES), Power::Sessions, |host| &host.sessions, recent).await
    }

    async fn read(&mut self, id: String, first: u32, most: u32) -> Answer<Vec<Line>> {
        let read = async |by, sessions: Arc<dyn Sessions>, room| sessions.read(by, id, first, most, room).await;
        self.loaded((0, MOST), Power::Sessions, |host| &host.sessions, read).await
    }
}
