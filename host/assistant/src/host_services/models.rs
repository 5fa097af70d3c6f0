//! `models` for a tool: questions to the model of the run.

use super::TurnServices;
use crate::prompt::{Estimate, aside, merged, said};
use cara_authority::{Label, Refusal, Rule, ServiceGrant, Source};
use cara_kernel::Labels;
use cara_kernel::bindings::models::{Request, Response};
use cara_kernel::bindings::types::{Role, Usage};

#[async_trait::async_trait]
impl cara_kernel::Models for TurnServices {
    async fn complete(&self, by: ServiceGrant, request: Request) -> Result<Response, Refusal> {
        let most = request.max_output_tokens.unwrap_or(2_048).min(self.language_model.context_tokens() / 4).max(64);
        // The system prompt is the operator's: what a component wants of the model is said like a person's words.
        let system = request.system.map(said);
        let told = request.messages.into_iter().filter(|message| message.role != Role::System);
        let full = aside(self.language_model.model(), None, merged(system.into_iter().chain(told).collect()), most);
        let answered = self.meter.text(&*self.language_model, full, &Estimate::default()).await;
        let (text, spent) = answered.map_err(|failure| {
            Refusal::new(
                Rule::Unavailable,
                format!("the model that `{}` asked did not answer: {}", by.component(), failure.message),
            )
        })?;
        self.saw(&Label::of(Source::Model));
        let usage = Usage { input: spent.input, output: spent.output, cache_read: 0, cache_write: 0, reasoning: 0 };
        Ok(Response { text, usage })
    }
}
