//! What the operator granted each component, and by which act.

use super::{Ledger, LedgerError, from_sql, shown, to_sql};
use cara_authority::{Capability, ComponentId};
use serde_json::json;
use sqlx::SqliteConnection;

/// One recorded grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// Who may.
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
    /// Whether it holds at this time.
    pub fn holds(&self, now_ms: u64) -> bool {
        self.expires_ms.is_none_or(|expires_ms| now_ms < expires_ms)
    }

    fn covers(&self, now_ms: u64, expires_ms: Option<u64>) -> bool {
        self.holds(now_ms) && self.expires_ms.is_none_or(|own| expires_ms.is_some_and(|wanted| wanted <= own))
    }
}

type Row = (String, String, i64, String, Option<i64>);

impl Ledger {
    /// What the component may do now.
    pub async fn granted(&self, component: &ComponentId) -> Result<Vec<Capability>, LedgerError> {
        let pool = self.pool().await?;
        let mut connection = pool.acquire().await.map_err(|e| self.failed(e))?;
        let recorded = recorded(&mut connection, component).await.map_err(|e| self.failed(e))?;
        let now_ms = self.now_ms();
        Ok(recorded.into_iter().filter(|grant| grant.holds(now_ms)).map(|grant| grant.capability).collect())
    }

    /// Every recorded grant, expired ones too, by component and capability.
    pub async fn grants(&self) -> Result<Vec<Granted>, LedgerError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT component, capability, since_ms, reason, expires_ms FROM grants ORDER BY component, capability",
        )
        .fetch_all(self.pool().await?)
        .await
        .map_err(|e| self.failed(e))?;
        rows.into_iter().map(read).collect::<sqlx::Result<_>>().map_err(|e| self.failed(e))
    }

    /// Records what the operator's act `reason` grants, for good, and returns what was not granted before.
    pub async fn grant(
        &self,
        component: &ComponentId,
        capabilities: &[Capability],
        reason: &str,
    ) -> Result<Vec<Capability>, LedgerError> {
        self.record(component, capabilities, reason, None).await
    }

    /// Like [`Ledger::grant`], until `expires_ms`. A grant that lasts longer is not shortened.
    pub async fn grant_until(
        &self,
        component: &ComponentId,
        capabilities: &[Capability],
        reason: &str,
        expires_ms: u64,
    ) -> Result<Vec<Capability>, LedgerError> {
        self.record(component, capabilities, reason, Some(expires_ms)).await
    }

    /// Takes capabilities away and returns those that were recorded.
    pub async fn revoke(
        &self,
        component: &ComponentId,
        capabilities: &[Capability],
        reason: &str,
    ) -> Result<Vec<Capability>, LedgerError> {
        let failed = |e| self.failed(e);
        let mut change = self.change().await?;
        let mut gone = Vec::new();
        for capability in capabilities {
            let done = sqlx::query("DELETE FROM grants WHERE component = $1 AND capability = $2")
                .bind(component.as_str())
                .bind(capability.to_string())
                .execute(&mut *change.transaction)
                .await
                .map_err(failed)?;
            if done.rows_affected() > 0 {
                gone.push(capability.clone());
            }
        }
        if !gone.is_empty() {
            let detail = json!({ "capabilities": texts(&gone), "reason": reason });
            change.event("revoke", component.as_str(), detail).await?;
            change.commit().await?;
        }
        Ok(gone)
    }

    async fn record(
        &self,
        component: &ComponentId,
        capabilities: &[Capability],
        reason: &str,
        expires_ms: Option<u64>,
    ) -> Result<Vec<Capability>, LedgerError> {
        let failed = |e| self.failed(e);
        // The usual case writes nothing: the same act once more.
        let mut connection = self.pool().await?.acquire().await.map_err(failed)?;
        let before = recorded(&mut connection, component).await.map_err(failed)?;
        drop(connection);
        if missing(capabilities, &before, self.now_ms(), expires_ms).is_empty() {
            return Ok(Vec::new());
        }
        let mut change = self.change().await?;
        let now_ms = self.now_ms();
        let before = recorded(&mut change.transaction, component).await.map_err(failed)?;
        let added = missing(capabilities, &before, now_ms, expires_ms);
        if added.is_empty() {
            return Ok(added);
        }
        for capability in &added {
            sqlx::query(
                "INSERT INTO grants (component, capability, since_ms, reason, expires_ms) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (component, capability) DO UPDATE SET \
                 since_ms = excluded.since_ms, reason = excluded.reason, expires_ms = excluded.expires_ms",
            )
            .bind(component.as_str())
            .bind(capability.to_string())
            .bind(to_sql(now_ms))
            .bind(shown(reason))
            .bind(expires_ms.map(to_sql))
            .execute(&mut *change.transaction)
            .await
            .map_err(failed)?;
        }
        let detail = json!({ "capabilities": texts(&added), "reason": reason, "expires_ms": expires_ms });
        change.event("grant", component.as_str(), detail).await?;
        change.commit().await?;
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

async fn recorded(connection: &mut SqliteConnection, component: &ComponentId) -> sqlx::Result<Vec<Granted>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT component, capability, since_ms, reason, expires_ms FROM grants WHERE component = $1 ORDER BY capability",
    )
    .bind(component.as_str())
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(read).collect()
}

fn read((component, capability, since_ms, reason, expires_ms): Row) -> sqlx::Result<Granted> {
    Ok(Granted {
        component: ComponentId::parse(&component).map_err(|e| sqlx::Error::Decode(Box::new(e)))?,
        capability: Capability::parse(&capability).map_err(|e| sqlx::Error::Decode(Box::new(e)))?,
        since_ms: from_sql(since_ms)?,
        reason,
        expires_ms: expires_ms.map(from_sql).transpose()?,
    })
}
