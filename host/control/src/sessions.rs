//! Conversations that are kept: listing, showing, deleting, forking.

mod markdown;
mod search;

pub use markdown::Format;
pub use search::{FoundIn, FoundSession, FoundSessions, SearchSessions, Stopped};

use crate::application::Application;
use crate::error::{Context, Result, error, fail};
use crate::event::Events;
use crate::operation::{Done, Operation, Route};
use crate::runs::said;
use cara_assistant::Speaker;
use cara_assistant::part::{Body, Part};
use cara_authority::{Label, Principal, SessionId};
use cara_records::{Message, Records, RunState, Session};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The longest title, characters.
const TITLE: usize = 200;

/// How many messages are read at once.
const PAGE: u32 = 500;

/// The session, or an error that says how to find one.
pub(crate) async fn find(records: &Records, id: &SessionId) -> Result<Session> {
    let found = records.session(id).await?;
    found.ok_or_else(|| error!(NotFound, "there is no session `{id}`\nhint: `cara sessions list` shows them"))
}

/// How far a run is: one that nobody works on is interrupted, whatever the ledger says.
pub(crate) fn state(application: &Application, state: RunState, process: &str) -> RunState {
    if state == RunState::Running && process != application.holder.process { RunState::Interrupted } else { state }
}

/// The sessions in which a run has not ended, and how far it is.
pub(crate) async fn open_runs(application: &Application, records: &Records) -> Result<BTreeMap<SessionId, RunState>> {
    let mut open = BTreeMap::new();
    for run in records.unfinished_runs().await? {
        let now = state(application, run.state, &run.process);
        let known = open.entry(run.session).or_insert(now);
        if now == RunState::Running {
            *known = now;
        }
    }
    Ok(open)
}

/// A conversation in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct SessionRow {
    /// The session's id.
    pub id: String,
    /// The title.
    pub title: String,
    /// The agent that answers.
    pub agent: String,
    /// The channel it takes place on.
    pub channel: String,
    /// Whose it is.
    pub person: String,
    /// How many messages it has.
    pub messages: u64,
    /// What all its messages came from, joined.
    pub label: Label,
    /// When it began, Unix milliseconds.
    pub began_ms: u64,
    /// When it last changed, Unix milliseconds.
    pub changed_ms: u64,
    /// The session it was forked from.
    pub parent: Option<String>,
    /// `running` or `interrupted`; nothing when every run ended.
    pub state: Option<String>,
    /// Whether it is pinned.
    pub pinned: bool,
    /// When it is removed unless it changes before, Unix milliseconds; nothing where it is kept.
    pub kept_until_ms: Option<u64>,
}

/// Lists conversations: those that are pinned first, and of either kind the one that changed last.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListSessions {
    /// At most so many.
    #[serde(default = "twenty")]
    pub limit: u32,
}

fn twenty() -> u32 {
    20
}

impl Operation for ListSessions {
    type View = Vec<SessionRow>;
    const ROUTE: Route =
        Route::get("sessions.list", "/control/v1/sessions", "List conversations, the pinned first, then the newest.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let records = application.records().await?;
        let (open, settings) = (open_runs(application, records).await?, application.config()?.sessions);
        let sessions = records.listed_sessions(self.limit).await?;
        let row = |session: Session| SessionRow {
            state: open.get(&session.id).map(|state| state.name().to_owned()),
            id: session.id.to_string(),
            title: session.title,
            agent: session.agent,
            channel: session.channel,
            person: session.person.to_string(),
            messages: session.messages,
            label: session.label,
            began_ms: session.began_ms,
            changed_ms: session.changed_ms,
            parent: session.parent.map(|parent| parent.to_string()),
            pinned: session.pinned_ms.is_some(),
            kept_until_ms: settings.kept_until(session.changed_ms).filter(|_| session.pinned_ms.is_none()),
        };
        Ok(sessions.into_iter().map(row).collect())
    }
}

/// A whole conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Transcript {
    /// The session's id.
    pub id: String,
    /// The title.
    pub title: String,
    /// Whose it is.
    pub person: String,
    /// The channel it takes place on.
    pub channel: String,
    /// The agent that answers.
    pub agent: String,
    /// What all its messages came from, joined.
    pub label: Label,
    /// When it began, Unix milliseconds.
    pub began_ms: u64,
    /// When it last changed, Unix milliseconds.
    pub changed_ms: u64,
    /// The session it was forked from.
    pub parent: Option<String>,
    /// Whether it is pinned.
    pub pinned: bool,
    /// The runs, the first first.
    pub runs: Vec<RunRow>,
    /// What stands for the first messages when a model is asked.
    pub summary: Option<SummaryRow>,
    /// Files that were handed in, without their content.
    pub attachments: Vec<AttachmentRow>,
    /// The messages, in order.
    pub messages: Vec<MessageRow>,
}

/// A run of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RunRow {
    /// The run's id.
    pub id: String,
    /// How far it is.
    pub state: String,
    /// The label of all that the run has seen.
    pub label: Label,
    /// Why it ended as it did.
    pub reason: Option<String>,
    /// When it began, Unix milliseconds.
    pub began_ms: u64,
    /// When it ended.
    pub ended_ms: Option<u64>,
}

/// A summary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct SummaryRow {
    /// The last message that it stands for.
    pub upto_place: u64,
    /// What those messages came from.
    pub label: Label,
    /// The summary as it is kept.
    pub body: Value,
}

/// A file that was handed in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AttachmentRow {
    /// The attachment's id.
    pub id: String,
    /// The file's name.
    pub name: String,
    /// The stated media type.
    pub media_type: String,
    /// How many bytes it has.
    pub size: u64,
    /// The label of the attachment.
    pub label: Label,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct MessageRow {
    /// The message's number, from 1.
    pub place: u64,
    /// The run it belongs to.
    pub run: Option<String>,
    /// The speaker: `user`, `assistant` or `tool`.
    pub role: String,
    /// Who said it, where that is not the person of the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker: Option<Speaker>,
    /// The label of the message.
    pub label: Label,
    /// When it came, Unix milliseconds.
    pub at_ms: u64,
    /// The parts of the message.
    pub parts: Vec<Part>,
}

impl MessageRow {
    fn read(message: Message) -> Result<Self> {
        let Message { place, run, role, body, label, speaker, at_ms } = message;
        let parts = serde_json::from_value(body).with_context(|| format!("message {place} cannot be read"))?;
        let speaker = speaker.and_then(|speaker| serde_json::from_value(speaker).ok());
        let (run, role) = (run.map(|run| run.to_string()), role.name().to_owned());
        Ok(Self { place, run, role, speaker, label, at_ms, parts })
    }
}

impl SummaryRow {
    /// The words of it.
    pub fn text(&self) -> String {
        let text = self.body.get("text").unwrap_or(&self.body);
        text.as_str().map_or_else(|| text.to_string(), str::to_owned)
    }
}

/// Shows a conversation: its runs, and every message with where it came from.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowSession {
    /// The session.
    pub id: String,
}

impl Operation for ShowSession {
    type View = Transcript;
    const ROUTE: Route =
        Route::get("sessions.show", "/control/v1/sessions/{id}", "Show a conversation with all its messages.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let (id, records) = (SessionId::parse(&self.id)?, application.records().await?);
        transcript(application, records, find(records, &id).await?).await
    }
}

/// A conversation whole.
pub(crate) async fn transcript(application: &Application, records: &Records, session: Session) -> Result<Transcript> {
    let mut runs = Vec::new();
    for run in records.runs(&session.id).await? {
        let state = state(application, run.state, &run.process).name().to_owned();
        let (label, reason, began_ms, ended_ms) = (run.label, run.reason, run.began_ms, run.ended_ms);
        runs.push(RunRow { id: run.id.to_string(), state, label, reason, began_ms, ended_ms });
    }
    let messages = messages(records, &session.id).await?;
    let summary = records.summary(&session.id).await?;
    let attachments = records.attachments(&session.id).await?.into_iter().map(|attached| AttachmentRow {
        id: attached.id,
        name: attached.name,
        media_type: attached.media_type,
        size: attached.size,
        label: attached.label,
    });
    Ok(Transcript {
        id: session.id.to_string(),
        title: session.title,
        person: session.person.to_string(),
        channel: session.channel,
        agent: session.agent,
        label: session.label,
        began_ms: session.began_ms,
        changed_ms: session.changed_ms,
        parent: session.parent.map(|parent| parent.to_string()),
        pinned: session.pinned_ms.is_some(),
        runs,
        summary: summary.map(|s| SummaryRow { upto_place: s.upto_place, label: s.label, body: s.body }),
        attachments: attachments.collect(),
        messages,
    })
}

async fn messages(records: &Records, id: &SessionId) -> Result<Vec<MessageRow>> {
    let (mut all, mut from) = (Vec::new(), 1);
    loop {
        let page = records.messages(id, from, PAGE).await?;
        let Some(last) = page.last() else { return Ok(all) };
        from = last.place + 1;
        for message in page {
            all.push(MessageRow::read(message)?);
        }
    }
}

/// Deletes a conversation with all that is in it. There is no way back.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteSession {
    /// The session.
    pub id: String,
}

/// What was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeletedSession {
    /// How many messages it had.
    pub messages: u64,
}

impl Operation for DeleteSession {
    type View = DeletedSession;
    const ROUTE: Route =
        Route::delete("sessions.delete", "/control/v1/sessions/{id}", "Delete a conversation for good.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let (id, records) = (SessionId::parse(&self.id)?, application.records().await?);
        let session = find(records, &id).await?;
        if application.active_runs.is_busy(&id) {
            fail!(Conflict, "a run goes on in session `{id}`\nhint: wait for its end, or stop it first");
        }
        application.active_runs.forget(&id);
        if !records.delete_session(&id).await? {
            fail!(NotFound, "there is no session `{id}` any more\nhint: `cara sessions list` shows them");
        }
        records.forget_conversation(&said::address(&id)).await?;
        Ok(DeletedSession { messages: session.messages })
    }
}

/// Begins a new conversation with the messages of another one.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForkSession {
    /// The session.
    pub id: String,
    /// The last message that is taken along; all when left out.
    #[serde(default)]
    pub upto: Option<u64>,
}

/// A fork.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ForkedSession {
    /// The new session.
    pub id: String,
    /// How many messages are in it.
    pub messages: u64,
}

impl Operation for ForkSession {
    type View = ForkedSession;
    const ROUTE: Route = Route::post(
        "sessions.fork",
        "/control/v1/sessions/{id}/fork",
        "Begin a conversation with the messages of another.",
    )
    .once();

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let (id, records) = (SessionId::parse(&self.id)?, application.records().await?);
        let session = find(records, &id).await?;
        let last = session.messages;
        let upto = self.upto.unwrap_or(last);
        if upto == 0 || upto > last {
            fail!(Invalid, "session `{id}` has no message {upto}\nhint: it has messages 1 to {last}");
        }
        // Providers refuse a call without its result.
        if let Some(message) = records.messages(&id, upto, 1).await?.first() {
            let parts: Vec<Part> = serde_json::from_value(message.body.clone()).unwrap_or_default();
            if parts.iter().any(|part| matches!(part.body, Body::ToolCall { .. })) {
                let before = upto - 1;
                fail!(
                    Invalid,
                    "message {upto} of session `{id}` calls tools, and their results come after it\nhint: fork at {before} or {}",
                    upto + 1
                );
            }
        }
        let fork = records.fork_session(&id, upto).await?;
        Ok(ForkedSession { id: fork.to_string(), messages: upto })
    }
}

/// Gives a conversation another title.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RenameSession {
    /// The session.
    pub id: String,
    /// One line of 1 to 200 characters.
    pub title: String,
}

impl Operation for RenameSession {
    type View = Done;
    const ROUTE: Route =
        Route::put("sessions.rename", "/control/v1/sessions/{id}/title", "Give a conversation another title.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let title = self.title.trim();
        if title.is_empty() || title.chars().count() > TITLE || title.chars().any(char::is_control) {
            fail!(Invalid, "that is not a title\nhint: write one line of 1 to {TITLE} characters");
        }
        let (id, records) = (SessionId::parse(&self.id)?, application.records().await?);
        find(records, &id).await?;
        records.rename_session(&id, title).await?;
        Ok(Done {})
    }
}

/// Pins a conversation, or lets go of it. One that is pinned comes first in lists, and no time ends or removes it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PinSession {
    /// The session.
    pub id: String,
    /// Whether it is pinned from now on.
    pub pinned: bool,
}

impl Operation for PinSession {
    type View = Done;
    const ROUTE: Route =
        Route::put("sessions.pin", "/control/v1/sessions/{id}/pinned", "Pin a conversation, or let go of it.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let (id, records) = (SessionId::parse(&self.id)?, application.records().await?);
        find(records, &id).await?;
        records.pin_session(&id, self.pinned).await?;
        Ok(Done {})
    }
}
