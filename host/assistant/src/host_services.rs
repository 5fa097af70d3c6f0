//! What the assistant does for a tool: in the name of one person, in one call.
//!
//! What a tool reads through it joins the label of the call's result, so nothing private or untrusted comes in unseen.

use crate::approvals::{Approvals, Question, Settled};
use crate::assistant::RunContext;
use crate::event::Asked;
use crate::language_model::LanguageModel;
use crate::metering::Meter;
use crate::outbound::{Outbound, address_text};
use crate::part::{Body, Part};
use crate::prompt::{Estimate, aside, merged, said};
use cara_authority::tool_call::canonical;
use cara_authority::{Label, PersonId, Refusal, Rule, RunId, ServiceGrant, SessionId, Source, ToolCall, ToolName};
use cara_kernel::HostServices;
use cara_kernel::bindings::approvals::{Decision, Question as Asking};
use cara_kernel::bindings::memory::Entry;
use cara_kernel::bindings::messaging::{Address, Outbound as Message, Receipt};
use cara_kernel::bindings::models::{Request, Response};
use cara_kernel::bindings::sessions::{Line, Session as Listed};
use cara_kernel::bindings::types::{Blob, Content, Role as SentRole, Usage};
use cara_records::{MemoryError, Records, Remembered, Role};
use cara_services::ledger::LedgerError;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};

mod configuration;

/// The most text that is given out of earlier conversations at once, bytes.
const SESSION_TEXT: usize = 256 * 1024;

/// How often a message stands in memory while it is read.
const STAGES: u64 = 3;

/// The longest title of a component's question, characters, and its longest text, bytes (`wit/approvals.wit`).
const TITLE: usize = 80;
const DETAIL: usize = 4 * 1024;

/// The powers of one call.
pub(crate) struct TurnServices {
    pub(crate) records: Records,
    pub(crate) approvals: Approvals,
    pub(crate) outbound: Arc<dyn Outbound>,
    pub(crate) configuration: Arc<Value>,
    pub(crate) person: PersonId,
    pub(crate) session: SessionId,
    pub(crate) run: RunId,
    pub(crate) call: ToolCall,
    pub(crate) call_id: String,
    /// What the run had seen before the call, and what its arguments were made of.
    pub(crate) before: Label,
    /// What the component may bring in by itself.
    pub(crate) own: Label,
    pub(crate) seen: Mutex<Label>,
    pub(crate) meter: Meter,
    pub(crate) language_model: Arc<dyn LanguageModel>,
    pub(crate) run_context: RunContext,
}

impl TurnServices {
    /// What the call has read through its powers.
    pub(crate) fn seen(&self) -> Label {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks a person about something that the approval of the call does not cover.
    async fn ask_person(&self, what: &ToolCall, why: String) -> Result<Settled, Refusal> {
        let asked = Asked {
            id: String::new(),
            component: what.component.to_string(),
            digest: hex::encode(what.digest),
            signer: None,
            tool: what.tool.to_string(),
            arguments: what.arguments.clone(),
            destinations: what.destinations.clone(),
            session: what.session.to_string(),
            seen: self.label(),
            why: vec![why],
            always: None,
            within_session: false,
            deadline_ms: self.approvals.deadline_ms(),
        };
        let question = Question {
            binding: what.binding(),
            session: &self.session,
            run: &self.run,
            call: &self.call_id,
            person: &self.person,
            earlier: None,
            asked,
        };
        let asked = self.approvals.ask(vec![question], &*self.run_context.approver, &*self.run_context.listen).await;
        let settled = asked.map_err(|failure| unavailable(&failure.message))?.pop();
        settled.map(|(_, settled)| settled).ok_or_else(|| unavailable("nobody was asked"))
    }

    /// A call of the host's own kind in the name of the component, for a question of its own.
    fn own_call(&self, tool: &str, arguments: &Value, destinations: Vec<String>) -> Result<ToolCall, Refusal> {
        let tool = ToolName::parse(tool).map_err(|error| Refusal::new(Rule::Invalid, error.to_string()))?;
        Ok(ToolCall { tool, arguments: canonical(arguments), destinations, ..self.call.clone() })
    }

    /// Whether the approved call was for exactly this message: its destination, and its text among the arguments.
    fn covers(&self, to: &str, text: &str) -> bool {
        let arguments: Value = serde_json::from_str(&self.call.arguments).unwrap_or(Value::Null);
        let says =
            arguments.as_object().is_some_and(|fields| fields.values().any(|value| value.as_str() == Some(text)));
        self.call.destinations.iter().any(|known| known == to) && says
    }
}

#[async_trait::async_trait]
impl HostServices for TurnServices {
    fn label(&self) -> Label {
        self.before.join(Label::of(Source::Model)).join(self.own).join(self.seen())
    }

    fn saw(&self, label: Label) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = seen.join(label);
    }

    async fn ask(&self, by: ServiceGrant, question: Asking) -> Result<Decision, Refusal> {
        if question.title.chars().count() > TITLE || question.detail.len() > DETAIL {
            let text = format!(
                "a question of component `{}` is longer than {TITLE} characters and {DETAIL} bytes",
                by.component()
            );
            return Err(Refusal::new(Rule::Invalid, text));
        }
        let what = json!({ "question": question.title, "detail": question.detail });
        let what = self.own_call("question", &what, Vec::new())?;
        Ok(match self.ask_person(&what, format!("component `{}` asks", by.component())).await? {
            Settled::Allowed { .. } => Decision::Allowed,
            Settled::Denied { reason, .. } => Decision::Denied(reason),
        })
    }

    async fn attachment(&self, by: ServiceGrant, id: String, room: u64) -> Result<Blob, Refusal> {
        // It is asked for before it is loaded: a file that was kept never changes.
        let size = self.records.attachment_size(&self.session, &id).await.map_err(ledger)?;
        fits(&by, size.unwrap_or(0), room)?;
        let found = self.records.attachment(&self.session, &id).await.map_err(ledger)?;
        let found = found.ok_or_else(|| {
            let id: String = id.chars().take(64).flat_map(char::escape_default).collect();
            Refusal::new(Rule::Invalid, format!("this conversation has no attachment `{id}`"))
        })?;
        self.saw(found.attachment.label.private());
        let name = Some(found.attachment.name).filter(|name| !name.is_empty());
        Ok(Blob { media_type: found.attachment.media_type, name, data: found.content })
    }

    async fn configuration(&self, by: ServiceGrant, path: String, room: u64) -> Result<Option<String>, Refusal> {
        let found = configuration::read(&self.configuration, &path).map(|value| value.to_string());
        fits(&by, found.as_ref().map_or(0, |text| text.len() as u64), room)?;
        self.saw(Label::of(Source::Operator).private());
        Ok(found)
    }

    async fn remember(&self, _: ServiceGrant, key: String, value: String) -> Result<(), Refusal> {
        self.records.memory(&self.person).write(&key, &value, self.label()).await.map_err(memory)
    }

    async fn recall(&self, _: ServiceGrant, key: String) -> Result<Option<Entry>, Refusal> {
        let found = self.records.memory(&self.person).read(&key).await.map_err(memory)?;
        Ok(found.map(|found| self.remembered(found)))
    }

    async fn forget(&self, _: ServiceGrant, key: String) -> Result<bool, Refusal> {
        self.records.memory(&self.person).delete(&key).await.map_err(memory)
    }

    async fn remembered(&self, _: ServiceGrant, prefix: String) -> Result<Vec<String>, Refusal> {
        let found = self.records.memory(&self.person).entries(&prefix).await.map_err(memory)?;
        Ok(found.into_iter().map(|found| self.remembered(found).key).collect())
    }

    async fn search(&self, _: ServiceGrant, query: String, most: u32) -> Result<Vec<Entry>, Refusal> {
        let found = self.records.memory(&self.person).search(&query, most).await.map_err(memory)?;
        Ok(found.into_iter().map(|found| self.remembered(found)).collect())
    }

    async fn send(&self, by: ServiceGrant, to: Address, message: Message) -> Result<Receipt, Refusal> {
        let (address, text) = (address_text(&to), words(&message.content));
        if !self.covers(&address, &text) {
            let what = json!({ "to": address, "text": text, "parts": message.content.len() });
            let what = self.own_call("message", &what, vec![address.clone()])?;
            let why = format!("component `{}` sends what the call does not name", by.component());
            if let Settled::Denied { by, reason } = self.ask_person(&what, why).await? {
                let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
                return Err(Refusal::new(
                    Rule::Denied,
                    format!("the message to `{address}` was denied by {by}{reason}"),
                ));
            }
        }
        self.outbound.send(to, message).await
    }

    async fn complete(&self, by: ServiceGrant, request: Request) -> Result<Response, Refusal> {
        let most = request.max_output_tokens.unwrap_or(2_048).min(self.language_model.context_tokens() / 4).max(64);
        // The system prompt is the operator's: what a component wants of the model is said like a person's words.
        let wish = request.system.map(said);
        let told = request.messages.into_iter().filter(|message| message.role != SentRole::System);
        let full = aside(self.language_model.model(), None, merged(wish.into_iter().chain(told).collect()), most);
        let answered = self.meter.text(&*self.language_model, full, &Estimate::default()).await;
        let (text, spent) = answered.map_err(|failure| {
            Refusal::new(
                Rule::Unavailable,
                format!("the model that `{}` asked did not answer: {}", by.component(), failure.message),
            )
        })?;
        self.saw(Label::of(Source::Model));
        let usage = Usage { input: spent.input, output: spent.output, cache_read: 0, cache_write: 0 };
        Ok(Response { text, usage })
    }

    async fn recent(&self, _: ServiceGrant, most: u32) -> Result<Vec<Listed>, Refusal> {
        let found = self.records.recent_sessions(Some(&self.person), most.clamp(1, 100)).await.map_err(ledger)?;
        let listed = found.into_iter().map(|session| {
            self.saw(session.label.private());
            Listed {
                id: session.id.to_string(),
                title: session.title,
                began_ms: session.began_ms,
                changed_ms: session.changed_ms,
                messages: u32::try_from(session.messages).unwrap_or(u32::MAX),
            }
        });
        Ok(listed.collect())
    }

    async fn read(&self, by: ServiceGrant, id: String, first: u32, most: u32, room: u64) -> Result<Vec<Line>, Refusal> {
        let unknown = || {
            let id: String = id.chars().take(64).flat_map(char::escape_default).collect();
            Refusal::new(Rule::Invalid, format!("this person has no conversation `{id}`"))
        };
        let session = SessionId::parse(&id).map_err(|_| unknown())?;
        let stored = self.records.session(&session).await.map_err(ledger)?;
        stored.filter(|stored| stored.person == self.person).ok_or_else(unknown)?;
        let (first, mut most, mut stored) = (u64::from(first.max(1)), most.clamp(1, 100), 0);
        let sizes = self.records.message_sizes(&session, first, most).await.map_err(ledger)?;
        for (at, size) in (0..).zip(sizes) {
            // A message stands here as it is stored, as it is read, and as its words.
            stored += size * STAGES;
            if stored > room {
                most = at;
                break;
            }
        }
        if most == 0 {
            fits(&by, stored, room)?;
        }
        let messages = self.records.messages(&session, first, most).await;
        let (mut lines, mut bytes) = (Vec::new(), 0);
        for message in messages.map_err(ledger)? {
            let parts: Vec<Part> = serde_json::from_value(message.body).unwrap_or_default();
            let text = spoken(&parts);
            bytes += text.len();
            if bytes > SESSION_TEXT {
                break;
            }
            self.saw(message.label.private());
            let role = match message.role {
                Role::User => SentRole::User,
                Role::Assistant => SentRole::Assistant,
                Role::Tool => SentRole::Tool,
            };
            let place = u32::try_from(message.place).unwrap_or(u32::MAX);
            lines.push(Line { place, role, text, at_ms: message.at_ms });
        }
        Ok(lines)
    }
}

impl TurnServices {
    fn remembered(&self, found: Remembered) -> Entry {
        self.saw(found.label.private());
        Entry { key: found.key, value: found.value, changed_ms: found.changed_ms }
    }
}

/// The words of a message that is to be sent; what else is in it is counted, and so never covered by a call.
fn words(content: &[Content]) -> String {
    let words = content.iter().map(|content| match content {
        Content::Text(text) => text.as_str(),
        Content::Image(_) | Content::Audio(_) | Content::File(_) => "\u{fffc}",
    });
    words.collect::<Vec<_>>().join("\n")
}

/// What was said in a message, without reasoning and blobs.
fn spoken(parts: &[Part]) -> String {
    let said = parts.iter().filter_map(|part| match &part.body {
        Body::Text { text } => Some(text.clone()),
        Body::ToolResult { name, text, .. } => Some(format!("[{name}] {text}")),
        Body::ToolCall { name, arguments, .. } => Some(format!("[calls {name} {arguments}]")),
        Body::Attachment { id, media_type, .. } => Some(format!("[attachment {id}, {media_type}]")),
        Body::Stopped => Some(part.readable().to_owned()),
        Body::Read(findings) => Some(findings.facts.join("\n")),
        Body::Thinking { .. } => None,
    });
    said.collect::<Vec<_>>().join("\n")
}

/// Refuses what the call's memory has no room for.
fn fits(by: &ServiceGrant, size: u64, room: u64) -> Result<(), Refusal> {
    if size <= room {
        return Ok(());
    }
    let (component, power) = (by.component(), by.power());
    let text = format!("component `{component}` asks `{power}` for {size} bytes, its memory has room for {room}");
    Err(Refusal::new(Rule::Limit, text).hint("to allow more, raise `memory` in its limits"))
}

fn unavailable(text: &str) -> Refusal {
    Refusal::new(Rule::Unavailable, text.to_owned())
}

/// A component learns that the ledger failed, not how.
fn ledger(error: LedgerError) -> Refusal {
    tracing::warn!(%error, "the ledger failed in a tool's call");
    unavailable("what the assistant keeps cannot be used now").hint("the host's log says why")
}

fn memory(error: MemoryError) -> Refusal {
    match error {
        MemoryError::Refused(refusal) => refusal,
        MemoryError::Ledger(error) => ledger(error),
    }
}
