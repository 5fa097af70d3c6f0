//! What one call used, and what the audit log says of it: kept before its end
//! is told, however it ends.

use super::unanswered::Unanswered;
use super::words::Seen;
use crate::call_journal::Journal;
use crate::telemetry::model_call::ModelCall;
use cara_assistant::Provider;
use cara_assistant::observed::ObservedCall;
use cara_assistant::program::{Metered, Program};
use cara_kernel::bindings::provider::StopReason;
use cara_kernel::bindings::turn::Event;
use cara_records::{ProgramUse, Spent};
use serde_json::json;
use std::sync::Arc;

/// How a call ended whose program went away.
const GONE: &str = "cancelled";

/// The account of one call. Dropped, it is settled as one whose program went away.
pub(super) struct Account {
    id: String,
    journal: Arc<Journal>,
    program: Program,
    component: cara_authority::ComponentId,
    model: String,
    metered: Metered,
    seen: Seen,
    call: ModelCall,
    is_settled: bool,
}

impl Account {
    pub(super) fn open(
        journal: Arc<Journal>,
        program: Program,
        provider: &Provider,
        metered: Metered,
        seen: Seen,
        call: ModelCall,
    ) -> Result<Self, Unanswered> {
        let reservation = metered.reservation().map(|id| id.0.clone());
        let id = reservation.map_or_else(ProgramUse::fresh_id, Ok)?;
        let (component, model) = (provider.id.clone(), provider.model.clone());
        Ok(Self { id, journal, program, component, model, metered, seen, call, is_settled: false })
    }

    /// Names the call, here and in the audit log.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Takes note of what came; an error where that is more than may be used.
    pub(super) fn saw(&mut self, event: &Event) -> Result<(), Unanswered> {
        self.call.came(event);
        Ok(self.metered.saw(event)?)
    }

    /// Takes the vendor's count of tokens in, where it has one.
    pub(super) fn counted(&mut self, input: Option<u64>) {
        if let Some(input) = input {
            self.metered.counted(input);
            self.call.used(input, 0);
        }
    }

    /// The model answered, as the vendor calls it.
    pub(super) fn answered(&mut self, model: &str, stop: Option<StopReason>) {
        self.call.over(Some(model), stop, None);
    }

    pub(super) fn spent(&self) -> Spent {
        self.metered.spent()
    }

    pub(super) fn metered(&self) -> &Metered {
        &self.metered
    }

    /// Writes down how the call ended, and what was found in its answer. It is in the journal when this returns.
    pub(super) fn settle(&mut self, ended: &str, found: &[String]) -> Result<(), Unanswered> {
        if std::mem::replace(&mut self.is_settled, true) {
            return Ok(());
        }
        self.call.over(None, None, Some(ended.to_owned().into()));
        let went_out = ended == GONE || !self.metered.is_unused() || ["embedded", "complete"].contains(&ended);
        let spent = if went_out { self.metered.spent() } else { Spent::default() };
        let mut detail = json!({ "ended": ended, "seen": self.seen.label });
        if !self.seen.found.is_empty() {
            detail["in"] = json!(self.seen.found);
        }
        if !found.is_empty() {
            detail["out"] = json!(found);
        }
        Ok(self.journal.put(ProgramUse {
            id: self.id.clone(),
            reserved: self.metered.reservation().is_some(),
            person: self.program.person.clone(),
            credential: self.program.credential.clone(),
            component: self.component.clone(),
            model: self.model.clone(),
            input: spent.input,
            output: spent.output,
            micros: spent.micros,
            at_ms: self.journal.now_ms(),
            detail,
        })?)
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if let Err(error) = self.settle(GONE, &[]) {
            tracing::error!(%error, "what a call used is not written down");
        }
    }
}
