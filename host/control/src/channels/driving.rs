//! Drives the accounts that are configured, and says how each stands.

use super::account::{LiveAccount, LiveChannel};
use crate::accounts::{Driven, Traffic};
use crate::application::Application;
use crate::change::Topic;
use crate::configuration::AccountConfig;
use crate::error::Result;
use cara_authority::manifest::Channel;
use cara_authority::{AccountId, ComponentId, ConversationAddress};
use cara_channels::{AccountDriver, AccountState, Pace};
use futures_util::FutureExt;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How long platforms show that somebody writes: Telegram five seconds, others longer.
const TYPING: Duration = Duration::from_millis(4_500);

/// For how long it is shown at most: a run may wait for an approval for hours.
const LONGEST_TYPING: Duration = Duration::from_secs(5 * 60);

/// How long is waited before what could not be driven is tried again.
const AGAIN: Duration = Duration::from_secs(30);

impl Application {
    /// Drives the accounts of channels that are configured, and goes along with changes, until the process ends.
    pub fn drive_channels(self: &Arc<Self>) {
        let (me, end) = (self.me.clone(), self.outbox_end.clone());
        let mut rules = self.settings.rules();
        self.holder.work.spawn(async move {
            loop {
                let Some(application) = me.upgrade() else { return };
                let done = application.drive_configured().await;
                if let Err(error) = &done {
                    tracing::warn!(%error, "channels are not driven as configured");
                }
                tokio::select! {
                    () = end.cancelled() => break,
                    changed = rules.changed() => if changed.is_err() { break },
                    () = application.accounts.asked_anew() => {}
                    () = tokio::time::sleep(AGAIN), if done.is_err() => {}
                }
            }
            if let Some(application) = me.upgrade() {
                application.accounts.driven().values().for_each(|driven| driven.stop.cancel());
            }
        });
    }

    /// What the manifest of a channel says of its messages.
    pub(crate) fn channel_facts(&self, channel: &str) -> Option<Channel> {
        self.checked(&ComponentId::parse(channel).ok()?).ok()?.manifest().channel().copied()
    }

    /// Shows in a conversation that an answer is being written, again and again; never ends.
    pub(crate) async fn typing(&self, at: &ConversationAddress) {
        let account = ComponentId::parse(&at.channel).ok().zip(AccountId::parse(&at.account).ok());
        // One that was paused meanwhile is not called.
        let until = Instant::now() + LONGEST_TYPING;
        while let Some((id, account)) = &account
            && Instant::now() < until
            && let Some((traffic, state)) = self.accounts.find(id, account)
            && let Some(me) = state.me
        {
            let live = LiveAccount::new(self.me.clone(), id.clone(), account.clone(), traffic);
            if !live.shows_typing(me, at).await {
                break;
            }
            tokio::time::sleep(TYPING).await;
        }
        std::future::pending().await
    }

    async fn drive_configured(self: &Arc<Self>) -> Result<()> {
        let config = self.config()?;
        let (mut wanted, mut failed) = (BTreeMap::new(), Ok(()));
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
            // What fails here is tried again; the accounts that come after do not wait for it.
            if !self.accounts.sending().contains(&id) {
                let channel = Arc::new(LiveChannel::new(self.me.clone(), id.clone()));
                match self.attach_channel(channel).await {
                    Ok(()) => drop(self.accounts.sending().insert(id.clone())),
                    Err(error) => {
                        failed = Err(error);
                        continue;
                    }
                }
            }
            self.drive_account(&id, &account, own);
        }
        failed
    }

    fn drive_account(self: &Arc<Self>, id: &ComponentId, account: &AccountId, config: AccountConfig) {
        let traffic = Arc::new(Traffic::default());
        let live = LiveAccount::new(self.me.clone(), id.clone(), account.clone(), traffic.clone());
        let (tell, state) = watch::channel(AccountState::default());
        let stop = self.outbox_end.child_token();
        let driver = AccountDriver {
            account: Arc::new(live),
            pace: Pace::default(),
            clock: self.services.clock,
            state: tell,
            changed: self.accounts.woken(),
        };
        let ends = stop.clone();
        self.holder.work.spawn(async move {
            // What panics is a mistake of the host; the account goes on all the same.
            while let Err(error) = AssertUnwindSafe(driver.drive(ends.clone())).catch_unwind().await {
                let _ = error;
                tracing::error!("what drives an account failed, and begins anew");
                tokio::time::sleep(AGAIN).await;
            }
        });
        self.tell_of_account(id, account, state.clone());
        let driven = Driven { config, traffic, state, stop };
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
