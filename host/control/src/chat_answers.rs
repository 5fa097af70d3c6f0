//! Answers to requests that are given in a conversation.
//!
//! Only a whole message is one, of somebody whom a channel proved, alone with the assistant, where the question was sent to.
//! Whoever asks about another request learns nothing of it, not even whether there is one.

use crate::application::Application;
use crate::approvals::{ApprovalResponse, Place, RespondToApproval, Verdict};
use crate::change::Topic;
use crate::deciding;
use crate::error::{Error, Result};
use crate::event::Events;
use crate::operation::Operation;
use cara_assistant::outbound::{MessageBody, Piece};
use cara_authority::{ApprovalId, Label, Principal};
use cara_records::{NewInbound, OutboundState};
use std::sync::Arc;

const NOT_HERE: &str =
    "Nothing was decided: only a message of your own, in a conversation with me alone, answers a question.";
const NOT_ASKED: &str = "Nothing was decided: no question of this id was asked of you here.";
const HOW: &str = "That is no answer. Write `/approve ID`, `/approve ID always`, `/deny ID` or `/deny ID` and why; `/approvals` lists what you are asked.";
const NONE: &str = "You are not asked anything now.";

/// What a message says about requests.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// An answer.
    Answer { id: ApprovalId, verdict: Verdict, reason: Option<String> },
    /// Which there are.
    List,
    /// It begins like one of these, and is none.
    Unclear,
}

/// What a message says about requests; nothing, where it is a message like any other.
pub(crate) fn said(message: &NewInbound) -> Option<Said> {
    let body: MessageBody = serde_json::from_value(message.body.clone()).ok()?;
    let [Piece::Text(text)] = &body.parts[..] else { return None };
    let text = text.trim();
    let (command, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim();
    let (id, more) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let (id, more) = (ApprovalId::parse(id), more.trim());
    Some(match (command, id, more) {
        ("/approvals", _, _) if rest.is_empty() => Said::List,
        ("/approve", Ok(id), "" | "once") => Said::Answer { id, verdict: Verdict::Once, reason: None },
        ("/approve", Ok(id), "always") => Said::Answer { id, verdict: Verdict::Always, reason: None },
        ("/deny", Ok(id), reason) => {
            Said::Answer { id, verdict: Verdict::Deny, reason: Some(reason.to_owned()).filter(|why| !why.is_empty()) }
        }
        ("/approvals" | "/approve" | "/deny", _, _) => Said::Unclear,
        _ => return None,
    })
}

impl Application {
    /// Does what a message says about requests, and gives what its sender is told.
    pub(crate) async fn answered_in_chat(
        self: &Arc<Self>,
        by: &Principal,
        message: &NewInbound,
        said: Said,
    ) -> Result<String> {
        // What others wrote may be in it, where the channel says anything of it.
        if message.group || message.label != Label::NONE {
            return Ok(NOT_HERE.to_owned());
        }
        match said {
            Said::Unclear => Ok(HOW.to_owned()),
            Said::List => self.listed_in_chat(by).await,
            Said::Answer { id, verdict, reason } => {
                if !self.was_asked(by, message, &id).await? {
                    return Ok(NOT_ASKED.to_owned());
                }
                let (named, denies) = (id.to_string(), verdict == Verdict::Deny);
                let respond = RespondToApproval { id: named.clone(), verdict, reason, by: Place::Chat };
                Ok(match respond.run(self, by, &Events::nobody()).await {
                    Ok(response) => {
                        self.changes.changed(Topic::Approvals, RespondToApproval::ROUTE.name, Some(&named));
                        became(&named, denies, &response)
                    }
                    Err(error) => refused(error),
                })
            }
        }
    }

    /// Whether this person may decide the request, and was shown it in this conversation.
    async fn was_asked(&self, by: &Principal, message: &NewInbound, id: &ApprovalId) -> Result<bool> {
        let records = self.records().await?;
        let Some(approval) = records.approval(id).await? else { return Ok(false) };
        let sent = records.outbound_by_key(deciding::BY, &deciding::key(id, by.person())).await?;
        Ok(approval.deciders.persons.contains(by.person())
            && sent.is_some_and(|sent| {
                let here = sent.message.address.without_thread() == message.address.without_thread();
                // The platform may have shown it before it said so.
                here && matches!(sent.state, OutboundState::Sending | OutboundState::Sent | OutboundState::Unknown)
            }))
    }

    async fn listed_in_chat(&self, by: &Principal) -> Result<String> {
        let waiting = self.records().await?.waiting_approvals().await?;
        let own = waiting.into_iter().filter(|approval| {
            approval.deciders.persons.contains(by.person()) && !approval.agreed.contains(by.person())
        });
        let lines: Vec<String> = own
            .map(|approval| {
                let asked = cara_assistant::explain::asked(approval.shown);
                let what = asked.map(|asked| format!("`{}` of `{}`", asked.tool, asked.component));
                format!("{}: {}", approval.id, what.unwrap_or_else(|| "what cannot be read".to_owned()))
            })
            .collect();
        Ok(if lines.is_empty() { NONE.to_owned() } else { lines.join("\n") })
    }
}

/// What became of an answer.
fn became(id: &str, denies: bool, response: &ApprovalResponse) -> String {
    let word = if denies { "denied" } else { "allowed" };
    if response.given_before_ms.is_some() {
        return format!("{id} was {word} before; this changes nothing.");
    }
    if response.waits_for_others {
        return format!("Your yes to {id} is kept; others have to agree as well.");
    }
    let mut told = format!("{id} is {word}.");
    if let Some([tool, component]) = &response.allowed {
        told = format!("{id} is allowed, once: `{tool}` of `{component}`.");
    }
    if let Some(rule) = &response.stored {
        told.push_str(&format!(" From now on: {rule}."));
    }
    told
}

/// Why an answer does not count; commands of a terminal are no cure here.
fn refused(error: Error) -> String {
    tracing::info!(%error, "an answer in a conversation did not count");
    format!("Nothing was decided: {}.", error.message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use cara_authority::{ConversationAddress, PersonAddress};
    use serde_json::json;

    fn read(body: MessageBody) -> Option<Said> {
        said(&NewInbound {
            address: ConversationAddress::parse("chat:main:1").unwrap(),
            sender: PersonAddress::parse("chat:main:1").unwrap(),
            sender_name: None,
            platform_id: "1".into(),
            group: false,
            mentioned: false,
            body: json!(body),
            label: Label::NONE,
            sent_ms: 0,
        })
    }

    #[test]
    fn only_a_whole_message_is_an_answer() {
        let id = ApprovalId::parse("a-abcdef").unwrap();
        let answer = |verdict, reason: Option<&str>| {
            Some(Said::Answer { id: id.clone(), verdict, reason: reason.map(str::to_owned) })
        };
        for (text, means) in [
            ("/approve a-abcdef", answer(Verdict::Once, None)),
            (" /approve  a-abcdef once\n", answer(Verdict::Once, None)),
            ("/approve a-abcdef always", answer(Verdict::Always, None)),
            ("/deny a-abcdef", answer(Verdict::Deny, None)),
            ("/deny a-abcdef not now,\nlater", answer(Verdict::Deny, Some("not now,\nlater"))),
            ("/approvals", Some(Said::List)),
            ("/approve", Some(Said::Unclear)),
            ("/approve a-abcdef please", Some(Said::Unclear)),
            ("/approve a-abcdef always and tell me", Some(Said::Unclear)),
            ("/deny", Some(Said::Unclear)),
            ("/approvals of anna", Some(Said::Unclear)),
            ("please /approve a-abcdef", None),
            ("> /approve a-abcdef", None),
            ("\"/approve a-abcdef\"", None),
            ("/approved a-abcdef", None),
            ("yes", None),
        ] {
            assert_eq!(read(MessageBody::text(text)), means, "{text}");
        }
        let two = ["look:", "/approve a-abcdef"].map(|text| Piece::Text(text.into())).to_vec();
        assert_eq!(read(MessageBody { parts: two, reply_to: None }), None);
    }
}
