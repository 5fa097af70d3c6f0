//! Why a run did what it did: what it saw with which label,
//! each decision with the line that made it, and each effect.

use crate::event::{Asked, Failure};
use crate::part::{Body, Part};
use crate::session::lost;
use cara_authority::policy::Line;
use cara_authority::{Action, Label, RunId, Source};
use cara_records::{ApprovalState, Call, Records};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The longest piece of content in an explanation, characters.
const SNIPPET: usize = 160;

/// A run, explained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Explained {
    /// The run.
    pub run: String,
    /// The session of the run.
    pub session: String,
    /// How it ended.
    pub state: Cow<'static, str>,
    /// Why.
    pub reason: Option<String>,
    /// All it saw.
    pub label: Label,
    /// When it began and ended, Unix milliseconds.
    pub began_ms: u64,
    /// None while it goes on.
    pub ended_ms: Option<u64>,
    /// What came before it and was still shown to the model.
    pub before: Label,
    /// Everything that the run saw, in order.
    pub saw: Vec<Saw>,
    /// What became of each call.
    pub calls: Vec<Explanation>,
}

/// A piece of content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Saw {
    /// The message's place in the session.
    pub place: u64,
    /// The speaker.
    pub role: Cow<'static, str>,
    /// What kind of piece.
    pub kind: Cow<'static, str>,
    /// The label of the message.
    pub label: Label,
    /// The beginning of the message.
    pub beginning: String,
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Explanation {
    /// Names the call.
    pub id: String,
    /// Whose tool.
    pub component: String,
    /// The tool.
    pub tool: String,
    /// With what.
    pub arguments: String,
    /// Toward where.
    pub destinations: Vec<String>,
    /// What was decided, by which lines.
    pub decision: Option<Decided>,
    /// The question a person was asked, and how it ended.
    pub approval: Option<Answered>,
    /// How far the call came.
    pub state: Cow<'static, str>,
    /// Whether the call has a lasting effect.
    pub effect: bool,
    /// Where its result came from.
    pub result: Label,
}

/// A decision as the ledger kept it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Decided {
    /// What became of the call.
    pub then: Action,
    /// The lines that spoke; the first one decided.
    pub lines: Vec<ReadLine>,
    /// What the run had seen.
    pub seen: Label,
    /// The rule that answered in a person's place.
    pub stored_rule: Option<String>,
}

/// A line of a decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReadLine {
    /// The name of the rule.
    pub name: String,
    /// The action that the rule demands.
    pub then: Action,
    /// Why.
    pub why: String,
}

impl From<Line> for ReadLine {
    fn from(Line { name, then, why }: Line) -> Self {
        Self { name, then, why }
    }
}

/// How a request for approval ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Answered {
    /// Names the request.
    pub id: String,
    /// How it ended.
    pub state: Cow<'static, str>,
    /// The door or deadline that answered.
    pub by: Option<String>,
    /// What they said.
    pub reason: Option<String>,
    /// Whether the approval was used.
    pub spent: bool,
}

/// Explains a run; none when there is none of that id.
pub async fn explain(records: &Records, id: &RunId) -> Result<Option<Explained>, Failure> {
    let Some(run) = records.run(id).await.map_err(lost)? else { return Ok(None) };
    let mut saw = Vec::new();
    let mut before = Label::NONE;
    let mut from = 1;
    loop {
        let page = records.messages(&run.session, from, 500).await.map_err(lost)?;
        let Some(last) = page.last().map(|message| message.place) else { break };
        for message in page {
            if message.run.as_ref() != Some(id) {
                if saw.is_empty() {
                    before = before.join(&message.label);
                }
                continue;
            }
            let parts: Vec<Part> = serde_json::from_value(message.body).unwrap_or_default();
            saw.extend(parts.iter().map(|part| piece(part, message.place, message.role.name())));
        }
        from = last + 1;
    }
    let approvals = records.approvals_of(id).await.map_err(lost)?;
    let calls = records.calls(id).await.map_err(lost)?;
    let calls = calls.into_iter().map(|call| {
        let approval = approvals.iter().rfind(|approval| approval.call_id == call.call_id).map(|found| Answered {
            id: found.id.to_string(),
            state: found.state.name().into(),
            by: found.verdict.as_ref().map(|verdict| verdict.by.clone()),
            reason: found.verdict.as_ref().and_then(|verdict| verdict.reason.clone()),
            spent: found.state == ApprovalState::Spent,
        });
        explanation(call, approval)
    });
    Ok(Some(Explained {
        run: id.to_string(),
        session: run.session.to_string(),
        state: run.state.name().into(),
        reason: run.reason,
        label: run.label,
        began_ms: run.began_ms,
        ended_ms: run.ended_ms,
        before,
        saw,
        calls: calls.collect(),
    }))
}

fn piece(part: &Part, place: u64, role: &'static str) -> Saw {
    let kind = match part.body {
        Body::Text { .. } if part.label.has(Source::Model) => "answer",
        Body::Text { .. } => "text",
        Body::Attachment { .. } => "attachment",
        Body::Thinking { .. } => "thinking",
        Body::ToolCall { .. } => "call",
        Body::ToolResult { .. } => "result",
        Body::Stopped => "stopped",
        Body::Read(_) => "reading",
    };
    let said = match &part.body {
        Body::ToolCall { name, arguments, .. } => format!("{name} {arguments}"),
        Body::ToolResult { name, text, .. } => format!("{name}: {text}"),
        Body::Attachment { id, media_type, name } => format!("{id} {} ({media_type})", name.as_deref().unwrap_or("-")),
        Body::Read(findings) => format!("{}: {}", findings.of, findings.facts.join(" · ")),
        Body::Text { .. } | Body::Thinking { .. } | Body::Stopped => part.readable().to_owned(),
    };
    let line: String = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut beginning: String = line.chars().take(SNIPPET).collect();
    if beginning.len() < line.len() {
        beginning.push('…');
    }
    Saw { place, role: role.into(), kind: kind.into(), label: part.label.clone(), beginning }
}

fn explanation(call: Call, approval: Option<Answered>) -> Explanation {
    Explanation {
        id: call.call_id,
        component: call.component.to_string(),
        tool: call.tool.to_string(),
        arguments: cara_authority::tool_call::canonical(&call.arguments),
        destinations: call.destinations,
        decision: call.decision.and_then(|decision| serde_json::from_value(decision).ok()),
        approval,
        state: call.state.name().into(),
        effect: call.lasting && call.started_ms.is_some(),
        result: call.label,
    }
}

/// Reads what a person was shown of a request.
pub fn asked(shown: serde_json::Value) -> Option<Asked> {
    serde_json::from_value(shown).ok()
}
