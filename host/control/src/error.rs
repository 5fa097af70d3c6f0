//! Why something was not done, as every door tells it: a kind, a sentence,
//! and the cure.

use cara_authority::with_causes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The result of a use case.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it is; a door turns it into its own code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// The request itself is wrong.
    Invalid,
    /// What was named does not exist.
    NotFound,
    /// A rule, a limit or the operator's setting forbids it.
    Refused,
    /// The state of things does not allow it now.
    Conflict,
    /// The vault waits for its password: `vault.unlock` takes it, then the same request can be made again.
    VaultLocked,
    /// There is no vault yet, and its password has to be chosen: `vault.make` takes it.
    VaultMissing,
    /// The password does not open the vault.
    WrongPassword,
    /// A model, a server or a component did not do its part.
    Unavailable,
    /// The caller stopped it.
    Cancelled,
    /// Whoever held the home ended before the answer, and nobody knows whether it was done.
    Unknown,
    /// A file, the ledger or the system failed.
    Internal,
}

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

/// What kind of failure a library's error is.
fn kind_of(error: &(dyn std::error::Error + 'static)) -> ErrorKind {
    use cara_services::ledger::LedgerError;
    use cara_services::vault::VaultError;
    if let Some(error) = error.downcast_ref::<VaultError>() {
        return match error {
            VaultError::Locked { .. } => ErrorKind::VaultLocked,
            VaultError::NoPassword { .. } => ErrorKind::VaultMissing,
            VaultError::WrongPassword(_) => ErrorKind::WrongPassword,
            VaultError::Exists(_) => ErrorKind::Conflict,
            VaultError::File(_) | VaultError::Key(_) | VaultError::Kdf(_) | VaultError::Random(_) => {
                ErrorKind::Internal
            }
            _ => ErrorKind::Refused,
        };
    }
    if let Some(error) = error.downcast_ref::<LedgerError>() {
        return match error {
            LedgerError::NoSuch { .. } => ErrorKind::NotFound,
            LedgerError::Conflict { .. } => ErrorKind::Conflict,
            _ => ErrorKind::Internal,
        };
    }
    if let Some(error) = error.downcast_ref::<cara_records::ForgetError>() {
        return match error {
            cara_records::ForgetError::NoSuch(_) => ErrorKind::NotFound,
            cara_records::ForgetError::Owner => ErrorKind::Refused,
            cara_records::ForgetError::Busy { .. } => ErrorKind::Conflict,
            cara_records::ForgetError::Ledger(error) => kind_of(error),
        };
    }
    if let Some(error) = error.downcast_ref::<cara_records::MemoryError>() {
        return match error {
            cara_records::MemoryError::Refused(_) => ErrorKind::Refused,
            cara_records::MemoryError::Ledger(error) => kind_of(error),
        };
    }
    if let Some(error) = error.downcast_ref::<cara_records::NameError>() {
        return match error {
            cara_records::NameError::Forgotten(_) => ErrorKind::Conflict,
            cara_records::NameError::Ledger(error) => kind_of(error),
        };
    }
    if let Some(error) = error.downcast_ref::<cara_records::LinkError>() {
        return match error {
            cara_records::LinkError::NoSuch(_) => ErrorKind::NotFound,
            cara_records::LinkError::Taken { .. } => ErrorKind::Conflict,
            cara_records::LinkError::Ledger(error) => kind_of(error),
        };
    }
    if error.is::<cara_authority::messaging::BadAddress>()
        || error.is::<cara_authority::id::BadName>()
        || error.is::<serde_json::Error>()
        || error.is::<toml::de::Error>()
    {
        return ErrorKind::Invalid;
    }
    if error.is::<cara_assistant::Failure>() {
        return ErrorKind::Unavailable;
    }
    if error.is::<cara_records::DecideError>() {
        return ErrorKind::Conflict;
    }
    ErrorKind::Internal
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
    use super::*;

    #[test]
    fn the_cure_stands_apart_from_what_happened() {
        let error = error!(NotFound, "there is no `{}`\nhint: look", "x").context("asked");
        assert_eq!((error.message.as_str(), error.hint.as_deref()), ("asked: there is no `x`", Some("look")));
        assert_eq!(error.to_string(), "asked: there is no `x`\nhint: look");
        let json = serde_json::to_string(&error).unwrap_or_default();
        assert_eq!(json, r#"{"kind":"not-found","message":"asked: there is no `x`","hint":"look"}"#);
    }

    #[test]
    fn a_library_says_what_kind_its_error_is() {
        let locked = cara_services::vault::VaultError::Locked { path: "v".into(), source: "nobody".into() };
        assert_eq!(Error::from(locked).kind, ErrorKind::VaultLocked);
        let none = cara_services::ledger::LedgerError::no_such("run", "r-1");
        assert_eq!(Error::from(none).kind, ErrorKind::NotFound);
    }
}
