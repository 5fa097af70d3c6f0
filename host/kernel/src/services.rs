//! The gates a call may go through.
//! The kernel calls them; it opens nothing itself.

use crate::bindings::{approvals, memory, messaging, models, sessions, types};
use cara_authority::{Powered, Refusal, Rule, SecretGrant};
use cara_services::clock::Clock;
use cara_services::egress::{Egress, KnownSecrets};
use cara_services::ledger::Ledger;
use cara_services::vault::SecretValue;
use std::sync::Arc;

/// Where the values of secrets come from. Asked once for each secret a call spends.
#[async_trait::async_trait]
pub trait SecretSource: Send + Sync {
    /// The value, `unavailable` when none is stored.
    async fn value(&self, grant: &SecretGrant) -> Result<Arc<SecretValue>, Refusal>;
}

/// What all calls share.
#[derive(Clone)]
pub struct CallServices {
    /// The one way out.
    pub egress: Egress,
    /// The secrets.
    pub secrets: Arc<dyn SecretSource>,
    /// Durable state.
    pub ledger: Arc<Ledger>,
    /// The one now.
    pub clock: Clock,
    /// What must never be shown.
    pub known: KnownSecrets,
    /// What the assistant does for the tools of the turn at hand.
    pub powers: Arc<dyn Powers>,
}

/// What the assistant does for a tool, on behalf of one person in one turn. The meaning of each function is in `wit/`.
/// Each takes the proof that the component may use it.
#[async_trait::async_trait]
pub trait Powers: Send + Sync {
    /// Asks a person.
    async fn ask(&self, by: Powered, question: approvals::Question) -> Result<approvals::Decision, Refusal>;
    /// Reads an attachment.
    async fn attachment(&self, by: Powered, id: String) -> Result<types::Blob, Refusal>;
    /// Reads the configuration.
    async fn configuration(&self, by: Powered, path: String) -> Result<Option<String>, Refusal>;
    /// Remembers.
    async fn remember(&self, by: Powered, key: String, value: String) -> Result<(), Refusal>;
    /// Reads what is remembered.
    async fn recall(&self, by: Powered, key: String) -> Result<Option<memory::Entry>, Refusal>;
    /// Forgets.
    async fn forget(&self, by: Powered, key: String) -> Result<bool, Refusal>;
    /// Lists what is remembered.
    async fn remembered(&self, by: Powered, prefix: String) -> Result<Vec<String>, Refusal>;
    /// Searches what is remembered.
    async fn search(&self, by: Powered, query: String, most: u32) -> Result<Vec<memory::Entry>, Refusal>;
    /// Sends a message.
    async fn send(
        &self,
        by: Powered,
        to: messaging::Address,
        message: messaging::Outbound,
    ) -> Result<messaging::Receipt, Refusal>;
    /// Asks a model.
    async fn complete(&self, by: Powered, request: models::Request) -> Result<models::Response, Refusal>;
    /// Lists the person's conversations.
    async fn recent(&self, by: Powered, most: u32) -> Result<Vec<sessions::Session>, Refusal>;
    /// Reads one of them.
    async fn read(&self, by: Powered, id: String, first: u32, most: u32) -> Result<Vec<sessions::Line>, Refusal>;
}

/// For calls outside a turn: every power is unavailable.
#[derive(Debug, Clone, Copy)]
pub struct NoTurn;

impl NoTurn {
    fn refuse<T>(by: &Powered) -> Result<T, Refusal> {
        let text = format!("component `{}` cannot use `{}`: no turn is under way", by.component(), by.power());
        Err(Refusal::new(Rule::Unavailable, text))
    }
}

#[async_trait::async_trait]
impl Powers for NoTurn {
    async fn ask(&self, by: Powered, _: approvals::Question) -> Result<approvals::Decision, Refusal> {
        Self::refuse(&by)
    }
    async fn attachment(&self, by: Powered, _: String) -> Result<types::Blob, Refusal> {
        Self::refuse(&by)
    }
    async fn configuration(&self, by: Powered, _: String) -> Result<Option<String>, Refusal> {
        Self::refuse(&by)
    }
    async fn remember(&self, by: Powered, _: String, _: String) -> Result<(), Refusal> {
        Self::refuse(&by)
    }
    async fn recall(&self, by: Powered, _: String) -> Result<Option<memory::Entry>, Refusal> {
        Self::refuse(&by)
    }
    async fn forget(&self, by: Powered, _: String) -> Result<bool, Refusal> {
        Self::refuse(&by)
    }
    async fn remembered(&self, by: Powered, _: String) -> Result<Vec<String>, Refusal> {
        Self::refuse(&by)
    }
    async fn search(&self, by: Powered, _: String, _: u32) -> Result<Vec<memory::Entry>, Refusal> {
        Self::refuse(&by)
    }
    async fn send(
        &self,
        by: Powered,
        _: messaging::Address,
        _: messaging::Outbound,
    ) -> Result<messaging::Receipt, Refusal> {
        Self::refuse(&by)
    }
    async fn complete(&self, by: Powered, _: models::Request) -> Result<models::Response, Refusal> {
        Self::refuse(&by)
    }
    async fn recent(&self, by: Powered, _: u32) -> Result<Vec<sessions::Session>, Refusal> {
        Self::refuse(&by)
    }
    async fn read(&self, by: Powered, _: String, _: u32, _: u32) -> Result<Vec<sessions::Line>, Refusal> {
        Self::refuse(&by)
    }
}
