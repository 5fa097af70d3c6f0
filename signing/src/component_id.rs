//! `ComponentId`: the name a component is known by.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::foreign::Foreign;
use crate::text::text;

const MAX_BYTES: usize = 63;

/// A component's name: `[a-z][a-z0-9-]{0,62}`, safe as a file name and in a shell.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ComponentId(String);

impl ComponentId {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ComponentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for ComponentId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for ComponentId {
    type Err = ComponentIdError;

    fn from_str(text: &str) -> Result<Self, ComponentIdError> {
        if text.len() <= MAX_BYTES && starts_an_id(text) && !text.is_empty() {
            Ok(Self(text.to_owned()))
        } else {
            Err(ComponentIdError(Foreign::new(text)))
        }
    }
}

text!(ComponentId);

/// Whether some component id can start with `text`.
pub(crate) fn starts_an_id(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_none_or(|first| first.is_ascii_lowercase())
        && bytes.all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// Text that is not a component id.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "`{0}` is not a component id\n\
     hint: an id is a lower-case letter, then up to 62 of `a-z`, `0-9` and `-`"
)]
pub struct ComponentIdError(Foreign);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_id_is_a_letter_then_letters_digits_and_dashes() {
        for text in ["a", "openai", "acme-mail-2", &"a".repeat(63)] {
            assert_eq!(text.parse::<ComponentId>().unwrap().as_str(), text);
        }
        let long = "a".repeat(64);
        for text in ["", "1a", "-a", "A", "a_b", "a.b", "a/b", "a b", "ä", "a\n", "../a", &long] {
            assert!(text.parse::<ComponentId>().is_err(), "{text}");
        }
    }
}
