//! A no: which rule said it, about what, and what would change it.

use std::fmt;

/// The rule that refused; the cases of `refusal` in `wit/types.wit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// The manifest does not ask for it.
    Undeclared,
    /// The operator has not granted it.
    Ungranted,
    /// The address may not be reached.
    Destination,
    /// A limit is used up.
    Limit,
    /// A policy or a person said no.
    Denied,
    /// The host cannot do it now.
    Unavailable,
    /// An argument is not well formed.
    Invalid,
    /// The stored revision is not the expected one.
    Conflict,
    /// Nobody waits for the result any more.
    Cancelled,
}

/// Why the host said no, with the cure where there is one. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    rule: Rule,
    text: String,
    hint: Option<String>,
}

impl Refusal {
    /// A refusal whose text names the subject, lower case, values in backticks.
    pub fn new(rule: Rule, text: impl Into<String>) -> Self {
        Self { rule, text: text.into(), hint: None }
    }

    /// Adds what would change the answer: a command where there is one.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The rule that refused.
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// The text without the hint.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}
