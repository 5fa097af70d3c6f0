//! What the imports see of the call they serve.

use super::services::CallServices;
use crate::fault::Cause;
use crate::memory::{Held, Memory};
use crate::pool::{Place, Share};
use cara_authority::{Grants, Limits, Refusal, Rule};
use cara_services::egress::Budget;
use std::future::Future;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What the imports see of the call they serve.
pub(crate) struct Call {
    pub(crate) grants: Arc<Grants>,
    pub(crate) services: CallServices,
    pub(crate) log_lines: AtomicU32,
    pub(crate) requests: AtomicU32,
    /// Bytes it may still send and receive.
    pub(crate) egress: Arc<Budget>,
    pub(crate) memory: Arc<Memory>,
    share: Arc<Share>,
    place: Mutex<Option<Place>>,
    refusals: Mutex<Vec<Refusal>>,
    clock: Mutex<Clock>,
}

/// When a call has to be over. It stands still while somebody else has to act.
struct Clock {
    end: Instant,
    /// When nothing came from it for too long.
    quiet: Instant,
    /// Since when it stands still.
    since: Option<Instant>,
}

/// How many refusals of one call are kept for the operator; the first ones tell the story.
const KEPT_REFUSALS: usize = 16;

impl Call {
    pub(crate) fn new(grants: Arc<Grants>, services: CallServices, share: Arc<Share>, place: Option<Place>) -> Self {
        let limits = grants.limits();
        Self {
            memory: Memory::new(limits.memory),
            share,
            place: Mutex::new(place),
            log_lines: AtomicU32::new(0),
            requests: AtomicU32::new(0),
            egress: Arc::new(Budget::new(limits.egress)),
            refusals: Mutex::default(),
            clock: Mutex::new(Clock {
                end: Instant::now() + limits.wall,
                quiet: Instant::now() + limits.idle,
                since: None,
            }),
            grants,
            services,
        }
    }

    /// What the host does for the component outside of its sandbox, for as long as a server may take.
    pub(crate) fn outside(grants: &Grants, services: &CallServices, share: Arc<Share>, time: Duration) -> Self {
        let grants = Arc::new(grants.within_time(time));
        Self::new(grants, services.clone(), share, None)
    }

    /// Records a refusal, so that the operator sees its text and cure whatever the guest makes of it.
    pub(crate) fn refuse(&self, refusal: Refusal) -> Refusal {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if refusals.len() < KEPT_REFUSALS && !refusals.contains(&refusal) {
            tracing::debug!(component = %self.grants.component(), refusal = %refusal.text(), "refused");
            refusals.push(refusal.clone());
        }
        refusal
    }

    /// Takes the refusals that were recorded.
    pub(crate) fn refusals(&self) -> Vec<Refusal> {
        std::mem::take(&mut *self.refusals.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes memory for what the host is about to keep or load for the guest, until the value is dropped.
    pub(crate) fn hold(&self, bytes: u64) -> Result<Held, Refusal> {
        self.memory.hold(bytes).ok_or_else(|| {
            let (component, memory) = (self.grants.component(), self.grants.limits().memory >> 20);
            let text = format!("component `{component}` asks for more than its memory of {memory} MiB has room for");
            Refusal::new(Rule::Limit, text).hint("to allow more, raise `memory` in its limits")
        })
    }

    fn clock(&self) -> MutexGuard<'_, Clock> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is left of the call's time.
    pub(crate) fn time_left(&self) -> Duration {
        let clock = self.clock();
        clock.end.saturating_duration_since(clock.since.unwrap_or_else(Instant::now))
    }

    /// Waits for somebody else: a person, or a call of another component. The call's clock stands still, and its place
    /// is free for others, so that a call it waits for finds one.
    pub(crate) async fn wait<T>(
        &self,
        other: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<Result<T, Refusal>, Cause> {
        let Some(parked) = self.share.park() else {
            let text = format!("too many calls of component `{}`, or of all, wait already", self.grants.component());
            return Ok(Err(Refusal::new(Rule::Unavailable, text).hint("try again when some have ended")));
        };
        self.clock().since = Some(Instant::now());
        let _pause = Pause(self);
        self.leave();
        let done = other.await;
        let place = self.share.enter().await?;
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
        drop(parked);
        Ok(done)
    }

    /// Gives the call's place back.
    pub(crate) fn leave(&self) {
        drop(self.place.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// When it has to be over unless something happens, and why then.
    pub(crate) fn due(&self) -> (Instant, Cause) {
        let (clock, limits) = (self.clock(), self.grants.limits());
        match clock.since {
            Some(_) => (Instant::now() + limits.idle, Cause::Idle(limits.idle)),
            None if clock.end <= clock.quiet => (clock.end, Cause::Wall(limits.wall)),
            None => (clock.quiet, Cause::Idle(limits.idle)),
        }
    }

    /// Notes a sign of life: an event came.
    pub(crate) fn touch(&self) {
        self.clock().quiet = Instant::now() + self.grants.limits().idle;
    }
}

/// The call's clock stands still. A guest has one call at a time into the host, so pauses do not overlap.
struct Pause<'a>(&'a Call);

impl Drop for Pause<'_> {
    fn drop(&mut self) {
        let mut clock = self.0.clock();
        if let Some(since) = clock.since.take() {
            clock.end += since.elapsed();
        }
        drop(clock);
        self.0.touch();
    }
}

/// The most bytes of one header: those of all handles together are at most a quarter of the call's memory, or 4 KiB
/// each, whichever is more. They are not counted one by one, because wasmtime tells nobody of them.
pub(crate) fn fields(limits: &Limits) -> usize {
    let each = limits.memory / 4 / u64::from(limits.handles.max(1));
    each.clamp(4 << 10, 64 << 10) as usize
}
