//! What a person hands in at once, each piece with where its words came from.

use crate::part::Part;
use cara_authority::{Label, Source};

/// A message before it is said. Only what the person typed is theirs; what was pasted, piped in or read from a file is a
/// file's until the person says otherwise.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Input(Vec<Part>);

impl Input {
    /// The person's own words, alone.
    pub fn typed(text: impl Into<String>) -> Self {
        Self::default().and_typed(text)
    }

    /// Words that somebody else may have chosen, alone.
    pub fn pasted(text: impl Into<String>) -> Self {
        Self::default().and_pasted(text)
    }

    /// The content of a file, alone; it is private.
    pub fn file(text: impl Into<String>) -> Self {
        Self::default().and_file(text)
    }

    /// The same, and then words of the person's own.
    #[must_use]
    pub fn and_typed(self, text: impl Into<String>) -> Self {
        self.and(Label::of(Source::Owner), text.into())
    }

    /// The same, and then words that were pasted.
    #[must_use]
    pub fn and_pasted(self, text: impl Into<String>) -> Self {
        self.and(Label::of(Source::File), text.into())
    }

    /// The same, and then the content of a file; it is private.
    #[must_use]
    pub fn and_file(self, text: impl Into<String>) -> Self {
        self.and(Label::of(Source::File).private(), text.into())
    }

    /// The same words, of which the person says that all are theirs.
    #[must_use]
    pub fn endorsed(self) -> Self {
        Self::typed(self.words())
    }

    /// Whether all of it is the person's own.
    pub fn is_own(&self) -> bool {
        self.0.iter().all(|part| part.label == Label::of(Source::Owner))
    }

    /// The same, and then words of this label.
    #[must_use]
    pub fn and_said(self, label: Label, text: impl Into<String>) -> Self {
        self.and(label, text.into())
    }

    fn and(mut self, label: Label, text: String) -> Self {
        if !text.is_empty() {
            self.0.push(Part { label, body: crate::part::Body::Text { text } });
        }
        self
    }

    /// The pieces: where each came from, and its words.
    pub fn pieces(&self) -> impl Iterator<Item = (Label, &str)> {
        self.0.iter().map(|part| (part.label.clone(), part.readable()))
    }

    /// All its words.
    pub fn words(&self) -> String {
        self.0.iter().map(Part::readable).collect()
    }

    /// The pieces of the input.
    pub(crate) fn into_parts(self) -> Vec<Part> {
        self.0
    }
}
