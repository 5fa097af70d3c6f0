//! What is remembered about a person, and where each entry came from.

use crate::application::Application;
use crate::error::{Result, fail};
use crate::event::Events;
use crate::known_people::{find, person};
use crate::near_names::near_name;
use crate::operation::{Done, Operation, Route};
use cara_authority::{Label, Principal, display_safe};
use cara_records::{Memory, Remembered};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Where an entry came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct MemoryOrigin {
    /// The conversation.
    pub session: String,
    /// The run.
    pub run: String,
    /// The component that wrote it.
    pub component: String,
    /// The person for whom the run was.
    pub speaker: String,
}

/// A remembered value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct MemoryEntry {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
    /// What the value is made of.
    pub label: Label,
    /// When it was last written, Unix milliseconds.
    pub changed_ms: u64,
    /// Where it came from; nothing for an entry of before that was kept.
    pub origin: Option<MemoryOrigin>,
}

impl From<Remembered> for MemoryEntry {
    fn from(found: Remembered) -> Self {
        let Remembered { key, value, label, changed_ms, origin } = found;
        let origin = origin.map(|origin| MemoryOrigin {
            session: origin.session.to_string(),
            run: origin.run.to_string(),
            component: origin.component.to_string(),
            speaker: origin.speaker.to_string(),
        });
        Self { key, value, label, changed_ms, origin }
    }
}

async fn memory(application: &Application, of: &str) -> Result<Memory> {
    let (id, records) = (person(of)?, application.records().await?);
    find(records, &id).await?;
    Ok(records.memory(&id))
}

fn entries(found: Vec<Remembered>) -> Vec<MemoryEntry> {
    found.into_iter().map(MemoryEntry::from).collect()
}

/// Lists what is remembered about a person, by key.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListMemory {
    /// The person; `owner` is the owner.
    pub person: String,
}

impl Operation for ListMemory {
    type View = Vec<MemoryEntry>;
    const ROUTE: Route =
        Route::get("memory.list", "/control/v1/memory/{person}", "List what is remembered about a person.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        Ok(entries(memory(application, &self.person).await?.entries("").await?))
    }
}

/// Shows an entry whole, with where it came from.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowMemory {
    /// The person; `owner` is the owner.
    pub person: String,
    /// The key.
    pub key: String,
}

impl Operation for ShowMemory {
    type View = MemoryEntry;
    const ROUTE: Route =
        Route::get("memory.show", "/control/v1/memory/{person}/entries/{key}", "Show an entry of memory whole.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let memory = memory(application, &self.person).await?;
        match memory.read(&self.key).await? {
            Some(found) => Ok(found.into()),
            None => none(&memory, &self.key).await,
        }
    }
}

/// The error for a key under which nothing is remembered.
async fn none<T>(memory: &Memory, key: &str) -> Result<T> {
    let keys = memory.keys("").await?;
    let cure = near_name(key, keys.iter().map(String::as_str)).map_or_else(
        || "`cara memory list` shows the keys; `--person ID` looks at somebody else's".to_owned(),
        |near| format!("`{}`, if you mean that one", display_safe(near)),
    );
    fail!(NotFound, "nothing is remembered under `{}`\nhint: {cure}", display_safe(key))
}

/// Forgets an entry. There is no way back.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgetMemory {
    /// The person; `owner` is the owner.
    pub person: String,
    /// The key.
    pub key: String,
}

impl Operation for ForgetMemory {
    type View = Done;
    const ROUTE: Route =
        Route::delete("memory.forget", "/control/v1/memory/{person}/entries/{key}", "Forget an entry of memory.")
            .audited();

    fn subject(&self) -> String {
        self.person.clone()
    }

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let memory = memory(application, &self.person).await?;
        if !memory.delete(&self.key).await? {
            return none(&memory, &self.key).await;
        }
        Ok(Done {})
    }
}

/// Searches what is remembered about a person: entries that have all the words, the best first.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchMemory {
    /// The person; `owner` is the owner.
    pub person: String,
    /// The words.
    pub words: String,
    /// At most so many entries, 1 to 50.
    #[serde(default = "twenty")]
    pub limit: u32,
}

fn twenty() -> u32 {
    20
}

impl Operation for SearchMemory {
    type View = Vec<MemoryEntry>;
    const ROUTE: Route =
        Route::get("memory.search", "/control/v1/memory/{person}/search", "Search what is remembered about a person.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        Ok(entries(memory(application, &self.person).await?.search(&self.words, self.limit).await?))
    }
}
