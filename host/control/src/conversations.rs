//! The conversations in which messages wait or are answered in this process;
//! `delivery` answers them.

use crate::active_runs::Active;
use cara_authority::{ConversationAddress, PersonId, RunId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// How many strangers are named in the log of one process.
const NAMED: usize = 1_000;

/// Workers of conversations with messages that wait. A clone is the same.
#[derive(Clone, Default)]
pub(crate) struct Conversations(Arc<Kept>);

#[derive(Default)]
struct Kept {
    /// Ends the workers; what waits stays in the inbox.
    end: CancellationToken,
    workers: Mutex<BTreeMap<String, Worker>>,
    /// Strangers who were named in the log.
    strangers: Mutex<BTreeSet<String>>,
}

/// What answers the messages of one session.
#[derive(Default)]
pub(crate) struct Worker {
    /// The conversations whose messages go into the session.
    pub(crate) addresses: BTreeSet<ConversationAddress>,
    /// The run that goes on, and whose message it answers.
    pub(crate) runs: Option<(PersonId, Arc<Active>)>,
    /// Runs that a process which died left.
    pub(crate) left: Vec<RunId>,
    /// Whether a message came since the worker looked last.
    pub(crate) has_more: bool,
}

impl Conversations {
    /// Is cancelled when the workers shall end.
    pub(crate) fn ends(&self) -> &CancellationToken {
        &self.0.end
    }

    /// Ends the workers.
    pub(crate) fn close(&self) {
        self.0.end.cancel();
    }

    /// The workers, by what the scope of sessions makes of their conversations.
    pub(crate) fn workers(&self) -> MutexGuard<'_, BTreeMap<String, Worker>> {
        self.0.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names a stranger in the log, once.
    pub(crate) fn ignored(&self, sender: &str) {
        let mut named = self.0.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        if named.len() < NAMED && named.insert(sender.to_owned()) {
            tracing::warn!(
                sender,
                "a message of somebody unknown was not taken in; `cara people link` makes them known"
            );
        }
    }
}
