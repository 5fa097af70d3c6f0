//! Looks at text as it comes in and goes out, with the guards.
//!
//! What it finds changes labels, is masked, and is written down. No approval depends on it: it is there to see more, not
//! to be relied on.

use crate::ModelName;
use crate::guards::injection::{Level, examine};
use crate::guards::output::{FindingAction, Policy};
use cara_authority::{Label, Source};
use schemars::JsonSchema;
use serde::Deserialize;

/// What looks at text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct GuardSettings {
    /// Whether incoming text is examined for injections; what is found is labelled `suspect`. Yes unless set.
    pub injection: bool,
    /// What becomes of what looks like a secret in an answer; `note` unless set. Values of the vault are always taken out.
    pub secrets: FindingAction,
    /// What becomes of payment and identity numbers in an answer; `note` unless set. Addresses and phone numbers, which
    /// people ask for, are noted at most.
    pub personal_data: FindingAction,
    /// A model that judges what tools bring in from strangers. None unless set; it is asked under the budget of the run.
    pub classifier: Option<ModelName>,
}

impl Default for GuardSettings {
    fn default() -> Self {
        Self { injection: true, secrets: FindingAction::Note, personal_data: FindingAction::Note, classifier: None }
    }
}

/// The guards of an assistant.
#[derive(Debug, Clone)]
pub struct Guards {
    /// Whether incoming text is examined.
    pub examines: bool,
    /// What becomes of secrets and personal data in what leaves.
    pub output: Policy,
}

impl Default for Guards {
    fn default() -> Self {
        Self { examines: true, output: Policy::default() }
    }
}

impl From<&GuardSettings> for Guards {
    fn from(settings: &GuardSettings) -> Self {
        let personal = settings.personal_data;
        let contact = if personal == FindingAction::Off { FindingAction::Off } else { FindingAction::Note };
        let output = Policy { secret: settings.secrets, payment: personal, identity: personal, contact };
        Self { examines: settings.injection, output }
    }
}

impl Guards {
    /// The label of a text, and which rules it met. What reads like an attack does not speak for its owner: it was
    /// pasted from somewhere.
    pub fn label_of(&self, text: &str, label: Label) -> (Label, Vec<String>) {
        if !self.examines {
            return (label, Vec::new());
        }
        let verdict = examine(text);
        let found: Vec<String> = verdict.findings.iter().map(|finding| finding.rule.to_owned()).collect();
        let label = if verdict.level == Level::Clean { label } else { label.join(&Label::of(Source::Suspect)) };
        (label, if verdict.level == Level::Clean { Vec::new() } else { found })
    }
}
