//! What a piece of content came from, and whether it is private.
//!
//! A label is a set: joining two keeps all that either knew, and nothing takes anything out of one. What a model makes
//! of content has the label of all it saw.

use crate::id::PersonId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

crate::words! {
    /// Where content came from.
    Source {
        /// Written by who runs this host: instructions, configuration.
        Operator = "operator",
        /// The person the session belongs to.
        Owner = "owner",
        /// Somebody else in the conversation.
        OtherPerson = "other-person",
        /// What strangers wrote: pages, search results, mail.
        Web = "web",
        /// What a tool worked out itself.
        Tool = "tool",
        /// A file somebody handed in.
        File = "file",
        /// The model itself.
        Model = "model",
        /// Whatever it came from, it reads like an attack: a guard said so.
        Suspect = "suspect",
        /// What a component says that the operator does not trust for it.
        Component = "component",
        /// What a program asks for a person: it may have been put together of anybody's words.
        Program = "program",
    }
}

impl Source {
    fn bit(self) -> u16 {
        1 << self as u16
    }

    /// Whether somebody other than operator and owner may have chosen the words.
    pub fn is_untrusted(self) -> bool {
        self.is_strangers() || matches!(self, Self::Suspect | Self::Component | Self::Program)
    }

    /// Whether it is what somebody else wrote, to be read as it is. A guard's suspicion is not, it may be about
    /// anybody's words; nor what a component made up.
    pub fn is_strangers(self) -> bool {
        matches!(self, Self::OtherPerson | Self::Web | Self::File)
    }
}

/// The owner's private content has this bit; other people's is named.
const PRIVATE: u16 = 1 << 15;

/// How many people besides the owner a label names: what was made of more people's content is the owner's to give away.
const PEOPLE: usize = 16;

/// Sources of content, and whose private content is in it: those people may read it, and nobody else unasked.
#[derive(Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label {
    bits: u16,
    /// Whose private content it has seen, besides the owner's.
    people: Option<Arc<BTreeSet<PersonId>>>,
}

impl schemars::JsonSchema for Label {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Label".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "Sources, and `private` of the owner or `private:ID` of somebody else, joined by `+`: \
                            `owner+web+private:anna`; `none` when nothing was seen."
        })
    }
}

/// A text that is no label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a label\nhint: write sources, `private` and `private:ID`, joined by `+`: `owner+web+private`")]
pub struct BadLabel(String);

impl Label {
    /// Nothing seen yet.
    pub const NONE: Self = Self::bits(0);

    /// Content whose origin was not written down: strangers may have chosen its words, and it may be private.
    pub const UNKNOWN: Self = Self::bits(1 << Source::Tool as u16 | 1 << Source::Web as u16 | PRIVATE);

    const fn bits(bits: u16) -> Self {
        Self { bits, people: None }
    }

    /// Content of one source.
    pub fn of(source: Source) -> Self {
        Self::bits(source.bit())
    }

    /// This label, private to the owner as well.
    #[must_use]
    pub fn private(&self) -> Self {
        Self { bits: self.bits | PRIVATE, people: self.people.clone() }
    }

    /// This label, private to a person as well.
    #[must_use]
    pub fn private_to(&self, person: &PersonId) -> Self {
        if *person == PersonId::owner() {
            return self.private();
        }
        self.join(&Self { bits: 0, people: Some(Arc::new([person.clone()].into())) })
    }

    /// This label, as one of what somebody else said: not the person's own words.
    #[must_use]
    pub fn of_another(&self) -> Self {
        let own = Source::Owner.bit();
        let bits = if self.bits & own == 0 { self.bits } else { self.bits & !own | Source::OtherPerson.bit() };
        Self { bits, people: self.people.clone() }
    }

    /// This label without privacy: those whom the content belongs to let everybody read it.
    #[must_use]
    pub fn public(&self) -> Self {
        Self::bits(self.bits & !PRIVATE)
    }

    /// What has seen both.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        let bits = self.bits | other.bits;
        let people = match (&self.people, &other.people) {
            (Some(people), Some(others)) if people != others => Some(Arc::new(&**people | &**others)),
            (people, others) => people.as_ref().or(others.as_ref()).cloned(),
        };
        match people {
            Some(people) if people.len() > PEOPLE => Self::bits(bits | PRIVATE),
            people => Self { bits, people },
        }
    }

    /// Whether it has seen content of this source.
    pub fn has(&self, source: Source) -> bool {
        self.bits & source.bit() != 0
    }

    /// Whether private content is among the sources.
    pub fn is_private(&self) -> bool {
        self.bits & PRIVATE != 0 || self.people.is_some()
    }

    /// Whose private content it has seen.
    pub fn people(&self) -> BTreeSet<PersonId> {
        let owner = (self.bits & PRIVATE != 0).then(PersonId::owner);
        owner.into_iter().chain(self.people.iter().flat_map(|people| people.iter().cloned())).collect()
    }

    /// Whether somebody other than operator and owner may have chosen words it has seen.
    pub fn is_untrusted(&self) -> bool {
        Source::ALL.iter().any(|source| source.is_untrusted() && self.has(*source))
    }

    /// Whether it has seen what strangers wrote, whoever suspects what of it.
    pub fn is_strangers(&self) -> bool {
        Source::ALL.iter().any(|source| source.is_strangers() && self.has(*source))
    }

    /// Whether everything `other` has seen, it has seen too.
    pub fn includes(&self, other: &Self) -> bool {
        self.join(other) == *self
    }

    /// The sources of the label.
    pub fn sources(&self) -> impl Iterator<Item = Source> {
        Source::ALL.iter().copied().filter(move |source| self.has(*source))
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Result<Self, BadLabel> {
        let word = |word: &str| match word.strip_prefix("private:") {
            Some(person) => Some(Self::NONE.private_to(&PersonId::parse(person).ok()?)),
            None if word == "private" => Some(Self::NONE.private()),
            None => Source::named(word).map(Self::of),
        };
        let words = text.split('+').filter(|word| !word.is_empty() && *word != "none");
        let joined = words.map(word).try_fold(Self::NONE, |label, word| Some(label.join(&word?)));
        joined.ok_or_else(|| BadLabel(crate::display_safe(text)))
    }
}

impl FromIterator<Self> for Label {
    fn from_iter<I: IntoIterator<Item = Self>>(labels: I) -> Self {
        labels.into_iter().fold(Self::NONE, |all, label| all.join(&label))
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owner = (self.bits & PRIVATE != 0).then(|| "private".to_owned());
        let people = self.people.iter().flat_map(|people| people.iter());
        let private = owner.into_iter().chain(people.map(|person| format!("private:{person}")));
        let words: Vec<String> = self.sources().map(|source| source.name().to_owned()).chain(private).collect();
        f.write_str(if words.is_empty() { "none".to_owned() } else { words.join("+") }.as_str())
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Label({self})")
    }
}

impl TryFrom<String> for Label {
    type Error = BadLabel;
    fn try_from(text: String) -> Result<Self, BadLabel> {
        Self::parse(&text)
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn joining_forgets_nothing_and_the_text_form_comes_back() {
        let seen = Label::of(Source::Owner).join(&Label::of(Source::Web)).join(&Label::of(Source::Tool).private());
        assert_eq!(seen.to_string(), "owner+web+tool+private");
        assert_eq!(Label::parse("owner+web+tool+private").unwrap(), seen);
        assert_eq!(Label::parse(&Label::NONE.to_string()).unwrap(), Label::NONE);
        assert!(seen.is_untrusted() && seen.is_private() && seen.includes(&Label::of(Source::Web)));
        assert!(!Label::of(Source::Owner).join(&Label::of(Source::Tool)).is_untrusted());
        assert!(Label::parse("owner+nobody").is_err());
    }

    #[test]
    fn a_label_says_whose_private_content_it_has_seen() {
        let person = |id: &str| PersonId::parse(id).unwrap();
        let anna = Label::of(Source::Tool).private_to(&person("anna"));
        let both = anna.join(&Label::NONE.private_to(&person("b:1")));
        assert_eq!(both.to_string(), "tool+private:anna+private:b:1");
        assert_eq!(Label::parse(&both.to_string()).unwrap(), both);
        assert_eq!(both.people(), BTreeSet::from([person("anna"), person("b:1")]));
        assert!(both.includes(&anna) && !anna.includes(&both) && !anna.includes(&Label::NONE.private()));
        assert_eq!(Label::NONE.private_to(&PersonId::owner()), Label::NONE.private());
        assert_eq!(both.public(), Label::of(Source::Tool));
        let many: Label = (0..=PEOPLE).map(|n| Label::NONE.private_to(&person(&n.to_string()))).collect();
        assert_eq!(many, Label::NONE.private(), "too many to name: the owner's to give away");
    }
}
