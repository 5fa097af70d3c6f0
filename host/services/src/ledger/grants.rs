//! What the operator granted each component, and by which act.

use super::sql::{As, Number, Sql, query, query_as};
use super::{Ledger, LedgerError, to_sql};
use cara_authority::{Capability, ComponentId, display_safe};
use serde_json::json;
use std::sync::atomic::Ordering;

/// One recorded grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// The component that may.
    pub component: ComponentId,
    /// What.
    pub capability: Capability,
    /// Since when, Unix milliseconds.
    pub since_ms: u64,
    /// The operator's act: "--model", "key stored", "base URL named".
    pub reason: String,
    /// From when on no more, Unix milliseconds.
    pub expires_ms: Option<u64>,
}

impl Granted {
    /// Whether the grant holds at this time.
    pub fn holds(&self, now_ms: u64) -> bool {
        self.expires_ms.is_none_or(|expires_ms| now_ms < expires_ms)
    }

    fn covers(&self, now_ms: u64, expires_ms: Option<u64>) -> bool {
        self.holds(now_ms) && self.expires_ms.is_none_or(|own| expires_ms.is_some_and(|wanted| wanted <= own))
    }
}

type Row = (As<ComponentId>, As<Capability>, Number, String, Option<Number>);

impl Ledger {
    /// How often grants were changed through this ledger: what was made of them is good for as long as this stays, and none
    /// of them expires.
    pub fn grants_changed(&self) -> u64 {
        self.inner.grants.load(Ordering::Acquire)
    }

    /// What the component may do now.
    pub async fn granted(&self, component: &ComponentId) -> Result<Vec<Capability>, LedgerError> {
        let recorded = recorded(&mut self.reader().await?.sql(), component).await?;
        let now_ms = self.now_ms();
        Ok(recorded.into_iter().filter(|grant| grant.holds(now_ms)).map(|grant| grant.capability).collect())
    }

    /// Every recorded grant, expired ones too, by component and capability.
    pub async fn grants(&self) -> Result<Vec<Granted>, LedgerError> {
        let query = query_as::<Row>(
            "SELECT component, capability, since_ms, reason, expires_ms FROM grants ORDER BY component, capability",
        );
        Ok(self.reader().await?.sql().all(query).await?.into_iter().map(Granted::from).collect())
    }

    /// Takes capabilities away and returns those that were recorded.
    pub async fn revoke(
        &self,
        component: &ComponentId,
        capabilities: &[Capability],
        reason: &str,
    ) -> Result<Vec<Capability>, LedgerError> {
        let mut change = self.change().await?;
        let mut gone = Vec::new();
        for capability in capabilities {
            let query = query("DELETE FROM grants WHERE component = $1 AND capability = $2");
            let query = query.bind(component.as_str()).bind(capability.to_string());
            if change.sql().execute(query).await? > 0 {
                gone.push(capability.clone());
            }
        }
        if !gone.is_empty() {
            let detail = json!({ "capabilities": texts(&gone), "reason": reason });
            change.event("revoke", component.as_str(), detail).await?;
            change.commit().await?;
            self.inner.grants.fetch_add(1, Ordering::Release);
        }
        Ok(gone)
    }

    /// Records what the operator's act `reason` grants, until `expires_ms` or for good, and returns what was not granted
    /// before. A grant that lasts longer is not shortened.
    pub async fn grant(
        &self,
        component: &ComponentId,
        capabilities: &[Capability],
        reason: &str,
        expires_ms: Option<u64>,
    ) -> Result<Vec<Capability>, LedgerError> {
        // The usual case writes nothing: the same act once more.
        let before = recorded(&mut self.reader().await?.sql(), component).await?;
        if missing(capabilities, &before, self.now_ms(), expires_ms).is_empty() {
            return Ok(Vec::new());
        }
        let mut change = self.change().await?;
        let now_ms = self.now_ms();
        let before = recorded(&mut change.sql(), component).await?;
        let added = missing(capabilities, &before, now_ms, expires_ms);
        if added.is_empty() {
            return Ok(added);
        }
        for capability in &added {
            let query = query(
                "INSERT INTO grants (component, capability, since_ms, reason, expires_ms) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (component, capability) DO UPDATE SET \
                 since_ms = excluded.since_ms, reason = excluded.reason, expires_ms = excluded.expires_ms",
            );
            let query = query.bind(component.as_str()).bind(capability.to_string()).bind(to_sql(now_ms));
            change.sql().execute(query.bind(display_safe(reason)).bind(expires_ms.map(to_sql))).await?;
        }
        let detail = json!({ "capabilities": texts(&added), "reason": reason, "expires_ms": expires_ms });
        change.event("grant", component.as_str(), detail).await?;
        change.commit().await?;
        self.inner.grants.fetch_add(1, Ordering::Release);
        Ok(added)
    }
}

fn texts(capabilities: &[Capability]) -> Vec<String> {
    capabilities.iter().map(Capability::to_string).collect()
}

fn missing(wanted: &[Capability], before: &[Granted], now_ms: u64, expires_ms: Option<u64>) -> Vec<Capability> {
    let mut missing: Vec<Capability> = Vec::new();
    for capability in wanted {
        let covered = before.iter().any(|grant| grant.capability == *capability && grant.covers(now_ms, expires_ms));
        if !covered && !missing.contains(capability) {
            missing.push(capability.clone());
        }
    }
    missing
}

async fn recorded(sql: &mut Sql<'_>, component: &ComponentId) -> Result<Vec<Granted>, LedgerError> {
    let query = query_as::<Row>(
        "SELECT component, capability, since_ms, reason, expires_ms FROM grants WHERE component = $1 ORDER BY capability",
    );
    Ok(sql.all(query.bind(component.as_str())).await?.into_iter().map(Granted::from).collect())
}

impl From<Row> for Granted {
    fn from((component, capability, since_ms, reason, expires_ms): Row) -> Self {
        let (component, capability, since_ms) = (component.0, capability.0, since_ms.0);
        Self { component, capability, since_ms, reason, expires_ms: expires_ms.map(|ms| ms.0) }
    }
}
