//! Asks the optional classifier, a model of the operator's choice,
//! about strangers' words.
//!
//! What it says is written down and shown. It may be wrong or silent: no approval depends on it, and after failures it is
//! left alone for a while.

use super::Run;
use crate::event::Failure;
use crate::guards::classifier::{Classifier, Opinion, question};
use crate::guards::injection::Level;
use crate::prompt::{Estimate, aside, said};
use std::time::Duration;

/// The longest an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// The longest answer, tokens.
const TOKENS: u32 = 200;

impl Run<'_> {
    /// Has a text judged, and notes what comes of it.
    pub(super) async fn classify(&self, text: &str) -> Result<(), Failure> {
        let Some(classifier) = &self.assistant.classifier else { return Ok(()) };
        let now = self.assistant.services.clock.now_ms();
        let Some(leave) = classifier.breaker().ask(now) else { return Ok(()) };
        match self.judged(classifier, text).await {
            Ok(opinion) => {
                classifier.breaker().succeeded(leave);
                if opinion.level == Level::Clean {
                    return Ok(());
                }
                self.note("classifier", vec![format!("{}: {}", opinion.level.name(), opinion.reason)]).await
            }
            Err(why) => {
                let now = self.assistant.services.clock.now_ms();
                classifier.breaker().failed(leave, now);
                tracing::debug!(%why, "the classifier gave no verdict");
                Ok(())
            }
        }
    }

    async fn judged(&self, classifier: &Classifier, text: &str) -> Result<Opinion, Failure> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| Failure::own("random", error.to_string()))?;
        let asked = question(random, text);
        let model = classifier.language_model.model();
        let request = aside(model, Some(asked.system), vec![said(asked.text)], TOKENS);
        let estimate = Estimate::default();
        let asked = self.meter.text(&*classifier.language_model, request, &estimate);
        let answered = tokio::time::timeout(PATIENCE.min(self.time_left()), asked).await;
        let (answer, _) = answered.map_err(|_| Failure::own("limit", "it took too long"))??;
        Opinion::parse(answer.trim()).map_err(|error| Failure::own("classifier", error.to_string()))
    }
}
