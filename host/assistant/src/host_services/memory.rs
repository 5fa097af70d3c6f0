//! `memory` for a tool: what is remembered about the person.

use super::{TurnServices, ledger};
use cara_authority::{Refusal, Rule, ServiceGrant};
use cara_kernel::Labels;
use cara_kernel::bindings::memory::Entry;
use cara_records::{Memory, MemoryError, Origin, Remembered};

#[async_trait::async_trait]
impl cara_kernel::Memory for TurnServices {
    async fn write(&self, _: ServiceGrant, key: String, value: String) -> Result<(), Refusal> {
        let origin = Origin {
            session: self.session.clone(),
            run: self.run.clone(),
            component: self.call.component.clone(),
            speaker: self.run_context.person.clone().unwrap_or_else(|| self.person.clone()),
        };
        self.memory()?.from(origin).write(&key, &value, self.label()).await.map_err(refused)
    }

    async fn read(&self, _: ServiceGrant, key: String) -> Result<Option<Entry>, Refusal> {
        let found = self.memory()?.read(&key).await.map_err(refused)?;
        Ok(found.map(|found| self.remembered(found)))
    }

    async fn delete(&self, _: ServiceGrant, key: String) -> Result<bool, Refusal> {
        self.memory()?.delete(&key).await.map_err(refused)
    }

    async fn keys(&self, _: ServiceGrant, prefix: String) -> Result<Vec<String>, Refusal> {
        let found = self.memory()?.entries(&prefix).await.map_err(refused)?;
        Ok(found.into_iter().map(|found| self.remembered(found).key).collect())
    }

    async fn search(&self, _: ServiceGrant, query: String, most: u32) -> Result<Vec<Entry>, Refusal> {
        let found = self.memory()?.search(&query, most).await.map_err(refused)?;
        Ok(found.into_iter().map(|found| self.remembered(found)).collect())
    }
}

impl TurnServices {
    /// What is remembered about the person, or by the group.
    fn memory(&self) -> Result<Memory, Refusal> {
        if self.remembers {
            return Ok(self.records.memory(&self.person));
        }
        let text = "nobody's memory is read or written in a group";
        Err(Refusal::new(Rule::Denied, text)
            .hint("`cara config set sessions.group-memory true` gives groups one of their own"))
    }

    fn remembered(&self, found: Remembered) -> Entry {
        self.saw(&self.audience.own(&found.label));
        Entry { key: found.key, value: found.value, changed_ms: found.changed_ms }
    }
}

fn refused(error: MemoryError) -> Refusal {
    match error {
        MemoryError::Refused(refusal) => refusal,
        MemoryError::Ledger(error) => ledger(error),
    }
}
