//! How an answer to a program ended.

use super::parts::StopReason;
use cara_assistant::event::Usage;

/// How an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finish {
    /// Why.
    pub stop: StopReason,
    /// Who answered, as it is named here: `provider:model` or `agent:NAME`.
    pub model: String,
    /// The text that ended the answer, where the vendor tells.
    pub stop_sequence: Option<String>,
    /// What the vendor calls the configuration that answered.
    pub fingerprint: Option<String>,
    /// Tokens, as the vendor counts them, else as the host does.
    pub usage: Usage,
}
