//! The kinds of components and the languages that projects are made in.

use std::fmt;
use std::str::FromStr;

/// What a component offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Language models.
    Provider,
    /// Work that a model can ask for.
    Tool,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Provider, Self::Tool];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Provider => "provider",
            Self::Tool => "tool",
        })
    }
}

impl FromStr for Kind {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let found = Self::ALL.into_iter().find(|kind| kind.to_string() == text);
        found.ok_or_else(|| UnknownWord { word: text.to_owned(), what: "kind", known: "provider or tool" })
    }
}

/// What a component is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// Compiled by cargo.
    Rust,
    /// Put together with its engine by componentize-js.
    JavaScript,
    /// Put together with its interpreter by componentize-py.
    Python,
}

impl Language {
    /// All of them, the one with the smallest components first.
    pub const ALL: [Self; 3] = [Self::Rust, Self::JavaScript, Self::Python];
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "rust",
            Self::JavaScript => "js",
            Self::Python => "python",
        })
    }
}

impl FromStr for Language {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let found = Self::ALL.into_iter().find(|language| language.to_string() == text);
        found.ok_or_else(|| UnknownWord { word: text.to_owned(), what: "language", known: "rust, js or python" })
    }
}

/// A word that is no kind or no language.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no {what} `{word}`\nhint: use {known}")]
pub struct UnknownWord {
    word: String,
    what: &'static str,
    known: &'static str,
}
