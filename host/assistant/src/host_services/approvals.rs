//! `approvals` for a tool: a question of the component to a person.

use super::TurnServices;
use crate::approvals::Settled;
use cara_authority::{Refusal, Rule, ServiceGrant};
use cara_kernel::bindings::approvals::{Decision, Question};
use serde_json::json;

/// The longest title of a component's question, characters, and its longest text, bytes (`wit/approvals.wit`).
const TITLE: usize = 80;
const DETAIL: usize = 4 * 1024;

#[async_trait::async_trait]
impl cara_kernel::Approvals for TurnServices {
    async fn ask(&self, by: ServiceGrant, question: Question) -> Result<Decision, Refusal> {
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
}
