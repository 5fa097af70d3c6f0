//! What came of a call: for the person, the model and the ledger.

use super::decide::Planned;
use crate::event::{Denial, TurnEvent};
use cara_authority::{Label, Source};
use cara_records::{CallState, FinishedCall};
use serde_json::json;

/// A call that could not begin, though nobody denied it: it may be asked for again.
pub(super) fn not_begun(planned: Planned, text: String) -> Outcome {
    let (id, name, label) = (planned.id, planned.name, Label::of(Source::Tool));
    Outcome { id, name, text, label, failed: true, denied: None, state: Some(CallState::Interrupted) }
}

/// What came of a call.
pub(super) struct Outcome {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) text: String,
    pub(super) label: Label,
    pub(super) failed: bool,
    /// Who denied it, where it was asked about.
    pub(super) denied: Option<Denial>,
    /// How the ledger shall keep it; none when it was no call, or is kept already.
    pub(super) state: Option<CallState>,
}

impl Outcome {
    pub(super) fn event(&self) -> TurnEvent {
        let Self { id, name, text, label, failed, denied, .. } = self;
        let (id, name, text, denied) = (id.clone(), name.clone(), text.clone(), denied.clone());
        TurnEvent::ToolResult { id, name, text, failed: *failed, denied, label: label.clone() }
    }

    pub(super) fn finished(&self) -> Option<FinishedCall> {
        let result = json!(self.text);
        Some(FinishedCall { call_id: self.id.clone(), state: self.state?, result, label: self.label.clone() })
    }
}
