//! The accounts of channels that are driven in this process, and how each
//! stands; `channels` drives them.

use crate::configuration::AccountConfig;
use crate::credentials::{plain_code, sha256};
use cara_authority::{AccountId, ComponentId, PersonId};
use cara_channels::AccountState;
use cara_records::NewInbound;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use subtle::ConstantTimeEq;
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
pub(crate) struct Driven {
    /// As it was configured when it began.
    pub(crate) config: AccountConfig,
    /// What came and went by it.
    pub(crate) traffic: Arc<Traffic>,
    /// How it stands.
    pub(crate) state: watch::Receiver<AccountState>,
    /// Ends it.
    pub(crate) stop: CancellationToken,
}

/// The accounts that are driven.
#[derive(Default)]
pub(crate) struct Accounts {
    driven: Mutex<BTreeMap<(ComponentId, AccountId), Driven>>,
    /// Channels whose part of the outbox is driven.
    sending: Mutex<BTreeSet<ComponentId>>,
    /// Wakes what waits after a failure.
    changed: watch::Sender<()>,
    /// Has what is configured looked at again.
    again: Notify,
    /// Codes that let somebody talk.
    pub(crate) codes: Codes,
}

/// Codes that were given out, each for one person and one account; they end with the process.
#[derive(Default)]
pub(crate) struct Codes(Mutex<Vec<Code>>);

struct Code {
    hash: [u8; 32],
    channel: String,
    account: String,
    person: PersonId,
    expires_ms: u64,
}

/// The most codes that count at once.
const MOST_CODES: usize = 16;

impl Codes {
    fn kept(&self, now_ms: u64) -> MutexGuard<'_, Vec<Code>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|code| code.expires_ms > now_ms);
        kept
    }

    /// Keeps a code; whether there was room.
    pub(crate) fn keep(
        &self,
        code: &str,
        account: (&ComponentId, &AccountId),
        person: PersonId,
        until: [u64; 2],
    ) -> bool {
        let [now_ms, expires_ms] = until;
        let mut kept = self.kept(now_ms);
        let has_room = kept.len() < MOST_CODES;
        if has_room {
            let (channel, account) = (account.0.to_string(), account.1.to_string());
            kept.push(Code { hash: sha256(plain_code(code).as_bytes()), channel, account, person, expires_ms });
        }
        has_room
    }

    /// Forgets those of an account.
    pub(crate) fn forget(&self, id: &ComponentId, account: &AccountId) {
        self.kept(0).retain(|code| (code.channel.as_str(), code.account.as_str()) != (id.as_str(), account.as_str()));
    }

    /// Whether any code waits.
    pub(crate) fn are_some(&self, now_ms: u64) -> bool {
        !self.kept(now_ms).is_empty()
    }

    /// Whose code a text is, where it was sent to; it counts this once.
    pub(crate) fn spend(&self, message: &NewInbound, text: &str, now_ms: u64) -> Option<PersonId> {
        let hash = sha256(plain_code(text.trim()).as_bytes());
        let at = &message.sender;
        let mut kept = self.kept(now_ms);
        let fits = |code: &Code| {
            (&code.channel, &code.account) == (&at.channel, &at.account) && bool::from(code.hash.ct_eq(&hash))
        };
        let found = kept.iter().position(fits)?;
        Some(kept.remove(found).person)
    }
}

impl Accounts {
    /// All of them, by channel and account.
    pub(crate) fn driven(&self) -> MutexGuard<'_, BTreeMap<(ComponentId, AccountId), Driven>> {
        self.driven.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The channels whose part of the outbox is driven.
    pub(crate) fn sending(&self) -> MutexGuard<'_, BTreeSet<ComponentId>> {
        self.sending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What came and went by an account that is driven, and how it stands.
    pub(crate) fn find(&self, id: &ComponentId, account: &AccountId) -> Option<(Arc<Traffic>, AccountState)> {
        let driven = self.driven();
        let driven = driven.get(&(id.clone(), account.clone()))?;
        let state = driven.state.borrow().clone();
        Some((driven.traffic.clone(), state))
    }

    /// Has accounts that wait try again: something was changed that may have been the cause.
    pub(crate) fn changed(&self) {
        self.changed.send_replace(());
    }

    /// What is woken then.
    pub(crate) fn woken(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Ends what goes on for accounts of a channel, or for one, and has it begun anew: as somebody else, perhaps.
    pub(crate) fn anew(&self, id: &ComponentId, account: Option<&AccountId>) {
        self.driven().retain(|(channel, name), driven| {
            let is_meant = channel == id && account.is_none_or(|account| account == name);
            if is_meant {
                driven.stop.cancel();
            }
            !is_meant
        });
        self.again.notify_one();
    }

    /// Waits until accounts are to be begun anew.
    pub(crate) async fn asked_anew(&self) {
        self.again.notified().await;
    }
}
