//! A component that can be called: loaded by its first call, guarded by its
//! breaker, watched by whoever put it there.

use crate::breaker::Breaker;
use crate::cache::CompiledCache;
use crate::call::{Invocation, Returned};
use crate::engine::Kernel;
use crate::fault::{Cause, Fault};
use crate::imports::CallServices;
use crate::imports::turn::Turn;
use crate::loader::{Checked, Loaded};
use crate::pool::Share;
use cara_authority::{ComponentId, Grants};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// Is told how calls of a component end.
#[async_trait::async_trait]
pub trait Watch: Send + Sync {
    /// A call ended: with an answer, or in a fault the component is to blame for.
    async fn ended(&self, fault: Option<&Fault>);
}

/// A component with its breaker. Calls are made through `exports`.
pub struct Component {
    kernel: Kernel,
    checked: Arc<Checked>,
    cache: Option<Arc<CompiledCache>>,
    loaded: OnceCell<Loaded>,
    breaker: Breaker,
    watch: Option<Arc<dyn Watch>>,
}

impl Component {
    /// A component that can be called.
    pub fn new(kernel: &Kernel, loaded: Loaded) -> Arc<Self> {
        let checked = loaded.checked().clone();
        Arc::new(Self {
            kernel: kernel.clone(),
            checked,
            cache: None,
            loaded: OnceCell::new_with(Some(loaded)),
            breaker: Breaker::default(),
            watch: None,
        })
    }

    /// A component that is loaded by its first call.
    pub fn lazy(
        kernel: &Kernel,
        checked: Arc<Checked>,
        cache: Arc<CompiledCache>,
        watch: Option<Arc<dyn Watch>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            kernel: kernel.clone(),
            checked,
            cache: Some(cache),
            loaded: OnceCell::new(),
            breaker: Breaker::default(),
            watch,
        })
    }

    /// What was checked before it was loaded: package, manifest, interfaces.
    pub fn checked(&self) -> &Checked {
        &self.checked
    }

    /// The component's id.
    pub fn id(&self) -> &ComponentId {
        self.checked().manifest().id()
    }

    /// For how long it rests after repeated faults, if it does.
    pub fn rests(&self) -> Option<Duration> {
        self.breaker.rests(Instant::now())
    }

    /// Loads it before its first call does. Why it cannot be loaded, that call says.
    pub async fn read_ahead(&self) {
        let _ = self.loaded().await;
    }

    async fn loaded(&self) -> Result<&Loaded, Fault> {
        let load = async {
            let (kernel, checked, cache) = (self.kernel.clone(), self.checked.clone(), self.cache.clone());
            let loaded = tokio::task::spawn_blocking(move || kernel.load(checked, cache.as_deref())).await;
            let refuse = |reason: String| Fault::new(self.id(), Cause::Start(reason));
            loaded.map_err(|error| refuse(error.to_string()))?.map_err(|error| refuse(error.to_string()))
        };
        self.loaded.get_or_try_init(|| load).await
    }

    /// Its share of the pool.
    pub(crate) async fn share(&self) -> Result<Arc<Share>, Fault> {
        Ok(self.loaded().await?.share.clone())
    }

    /// Makes one call, unless the component rests.
    pub(crate) async fn call<T>(
        &self,
        grants: &Arc<Grants>,
        services: &CallServices,
        turn: Option<Turn>,
        invocation: Invocation<T>,
    ) -> Result<Returned<T>, Fault> {
        let result = self.guarded(grants, services, turn, invocation).await;
        if let Some(watch) = &self.watch {
            match &result {
                Ok(_) => watch.ended(None).await,
                Err(fault) if fault.counts() => watch.ended(Some(fault)).await,
                Err(_) => {}
            }
        }
        result
    }

    async fn guarded<T>(
        &self,
        grants: &Arc<Grants>,
        services: &CallServices,
        turn: Option<Turn>,
        invocation: Invocation<T>,
    ) -> Result<Returned<T>, Fault> {
        if grants.component() != self.id() {
            return Err(Fault::new(self.id(), Cause::Mismatch("the grants are another component's")));
        }
        let loaded = self.loaded().await?;
        let resting = |(faults, wait)| Fault::new(self.id(), Cause::Resting { faults, wait });
        let pass = self.breaker.enter(Instant::now()).map_err(resting)?;
        let result = self.kernel.call(loaded, grants.clone(), services.clone(), turn, invocation).await;
        match &result {
            Ok(_) => pass.answered(),
            Err(fault) if fault.counts() => {
                tracing::warn!(component = %self.id(), %fault, "a call faulted");
                pass.faulted(Instant::now());
            }
            Err(_) => {}
        }
        result
    }
}
