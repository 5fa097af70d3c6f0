//! How long things last: what was settled or unused for long is forgotten, and
//! sessions of channels end.

use crate::application::Application;
use crate::error::Result;
use cara_assistant::conversation::SessionSettings;
use cara_records::MOST_AT_ONCE;
use jiff::tz::TimeZone;

impl Application {
    /// Forgets messages that were settled long ago, and conversations that nobody used for as long as the configuration says.
    pub(crate) async fn forget_old(&self) -> Result<()> {
        let records = self.records().await?;
        records.forget_settled().await?;
        records.forget_responses().await?;
        let Some(before_ms) = self.config()?.sessions.kept_since(records.ledger().now_ms()) else { return Ok(()) };
        let mut removed = 0;
        loop {
            // No run begins in a session that goes.
            let Some(_beginning) = self.active_runs.begin().await else { return Ok(()) };
            let expired = records.expire_sessions(before_ms, &self.holder.process).await?;
            expired.iter().for_each(|session| self.active_runs.forget(session));
            removed += expired.len();
            if expired.len() < MOST_AT_ONCE as usize {
                break;
            }
        }
        if removed > 0 {
            tracing::info!(removed, "sessions that nobody used for long were removed");
        }
        Ok(())
    }

    /// Leaves the session of a conversation whose time is over when a message comes, as `/new` does. One that is pinned stays.
    pub(crate) async fn leave_if_over(&self, key: &str, settings: SessionSettings, received_ms: u64) -> Result<()> {
        if settings.idle.is_none() && settings.daily_at.is_none() {
            return Ok(());
        }
        let records = self.records().await?;
        let Some(session) = records.conversation(key).await? else { return Ok(()) };
        let Some(session) = records.session(&session).await? else { return Ok(()) };
        let is_over = settings.is_over(session.changed_ms, received_ms, &TimeZone::system());
        if is_over && session.pinned_ms.is_none() {
            records.leave_conversation(key).await?;
        }
        Ok(())
    }
}
