//! Credentials over time: read when they are first needed, used, taken back,
//! ended when their time is over or their person is somebody else.

#[cfg(test)]
mod lattice_tests;
#[cfg(test)]
mod taken_back_tests;
#[cfg(test)]
mod tests;

use crate::access_settings::AccessSettings;
use crate::application::Application;
use crate::credentials::{Credentials, End, Held, roles};
use crate::error::Result;
use cara_authority::{CredentialId, Principal};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// One day, milliseconds.
const DAY_MS: u64 = 24 * 3_600 * 1_000;

/// How long what expires is waited for at most, before the clock is looked at again.
const LOOK: Duration = Duration::from_secs(60);

impl Application {
    /// The credentials that hold now. The first call needs what [`Application::records`] needs.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    pub async fn credentials(&self) -> Result<&Arc<Credentials>> {
        let load = async {
            let credentials = Credentials::load(self.records().await?, self.now_ms()).await?;
            self.end_what_expires(&credentials);
            Ok::<_, crate::Error>(credentials)
        };
        // Once, and large: it takes no room in what waits for it.
        self.credentials.get_or_try_init(|| Box::pin(load)).await
    }

    /// Who may come in, as the operator set it.
    ///
    /// # Errors
    ///
    /// The configuration cannot be used.
    pub fn access_settings(&self) -> Result<AccessSettings> {
        Ok(self.config()?.gateway.access.clone())
    }

    /// The time by the clock of all that is kept, Unix milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.services.clock.now_ms()
    }

    /// Ends credentials when their time is over, until the process ends.
    fn end_what_expires(&self, credentials: &Arc<Credentials>) {
        let (credentials, me, end) = (credentials.clone(), self.me.clone(), self.outbox_end.clone());
        self.holder.work.spawn(end.run_until_cancelled_owned(async move {
            loop {
                let Some(application) = me.upgrade() else { return };
                let now_ms = application.now_ms();
                let all = credentials.all();
                let (over, later): (Vec<_>, Vec<_>) = all.iter().partition(|held| !held.holds(now_ms));
                for held in over {
                    let (about, event) = (json!({ "kind": held.kind() }), "credential-expired");
                    if let Err(error) = application.take_back(held.id(), End::Over, Some((event, about))).await {
                        tracing::warn!(%error, "a credential whose time is over stays in the ledger for now");
                    }
                }
                drop(application);
                let next = later.iter().filter_map(|held| held.expires_ms()).min();
                let wait = next.map_or(LOOK, |at| Duration::from_millis(at.saturating_sub(now_ms) + 1)).min(LOOK);
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = credentials.came() => {}
                }
            }
        }));
    }

    /// Is cancelled when what whoever asks begins has to end, whoever listens to it: their credential was taken back.
    pub(crate) async fn work_of(&self, by: &Principal) -> Result<CancellationToken> {
        let held = self.credentials().await?.of_caller(by, self.now_ms())?;
        Ok(held.map_or_else(CancellationToken::new, |held| held.work()))
    }

    /// Ends a credential with all that it yielded: first out of memory, which ends what goes on with it, then out of the
    /// ledger. Says how many went; none where somebody else was faster.
    pub(crate) async fn take_back(
        &self,
        id: &CredentialId,
        why: End,
        event: Option<(&'static str, Value)>,
    ) -> Result<usize> {
        let taken = self.credentials().await?.take(id, why);
        let ids: Vec<CredentialId> = taken.iter().map(|held| held.id().clone()).collect();
        self.records().await?.remove_credentials(&ids, event).await?;
        Ok(ids.len())
    }

    /// Looks at whose credentials are whose again, after people were forgotten or got another role.
    pub(crate) async fn people_changed(&self) -> Result<()> {
        let Some(credentials) = self.credentials.get() else { return Ok(()) };
        // Nobody gets another secret meanwhile.
        let _alone = self.entries.proving.lock().await;
        let roles = roles(self.records().await?).await?;
        for held in credentials.all() {
            match roles.get(held.person()) {
                // What yielded it may have got another role just now, which ended it as well.
                Some(role) if *role == held.role() && !held.alive().is_cancelled() => {}
                Some(role) => {
                    credentials.replace(&held, credentials.held(held.kept(), *role));
                    // What goes on was begun in another role.
                    held.end(End::TakenBack);
                }
                None => drop(self.take_back(held.id(), End::TakenBack, None).await?),
            }
        }
        Ok(())
    }

    /// Notes that a credential was used today; the first time on a day is written down, in time.
    pub fn used(&self, held: &Arc<Held>) {
        let day = self.now_ms() / DAY_MS;
        if !held.is_first_use(day) {
            return;
        }
        let (me, id) = (self.me.clone(), held.id().clone());
        self.holder.work.spawn(async move {
            let Some(application) = me.upgrade() else { return };
            if let Ok(records) = application.records().await
                && let Err(error) = records.used_credential(&id, day).await
            {
                tracing::warn!(%error, "it is not noted that a credential was used");
            }
        });
    }

    /// Adds to the audit log what a door decided about somebody. Does not wait for it.
    pub fn audit(&self, event: &'static str, subject: String, detail: Value) {
        let ledger = self.ledger.clone();
        self.holder.work.spawn(async move {
            if let Err(error) = ledger.append(event, &subject, detail).await {
                tracing::error!(%error, event, "a decision is not in the audit log");
            }
        });
    }
}
