//! `Pattern`: which component ids a signing key may speak for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::component_id::{ComponentId, starts_an_id};
use crate::display_safe::DisplaySafe;
use crate::text::text;

/// One id (`openai`), every id with a prefix (`acme-*`), or every id (`*`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(Kind);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Kind {
    Exactly(ComponentId),
    StartsWith(String),
}

impl Pattern {
    /// Whether `id` is one of the ids these patterns stand for.
    #[must_use]
    pub fn any(patterns: &[Self], id: &ComponentId) -> bool {
        patterns.iter().any(|pattern| pattern.matches(id))
    }

    /// Whether `id` is one of the ids this pattern stands for.
    #[must_use]
    pub fn matches(&self, id: &ComponentId) -> bool {
        match &self.0 {
            Kind::Exactly(only) => only == id,
            Kind::StartsWith(prefix) => id.as_str().starts_with(prefix),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Exactly(only) => write!(f, "{only}"),
            Kind::StartsWith(prefix) => write!(f, "{prefix}*"),
        }
    }
}

impl From<ComponentId> for Pattern {
    fn from(id: ComponentId) -> Self {
        Self(Kind::Exactly(id))
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let kind = match text.strip_suffix('*') {
            Some(prefix) if starts_an_id(prefix) => Some(Kind::StartsWith(prefix.to_owned())),
            Some(_) => None,
            None => text.parse().ok().map(Kind::Exactly),
        };
        kind.map(Self).ok_or_else(|| PatternError(DisplaySafe::new(text)))
    }
}

text!(Pattern);

/// Text that is not a pattern of component ids.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "`{0}` is not a pattern of component ids\n\
     hint: write one id as in `acme`, a prefix as in `acme-*`, or `*` for all"
)]
pub struct PatternError(DisplaySafe);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_pattern_matches_one_id_a_prefix_or_all() {
        let cases = [
            ("openai", "openai", true),
            ("openai", "openai-2", false),
            ("openai", "opena", false),
            ("acme-*", "acme-mail", true),
            ("acme-*", "acme", false),
            ("acme-*", "evil-acme-mail", false),
            ("*", "anything", true),
        ];
        for (pattern, id, expected) in cases {
            let pattern: Pattern = pattern.parse().unwrap();
            assert_eq!(pattern.matches(&id.parse().unwrap()), expected, "{pattern} {id}");
        }
    }

    #[test]
    fn a_star_stands_only_at_the_end() {
        for text in ["", "**", "*a", "a*b", "a-*-*", "A*", "a?", "-*"] {
            assert!(text.parse::<Pattern>().is_err(), "{text}");
        }
    }
}
