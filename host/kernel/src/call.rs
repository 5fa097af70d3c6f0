//! One call, one sandbox: a fresh store under limits, gone afterwards.

use crate::engine::Kernel;
use crate::fault::{Cause, Fault, cause_of};
use crate::imports::http::Gate;
use crate::imports::turn::Turn;
use crate::imports::wasi::Ambient;
use crate::limiter::Limiter;
use crate::loader::Loaded;
use crate::memory::{Held, Memory};
use crate::pool::{Place, Share};
use crate::services::CallServices;
use cara_authority::{Grants, Limits, Refusal, Rule};
use cara_services::egress::Budget;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use wasmtime::Store;
use wasmtime::component::{Instance, ResourceTable};
use wasmtime_wasi_http::WasiHttpCtx;

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
    fn new(grants: Arc<Grants>, services: CallServices, share: Arc<Share>, place: Place) -> Self {
        let limits = grants.limits();
        Self {
            memory: Memory::new(limits.memory),
            share,
            place: Mutex::new(Some(place)),
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

    /// Records a refusal, so that the operator sees its text and cure whatever the guest makes of it.
    pub(crate) fn refuse(&self, refusal: Refusal) -> Refusal {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if refusals.len() < KEPT_REFUSALS && !refusals.contains(&refusal) {
            tracing::debug!(component = %self.grants.component(), refusal = %refusal.text(), "refused");
            refusals.push(refusal.clone());
        }
        refusal
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
    fn leave(&self) {
        drop(self.place.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// When it has to be over unless something happens, and why then.
    fn due(&self) -> (Instant, Cause) {
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

/// The data of a call's store.
pub(crate) struct CallState {
    pub(crate) table: ResourceTable,
    pub(crate) limiter: Limiter,
    pub(crate) call: Arc<Call>,
    pub(crate) http: WasiHttpCtx,
    pub(crate) gate: Gate,
    pub(crate) ambient: Ambient,
    pub(crate) turn: Option<Turn>,
}

impl CallState {
    fn new(call: Arc<Call>, turn: Option<Turn>) -> Self {
        let limits = call.grants.limits();
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles as usize);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(fields(limits));
        Self {
            table,
            limiter: Limiter::new(limits, call.memory.clone()),
            http,
            gate: Gate::new(call.clone()),
            ambient: Ambient::default(),
            turn,
            call,
        }
    }
}

/// One exported function with its arguments, to be called in a fresh instance.
pub(crate) type Invocation<T> =
    Box<dyn for<'a> FnOnce(&'a mut Store<CallState>, &'a Instance, &'a Loaded) -> Invoked<'a, T> + Send>;
type Invoked<'a, T> = Pin<Box<dyn Future<Output = wasmtime::Result<T>> + Send + 'a>>;

/// What came of a call that returned.
#[derive(Debug)]
pub struct Returned<T> {
    /// What the guest returned.
    pub answer: T,
    /// What it was refused on the way, in order, without repetitions.
    pub refusals: Vec<Refusal>,
    /// The fuel it burnt.
    pub fuel: u64,
}

impl Kernel {
    /// Runs one call to its end. Dropping the future ends the call at once.
    pub(crate) async fn call<T>(
        &self,
        loaded: &Loaded,
        grants: Arc<Grants>,
        services: CallServices,
        turn: Option<Turn>,
        invocation: Invocation<T>,
    ) -> Result<Returned<T>, Fault> {
        let limits = grants.limits();
        let fault = |cause| Fault::new(grants.component(), cause);
        let place = loaded.share.enter().await.map_err(fault)?;
        let _running = self.running();
        let call = Arc::new(Call::new(grants.clone(), services, loaded.share.clone(), place));
        // After the store is gone: what it had in the pool is the next call's.
        let _leaving = Leaving(call.clone());
        let mut store = Store::new(&self.shared.engine, CallState::new(call.clone(), turn));
        store.limiter(|state| &mut state.limiter);
        store.set_fuel(limits.fuel).expect("fuel is switched on in the engine");
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        store.set_hostcall_fuel(limits.transfer as usize);
        store.set_max_component_handles(limits.handles as usize);
        let ended = {
            let work = async {
                let instance = loaded.pre.instantiate_async(&mut store).await?;
                invocation(&mut store, &instance, loaded).await
            };
            watch(work, &call, limits).await.map_err(fault)?
        };
        match ended {
            Ok(answer) => {
                let fuel = limits.fuel.saturating_sub(store.get_fuel().unwrap_or_default());
                let refusals = std::mem::take(&mut *call.refusals.lock().unwrap_or_else(PoisonError::into_inner));
                Ok(Returned { answer, refusals, fuel })
            }
            Err(error) => Err(fault(cause_of(&error, limits, store.data().limiter.denied()))),
        }
    }
}

/// The end of a call, whichever it is.
struct Leaving(Arc<Call>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Waits for the work, at most `wall` in all and `idle` without a sign of life. The epoch makes a spinning guest yield,
/// so this also fires while one spins; a guest blocked in a host call is simply dropped.
async fn watch<T>(work: impl Future<Output = T>, call: &Call, limits: &Limits) -> Result<T, Cause> {
    let (mut work, mut exceeded) = (pin!(work), pin!(call.memory.exceeded()));
    loop {
        tokio::select! {
            biased;
            done = &mut work => return Ok(done),
            () = &mut exceeded => return Err(Cause::over("memory", limits)),
            () = tokio::time::sleep_until(call.due().0) => {}
        }
        let (due, cause) = call.due();
        if Instant::now() >= due {
            return Err(cause);
        }
    }
}
