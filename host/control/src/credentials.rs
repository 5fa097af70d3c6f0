//! What lets somebody in at the doors of the gateway, as it holds now.
//!
//! Who holds the home is alone with it, so what is in memory is what counts: a request costs no read of the ledger. What is
//! taken back is taken out of memory first, which ends what goes on with it, and then out of the ledger.
//!
//! ```text
//! ledger ─→ Credentials ─→ Held ─→ Principal
//!               └─ issue, revoke, rotate, expiry, changes of people
//! ```

mod held;
mod secret;

pub(crate) use held::End;
pub use held::Held;
pub(crate) use secret::{TOKEN, code, plain_code, random, sha256, text};

use crate::error::{Result, fail};
use cara_authority::{CredentialId, PersonId, PersonRole, Principal, display_safe};
use cara_records::{Credential, CredentialKind, Proof, Records};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::Notify;

/// The most credentials of one home: far more than one household has, and few enough to hold in memory.
pub(crate) const MOST: usize = 1_000;

/// What is shown: its kind, and SHA-256 of it.
type Key = (CredentialKind, [u8; 32]);

/// All credentials that hold now.
#[derive(Default)]
pub struct Credentials {
    live: RwLock<Live>,
    /// Something came whose time may be over before that of all others.
    came: Notify,
}

#[derive(Default)]
struct Live {
    by_id: HashMap<CredentialId, Arc<Held>>,
    by_key: HashMap<Key, CredentialId>,
}

impl Live {
    fn put(&mut self, held: Arc<Held>) {
        for hash in held.hashes() {
            self.by_key.insert((held.kind(), hash), held.id().clone());
        }
        self.by_id.insert(held.id().clone(), held);
    }

    /// What the ledger keeps as it holds now: it ends with what yielded it.
    fn held(&self, kept: Credential, role: PersonRole) -> Arc<Held> {
        let maker = kept.parent.as_ref().and_then(|id| self.by_id.get(id)).cloned();
        Held::new(kept, role, maker.as_deref())
    }

    /// Takes one out; whoever gets it is the only one who does.
    fn take(&mut self, id: &CredentialId) -> Option<Arc<Held>> {
        let held = self.by_id.remove(id)?;
        for hash in held.hashes() {
            self.by_key.remove(&(held.kind(), hash));
        }
        Some(held)
    }

    /// One with all that it yielded.
    fn with_children(&self, id: &CredentialId) -> Vec<CredentialId> {
        let mut all = vec![id.clone()];
        let mut at = 0;
        while let Some(parent) = all.get(at).cloned() {
            let children = self.by_id.values().filter(|held| held.parent() == Some(&parent));
            all.extend(children.map(|held| held.id().clone()));
            at += 1;
        }
        all
    }
}

impl Credentials {
    /// What the ledger has, without what expired or is nobody's, and what that yielded.
    pub(crate) async fn load(records: &Records, now_ms: u64) -> Result<Arc<Self>> {
        let roles = roles(records).await?;
        let mut live = Live::default();
        let mut left = records.credentials().await?;
        let holds = |kept: &Credential| kept.expires_ms.is_none_or(|at| now_ms < at);
        // First what yielded others.
        while let Some(at) = left.iter().position(|kept| {
            let is_known = kept.parent.as_ref().is_none_or(|id| live.by_id.contains_key(id));
            is_known && holds(kept) && roles.contains_key(&kept.person)
        }) {
            let kept = left.swap_remove(at);
            let role = roles[&kept.person];
            let held = live.held(kept, role);
            live.put(held);
        }
        let gone: Vec<_> = left.into_iter().map(|kept| kept.id).collect();
        records.remove_credentials(&gone, None).await?;
        Ok(Arc::new(Self { live: RwLock::new(live), came: Notify::new() }))
    }

    /// Whether there is nothing by which anybody could come in.
    pub fn is_empty(&self) -> bool {
        self.read().by_id.is_empty()
    }

    /// What a text lets in as, if it does now.
    pub fn shown(&self, kind: CredentialKind, text: &[u8], now_ms: u64) -> Option<Arc<Held>> {
        self.of_hash(kind, &sha256(text), now_ms)
    }

    /// The same by SHA-256 of what is shown.
    pub fn of_hash(&self, kind: CredentialKind, hash: &[u8; 32], now_ms: u64) -> Option<Arc<Held>> {
        let live = self.read();
        // Whoever measures how long the map takes learns about a hash, out of which no text is made. What decides compares
        // in constant time.
        let held = live.by_id.get(live.by_key.get(&(kind, *hash))?)?;
        (held.is_shown_by(hash, now_ms) && held.holds(now_ms)).then(|| held.clone())
    }

    /// One that holds, by its id.
    pub fn get(&self, id: &CredentialId, now_ms: u64) -> Option<Arc<Held>> {
        self.read().by_id.get(id).filter(|held| held.holds(now_ms)).cloned()
    }

    /// All that hold, the first first.
    pub fn all(&self) -> Vec<Arc<Held>> {
        let mut all: Vec<Arc<Held>> = self.read().by_id.values().cloned().collect();
        all.sort_by(|a, b| (a.added_ms(), a.id()).cmp(&(b.added_ms(), b.id())));
        all
    }

    /// The one of these kinds that an operator means: an id, or a name that only one has and what it let in.
    pub(crate) fn named(&self, kinds: &[CredentialKind], text: &str) -> Result<Arc<Held>> {
        let all = self.all();
        let meant = all.iter().filter(|held| kinds.contains(&held.kind()));
        if let Some(held) = meant.clone().find(|held| held.id().as_str() == text) {
            return Ok(held.clone());
        }
        let of_name: Vec<&Arc<Held>> = meant.filter(|held| held.name() == text).collect();
        // A device and the sessions that it was let in with have one name: they go with it.
        let is_yielded = |held: &Held| of_name.iter().any(|other| held.parent() == Some(other.id()));
        let mut own = of_name.iter().copied().filter(|held| !is_yielded(held));
        let shown = display_safe(text);
        let list = if kinds.contains(&CredentialKind::Token) { "cara token list" } else { "cara device list" };
        match (own.next(), own.next()) {
            (Some(held), None) => Ok(held.clone()),
            (None, _) => {
                fail!(NotFound, "there is no credential `{shown}` of that kind\nhint: `{list}` shows which there are")
            }
            (Some(_), Some(_)) => {
                fail!(Conflict, "several are called `{shown}`\nhint: name one by its id, from `{list}`")
            }
        }
    }

    /// Takes one out of memory, with all that it yielded. Nothing where somebody else did.
    pub(crate) fn take(&self, id: &CredentialId, why: End) -> Vec<Arc<Held>> {
        self.take_all(why, |live| if live.by_id.contains_key(id) { live.with_children(id) } else { Vec::new() })
    }

    /// Takes out of memory what one yielded, which itself stays.
    pub(crate) fn take_yielded(&self, id: &CredentialId) -> Vec<Arc<Held>> {
        self.take_all(End::TakenBack, |live| live.with_children(id).split_off(1))
    }

    fn take_all(&self, why: End, which: impl FnOnce(&Live) -> Vec<CredentialId>) -> Vec<Arc<Held>> {
        let mut live = self.write();
        let all = which(&live);
        let taken: Vec<Arc<Held>> = all.iter().filter_map(|id| live.take(id)).collect();
        drop(live);
        taken.iter().for_each(|held| held.end(why));
        taken
    }

    /// What the ledger keeps, before it is put in: it ends with what yielded it.
    pub(crate) fn held(&self, kept: Credential, role: PersonRole) -> Arc<Held> {
        self.read().held(kept, role)
    }

    /// Puts in one that is new.
    pub(crate) fn put(&self, held: Arc<Held>) {
        self.write().put(held);
        self.came.notify_one();
    }

    /// Puts one in place of another with its id, whose hashes count no more. False where that one was taken out, or another
    /// has its place: what was taken back stays taken back.
    pub(crate) fn replace(&self, old: &Arc<Held>, new: Arc<Held>) -> bool {
        let mut live = self.write();
        let is_there = live.by_id.get(old.id()).is_some_and(|held| Arc::ptr_eq(held, old));
        if is_there {
            live.take(old.id());
            live.put(new);
        }
        is_there
    }

    /// Whether one is another, or was yielded by it.
    pub(crate) fn is_of(&self, id: &CredentialId, maker: &CredentialId) -> bool {
        self.read().with_children(maker).contains(id)
    }

    /// The one that a caller showed, as long as it holds; none where a door needed none.
    pub(crate) fn of_caller(&self, by: &Principal, now_ms: u64) -> Result<Option<Arc<Held>>> {
        let Some(id) = by.credential() else { return Ok(None) };
        // One that has its place by now is another: a request that is under way is not of that.
        match self.get(id, now_ms).filter(|held| held.made(by)) {
            None => fail!(Refused, "the credential of this request was taken back\nhint: show another one"),
            held => Ok(held),
        }
    }

    /// Comes when something was put in.
    pub(crate) async fn came(&self) {
        self.came.notified().await;
    }

    fn read(&self) -> RwLockReadGuard<'_, Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Live> {
        self.live.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The role of everybody who is known.
pub(crate) async fn roles(records: &Records) -> Result<BTreeMap<PersonId, PersonRole>> {
    Ok(records.people().await?.into_iter().map(|person| (person.id, person.role)).collect())
}

/// Known by a text with this hash.
pub(crate) fn shown(sha256: &[u8; 32]) -> Proof {
    Proof::Shown { sha256: hex::encode(sha256), before: None }
}
