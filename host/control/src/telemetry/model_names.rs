//! Names of models that may stand in spans and labels: known ones, and no
//! text that whoever asks made up.

use cara_authority::{ComponentId, display_safe};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What stands there for any other.
const OTHER: &str = "_OTHER";

/// The longest name, bytes.
const LONGEST: usize = 64;

/// How many names are known of one provider: a server can list any number.
const MOST: usize = 1024;

type Known = BTreeMap<ComponentId, BTreeSet<String>>;

/// The models that somebody other than a client named: the operator, a manifest, a price, a provider's list. A clone is the
/// same.
#[derive(Clone, Default)]
pub(crate) struct ModelNames(Arc<Mutex<Known>>);

impl ModelNames {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These are models of a provider.
    pub(crate) fn learn<'a>(&self, provider: &ComponentId, models: impl IntoIterator<Item = &'a str>) {
        let mut known = self.known();
        let of = known.entry(provider.clone()).or_default();
        for model in models {
            if of.len() < MOST && !model.is_empty() && is_plain(model) && !of.contains(model) {
                of.insert(model.to_owned());
            }
        }
    }

    /// The name of a model as it is shown.
    pub(crate) fn shown(&self, provider: &ComponentId, model: &str) -> String {
        let is_known = self.known().get(provider).is_some_and(|of| of.contains(model));
        if is_known { model.to_owned() } else { OTHER.to_owned() }
    }
}

/// Whether a name is short, and safe to show as it is.
fn is_plain(name: &str) -> bool {
    name.len() <= LONGEST && display_safe(name) == name
}

/// What the vendor called the model that answered, where it was asked for one that is shown: a server that is asked for any
/// other may say the client's words again.
pub(super) fn answered(asked: &str, answered: &str) -> String {
    let is_shown = asked != OTHER && is_plain(answered);
    if is_shown { answered.to_owned() } else { OTHER.to_owned() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_names_that_no_client_made_up_are_shown() {
        let (names, openai) = (ModelNames::default(), ComponentId::parse("openai").unwrap());
        let other = ComponentId::parse("other").unwrap();
        let long = "m".repeat(LONGEST + 1);
        names.learn(&openai, ["gpt-5", long.as_str(), "turned\u{202e}", &"l".repeat(LONGEST), ""]);
        assert_eq!(names.shown(&openai, "gpt-5"), "gpt-5");
        assert_eq!(names.shown(&openai, &"l".repeat(LONGEST)).len(), LONGEST);
        for (provider, model) in
            [(&openai, "gpt-5-annas-secret"), (&openai, long.as_str()), (&openai, "turned\u{202e}"), (&openai, "")]
        {
            assert_eq!(names.shown(provider, model), "_OTHER", "{model}");
        }
        assert_eq!(names.shown(&other, "gpt-5"), "_OTHER");
        // What a vendor says of a model that is not shown may be what it was asked.
        assert_eq!(answered("gpt-5", "gpt-5-2026-11-01"), "gpt-5-2026-11-01");
        assert_eq!((answered("gpt-5", &long), answered("_OTHER", "annas-secret")), ("_OTHER".into(), "_OTHER".into()));
        let many: Vec<String> = (0..2 * MOST).map(|number| format!("m-{number}")).collect();
        names.learn(&other, many.iter().map(String::as_str));
        assert_eq!(names.known()[&other].len(), MOST);
    }
}
