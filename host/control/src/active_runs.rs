//! The runs that go on in this process, and what happened in each so far.

use crate::change::Topic;
use crate::event::Events;
use cara_assistant::{CallGate, Ending, Failure, Session, Steering};
use cara_authority::{RunId, SessionId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

/// How many runs that ended are kept, for whoever followed one and comes back.
const ENDED: usize = 16;

/// How many conversations are kept open between their runs.
const OPEN: usize = 16;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Ended {
    /// The model answered.
    Done(Ending),
    /// The model gave no answer.
    Error(Failure),
}

/// The runs that go on in this process, and the conversations that are open. A clone is the same.
#[derive(Clone, Default)]
pub(crate) struct ActiveRuns(Arc<Kept>);

#[derive(Default)]
struct Kept {
    runs: Mutex<BTreeMap<RunId, Arc<Active>>>,
    /// The runs that ended last; the newest comes last.
    ended: Mutex<VecDeque<(RunId, Arc<Active>)>>,
    /// Hears of runs that begin and end.
    changes: Option<Events>,
    /// The sessions that are open; the one used last comes last.
    open: Mutex<Vec<(SessionId, Arc<tokio::sync::Mutex<Session>>)>>,
    /// How many runs go on.
    count: watch::Sender<usize>,
    /// Held from looking whether a run or a conversation is known until the run goes on.
    beginning: tokio::sync::Mutex<()>,
    /// No run begins any more: those that went on were left.
    closed: AtomicBool,
}

/// A run that goes on.
pub(crate) struct Active {
    pub(crate) session: SessionId,
    pub(crate) cancel: CancellationToken,
    /// What is added before its next step.
    pub(crate) steering: Steering,
    /// What each call of the run passes.
    pub(crate) gate: CallGate,
    /// The work itself.
    pub(crate) task: Mutex<Option<AbortHandle>>,
    /// All that happened so far.
    pub(crate) events: Events,
    ended: Mutex<Option<Ended>>,
    left: AtomicBool,
}

impl Active {
    pub(crate) fn new(session: SessionId, cancel: CancellationToken, events: Events) -> Self {
        let (steering, gate, task, ended, left) = Default::default();
        Self { session, cancel, steering, gate, task, events, ended, left }
    }

    /// Leaves the run where it is, to whoever holds the home next: no call begins any more, and one that goes on ends first.
    async fn leave(&self) {
        self.gate.close().await;
        self.left.store(true, Ordering::Relaxed);
        if let Some(task) = &*self.task.lock().unwrap_or_else(PoisonError::into_inner) {
            task.abort();
        }
    }

    /// Ends the run for all who follow it.
    fn end(&self, ended: Ended) {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(ended);
        self.events.end();
    }

    /// Waits until the run has ended.
    pub(crate) async fn ended(&self) {
        self.events.ended().await;
    }

    /// Tells everything after so many of its first events, until the run has ended.
    pub(crate) async fn follow(&self, events: &Events, after: usize) -> Ended {
        events.follow(&self.events, after);
        self.events.ended().await;
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ended.unwrap_or_else(|| Ended::Error(Failure::own("cancelled", "the run was left by its process")))
    }
}

/// Having a `Running` tells you: the run goes on. Dropped, it ends the run, also where its task panics; a run that is left
/// does not end.
pub(crate) struct Running {
    active_runs: ActiveRuns,
    id: RunId,
    active: Arc<Active>,
    ended: Option<Ended>,
}

impl Running {
    /// The run is under way from here on.
    pub(crate) fn begin(active_runs: &ActiveRuns, id: RunId, active: &Arc<Active>) -> Self {
        active_runs.add(&id, active);
        Self { active_runs: active_runs.clone(), id, active: active.clone(), ended: None }
    }

    /// How the run ended.
    pub(crate) fn end(mut self, ended: Ended) {
        self.ended = Some(ended);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.active.left.load(Ordering::Relaxed) {
            return;
        }
        self.active_runs.remove(&self.id);
        let broken = || {
            let text = "the run was ended by a fault of cara\nhint: `cara logs` says which; send the message again";
            Ended::Error(Failure::own("fault", text))
        };
        self.active.end(self.ended.take().unwrap_or_else(broken));
    }
}

impl ActiveRuns {
    /// None goes on; whoever reads this log hears of those that begin and end.
    pub(crate) fn telling(changes: &Events) -> Self {
        Self(Arc::new(Kept { changes: Some(changes.clone()), ..Kept::default() }))
    }

    fn tell(&self, what: &str, run: &RunId) {
        if let Some(changes) = &self.0.changes {
            changes.changed(Topic::Runs, what, Some(run.as_str()));
        }
    }

    /// Waits until nobody else begins a run. It is short: what takes long is done before. None where no run begins any more.
    pub(crate) async fn begin(&self) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let beginning = self.0.beginning.lock().await;
        (!self.0.closed.load(Ordering::Relaxed)).then_some(beginning)
    }

    /// The run of this id, if it goes on.
    pub(crate) fn run(&self, id: &RunId) -> Option<Arc<Active>> {
        self.0.runs.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// The runs that go on, with their sessions.
    pub(crate) fn all(&self) -> Vec<(RunId, SessionId)> {
        let runs = self.0.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.iter().map(|(id, active)| (id.clone(), active.session.clone())).collect()
    }

    /// Whether a run goes on in this session.
    pub(crate) fn is_busy(&self, session: &SessionId) -> bool {
        self.0.runs.lock().unwrap_or_else(PoisonError::into_inner).values().any(|active| active.session == *session)
    }

    /// Forgets an open conversation, and what happened in its runs: it is read anew from the ledger, if it is still there.
    pub(crate) fn forget(&self, session: &SessionId) {
        self.0.ended.lock().unwrap_or_else(PoisonError::into_inner).retain(|(_, run)| run.session != *session);
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner).retain(|(id, _)| id != session);
    }

    /// Waits until no run goes on.
    pub(crate) async fn ended(&self) {
        let mut count = self.0.count.subscribe();
        // The sender lives as long as this.
        let _ = count.wait_for(|count| *count == 0).await;
    }

    /// Leaves the runs that go on to whoever holds the home next.
    pub(crate) async fn leave(&self) {
        let _beginning = self.0.beginning.lock().await;
        self.0.closed.store(true, Ordering::Relaxed);
        let runs: Vec<Arc<Active>> = {
            let mut runs = self.0.runs.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *runs).into_values().collect()
        };
        for run in runs {
            run.leave().await;
        }
    }

    pub(crate) fn add(&self, id: &RunId, active: &Arc<Active>) {
        let mut runs = self.0.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.insert(id.clone(), active.clone());
        self.0.count.send_replace(runs.len());
        drop(runs);
        self.tell("runs.began", id);
    }

    pub(crate) fn remove(&self, id: &RunId) {
        let mut runs = self.0.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let active = runs.remove(id);
        self.0.count.send_replace(runs.len());
        drop(runs);
        if let Some(active) = active {
            let mut ended = self.0.ended.lock().unwrap_or_else(PoisonError::into_inner);
            if ended.len() >= ENDED {
                ended.pop_front();
            }
            ended.push_back((id.clone(), active));
        }
        self.tell("runs.ended", id);
    }

    /// The run of this id, if it goes on or ended a short while ago.
    pub(crate) fn run_or_ended(&self, id: &RunId) -> Option<Arc<Active>> {
        let ended = || {
            let ended = self.0.ended.lock().unwrap_or_else(PoisonError::into_inner);
            ended.iter().find(|(run, _)| run == id).map(|(_, active)| active.clone())
        };
        self.run(id).or_else(ended)
    }

    /// The open conversation; one that was not used for long makes room for others.
    pub(crate) fn session(&self, id: &SessionId) -> Option<Arc<tokio::sync::Mutex<Session>>> {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let at = open.iter().position(|(known, _)| known == id)?;
        let found = open.remove(at);
        open.push(found.clone());
        Some(found.1)
    }

    pub(crate) fn keep(&self, session: Session) -> Arc<tokio::sync::Mutex<Session>> {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= OPEN {
            open.remove(0);
        }
        let id = session.id().clone();
        let kept = Arc::new(tokio::sync::Mutex::new(session));
        open.push((id, kept.clone()));
        kept
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::event::Scope;

    fn begun(active_runs: &ActiveRuns) -> (Arc<Active>, Running) {
        let (id, session) = (RunId::parse("r-aaaaaaaaaa").unwrap(), SessionId::parse("s-aaaaaaaaaa").unwrap());
        let active = Arc::new(Active::new(session, CancellationToken::new(), Events::new(Scope::Run)));
        let running = Running::begin(active_runs, id, &active);
        (active, running)
    }

    #[tokio::test]
    async fn a_panic_in_a_run_ends_it_for_all_who_follow() {
        let active_runs = ActiveRuns::default();
        let (active, running) = begun(&active_runs);
        let task = tokio::spawn(async move {
            let _running = running;
            panic!("a test");
        });
        assert!(task.await.is_err());
        let ended = active.follow(&Events::nobody(), 0).await;
        assert!(matches!(ended, Ended::Error(failure) if failure.kind == "fault"));
        assert!(active_runs.all().is_empty());
        active_runs.ended().await;
    }

    #[tokio::test]
    async fn a_run_that_is_left_ends_for_nobody() {
        let active_runs = ActiveRuns::default();
        let (active, running) = begun(&active_runs);
        let task = tokio::spawn(async move {
            let _running = running;
            std::future::pending::<()>().await;
        });
        *active.task.lock().unwrap() = Some(task.abort_handle());
        active_runs.leave().await;
        assert!(task.await.unwrap_err().is_cancelled());
        let followed = tokio::time::timeout(std::time::Duration::ZERO, active.follow(&Events::nobody(), 0)).await;
        assert!(followed.is_err(), "who follows it is told that it ended, and does not ask the next process");
    }

    #[tokio::test]
    async fn no_run_begins_once_the_runs_were_left() {
        let active_runs = ActiveRuns::default();
        assert!(active_runs.begin().await.is_some());
        active_runs.leave().await;
        assert!(active_runs.begin().await.is_none());
    }
}
