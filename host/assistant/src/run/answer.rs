//! An answer on its way to those who read the conversation.
//!
//! ```text
//! answer ─→ private, and others read? ─ yes ─→ a question to whom the private content belongs ─ no ─→ said that it stays
//!                    └ no ─→ made-up addresses made harmless ←──── yes ────┘            └─→ outbox
//! ```

use super::Run;
use crate::approvals::{Question, Settled};
use crate::event::{Asked, Failure};
use crate::explain::asked as shown;
use crate::part::{Body, Part};
use crate::reply::defanged;
use crate::session::lost;
use cara_authority::tool_call::canonical;
use cara_authority::{ComponentId, Label, PersonId, Provenance, Source, ToolCall, ToolName};
use cara_records::{Approval, NewOutbound};
use serde_json::json;

/// What readers are told in place of an answer that was not for them.
const WITHHELD: &str =
    "I found an answer that is not mine to give here. I have asked whom it belongs to, and was not allowed to.";

/// Who asks: no component has this id.
const HOST: &str = "cara-host";

/// Under which id of a call an answer is asked about.
const ANSWER: &str = "answer";

/// What readers are told whose message got no answer.
pub(super) fn unanswered(failure: &Failure) -> String {
    let why = match &*failure.kind {
        "budget" => "an allowance is used up",
        "rate-limit" | "overloaded" => "the model has too much to do at this moment",
        "auth" => "the model does not take the key it is given",
        "limit" => "it took too long",
        _ => "something went wrong, which the owner of this assistant can look up",
    };
    format!("I could not answer: {why}.")
}

impl Run<'_> {
    /// The messages to a channel that answer, if an answer is waited for there. What may not be said there is taken out of the
    /// answer as well.
    pub(super) async fn reply(&mut self, parts: &mut Vec<Part>) -> Result<Vec<NewOutbound>, Failure> {
        let Some(reply) = self.run_context.reply.clone() else { return Ok(Vec::new()) };
        let (mut text, filled) = self.words(parts);
        let label = parts.iter().map(|part| part.label.clone());
        let label = label.chain([self.prompt().label(), filled]).collect::<Label>();
        let audience = self.session.context.audience.clone();
        if !audience.others(&label).is_empty() {
            if self.may_be_told(&text, &reply.address.to_string(), &label).await? {
                parts.iter_mut().for_each(|part| part.label = audience.own(&part.label.public()));
            } else {
                text = WITHHELD.to_owned();
                *parts = vec![Part::text(Source::Model, WITHHELD)];
            }
        }
        if label.is_private() || label.is_untrusted() {
            let rules = self.assistant.rules.now();
            self.sources.update(&self.session.messages, &rules.policy);
            text = defanged(&text, |address| {
                self.sources.find(address.as_str(), &rules.policy).provenance == Provenance::Model
            });
        }
        Ok(reply.messages(&self.id, &text, &label))
    }

    /// What is said in an answer, as a person reads it, and what the words came from that stand in place of names.
    fn words(&self, parts: &[Part]) -> (String, Label) {
        let said = parts.iter().filter_map(|part| match &part.body {
            Body::Text { text } => Some(text.as_str()),
            _ => None,
        });
        let (words, label) = self.values.fill(&said.collect::<String>());
        (if words.trim().is_empty() { "(The model gave no answer.)".to_owned() } else { words }, label)
    }

    /// Asks those whom the private content belongs to whether all who read the conversation may be told this.
    async fn may_be_told(&mut self, text: &str, address: &str, label: &Label) -> Result<bool, Failure> {
        let call = ToolCall {
            component: ComponentId::parse(HOST).expect("a name of the host"),
            digest: [0; 32],
            tool: ToolName::parse(ANSWER).expect("a name of the host"),
            arguments: canonical(&json!({ "text": text })),
            destinations: vec![address.to_owned()],
            servers: Vec::new(),
            session: self.session.id().clone(),
        };
        let deciders =
            self.session.context.audience.readers_allow(&self.assistant.records, label).await.map_err(lost)?;
        let people: Vec<String> = label.people().iter().map(PersonId::to_string).collect();
        let why = vec![format!("the answer was made of private content of {}, and others read it", people.join(", "))];
        let asked = Asked::about(&call, label.clone(), why, self.assistant.approvals.deadline_ms());
        // What was asked before a restart holds for the same words alone: the model may have found others.
        let is_same = |found: &Approval| {
            let shown = shown(found.shown.clone());
            found.call_id == ANSWER
                && shown.is_some_and(|shown| {
                    (&shown.arguments, &shown.destinations) == (&asked.arguments, &asked.destinations)
                })
        };
        let earlier = self.assistant.records.approvals_of(&self.id).await.map_err(lost)?;
        let question = Question {
            binding: call.binding(),
            session: self.session.id(),
            run: &self.id,
            call: ANSWER,
            person: self.session.person(),
            deciders: &deciders,
            earlier: earlier.iter().rfind(|found| is_same(found)).map(|found| found.id.clone()),
            asked: asked.clone(),
        };
        let settled = self
            .assistant
            .approvals
            .ask(vec![question], &*self.run_context.approver, &*self.run_context.listen)
            .await?;
        Ok(matches!(settled.first(), Some((_, Settled::Allowed { .. }))))
    }
}
