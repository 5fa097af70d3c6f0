//! A way to where people are.

use cara_authority::ConversationAddress;
use cara_records::{DeliveryClass, Outbound};
use std::time::Duration;

/// A way to where people are: a platform, or a terminal.
#[async_trait::async_trait]
pub trait Channel: Send + Sync {
    /// The channel in addresses.
    fn name(&self) -> &str;

    /// How an account delivers; nothing, where there is no such account.
    fn class(&self, account: &str) -> Option<DeliveryClass>;

    /// Sends a message, and gives what the platform calls it. The message's id is the key for the platform to know a
    /// repetition by. Whoever calls it ends it after a while: then nobody knows whether the message got there.
    async fn send(&self, message: &Outbound) -> Result<String, SendError>;

    /// Whether somebody is there meanwhile, after a message was put away because nobody was.
    fn is_there(&self) -> bool {
        false
    }

    /// Asks the platform whether it has a message with this key, and what it calls that. Asked of checkable accounts only.
    async fn confirm(&self, to: &ConversationAddress, key: &str) -> Result<Option<String>, SendError>;
}

/// What is known of a message that a channel gave no receipt for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It certainly did not get there, and can be tried again: no byte was sent, or the platform said so.
    NotSent,
    /// Nobody is there to take it, until somebody wakes the outbox.
    Absent,
    /// Nobody knows.
    Unsure,
    /// It certainly did not get there, and never will.
    Refused,
}

/// Why a channel gave no receipt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct SendError {
    /// What is known of the message.
    pub failure: Failure,
    /// When the platform wants to be tried again.
    pub retry_after: Option<Duration>,
    /// What happened, for a person.
    pub text: String,
}

impl SendError {
    /// An error after which nothing says when to try again.
    pub fn new(failure: Failure, text: impl Into<String>) -> Self {
        Self { failure, retry_after: None, text: text.into() }
    }

    /// The same where the platform said when.
    #[must_use]
    pub fn retry_after(self, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..self }
    }
}
