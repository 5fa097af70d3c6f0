//! The accounts of channels that are driven in this process, and how each
//! stands.

use super::account::{LiveAccount, LiveChannel};
use crate::application::Application;
use crate::change::Topic;
use crate::configuration::AccountConfig;
use crate::error::Result;
use cara_authority::{AccountId, ComponentId};
use cara_channels::{AccountDriver, AccountState, Pace};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// What came and went by an account since it is driven.
#[derive(Debug, Default)]
pub(crate) struct Traffic(Mutex<Seen>);

/// The last of what an account did.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// When a message came last, Unix milliseconds.
    pub(crate) in_ms: Option<u64>,
    /// When one was sent last.
    pub(crate) out_ms: Option<u64>,
    /// Why the last message that was not sent was not.
    pub(crate) failed: Option<String>,
}

impl Traffic {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Seen {
        self.seen().clone()
    }

    pub(crate) fn came(&self, now_ms: u64) {
        self.seen().in_ms = Some(now_ms);
    }

    pub(crate) fn went(&self, now_ms: u64) {
        let mut seen = self.seen();
        (seen.out_ms, seen.failed) = (Some(now_ms), None);
    }

    pub(crate) fn failed(&self, text: &str) {
        self.seen().failed = Some(text.to_owned());
    }
}

/// An account that is driven.
struct Driven {
    config: AccountConfig,
    live: LiveAccount,
    traffic: Arc<Traffic>,
    state: watch::Receiver<AccountState>,
    stop: CancellationToken,
}

/// The accounts that are driven.
#[derive(Default)]
pub(crate) struct Accounts {
    driven: Mutex<BTreeMap<(ComponentId, AccountId), Driven>>,
    /// Channels whose part of the outbox is driven.
    sending: Mutex<BTreeSet<ComponentId>>,
    /// Wakes what waits after a failure.
    changed: Arc<Notify>,
}

impl Accounts {
    fn driven(&self) -> MutexGuard<'_, BTreeMap<(ComponentId, AccountId), Driven>> {
        self.driven.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An account that is driven, and how it stands.
    pub(super) fn find(&self, id: &ComponentId, account: &str) -> Option<(LiveAccount, watch::Receiver<AccountState>)> {
        let key = (id.clone(), AccountId::parse(account).ok()?);
        self.driven().get(&key).map(|driven| (driven.live.clone(), driven.state.clone()))
    }

    /// How an account stands, and what it did last.
    pub(super) fn state(&self, id: &ComponentId, account: &AccountId) -> Option<(AccountState, Seen)> {
        let driven = self.driven();
        let driven = driven.get(&(id.clone(), account.clone()))?;
        let state = driven.state.borrow().clone();
        Some((state, driven.traffic.now()))
    }

    /// Has accounts that wait try again: something was changed that may have been the cause.
    pub(crate) fn changed(&self) {
        self.changed.notify_waiters();
    }
}

impl Application {
    /// Drives the accounts of channels that are configured, and goes along with changes, until the process ends.
    pub fn drive_channels(self: &Arc<Self>) {
        let (me, end) = (self.me.clone(), self.outbox_end.clone());
        let mut rules = self.settings.rules();
        self.holder.work.spawn(async move {
            loop {
                let Some(application) = me.upgrade() else { return };
                if let Err(error) = application.drive_configured().await {
                    tracing::warn!(%error, "channels are not driven as configured");
                }
                drop(application);
                match end.run_until_cancelled(rules.changed()).await {
                    Some(Ok(())) => {}
                    _ => break,
                }
            }
            if let Some(application) = me.upgrade() {
                application.accounts.driven().values().for_each(|driven| driven.stop.cancel());
            }
        });
    }

    async fn drive_configured(self: &Arc<Self>) -> Result<()> {
        let config = self.config()?;
        let mut wanted = BTreeMap::new();
        for (id, accounts) in &config.channel {
            for (account, own) in accounts.iter().filter(|(_, own)| !own.paused) {
                wanted.insert((id.clone(), account.clone()), own.clone());
            }
        }
        self.accounts.driven().retain(|key, driven| {
            let stays = wanted.get(key) == Some(&driven.config);
            if !stays {
                driven.stop.cancel();
            }
            stays
        });
        for ((id, account), own) in wanted {
            if self.accounts.driven().contains_key(&(id.clone(), account.clone())) {
                continue;
            }
            self.drive_account(&id, &account, own);
            let is_new = self.accounts.sending.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
            if is_new {
                self.attach_channel(Arc::new(LiveChannel::new(self.me.clone(), id))).await?;
            }
        }
        Ok(())
    }

    fn drive_account(self: &Arc<Self>, id: &ComponentId, account: &AccountId, config: AccountConfig) {
        let traffic = Arc::new(Traffic::default());
        let live = LiveAccount::new(self.me.clone(), id.clone(), account.clone(), traffic.clone());
        let (tell, state) = watch::channel(AccountState::default());
        let stop = self.outbox_end.child_token();
        let driver = AccountDriver {
            account: Arc::new(live.clone()),
            pace: Pace::default(),
            clock: self.services.clock,
            state: tell,
            changed: self.accounts.changed.clone(),
        };
        let ends = stop.clone();
        self.holder.work.spawn(async move { driver.drive(ends).await });
        self.tell_of_account(id, account, state.clone());
        let driven = Driven { config, live, traffic, state, stop };
        self.accounts.driven().insert((id.clone(), account.clone()), driven);
    }

    /// Says in the log and to whoever follows the home how an account stands, and has what waits for it sent once it is
    /// connected.
    fn tell_of_account(
        self: &Arc<Self>,
        id: &ComponentId,
        account: &AccountId,
        mut state: watch::Receiver<AccountState>,
    ) {
        let (me, channel, account) = (self.me.clone(), id.to_string(), account.to_string());
        self.holder.work.spawn(async move {
            let mut before = AccountState::default();
            while state.changed().await.is_ok() {
                let now = state.borrow_and_update().clone();
                let Some(application) = me.upgrade() else { return };
                match (&now.connected_ms, &now.error) {
                    (_, Some(error)) if now.error != before.error => {
                        tracing::warn!(%channel, %account, %error, "an account of a channel fails");
                    }
                    (Some(_), None) if before.connected_ms.is_none() || before.error.is_some() => {
                        tracing::info!(%channel, %account, "an account of a channel is connected");
                    }
                    _ => {}
                }
                if now.connected_ms.is_some() && before.connected_ms != now.connected_ms {
                    let woken = match application.records().await {
                        Ok(records) => records.wake_outbox(&channel, Some(&account)).await.map_err(Into::into),
                        Err(error) => Err(error),
                    };
                    if let Err(error) = woken {
                        tracing::warn!(%channel, %account, %error, "what waits for an account is not sent yet");
                    }
                }
                application.changes.changed(Topic::Channels, "channels.state", Some(&format!("{channel}:{account}")));
                before = now;
            }
        });
    }
}
