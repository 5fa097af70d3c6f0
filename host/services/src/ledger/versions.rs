//! The highest version seen of each component:
//! an older one is refused from then on.

use super::sql::{Sql, query, query_as};
use super::{Ledger, LedgerError, to_sql};
use cara_authority::ComponentId;
use cara_signing::Digest;
use semver::Version;

impl Ledger {
    /// The highest version seen of a component. A record that cannot be read is an error, not no floor.
    pub async fn floor(&self, component: &ComponentId) -> Result<Option<Version>, LedgerError> {
        let seen = self.highest(&mut self.reader().await?.sql(), component).await?;
        Ok(seen.map(|(version, _)| version))
    }

    /// Records that a verified package of this version was used. The floor rises and never falls.
    pub async fn seen(&self, component: &ComponentId, version: &Version, digest: &Digest) -> Result<(), LedgerError> {
        let digest = digest.to_string();
        // The usual case writes nothing: the same package once more.
        if !rises(self.highest(&mut self.reader().await?.sql(), component).await?, version, &digest) {
            return Ok(());
        }
        let mut change = self.change().await?;
        let sql = &mut change.sql();
        if !rises(self.highest(sql, component).await?, version, &digest) {
            return Ok(());
        }
        let query = query(
            "INSERT INTO component_versions (component, version, digest, seen_ms) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (component) DO UPDATE SET \
             version = excluded.version, digest = excluded.digest, seen_ms = excluded.seen_ms",
        );
        let query = query.bind(component.as_str()).bind(version.to_string()).bind(digest);
        sql.execute(query.bind(to_sql(self.now_ms()))).await?;
        change.commit().await
    }

    async fn highest(
        &self,
        sql: &mut Sql<'_>,
        component: &ComponentId,
    ) -> Result<Option<(Version, String)>, LedgerError> {
        let query = query_as::<(String, String)>("SELECT version, digest FROM component_versions WHERE component = $1");
        let row = sql.one(query.bind(component.as_str())).await?;
        let read = |(version, digest): (String, String)| Ok((Version::parse(&version)?, digest));
        row.map(read).transpose().map_err(|e: semver::Error| self.damaged(e))
    }
}

/// Whether there is something to record: a higher version, or the same one with other bytes.
fn rises(before: Option<(Version, String)>, version: &Version, digest: &str) -> bool {
    before.is_none_or(|(seen, bytes)| *version > seen || (*version == seen && bytes != digest))
}
