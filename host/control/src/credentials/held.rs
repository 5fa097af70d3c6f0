//! A credential that holds, and the principal that it makes.

use cara_authority::{Allowance, CredentialId, PersonId, PersonRole, Principal};
use cara_records::{Credential, CredentialKind, Proof};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use subtle::ConstantTimeEq;
use tokio_util::sync::CancellationToken;

/// A credential in memory, until it is taken back or another takes its place.
pub struct Held {
    kept: Credential,
    role: PersonRole,
    allowance: Arc<Allowance>,
    /// The days since 1970 of its last use; 0 for never.
    used_day: AtomicU64,
    /// Cancelled when it was taken back, or what yielded it was, also when that was after its own end.
    taken_back: CancellationToken,
    /// Cancelled when it holds no more; a child of the one before.
    alive: CancellationToken,
}

/// Why a credential holds no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Its time is over, or its holder left: what listens with it ends, and what it began and nobody has to listen to goes on.
    Over,
    /// It was taken back, or another took its place: all that goes on with it ends.
    TakenBack,
}

impl Held {
    /// One that this one yielded, if one did.
    pub(super) fn new(kept: Credential, role: PersonRole, maker: Option<&Self>) -> Arc<Self> {
        let allowance = Arc::new(kept.about.allowance.clone());
        let used_day = AtomicU64::new(kept.used_day.unwrap_or(0));
        let taken_back = maker.map_or_else(CancellationToken::new, |maker| maker.taken_back.child_token());
        let alive = taken_back.child_token();
        Arc::new(Self { kept, role, allowance, used_day, taken_back, alive })
    }

    /// The same with another proof of the same holder: what goes on with it goes on.
    pub(crate) fn proved_by(&self, proof: Proof) -> Arc<Self> {
        let mut kept = self.kept();
        kept.about.proof = proof;
        let (allowance, used_day) = (self.allowance.clone(), AtomicU64::new(kept.used_day.unwrap_or(0)));
        let (taken_back, alive) = (self.taken_back.clone(), self.alive.clone());
        Arc::new(Self { kept, role: self.role, allowance, used_day, taken_back, alive })
    }

    /// The id.
    pub fn id(&self) -> &CredentialId {
        &self.kept.id
    }

    /// What it is.
    pub fn kind(&self) -> CredentialKind {
        self.kept.kind
    }

    /// What the operator calls it.
    pub fn name(&self) -> &str {
        &self.kept.about.name
    }

    /// Whose it is.
    pub fn person(&self) -> &PersonId {
        &self.kept.person
    }

    /// What its person is to the assistant.
    pub fn role(&self) -> PersonRole {
        self.role
    }

    /// What it may be used for.
    pub fn allowance(&self) -> &Arc<Allowance> {
        &self.allowance
    }

    /// The credential that yielded it.
    pub fn parent(&self) -> Option<&CredentialId> {
        self.kept.parent.as_ref()
    }

    /// Since when, Unix milliseconds.
    pub fn added_ms(&self) -> u64 {
        self.kept.added_ms
    }

    /// From when on it counts no more.
    pub fn expires_ms(&self) -> Option<u64> {
        self.kept.expires_ms
    }

    /// What a page sends with what changes something; of a session only.
    pub fn csrf(&self) -> Option<&str> {
        self.kept.about.csrf.as_deref()
    }

    /// What it is known by.
    pub(crate) fn proof(&self) -> &Proof {
        &self.kept.about.proof
    }

    /// Whether it holds at this time.
    pub fn holds(&self, now_ms: u64) -> bool {
        !self.alive.is_cancelled() && self.kept.expires_ms.is_none_or(|at| now_ms < at)
    }

    /// Is cancelled when it holds no more: when it is taken back, gets another secret, or its time is over.
    pub fn alive(&self) -> &CancellationToken {
        &self.alive
    }

    /// Who comes in with it, at a door that saw that it is theirs.
    pub fn principal(&self, door: &str) -> Principal {
        let shown = (self.kept.id.clone(), self.allowance.clone());
        Principal::of_credential(self.kept.person.clone(), self.role, door, shown)
    }

    /// Whether a principal was made of it, and not of one with its id before or after.
    pub(crate) fn made(&self, principal: &Principal) -> bool {
        principal.credential() == Some(self.id()) && std::ptr::eq(principal.allowance(), &*self.allowance)
    }

    /// Is cancelled when what is begun with it has to end, whoever listens to it.
    pub(crate) fn work(&self) -> CancellationToken {
        self.taken_back.child_token()
    }

    pub(crate) fn end(&self, why: End) {
        match why {
            End::Over => self.alive.cancel(),
            End::TakenBack => self.taken_back.cancel(),
        }
    }

    /// As the ledger has it.
    pub(crate) fn kept(&self) -> Credential {
        let day = self.used_day.load(Ordering::Relaxed);
        Credential { used_day: (day > 0).then_some(day), ..self.kept.clone() }
    }

    /// Whether this day is later than that of its last use; it is that from now on.
    pub(crate) fn is_first_use(&self, day: u64) -> bool {
        self.used_day.load(Ordering::Relaxed) < day && self.used_day.fetch_max(day, Ordering::Relaxed) < day
    }

    /// What it may be shown by.
    pub(crate) fn hashes(&self) -> Vec<[u8; 32]> {
        let Proof::Shown { sha256, before } = &self.kept.about.proof else { return Vec::new() };
        let texts = [Some(sha256), before.as_ref().map(|(hash, _)| hash)];
        texts.into_iter().flatten().filter_map(|text| bytes(text)).collect()
    }

    /// Whether something with this hash is what it is known by, in constant time.
    pub(crate) fn is_shown_by(&self, hash: &[u8; 32], now_ms: u64) -> bool {
        let Proof::Shown { sha256, before } = &self.kept.about.proof else { return false };
        let is = |text: &str| bytes(text).is_some_and(|own| bool::from(own.ct_eq(hash)));
        is(sha256) || before.as_ref().is_some_and(|(own, until_ms)| now_ms < *until_ms && is(own))
    }
}

fn bytes(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).ok().map(|()| bytes)
}
