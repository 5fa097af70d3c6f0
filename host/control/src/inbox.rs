//! Messages that came: what waits, what became of each, and what a person
//! decides about them.

use crate::application::Application;
use crate::error::{Result, error, fail};
use crate::event::Events;
use crate::operation::{Done, Operation, Route};
use crate::outbox::fifty;
use crate::runs::said;
use cara_authority::{Label, Principal, RunId};
use cara_records::Inbound;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

pub use cara_records::{InboundId, InboundState};

/// A message that came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct InboundRow {
    /// The message's id.
    pub id: String,
    /// Where it was said: `channel:account:conversation`, and `:thread` where there is one.
    pub at: String,
    /// By whom: `channel:account:user`.
    pub from: String,
    /// What the sender calls themselves; anybody may choose any name.
    pub name: Option<String>,
    /// How far it is.
    pub state: InboundState,
    /// Whether others read the conversation.
    pub group: bool,
    /// Whether the message names the assistant.
    pub mentioned: bool,
    /// What was said, as the channel handed it in.
    pub body: Value,
    /// What it is made of.
    pub label: Label,
    /// The platform's id of it.
    pub platform_id: String,
    /// The run that answers, or did.
    pub run: Option<String>,
    /// When it was sent, Unix milliseconds, as the platform says.
    pub sent_ms: u64,
    /// When it came here.
    pub received_ms: u64,
    /// When it was settled.
    pub settled_ms: Option<u64>,
}

impl From<Inbound> for InboundRow {
    fn from(inbound: Inbound) -> Self {
        let Inbound { id, message, state, run, received_ms, settled_ms, .. } = inbound;
        Self {
            id: id.to_string(),
            at: message.address.to_string(),
            from: message.sender.to_string(),
            name: message.sender_name,
            state,
            group: message.group,
            mentioned: message.mentioned,
            body: message.body,
            label: message.label,
            platform_id: message.platform_id,
            run: run.map(|run| run.to_string()),
            sent_ms: message.sent_ms,
            received_ms,
            settled_ms,
        }
    }
}

/// Lists messages that came.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListInbox {
    /// Only those of this state.
    #[serde(default)]
    pub state: Option<InboundState>,
    /// At most so many.
    #[serde(default = "fifty")]
    pub limit: u32,
}

impl Operation for ListInbox {
    type View = Vec<InboundRow>;
    const ROUTE: Route = Route::get("inbox.list", "/control/v1/inbox", "List messages that came, the newest first.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let found = application.records().await?.inbox(self.state, self.limit).await?;
        Ok(found.into_iter().map(InboundRow::from).collect())
    }
}

async fn find(application: &Application, id: &str) -> Result<Inbound> {
    let found = application.records().await?.inbound(&InboundId::parse(id)?).await?;
    found.ok_or_else(|| error!(NotFound, "there is no message `{id}` in the inbox\nhint: `cara inbox list` shows them"))
}

/// Shows a message whole.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowInbound {
    /// The message.
    pub id: String,
}

impl Operation for ShowInbound {
    type View = InboundRow;
    const ROUTE: Route = Route::get("inbox.show", "/control/v1/inbox/{id}", "Show a message that came whole.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        find(application, &self.id).await.map(InboundRow::from)
    }
}

/// Has a message that was settled answered once more.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayInbound {
    /// The message.
    pub id: String,
}

impl Operation for ReplayInbound {
    type View = Done;
    const ROUTE: Route = Route::post(
        "inbox.replay",
        "/control/v1/inbox/{id}/replay",
        "Have a message that was settled answered once more.",
    )
    .once();

    async fn run(self, application: &Arc<Application>, by: &Principal, _: &Events) -> Result<Self::View> {
        let (records, Inbound { id, message, .. }) = (application.records().await?, find(application, &self.id).await?);
        if said::is_own(&message) && records.run(&RunId::parse(&message.platform_id)?).await?.is_some() {
            let session = message.address.conversation;
            fail!(
                Conflict,
                "`{id}` was said at a terminal, and its run was begun\nhint: say it again with `cara chat --session {session}`"
            );
        }
        records.replay_inbound(&id, by.person().as_str()).await?;
        application.answer_from(message, None).await?;
        Ok(Done {})
    }
}

/// Keeps a message that waits from being answered.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DropInbound {
    /// The message.
    pub id: String,
}

impl Operation for DropInbound {
    type View = Done;
    const ROUTE: Route =
        Route::post("inbox.drop", "/control/v1/inbox/{id}/drop", "Keep a message that waits from being answered.")
            .once();

    async fn run(self, application: &Arc<Application>, by: &Principal, _: &Events) -> Result<Self::View> {
        let id = find(application, &self.id).await?.id;
        application.records().await?.drop_inbound(&id, by.person().as_str()).await?;
        Ok(Done {})
    }
}
