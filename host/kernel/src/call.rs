//! One call, one sandbox: a fresh store under limits, gone afterwards.

use crate::engine::Kernel;
use crate::fault::{Cause, Fault, cause_of};
use crate::imports::turn::Turn;
use crate::imports::{Call, CallServices, CallState};
use crate::loader::Loaded;
use cara_authority::{Grants, Limits, Refusal};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use tokio::time::Instant;
use wasmtime::Store;
use wasmtime::component::Instance;

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
        let call = Arc::new(Call::new(grants.clone(), services, loaded.share.clone(), Some(place)));
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
                Ok(Returned { answer, refusals: call.refusals(), fuel })
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
