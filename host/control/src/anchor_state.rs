//! How anchoring the audit log stands in this process; apart from
//! `anchoring`, which knows the application that holds this.

use crate::anchors::Anchor;
use crate::error::Error;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// How the anchors of this process stand.
pub(crate) struct Anchoring {
    /// One at a time, so that lines do not mix.
    turn: tokio::sync::Mutex<()>,
    /// One at a time checks the signatures of anchors: that takes the processor for a while, also where the caller left.
    pub(crate) comparing: Arc<Semaphore>,
    state: Mutex<State>,
}

impl Default for Anchoring {
    fn default() -> Self {
        Self { turn: tokio::sync::Mutex::default(), comparing: Arc::new(Semaphore::new(1)), state: Mutex::default() }
    }
}

#[derive(Default)]
struct State {
    last: Option<(u64, u64)>,
    problem: Option<Error>,
}

/// How anchoring stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AnchorState {
    /// The event that this process anchored last.
    pub seq: Option<u64>,
    /// When, Unix milliseconds.
    pub at_ms: Option<u64>,
    /// Why the last try failed, if it did.
    pub problem: Option<Error>,
}

impl Anchoring {
    /// How it stands.
    pub(crate) fn state(&self) -> AnchorState {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        AnchorState {
            seq: state.last.map(|(seq, _)| seq),
            at_ms: state.last.map(|(_, at_ms)| at_ms),
            problem: state.problem.clone(),
        }
    }

    /// Somebody tried.
    pub(crate) fn tried(&self, done: Result<&Anchor, &Error>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match done {
            Ok(anchor) => *state = State { last: Some((anchor.seq, anchor.at_ms)), problem: None },
            Err(error) => state.problem = Some(error.clone()),
        }
    }

    /// Nothing is to be anchored any more.
    pub(crate) fn forget(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::default();
    }

    /// The turn of whoever anchors.
    pub(crate) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }
}
