//! Why a program gets no answer, in the terms that all their interfaces have.

use crate::error::{Error, ErrorKind};
use cara_assistant::Failure;

/// What kind of reason it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The request is wrong, and stays wrong when it is repeated.
    Invalid,
    /// What was named is not there.
    NotFound,
    /// A rule, a role or a missing grant forbids it.
    Refused,
    /// A budget has no room for it.
    Budget,
    /// The vendor has had too many requests.
    RateLimit,
    /// The vendor, or this host, has too much to do.
    Overloaded,
    /// The conversation is longer than the model takes.
    ContextTooLong,
    /// The vendor or the model declined.
    Declined,
    /// The vendor did not answer, or does not take the key.
    Unavailable,
    /// The caller stopped it.
    Cancelled,
    /// Something is wrong with this host.
    Internal,
}

/// Why a program gets no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    /// The kind of reason.
    pub why: Why,
    /// For a person, with the cure after `hint:`.
    pub message: String,
    /// After how long it may be tried again, milliseconds, where somebody said so.
    pub retry_after_ms: Option<u64>,
    /// Whether nothing but the operator cures it: trying again helps nobody.
    pub is_final: bool,
}

impl Unanswered {
    /// A reason without more.
    pub fn new(why: Why, message: impl Into<String>) -> Self {
        Self { why, message: message.into(), retry_after_ms: None, is_final: false }
    }
}

impl std::fmt::Display for Unanswered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<Error> for Unanswered {
    fn from(error: Error) -> Self {
        let why = match error.kind {
            ErrorKind::Invalid => Why::Invalid,
            ErrorKind::NotFound => Why::NotFound,
            ErrorKind::Refused | ErrorKind::WrongPassword => Why::Refused,
            ErrorKind::Conflict | ErrorKind::VaultLocked | ErrorKind::VaultMissing | ErrorKind::Unknown => {
                Why::Overloaded
            }
            ErrorKind::Unavailable => Why::Unavailable,
            ErrorKind::Cancelled => Why::Cancelled,
            ErrorKind::Internal => Why::Internal,
        };
        // Where the vault is, and how it is opened in a terminal, is nothing for who asks from elsewhere.
        let message = match error.kind {
            ErrorKind::VaultLocked => {
                "the vault of the gateway is locked\nhint: `cara secrets unlock` at its machine opens it".to_owned()
            }
            ErrorKind::VaultMissing => {
                "the gateway has no vault yet\nhint: `cara secrets set` at its machine makes it".to_owned()
            }
            _ => error.to_string(),
        };
        let is_final = matches!(error.kind, ErrorKind::VaultLocked | ErrorKind::VaultMissing);
        Self { is_final, ..Self::new(why, message) }
    }
}

impl From<Failure> for Unanswered {
    fn from(failure: Failure) -> Self {
        let why = match &*failure.kind {
            "rate-limit" => Why::RateLimit,
            "overloaded" => Why::Overloaded,
            "context-too-long" => Why::ContextTooLong,
            "refused" => Why::Declined,
            "bad-request" | "unsupported" => Why::Invalid,
            "budget" => Why::Budget,
            "role" => Why::Refused,
            "cancelled" => Why::Cancelled,
            "ledger" | "random" | "plugin" => Why::Internal,
            _ => Why::Unavailable,
        };
        // Such as a key that is missing or wrong.
        let is_final = why == Why::Unavailable && !failure.retry;
        Self { why, message: failure.told(), retry_after_ms: failure.retry_after_ms, is_final }
    }
}

impl From<cara_services::ledger::LedgerError> for Unanswered {
    fn from(error: cara_services::ledger::LedgerError) -> Self {
        Error::from(error).into()
    }
}
