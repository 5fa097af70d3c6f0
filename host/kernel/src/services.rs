//! The gates a call may go through.
//! The kernel calls them; it opens nothing itself.

use crate::bindings::{approvals, memory, messaging, models, sessions, types};
use cara_authority::{AccountId, Label, Refusal, Rule, SecretGrant, ServiceGrant};
use cara_services::clock::Clock;
use cara_services::egress::{Egress, KnownSecrets};
use cara_services::ledger::Ledger;
use cara_services::vault::SecretValue;
use std::sync::Arc;

/// Where the values of secrets come from. Asked for each secret that may go along with a request.
#[async_trait::async_trait]
pub trait SecretSource: Send + Sync {
    /// The value, of that account where the component serves several; `unavailable` when none is stored.
    async fn value(&self, grant: &SecretGrant, account: Option<&AccountId>) -> Result<Arc<SecretValue>, Refusal>;
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
    /// The account the call is for, where the component serves several.
    pub account: Option<AccountId>,
    /// What must never be shown.
    pub known: KnownSecrets,
    /// What the assistant does for the tools of the turn at hand.
    pub host_services: Arc<dyn HostServices>,
}

/// What the assistant does for a tool, on behalf of one person in one turn. The meaning of each function is in `wit/`.
/// Each takes the proof that the component may use it. What is not offered is unavailable.
#[async_trait::async_trait]
pub trait HostServices: Send + Sync {
    /// What the call has seen by now: the label of whatever it leaves behind.
    fn label(&self) -> Label {
        Label::UNKNOWN
    }
    /// Joins to it what the call reads of what an earlier one left behind.
    fn saw(&self, _: Label) {}
    /// Asks a person.
    async fn ask(&self, by: ServiceGrant, _: approvals::Question) -> Result<approvals::Decision, Refusal> {
        unavailable(&by)
    }
    /// Reads an attachment of at most `room` bytes; what is larger is a `limit` and is not loaded.
    async fn attachment(&self, by: ServiceGrant, _id: String, _room: u64) -> Result<types::Blob, Refusal> {
        unavailable(&by)
    }
    /// Reads at most `room` bytes of the configuration.
    async fn configuration(&self, by: ServiceGrant, _path: String, _room: u64) -> Result<Option<String>, Refusal> {
        unavailable(&by)
    }
    /// Remembers.
    async fn remember(&self, by: ServiceGrant, _key: String, _value: String) -> Result<(), Refusal> {
        unavailable(&by)
    }
    /// Reads what is remembered.
    async fn recall(&self, by: ServiceGrant, _key: String) -> Result<Option<memory::Entry>, Refusal> {
        unavailable(&by)
    }
    /// Forgets.
    async fn forget(&self, by: ServiceGrant, _key: String) -> Result<bool, Refusal> {
        unavailable(&by)
    }
    /// Lists what is remembered.
    async fn remembered(&self, by: ServiceGrant, _prefix: String) -> Result<Vec<String>, Refusal> {
        unavailable(&by)
    }
    /// Searches what is remembered.
    async fn search(&self, by: ServiceGrant, _query: String, _most: u32) -> Result<Vec<memory::Entry>, Refusal> {
        unavailable(&by)
    }
    /// Sends a message.
    async fn send(
        &self,
        by: ServiceGrant,
        _to: messaging::Address,
        _message: messaging::Outbound,
    ) -> Result<messaging::Receipt, Refusal> {
        unavailable(&by)
    }
    /// Asks a model.
    async fn complete(&self, by: ServiceGrant, _request: models::Request) -> Result<models::Response, Refusal> {
        unavailable(&by)
    }
    /// Lists the person's conversations.
    async fn recent(&self, by: ServiceGrant, _most: u32) -> Result<Vec<sessions::Session>, Refusal> {
        unavailable(&by)
    }
    /// Reads one of them: as many messages as `room` bytes have room for.
    async fn read(
        &self,
        by: ServiceGrant,
        _id: String,
        _first: u32,
        _most: u32,
        _room: u64,
    ) -> Result<Vec<sessions::Line>, Refusal> {
        unavailable(&by)
    }
}

fn unavailable<T>(by: &ServiceGrant) -> Result<T, Refusal> {
    let text = format!("component `{}` cannot use `{}`: no turn is under way", by.component(), by.power());
    Err(Refusal::new(Rule::Unavailable, text))
}

/// For calls outside a turn: every power is unavailable.
#[derive(Debug, Clone, Copy)]
pub struct NoTurn;

impl HostServices for NoTurn {}
