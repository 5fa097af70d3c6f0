//! The highest version seen of each component:
//! an older one is refused from then on.

use super::{Ledger, LedgerError, to_sql};
use cara_authority::ComponentId;
use cara_signing::Digest;
use semver::Version;
use sqlx::SqliteConnection;

impl Ledger {
    /// The highest version seen of a component. A record that cannot be read is an error, not no floor.
    pub async fn floor(&self, component: &ComponentId) -> Result<Option<Version>, LedgerError> {
        let mut connection = self.pool().await?.acquire().await.map_err(|e| self.failed(e))?;
        let seen = highest(&mut connection, component).await.map_err(|e| self.failed(e))?;
        Ok(seen.map(|(version, _)| version))
    }

    /// Records that a verified package of this version was used. The floor rises and never falls.
    pub async fn seen(&self, component: &ComponentId, version: &Version, digest: &Digest) -> Result<(), LedgerError> {
        let failed = |e| self.failed(e);
        let digest = digest.to_string();
        // The usual case writes nothing: the same package once more.
        let mut connection = self.pool().await?.acquire().await.map_err(failed)?;
        let before = highest(&mut connection, component).await.map_err(failed)?;
        drop(connection);
        if !rises(before, version, &digest) {
            return Ok(());
        }
        let mut change = self.change().await?;
        let before = highest(&mut change.transaction, component).await.map_err(failed)?;
        if !rises(before, version, &digest) {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO component_versions (component, version, digest, seen_ms) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (component) DO UPDATE SET \
             version = excluded.version, digest = excluded.digest, seen_ms = excluded.seen_ms",
        )
        .bind(component.as_str())
        .bind(version.to_string())
        .bind(digest)
        .bind(to_sql(self.now_ms()))
        .execute(&mut *change.transaction)
        .await
        .map_err(failed)?;
        change.commit().await
    }
}

/// Whether there is something to record: a higher version, or the same one with other bytes.
fn rises(before: Option<(Version, String)>, version: &Version, digest: &str) -> bool {
    before.is_none_or(|(seen, bytes)| *version > seen || (*version == seen && bytes != digest))
}

async fn highest(
    connection: &mut SqliteConnection,
    component: &ComponentId,
) -> sqlx::Result<Option<(Version, String)>> {
    let row: Option<(String, String)> =
        sqlx::query_as("SELECT version, digest FROM component_versions WHERE component = $1")
            .bind(component.as_str())
            .fetch_optional(connection)
            .await?;
    let read = |(version, digest): (String, String)| Ok((Version::parse(&version)?, digest));
    row.map(read).transpose().map_err(|e: semver::Error| sqlx::Error::Decode(Box::new(e)))
}
