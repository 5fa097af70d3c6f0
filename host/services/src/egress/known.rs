//! The values that may not be seen:
//! everything that was loaded from the vault, in every form.
//!
//! Values under eight bytes can be spent, but are not looked for: they would be found everywhere by chance. The
//! automaton keeps its own copy of the values it looks for, which is dropped, not wiped, when the set changes.

use super::forms;
use super::needles::{Match, Needles, Sieve, Verdict};
use super::placeholder::Seal;
use crate::vault::SecretValue;
use bytes::Bytes;
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Shorter values are not looked for.
pub const SHORTEST: usize = 8;
/// Values made from others (`user:secret`) that are remembered; a component chooses the user, so they are bounded.
const DERIVED: usize = 32;
/// What stands in for a value outside a call.
const HIDDEN: &str = "[secret]";

/// The secrets of this process. Cloning shares them.
#[derive(Clone)]
pub struct KnownSecrets(Arc<Inner>);

struct Inner {
    values: Mutex<Values>,
    seal: Seal,
}

#[derive(Default)]
struct Values {
    stored: Vec<Arc<SecretValue>>,
    derived: VecDeque<Arc<SecretValue>>,
    search: Option<Arc<Search>>,
}

/// What is looked for at one moment, and whose value each needle is.
pub(super) struct Search {
    pub(super) needles: Arc<Needles>,
    owners: Vec<Arc<SecretValue>>,
}

impl KnownSecrets {
    /// Knows nothing yet.
    ///
    /// # Panics
    ///
    /// When the system has no random numbers.
    #[must_use]
    #[allow(clippy::new_without_default)] // Two sets would each miss what the other knows: make it where it is seen.
    pub fn new() -> Self {
        Self(Arc::new(Inner { values: Mutex::default(), seal: Seal::new() }))
    }

    /// Looks for a value from now on. Knowing it already changes nothing.
    pub fn register(&self, value: &Arc<SecretValue>) {
        let mut values = self.values();
        if value.expose().len() >= SHORTEST && !values.stored.contains(value) {
            values.stored.push(Arc::clone(value));
            values.search = None;
        }
    }

    /// Looks for a value that was made from a secret, until newer ones push it out.
    pub(super) fn register_derived(&self, value: &Arc<SecretValue>) {
        let mut values = self.values();
        if value.expose().len() >= SHORTEST && !values.derived.contains(value) {
            values.derived.push_back(Arc::clone(value));
            if values.derived.len() > DERIVED {
                values.derived.pop_front();
            }
            values.search = None;
        }
    }

    /// Stops looking for a value, after it was removed or rotated.
    pub fn forget(&self, value: &SecretValue) {
        let mut values = self.values();
        values.stored.retain(|known| **known != *value);
        values.search = None;
    }

    /// Puts `[secret]` in the place of every known value; for logs, errors and whatever else is shown.
    pub fn scrub_text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some(search) = self.search().filter(|search| search.needles.any(text.as_bytes())) else {
            return Cow::Borrowed(text);
        };
        let scrubbed = search.scrub(Bytes::copy_from_slice(text.as_bytes()), &mut |_| HIDDEN.to_owned());
        Cow::Owned(String::from_utf8_lossy(&scrubbed).into_owned())
    }

    /// What is looked for now; `None` when nothing is. Built when it is first asked for after a change.
    pub(super) fn search(&self) -> Option<Arc<Search>> {
        let mut values = self.values();
        if values.search.is_none() {
            let mut owners = BTreeMap::new();
            for value in values.stored.iter().chain(&values.derived) {
                for form in forms::all(value.expose()) {
                    owners.entry(form).or_insert_with(|| Arc::clone(value));
                }
            }
            if owners.is_empty() {
                return None;
            }
            let (needles, owners): (Vec<_>, Vec<_>) = owners.into_iter().unzip();
            values.search = Some(Arc::new(Search { needles: Arc::new(Needles::new(&needles)), owners }));
        }
        values.search.clone()
    }

    /// The key that tells this process's placeholders from made-up ones.
    pub(super) fn seal(&self) -> &Seal {
        &self.0.seal
    }

    fn values(&self) -> std::sync::MutexGuard<'_, Values> {
        // A panic in here leaves the lists whole: every change is one call.
        self.0.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Search {
    /// Replaces every value in `bytes` by what `name` says for it.
    pub(super) fn scrub(&self, bytes: Bytes, name: &mut dyn FnMut(&SecretValue) -> String) -> Bytes {
        let mut sieve = Sieve::new(Arc::clone(&self.needles));
        self.push(&mut sieve, bytes, true, name)
    }

    /// The same for a stream, whose place is kept in `sieve`.
    pub(super) fn push(
        &self,
        sieve: &mut Sieve,
        bytes: Bytes,
        last: bool,
        name: &mut dyn FnMut(&SecretValue) -> String,
    ) -> Bytes {
        let mut judge = |found: Match<'_>| {
            let with = name(&self.owners[found.needle]).into();
            Ok::<_, Infallible>(Verdict::Replace { length: found.length, with })
        };
        let Ok(out) = sieve.push(bytes, last, &mut judge);
        out
    }

    /// What stands in for a value of which the call has no placeholder.
    pub(super) fn hidden() -> String {
        HIDDEN.to_owned()
    }
}

impl fmt::Debug for KnownSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KnownSecrets({} values)", self.values().stored.len())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn known(values: &[&str]) -> KnownSecrets {
        let known = KnownSecrets::new();
        for value in values {
            known.register(&Arc::new(SecretValue::new(value.as_bytes().to_vec()).unwrap()));
        }
        known
    }

    #[test]
    fn a_text_loses_every_form_of_a_value() {
        let known = known(&["sk-live/3~secret?value", "another value"]);
        let text = "a sk-live/3~secret?value b another%20value c another+value d YW5vdGhlciB2YWx1ZQ== e sk-live\\/3~secret?value";
        assert_eq!(known.scrub_text(text), "a [secret] b [secret] c [secret] d [secret]Q== e [secret]");
    }

    #[test]
    fn a_text_without_a_value_is_not_copied() {
        assert!(matches!(known(&["sk-live/3~secret"]).scrub_text("nothing of it: sk-live"), Cow::Borrowed(_)));
        assert!(matches!(known(&[]).scrub_text("anything"), Cow::Borrowed(_)));
    }

    #[test]
    fn short_values_are_not_looked_for_and_forgotten_ones_no_longer() {
        let known = known(&["seven77", "eight888"]);
        assert_eq!(known.scrub_text("seven77 eight888"), "seven77 [secret]");
        known.forget(&SecretValue::new(b"eight888".to_vec()).unwrap());
        assert_eq!(known.scrub_text("eight888"), "eight888");
    }

    #[test]
    fn values_made_from_secrets_do_not_pile_up() {
        let known = known(&[]);
        for n in 0..100 {
            known.register_derived(&Arc::new(SecretValue::new(format!("derived value {n}").into_bytes()).unwrap()));
        }
        assert_eq!(known.values().derived.len(), DERIVED);
    }
}
