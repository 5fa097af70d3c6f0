//! `approvals`: a component's own question to a person.

use super::*;
use crate::bindings::approvals::{Decision, Host, Question};

/// Asks a person.
#[async_trait::async_trait]
pub trait Approvals: Send + Sync {
    /// Shows the question to a person and waits for the decision.
    async fn ask(&self, by: ServiceGrant, question: Question) -> Result<Decision, Refusal>;
}

impl Host for CallState {
    async fn ask(&mut self, question: Question) -> Answer<Decision> {
        let ask = async |by, approvals: Arc<dyn Approvals>| approvals.ask(by, question).await;
        self.waiting(None, Power::Approvals, |host| &host.approvals, ask).await
    }
}
