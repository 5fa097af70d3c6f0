//! Why something was not done, as every door tells it: a kind, a sentence,
//! and the cure.

use crate::error_kind::kind_of;
use cara_authority::with_causes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

pub use crate::error_kind::ErrorKind;

/// The result of a use case.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure with its cure. Its text is safe to write anywhere: it holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Error {
    /// What kind of failure.
    pub kind: ErrorKind,
    /// What happened, in a sentence.
    pub message: String,
    /// What would change that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What stands before the cure in the texts of libraries.
const HINT: &str = "\nhint: ";

impl Error {
    /// A failure of this kind. What follows `hint:` on a line of its own in the text is the cure.
    pub fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        let text = text.into();
        match text.split_once(HINT) {
            Some((message, hint)) => Self { kind, message: message.to_owned(), hint: Some(hint.to_owned()) },
            None => Self { kind, message: text, hint: None },
        }
    }

    /// The same with words before it that say what was being done.
    #[must_use]
    pub fn context(mut self, before: impl fmt::Display) -> Self {
        self.message = format!("{before}: {}", self.message);
        self
    }

    /// This error under another kind.
    #[must_use]
    pub fn kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.hint.iter().try_for_each(|hint| write!(f, "{HINT}{hint}"))
    }
}

/// Any library's error, with its causes; what kind it is, the library's type says.
impl<E: std::error::Error + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        let mut text = with_causes(&error);
        let any = &error as &(dyn std::error::Error + 'static);
        if let Some(failure) = any.downcast_ref::<cara_assistant::Failure>() {
            text = failure.told();
        }
        Self::new(kind_of(&error), text)
    }
}

/// Words before an error that say what was being done.
pub(crate) trait Context<T> {
    /// Puts words before the error's own.
    fn context(self, before: impl fmt::Display) -> Result<T>;
    /// Puts them there, made only for an error.
    fn with_context<D: fmt::Display>(self, before: impl FnOnce() -> D) -> Result<T>;
}

impl<T, E: Into<Error>> Context<T> for std::result::Result<T, E> {
    fn context(self, before: impl fmt::Display) -> Result<T> {
        self.map_err(|error| error.into().context(before))
    }

    fn with_context<D: fmt::Display>(self, before: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|error| error.into().context(before()))
    }
}

/// An [`Error`] of a kind, with a text like `format!`'s.
macro_rules! error {
    ($kind:ident, $($text:tt)*) => { $crate::error::Error::new($crate::error::ErrorKind::$kind, format!($($text)*)) };
}

/// Returns such an error.
macro_rules! fail {
    ($kind:ident, $($text:tt)*) => { return Err($crate::error::error!($kind, $($text)*)) };
}

pub(crate) use {error, fail};

#[cfg(test)]
mod tests {
    #[test]
    fn the_cure_stands_apart_from_what_happened() {
        let error = error!(NotFound, "there is no `{}`\nhint: look", "x").context("asked");
        assert_eq!((error.message.as_str(), error.hint.as_deref()), ("asked: there is no `x`", Some("look")));
        assert_eq!(error.to_string(), "asked: there is no `x`\nhint: look");
        let json = serde_json::to_string(&error).unwrap_or_default();
        assert_eq!(json, r#"{"kind":"not-found","message":"asked: there is no `x`","hint":"look"}"#);
    }
}
