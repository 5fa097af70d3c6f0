//! Everything that is kept about a person, as one document.

use super::PersonRow;
use crate::application::Application;
use crate::approvals::RuleRow;
use crate::error::Result;
use crate::event::Events;
use crate::known_people::{find, person};
use crate::memory::MemoryEntry;
use crate::operation::{Operation, Route};
use crate::sessions::{Transcript, transcript};
use crate::tokens::CredentialRow;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cara_authority::{Label, PersonAddress, Principal, SessionId};
use cara_records::{Call, Inbound, KeptResponse, Outbound, Records, Use};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// The form of the document.
const FORM: &str = "cara-person-1";

/// Everything that is kept about a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PersonExport {
    /// `cara-person-1`: what has other meanings gets another name; fields may be added.
    pub form: String,
    /// When it was put together, Unix milliseconds.
    pub exported_ms: u64,
    /// The person, with the addresses.
    pub person: PersonRow,
    /// What is remembered about them.
    pub memory: Vec<MemoryEntry>,
    /// Their own conversations.
    pub sessions: Vec<ExportedSession>,
    /// Stored rules that answer in their place.
    pub rules: Vec<RuleRow>,
    /// What they said and is still in the inbox, the first first.
    pub inbox: Vec<ExportedMessage>,
    /// What is in the outbox for them, the first first.
    pub outbox: Vec<ExportedMessage>,
    /// The calls of models that were made for them, the first first.
    pub usage: Vec<Use>,
    /// What lets them in; never what shows it.
    pub credentials: Vec<CredentialRow>,
    /// Answers to programs that are kept for them, the first first.
    #[serde(default)]
    pub responses: Vec<ExportedResponse>,
}

/// An answer to a program that is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ExportedResponse {
    /// The id of the answer.
    pub id: String,
    /// The one that it goes on from.
    pub previous: Option<String>,
    /// What was sent, as the program wrote it.
    pub input: Value,
    /// The answer, as the program was told it.
    pub response: Value,
    /// When it was begun, Unix milliseconds.
    pub at_ms: u64,
}

impl From<KeptResponse> for ExportedResponse {
    fn from(kept: KeptResponse) -> Self {
        let KeptResponse { id, previous, input, response, at_ms, .. } = kept;
        let read = |text: String| serde_json::from_str(&text).unwrap_or(Value::String(text));
        Self { id, previous, input: read(input), response: read(response), at_ms }
    }
}

/// A conversation with all that was done in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ExportedSession {
    /// What `cara sessions show` shows.
    #[serde(flatten)]
    pub transcript: Transcript,
    /// The calls of tools, in order.
    pub calls: Vec<ExportedCall>,
    /// The requests for approval, as they were shown.
    pub approvals: Vec<ExportedApproval>,
    /// The files with their contents.
    pub files: Vec<ExportedFile>,
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ExportedCall {
    /// The run.
    pub run: String,
    /// The id of the call in it.
    pub call: String,
    /// The component.
    pub component: String,
    /// The tool of it.
    pub tool: String,
    /// With what.
    pub arguments: Value,
    /// Toward where.
    pub destinations: Vec<String>,
    /// How far it is.
    pub state: String,
    /// What was decided.
    pub decision: Option<Value>,
    /// What came of it.
    pub result: Option<Value>,
    /// When it was asked for, Unix milliseconds.
    pub at_ms: u64,
}

/// A request for approval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ExportedApproval {
    /// The request's id.
    pub id: String,
    /// The run.
    pub run: String,
    /// The call in it.
    pub call: String,
    /// How far it is.
    pub state: String,
    /// What was shown to who decides.
    pub shown: Value,
    /// The reason that was given with the answer.
    pub reason: Option<String>,
    /// When it was asked, Unix milliseconds.
    pub asked_ms: u64,
}

/// A file that was handed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ExportedFile {
    /// The attachment's id.
    pub id: String,
    /// The bytes, in base64.
    pub content: String,
}

/// A message that came or goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ExportedMessage {
    /// The id of the message here.
    pub id: String,
    /// The conversation: `channel:account:conversation`.
    pub conversation: String,
    /// Who said it; nothing where it goes.
    pub sender: Option<String>,
    /// What the sender called themselves.
    pub sender_name: Option<String>,
    /// The platform's id of the message, or the receipt of one that goes.
    pub platform_id: Option<String>,
    /// How far it is.
    pub state: String,
    /// Why it failed.
    pub error: Option<String>,
    /// What.
    pub body: Value,
    /// The label of the message.
    pub label: Label,
    /// When it was sent or queued, Unix milliseconds.
    pub at_ms: u64,
}

impl From<Inbound> for ExportedMessage {
    fn from(inbound: Inbound) -> Self {
        let message = inbound.message;
        Self {
            id: inbound.id.to_string(),
            conversation: message.address.to_string(),
            sender: Some(message.sender).as_ref().map(PersonAddress::to_string),
            sender_name: message.sender_name,
            platform_id: Some(message.platform_id),
            state: inbound.state.name().to_owned(),
            error: None,
            body: message.body,
            label: message.label,
            at_ms: message.sent_ms,
        }
    }
}

impl From<Outbound> for ExportedMessage {
    fn from(outbound: Outbound) -> Self {
        let message = outbound.message;
        Self {
            id: outbound.id.to_string(),
            conversation: message.address.to_string(),
            sender: None,
            sender_name: None,
            platform_id: outbound.receipt,
            state: outbound.state.name().to_owned(),
            error: outbound.error,
            body: message.body,
            label: message.label,
            at_ms: outbound.queued_ms,
        }
    }
}

/// Gives out everything that is kept about a person, as one document.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportPerson {
    /// The person; `owner` is the owner.
    pub id: String,
}

impl Operation for ExportPerson {
    type View = PersonExport;
    const ROUTE: Route = Route::get(
        "people.export",
        "/control/v1/people/{id}/export",
        "Give out everything that is kept about a person.",
    )
    .admin();

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let (id, records) = (person(&self.id)?, application.records().await?);
        let person = PersonRow::from(find(records, &id).await?);
        let mut sessions = Vec::new();
        for kept in records.recent_sessions(Some(&id), u32::MAX).await? {
            let id = kept.id.clone();
            let transcript = transcript(application, records, kept).await?;
            sessions.push(exported(records, &id, transcript).await?);
        }
        let memory = records.memory(&id).entries("").await?;
        let messages = records.messages_of(&id).await?;
        let credentials = records.credentials().await?.into_iter().filter(|kept| kept.person == id);
        Ok(PersonExport {
            form: FORM.to_owned(),
            exported_ms: application.services.clock.now_ms(),
            person,
            memory: memory.into_iter().map(MemoryEntry::from).collect(),
            sessions,
            rules: records.rules_of(&id).await?.into_iter().map(RuleRow::from).collect(),
            inbox: messages.inbound.into_iter().map(ExportedMessage::from).collect(),
            outbox: messages.outbound.into_iter().map(ExportedMessage::from).collect(),
            usage: records.uses_of(&id).await?,
            credentials: credentials.map(CredentialRow::from).collect(),
            responses: records.responses_of(&id).await?.into_iter().map(ExportedResponse::from).collect(),
        })
    }
}

async fn exported(records: &Records, id: &SessionId, transcript: Transcript) -> Result<ExportedSession> {
    let (mut calls, mut approvals, mut files) = (Vec::new(), Vec::new(), Vec::new());
    for run in records.runs(id).await? {
        calls.extend(records.calls(&run.id).await?.into_iter().map(ExportedCall::from));
        for approval in records.approvals_of(&run.id).await? {
            approvals.push(ExportedApproval {
                id: approval.id.to_string(),
                run: approval.run.to_string(),
                call: approval.call_id,
                state: approval.state.name().to_owned(),
                shown: approval.shown,
                reason: approval.verdict.and_then(|verdict| verdict.reason),
                asked_ms: approval.asked_ms,
            });
        }
    }
    for file in records.attachments(id).await? {
        if let Some(whole) = records.attachment(id, &file.id).await? {
            files.push(ExportedFile { id: file.id, content: STANDARD.encode(whole.content) });
        }
    }
    Ok(ExportedSession { transcript, calls, approvals, files })
}

impl From<Call> for ExportedCall {
    fn from(call: Call) -> Self {
        Self {
            run: call.run.to_string(),
            call: call.call_id,
            component: call.component.to_string(),
            tool: call.tool.to_string(),
            arguments: call.arguments,
            destinations: call.destinations,
            state: call.state.name().to_owned(),
            decision: call.decision,
            result: call.result,
            at_ms: call.proposed_ms,
        }
    }
}
