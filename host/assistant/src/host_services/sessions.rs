//! `sessions` for a tool: the person's earlier conversations.

use super::{TurnServices, fits, ledger};
use crate::part::{Body, Part};
use cara_authority::{Refusal, Rule, ServiceGrant, SessionId, display_safe};
use cara_kernel::Labels;
use cara_kernel::bindings::sessions::{Line, Session};
use cara_kernel::bindings::types::Role as SentRole;
use cara_records::Role;

/// The most text that is given out of earlier conversations at once, bytes.
const SESSION_TEXT: usize = 256 * 1024;

/// How often a message stands in memory while it is read.
const STAGES: u64 = 3;

#[async_trait::async_trait]
impl cara_kernel::Sessions for TurnServices {
    async fn recent(&self, _: ServiceGrant, most: u32) -> Result<Vec<Session>, Refusal> {
        let found = self.records.recent_sessions(Some(&self.person), most.clamp(1, 100)).await.map_err(ledger)?;
        let listed = found.into_iter().map(|session| {
            self.saw(&self.audience.own(&session.label));
            Session {
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
            let id = display_safe(&id);
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
            self.saw(&self.audience.own(&message.label));
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
