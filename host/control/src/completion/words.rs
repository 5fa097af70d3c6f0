//! What a program said, looked at before a model reads it: secrets are
//! refused, what reads like an attack is noted, and all of it has a label.

use super::parts::{Content, Message, Part, Request, Role};
use crate::application::Application;
use crate::error::{Result, fail};
use crate::secrets;
use cara_assistant::Guards;
use cara_authority::{Label, Principal, Source};
use std::collections::BTreeSet;

/// The most parts of a conversation.
const MOST: usize = 10_000;

/// How many rules are named that found something in one call: the audit log keeps them for good.
const RULES: usize = 16;

/// What a model that reads a request has seen, and the rules that found something in it.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) label: Label,
    pub(super) found: BTreeSet<String>,
}

impl Seen {
    /// Of texts that a program alone knows about.
    pub(super) fn of_texts(by: &Principal) -> Self {
        Self { label: composed(by), found: BTreeSet::new() }
    }
}

/// Refuses a conversation of more parts than are looked at.
pub(super) fn check(request: &Request) -> Result<()> {
    let count: usize = request.messages.iter().map(|message| message.parts.len()).sum();
    if count + request.tools.len() > MOST {
        fail!(Invalid, "the conversation has more than {MOST} parts\nhint: send fewer messages, parts and tools");
    }
    Ok(())
}

/// The label of what a program sends without its being known what it was made of: strangers may have chosen the words, and
/// it is private to the person for whom it asks.
pub(super) fn composed(by: &Principal) -> Label {
    Label::of(Source::Model).join(&Label::UNKNOWN.public()).private_to(by.person())
}

/// The label of what a program asks for the person. Nobody knows what it put into it, whichever credential it has: no word of
/// it was typed.
pub(super) fn asked(by: &Principal) -> Label {
    Label::of(Source::Program).private_to(by.person())
}

/// The texts of a part.
fn texts(part: &Part) -> impl Iterator<Item = &str> {
    let (one, results): (Option<&str>, &[Content]) = match part {
        Part::Text(text) => (Some(text), &[]),
        Part::Thinking(thought) => (Some(&thought.text), &[]),
        Part::ToolCall(call) => (Some(&call.arguments), &[]),
        Part::ToolResult(result) => (None, &result.content),
        Part::Image(_) | Part::Audio(_) | Part::File(_) | Part::CachePoint(_) => (None, &[]),
    };
    let results = results.iter().filter_map(|content| match content {
        Content::Text(text) => Some(text.as_str()),
        _ => None,
    });
    one.into_iter().chain(results)
}

/// Refuses a request in which the value of a secret stands.
pub(super) fn refuse_secrets(application: &Application, instructions: &str, request: &Request) -> Result<()> {
    let said = request.messages.iter().flat_map(|message| &message.parts).flat_map(texts);
    let tools = request.tools.iter().flat_map(|tool| [tool.description.as_str(), tool.input_schema.as_str()]);
    said.chain(tools).chain([instructions]).try_for_each(|text| refuse_secret(application, text))
}

/// The same of one text. What is known as a secret is looked for at once; which one it is, only then.
pub(super) fn refuse_secret(application: &Application, text: &str) -> Result<()> {
    if matches!(application.services.egress.known().scrub_text(text), std::borrow::Cow::Borrowed(_)) {
        return Ok(());
    }
    secrets::refuse_values(application, &application.environment, text)?;
    fail!(
        Refused,
        "your message contains the value of a secret; it was not sent\nhint: leave it out: no model needs to read it"
    )
}

/// The label of all that a model is shown, and the rules that the guards found in it.
pub(super) fn examined(guards: &Guards, by: &Principal, operator: bool, instructions: &str, request: &Request) -> Seen {
    let mut seen = Seen::default();
    let mut see = |text: &str, label: Label| {
        let (label, found) = guards.label_of(text, label);
        seen.label = seen.label.join(&label);
        seen.found.extend(found);
        while seen.found.len() > RULES {
            seen.found.pop_last();
        }
    };
    if !instructions.is_empty() {
        see(instructions, if operator { Label::of(Source::Operator) } else { composed(by) });
    }
    for Message { role, parts } in &request.messages {
        for part in parts {
            let label = match (part, role) {
                (Part::CachePoint(_), _) => continue,
                (Part::Image(_) | Part::Audio(_) | Part::File(_), _) => Label::of(Source::File).private_to(by.person()),
                (Part::Text(_), Role::User) => asked(by),
                _ => composed(by),
            };
            // What a model said is looked at when it comes, and here it is only what others made it say.
            let (mut any, judged) = (false, !matches!(role, Role::Assistant));
            for text in texts(part).filter(|_| judged) {
                see(text, label.clone());
                any = true;
            }
            if !any {
                see("", label);
            }
        }
    }
    seen
}
