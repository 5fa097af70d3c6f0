//! State of components; the meaning of each call is in `wit/state.wit`.

use super::sql::{As, Number, Sql, query, query_as};
use super::{Ledger, LedgerError, to_sql};
use cara_authority::{AccountId, ComponentId, Grants, Label, PersonId, Refusal, Rule, display_safe};

const MAX_KEY: usize = 256;
const MAX_VALUE: usize = 256 * 1024;
const MAX_KEYS: i64 = 1000;

/// Having a `ComponentState` tells you: this component may keep state, and this is its own.
#[derive(Debug, Clone)]
pub struct ComponentState {
    ledger: Ledger,
    component: ComponentId,
    /// Bytes of keys and values together.
    quota: u64,
    /// What a value written now was made of.
    label: Label,
    /// What the stored keys begin with: whose conversation they are of, where that is not the owner.
    of: Vec<u8>,
}

/// A stored value, its revision and its label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: Vec<u8>,
    /// Grows by at least 1 with every `put` of the key, also across a `delete`.
    pub revision: u64,
    /// What the call that wrote it had seen.
    pub label: Label,
}

impl Ledger {
    /// The state of the component whose powers these are. Opens nothing yet.
    pub fn state(&self, grants: &Grants) -> Result<ComponentState, Refusal> {
        let (quota, component) = (grants.state()?, grants.component().clone());
        Ok(ComponentState { ledger: self.clone(), component, quota, label: Label::UNKNOWN, of: Vec::new() })
    }

    /// Removes all that a component kept. Revisions go on above those there were, so that no writer of the same id takes
    /// new values for old ones.
    pub async fn forget_state(&self, component: &ComponentId) -> Result<(), LedgerError> {
        let mut change = self.change().await?;
        for forget in [
            "UPDATE component_state_total SET floor = (SELECT MAX(revision) FROM component_state WHERE component = $1) \
             WHERE component = $1 AND floor < (SELECT MAX(revision) FROM component_state WHERE component = $1)",
            "UPDATE component_state_total SET bytes = 0 WHERE component = $1",
            "DELETE FROM component_state WHERE component = $1",
        ] {
            change.sql().execute(query(forget).bind(component.as_str())).await?;
        }
        change.event("state-forgotten", component.as_str(), serde_json::json!({})).await?;
        change.commit().await
    }
}

impl ComponentState {
    /// The same, for a call that has seen this: what is written gets the label. Without it, the label is that of
    /// content nobody knows anything of.
    #[must_use]
    pub fn labelled(self, label: Label) -> Self {
        Self { label, ..self }
    }

    /// The same, in a conversation of this person or group: nobody's call reads what another's wrote.
    #[must_use]
    pub fn of(self, person: &PersonId) -> Self {
        let is_owner = *person == PersonId::owner();
        let of = if is_owner { Vec::new() } else { owned_by(person) };
        Self { of, ..self }
    }

    /// The same, of one account of a channel.
    #[must_use]
    pub fn of_account(self, account: &AccountId) -> Self {
        // No text begins with that byte, and nothing of a person does.
        Self { of: [&[0xfe], account.as_str().as_bytes(), &[0]].concat(), ..self }
    }

    fn stored(&self, key: &str) -> Vec<u8> {
        [&self.of, key.as_bytes()].concat()
    }

    /// Reads a key.
    pub async fn get(&self, key: &str) -> Result<Option<Entry>, Refusal> {
        self.check_key(key)?;
        self.answer(self.read(key).await)
    }

    /// Writes a value and returns its revision once it is durable.
    pub async fn put(&self, key: &str, value: &[u8], expected: Option<u64>) -> Result<u64, Refusal> {
        self.check_key(key)?;
        if value.len() > MAX_VALUE {
            let text = format!("a value of {} bytes is over the {MAX_VALUE} that a key may hold", value.len());
            return Err(Refusal::new(Rule::Limit, text).hint("keep it in parts, under several keys"));
        }
        self.answer(self.write(key, Some(value), expected).await)?
    }

    /// Removes a key; removing one that does not exist succeeds.
    pub async fn delete(&self, key: &str, expected: Option<u64>) -> Result<(), Refusal> {
        self.check_key(key)?;
        self.answer(self.write(key, None, expected).await)?.map(|_| ())
    }

    /// The first 1,000 keys that begin with `prefix`, sorted by bytes, and what those who wrote them had seen.
    pub async fn keys(&self, prefix: &str) -> Result<(Vec<String>, Label), Refusal> {
        self.answer(self.list(prefix).await)
    }

    fn check_key(&self, key: &str) -> Result<(), Refusal> {
        if (1..=MAX_KEY).contains(&key.len()) {
            return Ok(());
        }
        Err(Refusal::new(Rule::Invalid, format!("a state key of {} bytes", key.len())).hint("use 1 to 256 bytes"))
    }

    /// A component learns that the ledger failed, but not where it lies or how.
    fn answer<T>(&self, done: Result<T, LedgerError>) -> Result<T, Refusal> {
        done.map_err(|error| {
            tracing::warn!(component = %self.component, %error, "state failed");
            let text = format!("the state of component `{}` cannot be used now", self.component);
            Refusal::new(Rule::Unavailable, text).hint("the host's log says why")
        })
    }

    async fn read(&self, key: &str) -> Result<Option<Entry>, LedgerError> {
        let query = query_as::<(Vec<u8>, Number, As<Label>)>(
            "SELECT value, revision, label FROM component_state WHERE component = $1 AND key = $2",
        );
        let query = query.bind(self.component.as_str()).bind(self.stored(key));
        let row = self.ledger.reader().await?.sql().one(query).await?;
        Ok(row.map(|(value, revision, label)| Entry { value, revision: revision.0, label: label.0 }))
    }

    async fn list(&self, prefix: &str) -> Result<(Vec<String>, Label), LedgerError> {
        let query = query_as::<(Vec<u8>, As<Label>)>(
            "SELECT key, label FROM component_state WHERE component = $1 AND key >= $2 AND key < $3 ORDER BY key LIMIT $4",
        );
        let query = query.bind(self.component.as_str()).bind(self.stored(prefix));
        let query = query.bind(after(self.stored(prefix))).bind(MAX_KEYS);
        let rows = self.ledger.reader().await?.sql().all(query).await?;
        let label = rows.iter().map(|(_, label)| label.0.clone()).collect();
        let keys: Result<_, _> =
            rows.into_iter().map(|(key, _)| String::from_utf8(key[self.of.len()..].to_vec())).collect();
        keys.map(|keys| (keys, label)).map_err(|e| self.ledger.damaged(e))
    }

    async fn write(
        &self,
        key: &str,
        value: Option<&[u8]>,
        expected: Option<u64>,
    ) -> Result<Result<u64, Refusal>, LedgerError> {
        let mut change = self.ledger.change().await?;
        let found = Found::read(&mut change.sql(), &self.component, &self.stored(key)).await?;
        let next = match self.next(key, &found, value, expected) {
            Ok(Some(next)) => next,
            Ok(None) => return Ok(Ok(0)),
            Err(refusal) => return Ok(Err(refusal)),
        };
        next.write(&mut change.sql(), self, key, value).await?;
        change.commit().await?;
        Ok(Ok(next.revision))
    }

    /// What a write makes of what it found; nothing when there is nothing to do.
    fn next(
        &self,
        key: &str,
        found: &Found,
        value: Option<&[u8]>,
        expected: Option<u64>,
    ) -> Result<Option<Next>, Refusal> {
        let stored = found.entry.map_or(0, |(revision, _)| revision);
        if let Some(expected) = expected.filter(|expected| *expected != stored) {
            let text = format!("key `{}` is at revision {stored}, not {expected}", display_safe(key));
            return Err(Refusal::new(Rule::Conflict, text).hint("read it again"));
        }
        let key = self.stored(key).len() as u64;
        let others = found.bytes.saturating_sub(found.entry.map_or(0, |(_, size)| key + size));
        let Some(value) = value else {
            let gone = Next { revision: stored, bytes: others, floor: found.floor.max(stored) };
            return Ok(found.entry.map(|_| gone));
        };
        let bytes = others + key + value.len() as u64;
        // A component whose quota was lowered may still write what makes it smaller.
        if bytes > self.quota && bytes > found.bytes {
            let (component, quota) = (&self.component, self.quota);
            let text = format!("the state of component `{component}` would be {bytes} bytes, the most is {quota}");
            return Err(Refusal::new(Rule::Limit, text).hint("delete keys it no longer needs"));
        }
        let revision = 1 + if found.entry.is_some() { stored } else { found.floor };
        Ok(Some(Next { revision, bytes, floor: found.floor }))
    }
}

/// What stored keys of a conversation of this person begin with: no key of a component does, as no text has that byte.
pub fn owned_by(person: &PersonId) -> Vec<u8> {
    [&[0xff], person.as_str().as_bytes(), &[0]].concat()
}

/// The least bytes after all keys with that prefix. UTF-8 has no byte above 0xf4, so one can always be added.
pub fn after(prefix: Vec<u8>) -> Vec<u8> {
    let mut after = prefix;
    match after.last_mut() {
        Some(last) => *last += 1,
        None => after.push(0xff),
    }
    after
}

/// What is stored before a write.
struct Found {
    /// Revision of the key and length of its value.
    entry: Option<(u64, u64)>,
    /// Bytes of all the component's keys and values.
    bytes: u64,
    /// The highest revision of any key it deleted.
    floor: u64,
}

impl Found {
    async fn read(sql: &mut Sql<'_>, component: &ComponentId, key: &[u8]) -> Result<Self, LedgerError> {
        let entry = query_as::<(Number, Number)>(
            "SELECT revision, CAST(length(value) AS BIGINT) FROM component_state WHERE component = $1 AND key = $2",
        );
        let entry = sql.one(entry.bind(component.as_str()).bind(key)).await?;
        let total = "SELECT bytes, floor FROM component_state_total WHERE component = $1";
        let total = query_as::<(Number, Number)>(total).bind(component.as_str());
        let (bytes, floor) = sql.one(total).await?.unwrap_or((Number(0), Number(0)));
        let entry = entry.map(|(revision, length)| (revision.0, length.0));
        Ok(Self { entry, bytes: bytes.0, floor: floor.0 })
    }
}

/// What is stored after it.
struct Next {
    revision: u64,
    bytes: u64,
    floor: u64,
}

impl Next {
    async fn write(
        &self,
        sql: &mut Sql<'_>,
        state: &ComponentState,
        key: &str,
        value: Option<&[u8]>,
    ) -> Result<(), LedgerError> {
        let component = state.component.as_str();
        let entry = match value {
            None => query("DELETE FROM component_state WHERE component = $1 AND key = $2"),
            Some(_) => query(
                "INSERT INTO component_state (component, key, value, revision, label) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (component, key) DO UPDATE \
                 SET value = excluded.value, revision = excluded.revision, label = excluded.label",
            ),
        };
        let mut entry = entry.bind(component).bind(state.stored(key));
        if let Some(value) = value {
            entry = entry.bind(value).bind(to_sql(self.revision)).bind(state.label.to_string());
        }
        sql.execute(entry).await?;
        let total = query(
            "INSERT INTO component_state_total (component, bytes, floor) VALUES ($1, $2, $3) \
             ON CONFLICT (component) DO UPDATE SET bytes = excluded.bytes, floor = excluded.floor",
        );
        sql.execute(total.bind(component).bind(to_sql(self.bytes)).bind(to_sql(self.floor))).await.map(drop)
    }
}
