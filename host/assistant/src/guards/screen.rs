//! Looks at text as it comes in and goes out, with the guards.
//!
//! What it finds changes labels, is masked, and is written down. No approval depends on it: it is there to see more, not
//! to be relied on.

use crate::guards::injection::{Level, examine};
use crate::guards::output::Policy;
use cara_authority::{Label, Source};

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

impl Guards {
    /// The label of a text, and which rules it met. What reads like an attack does not speak for its owner: it was
    /// pasted from somewhere.
    pub fn label_of(&self, text: &str, label: Label) -> (Label, Vec<String>) {
        if !self.examines {
            return (label, Vec::new());
        }
        let verdict = examine(text);
        let found: Vec<String> = verdict.findings.iter().map(|finding| finding.rule.to_owned()).collect();
        let label = if verdict.level == Level::Clean { label } else { label.join(Label::of(Source::Suspect)) };
        (label, if verdict.level == Level::Clean { Vec::new() } else { found })
    }
}
