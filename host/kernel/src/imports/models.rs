//! `models`: questions of a component to the language model.

use super::*;
use crate::bindings::models::{Host, Request, Response};

/// Asks the language model of the run.
#[async_trait::async_trait]
pub trait Models: Send + Sync {
    /// Completes a request under the budgets of the run.
    async fn complete(&self, by: ServiceGrant, request: Request) -> Result<Response, Refusal>;
}

impl Host for CallState {
    async fn complete(&mut self, request: Request) -> Answer<Response> {
        let complete = async |by, models: Arc<dyn Models>| models.complete(by, request).await;
        let answered = self.waiting(None, Power::Models, |host| &host.models, complete).await?;
        // The text stands here and soon in the guest as well.
        let bytes = answered.as_ref().map_or(0, |answer| 2 * answer.text.len() as u64);
        Ok(match self.call.hold(bytes) {
            Ok(_) => answered,
            Err(refusal) => self.answer(Err(refusal)),
        })
    }
}
