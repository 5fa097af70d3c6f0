//! Messages that go: what is sent, what is not and why, and what a person
//! decides about them.

use crate::application::Application;
use crate::error::{Result, error};
use crate::event::Events;
use crate::operation::{Done, Operation, Route};
use cara_assistant::outbound::MessageBody;
use cara_authority::{Label, Principal};
use cara_records::Outbound;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

pub use cara_records::{OutboundId, OutboundState};

/// A message that goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct OutboundRow {
    /// The message's id, which is also what a platform is given to know a repetition by.
    pub id: String,
    /// Where it goes: `channel:account:conversation`, and `:thread` where there is one.
    pub to: String,
    /// How far it is.
    pub state: OutboundState,
    /// What it says; of a file its kind and size.
    pub text: String,
    /// What it is made of.
    pub label: Label,
    /// Who wants it sent: `tool:` and a component, or a part of the host.
    pub by: String,
    /// The message of the inbox that it answers.
    pub answers: Option<String>,
    /// The run it comes from.
    pub run: Option<String>,
    /// How its channel delivers: `keyed` and for how many milliseconds, `checkable` or `blind`; nothing before it was tried.
    pub class: Option<String>,
    /// How often it was tried.
    pub attempts: u64,
    /// Whether an attempt may have got there without anybody's knowing.
    pub may_have_arrived: bool,
    /// When it was queued, Unix milliseconds.
    pub queued_ms: u64,
    /// When it is tried next; nothing while another one goes before it, or nobody is there to take it.
    pub next_ms: Option<u64>,
    /// When it was settled.
    pub settled_ms: Option<u64>,
    /// What went wrong last.
    pub error: Option<String>,
    /// What the platform calls it.
    pub receipt: Option<String>,
}

impl From<Outbound> for OutboundRow {
    fn from(outbound: Outbound) -> Self {
        let Outbound { id, message, state, class, attempts, queued_ms, next_ms, settled_ms, error, receipt, .. } =
            outbound;
        let body = serde_json::from_value::<MessageBody>(message.body.clone());
        let text = body.map_or_else(|_| message.body.to_string(), |body| body.shown().join("\n"));
        Self {
            id: id.to_string(),
            to: message.address.to_string(),
            state,
            text,
            label: message.label,
            by: message.by,
            answers: message.answers.map(|id| id.to_string()),
            run: message.run.map(|run| run.to_string()),
            class: class.map(|class| class.to_string()),
            attempts,
            may_have_arrived: outbound.first_ms.is_some() && state != OutboundState::Sent,
            queued_ms,
            next_ms,
            settled_ms,
            error,
            receipt,
        }
    }
}

/// Lists messages that go.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListOutbox {
    /// Only those of this state; all that were not sent and not dropped when left out.
    #[serde(default)]
    pub state: Option<OutboundState>,
    /// At most so many.
    #[serde(default = "fifty")]
    pub limit: u32,
}

/// How many messages are listed.
pub(crate) fn fifty() -> u32 {
    50
}

impl Operation for ListOutbox {
    type View = Vec<OutboundRow>;
    const ROUTE: Route = Route::get("outbox.list", "/control/v1/outbox", "List messages that go, the newest first.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let records = application.records().await?;
        let found = match self.state {
            Some(state) => records.outbox(Some(state), self.limit).await?,
            None => records.outbox_unsent(self.limit).await?,
        };
        Ok(found.into_iter().map(OutboundRow::from).collect())
    }
}

async fn find(application: &Application, id: &str) -> Result<Outbound> {
    let found = application.records().await?.outbound(&OutboundId::parse(id)?).await?;
    found.ok_or_else(|| {
        error!(NotFound, "there is no message `{id}` in the outbox\nhint: `cara outbox list` shows them")
    })
}

/// Shows a message whole.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowOutbound {
    /// The message.
    pub id: String,
}

impl Operation for ShowOutbound {
    type View = OutboundRow;
    const ROUTE: Route = Route::get("outbox.show", "/control/v1/outbox/{id}", "Show a message that goes whole.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        find(application, &self.id).await.map(OutboundRow::from)
    }
}

/// Has a message sent after all. Of one whose state is `unknown` that may be a repetition.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryOutbound {
    /// The message.
    pub id: String,
}

impl Operation for RetryOutbound {
    type View = Done;
    const ROUTE: Route = Route::post(
        "outbox.retry",
        "/control/v1/outbox/{id}/retry",
        "Send a message that is dead, unknown or dropped.",
    )
    .once();

    async fn run(self, application: &Arc<Application>, by: &Principal, _: &Events) -> Result<Self::View> {
        let id = find(application, &self.id).await?.id;
        application.records().await?.retry_outbound(&id, by.person().as_str()).await?;
        Ok(Done {})
    }
}

/// Keeps a message from being sent.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DropOutbound {
    /// The message.
    pub id: String,
}

impl Operation for DropOutbound {
    type View = Done;
    const ROUTE: Route = Route::post(
        "outbox.drop",
        "/control/v1/outbox/{id}/drop",
        "Keep a message from being sent that is not under way.",
    )
    .once();

    async fn run(self, application: &Arc<Application>, by: &Principal, _: &Events) -> Result<Self::View> {
        let id = find(application, &self.id).await?.id;
        application.records().await?.drop_outbound(&id, by.person().as_str()).await?;
        Ok(Done {})
    }
}
