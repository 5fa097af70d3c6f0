//! `memory`: what the assistant remembers about a person.

use super::*;
use crate::bindings::memory::{Entry, Host};

/// The most that a call loads: all that is remembered about a person (`host/records`), with their keys.
const REMEMBERED: u64 = 1280 << 10;
/// One entry of it.
const ENTRY: u64 = 32 << 10;

/// Keeps what the assistant remembers about the person.
#[async_trait::async_trait]
pub trait Memory: Send + Sync {
    /// Remembers a value under a key.
    async fn write(&self, by: ServiceGrant, key: String, value: String) -> Result<(), Refusal>;
    /// Reads the entry of a key.
    async fn read(&self, by: ServiceGrant, key: String) -> Result<Option<Entry>, Refusal>;
    /// Forgets the entry of a key, and says whether there was one.
    async fn delete(&self, by: ServiceGrant, key: String) -> Result<bool, Refusal>;
    /// Lists the keys that begin with `prefix`.
    async fn keys(&self, by: ServiceGrant, prefix: String) -> Result<Vec<String>, Refusal>;
    /// Searches keys and values for at most `most` entries.
    async fn search(&self, by: ServiceGrant, query: String, most: u32) -> Result<Vec<Entry>, Refusal>;
}

impl Host for CallState {
    async fn write(&mut self, key: String, value: String) -> Answer<()> {
        let write = async |by, memory: Arc<dyn Memory>| memory.write(by, key, value).await;
        self.powered(Some(Effect::ChangesState), Power::Memory, |host| &host.memory, write).await
    }

    async fn read(&mut self, key: String) -> Answer<Option<Entry>> {
        let read = async |by, memory: Arc<dyn Memory>, _| memory.read(by, key).await;
        self.loaded((ENTRY, ENTRY), Power::Memory, |host| &host.memory, read).await
    }

    async fn delete(&mut self, key: String) -> Answer<bool> {
        let delete = async |by, memory: Arc<dyn Memory>| memory.delete(by, key).await;
        self.powered(Some(Effect::ChangesState), Power::Memory, |host| &host.memory, delete).await
    }

    async fn keys(&mut self, prefix: String) -> Answer<Vec<String>> {
        let keys = async |by, memory: Arc<dyn Memory>, _| memory.keys(by, prefix).await;
        self.loaded((REMEMBERED, REMEMBERED), Power::Memory, |host| &host.memory, keys).await
    }

    async fn search(&mut self, query: String, most: u32) -> Answer<Vec<Entry>> {
        let search = async |by, memory: Arc<dyn Memory>, _| memory.search(by, query, most).await;
        self.loaded((REMEMBERED, REMEMBERED), Power::Memory, |host| &host.memory, search).await
    }
}
