//! The runs that go on in this process, and what happened in each so far.

use super::Ended;
use crate::event::{Event, Events};
use cara_assistant::{Failure, Session, TurnEvent};
use cara_authority::{Action, RunId, SessionId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

/// How many conversations are kept open between their runs.
const OPEN: usize = 16;

/// The runs that go on in this process, and the conversations that are open.
#[derive(Default)]
pub(crate) struct UnderWay {
    runs: Mutex<BTreeMap<RunId, Arc<Active>>>,
    /// Those used last come last.
    open: Mutex<Vec<(SessionId, Arc<tokio::sync::Mutex<Session>>)>>,
    /// How many runs go on.
    count: watch::Sender<usize>,
    /// Held from looking whether a run or a conversation is known until the run goes on.
    beginning: tokio::sync::Mutex<()>,
}

/// A run that goes on.
pub(crate) struct Active {
    pub(super) session: SessionId,
    pub(super) cancel: CancellationToken,
    /// The work itself.
    pub(super) task: Mutex<Option<AbortHandle>>,
    pub(super) feed: Arc<Feed>,
}

impl Active {
    /// Leaves the run where it is, to whoever holds the home next; a call that may have an effect ends first.
    async fn leave(&self) {
        let mut changed = self.feed.changed.subscribe();
        while self.feed.is_acting() && changed.changed().await.is_ok() {}
        if let Some(task) = &*self.task.lock().unwrap_or_else(PoisonError::into_inner) {
            task.abort();
        }
    }
}

/// All that happened in a run so far, and how it ended.
pub(super) struct Feed {
    told: Mutex<Vec<Event>>,
    ended: Mutex<Option<Ended>>,
    /// Changes with each event and with the end.
    changed: watch::Sender<usize>,
}

impl Feed {
    pub(super) fn new() -> Self {
        Self { told: Mutex::default(), ended: Mutex::default(), changed: watch::Sender::new(0) }
    }

    pub(super) fn tell(&self, event: Event) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.push(event);
        self.changed.send_replace(told.len());
    }

    /// Whether a call was let through whose result is not told yet.
    fn is_acting(&self) -> bool {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let mut acting = BTreeSet::new();
        for event in &*told {
            match event {
                Event::Run { event: TurnEvent::ToolDecision { id, then: Action::Allow, .. } } => {
                    acting.insert(id.as_str());
                }
                // Which call it was about is not told; it is over with the next result.
                Event::Run { event: TurnEvent::ApprovalDecided { id, allowed: true, .. } } => {
                    acting.insert(id.as_str());
                }
                Event::Run { event: TurnEvent::ToolResult { id, .. } } => {
                    acting.remove(id.as_str());
                    acting.retain(|id| !id.starts_with("a-"));
                }
                _ => {}
            }
        }
        !acting.is_empty()
    }

    pub(super) fn end(&self, ended: Ended) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
        self.changed.send_modify(|_| {});
    }

    /// Tells everything from the beginning on, until the run has ended.
    pub(super) async fn follow(&self, events: &Events) -> Ended {
        let mut changed = self.changed.subscribe();
        let mut next = 0;
        loop {
            changed.mark_unchanged();
            // Looked at first: what was told before the end is told before it here as well.
            let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let new = self.told.lock().unwrap_or_else(PoisonError::into_inner)[next..].to_vec();
            next += new.len();
            new.into_iter().for_each(|event| events.tell(event));
            if let Some(ended) = ended {
                return ended;
            }
            if changed.changed().await.is_err() {
                return Ended::Error(Failure::own("cancelled", "the run was left by its process"));
            }
        }
    }
}

impl UnderWay {
    /// Waits until nobody else begins a run. It is short: what takes long is done before.
    pub(super) async fn begin(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.beginning.lock().await
    }

    /// The run of this id, if it goes on.
    pub(crate) fn run(&self, id: &RunId) -> Option<Arc<Active>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// The runs that go on, with their sessions.
    pub(crate) fn all(&self) -> Vec<(RunId, SessionId)> {
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.iter().map(|(id, active)| (id.clone(), active.session.clone())).collect()
    }

    /// Whether a run goes on in this session.
    pub(crate) fn is_busy(&self, session: &SessionId) -> bool {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).values().any(|active| active.session == *session)
    }

    /// Forgets an open conversation: it is read anew from the ledger.
    pub(crate) fn forget(&self, session: &SessionId) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).retain(|(id, _)| id != session);
    }

    /// Waits until no run goes on.
    pub(crate) async fn ended(&self) {
        let mut count = self.count.subscribe();
        // The sender lives as long as this.
        let _ = count.wait_for(|count| *count == 0).await;
    }

    /// Leaves the runs that go on to whoever holds the home next.
    pub(crate) async fn leave(&self) {
        let runs: Vec<Arc<Active>> = {
            let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *runs).into_values().collect()
        };
        for run in runs {
            run.leave().await;
        }
    }

    pub(super) fn add(&self, id: &RunId, active: &Arc<Active>) {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.insert(id.clone(), active.clone());
        self.count.send_replace(runs.len());
    }

    pub(super) fn remove(&self, id: &RunId) {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.remove(id);
        self.count.send_replace(runs.len());
    }

    /// The open conversation; one that was not used for long makes room for others.
    pub(super) fn session(&self, id: &SessionId) -> Option<Arc<tokio::sync::Mutex<Session>>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let at = open.iter().position(|(known, _)| known == id)?;
        let found = open.remove(at);
        open.push(found.clone());
        Some(found.1)
    }

    pub(super) fn keep(&self, session: Session) -> Arc<tokio::sync::Mutex<Session>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= OPEN {
            open.remove(0);
        }
        let id = session.id().clone();
        let kept = Arc::new(tokio::sync::Mutex::new(session));
        open.push((id, kept.clone()));
        kept
    }
}
