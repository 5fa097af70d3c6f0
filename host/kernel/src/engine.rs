//! One engine, one linker, one ticker: what all calls share.

use crate::imports::{self, CallState};
use crate::pool::{Pool, PoolSize};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use wasmtime::component::Linker;
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// How often a running guest is made to yield; also how late a spinning guest notices that its time is up.
const TICK: Duration = Duration::from_millis(10);

/// WebAssembly stack of a guest. Recursion past it is a fault, not a crash.
const GUEST_STACK: usize = 512 * 1024;

/// Tables and core instances for each slot of the pool. A component that has more takes several slots, see
/// [`slots_of`]; core instances cost nothing until they are made.
const SLOT_TABLES: u32 = 4;
const SLOT_CORE_INSTANCES: u32 = 50;
/// What the largest component has.
const LARGEST_MEMORIES: u32 = 8;
const LARGEST_TABLES: u32 = 50;

/// How many slots of the pool a sandbox of the component takes.
pub(crate) fn slots_of(component: &wasmtime::component::Component) -> u32 {
    // Without an answer (it imports modules, which nobody offers) its instantiation fails, whatever is said here.
    let required = component.resources_required();
    required.map_or(1, |required| required.num_memories.max(required.num_tables.div_ceil(SLOT_TABLES)).max(1))
}

/// The engine and what belongs to it. Cheap to clone.
#[derive(Clone)]
pub struct Kernel {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<CallState>,
    pub(crate) pool: Arc<Pool>,
    ticker: Arc<Ticker>,
}

impl Kernel {
    /// Makes the engine. Fails when the machine cannot run compiled WebAssembly or the pool cannot be reserved.
    pub fn new(size: PoolSize) -> Result<Self, wasmtime::Error> {
        let engine = Engine::new(&Self::engine_config(size))?;
        let linker = imports::linker(&engine)?;
        let ticker = Ticker::start(engine.weak());
        Ok(Self { shared: Arc::new(Shared { engine, linker, pool: Pool::new(size), ticker }) })
    }

    /// The settings of the engine; public, so that what the kernel costs can be measured against wasmtime alone.
    pub fn engine_config(pool: PoolSize) -> Config {
        config(pool)
    }

    /// Marks a call as running for as long as the value lives, so that the ticker ticks.
    pub(crate) fn running(&self) -> Running {
        self.shared.ticker.enter()
    }
}

fn config(pool: PoolSize) -> Config {
    let slots = pool.slots();
    let mut pooling = PoolingAllocationConfig::new();
    // All of this is address space until a call uses it. A component that is larger than a share takes it whole: two such
    // run at once, and two are parked.
    pooling
        .total_component_instances(slots)
        .total_core_instances(slots * SLOT_CORE_INSTANCES)
        .total_memories(slots + 4 * LARGEST_MEMORIES)
        .total_tables(slots * SLOT_TABLES + 4 * LARGEST_TABLES)
        .total_stacks(slots)
        .max_core_instances_per_component(SLOT_CORE_INSTANCES)
        .max_memories_per_component(LARGEST_MEMORIES)
        .max_tables_per_component(LARGEST_TABLES)
        .max_component_instance_size(1 << 20)
        .max_core_instance_size(1 << 20)
        .table_elements(20_000)
        .max_memory_size(256 << 20)
        // All that a call wrote goes back to the system at its end. `pagemap_scan` would keep it faster to use again, and leaves
        // pages that were swapped out as they are; a larger `decommit_batch_size` keeps the memory of ended calls outside of
        // every limit.
        .linear_memory_keep_resident(0)
        .table_keep_resident(8 << 10)
        .max_unused_warm_slots(4);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pooling))
        .consume_fuel(true)
        .epoch_interruption(true)
        .concurrency_support(false)
        .max_wasm_stack(GUEST_STACK)
        .async_stack_size(GUEST_STACK + (512 << 10))
        .wasm_backtrace_max_frames(None)
        // Only backtraces need these, and there are none: code is an eighth smaller on disk and in memory.
        .generate_address_map(false)
        .native_unwind_info(cfg!(windows))
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        .wasm_tail_call(false);
    config
}

/// Advances the engine's epoch while calls are running, and sleeps for good while none is.
#[derive(Default)]
struct Ticker {
    running: AtomicUsize,
    parked: Mutex<()>,
    wake: Condvar,
}

/// Having a `Running` tells you: the epoch advances.
pub(crate) struct Running(Arc<Ticker>);

impl Ticker {
    fn start(engine: wasmtime::EngineWeak) -> Arc<Self> {
        let ticker = Arc::new(Self::default());
        let ticking = ticker.clone();
        std::thread::Builder::new()
            .name("cara-epoch".into())
            .spawn(move || ticking.tick(&engine))
            .expect("a thread can be started while the program starts");
        ticker
    }

    /// Ends with the engine.
    fn tick(&self, engine: &wasmtime::EngineWeak) {
        while engine.upgrade().map(|engine| engine.increment_epoch()).is_some() {
            let parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
            // Without a time-out: an idle program does nothing at all.
            drop(self.wake.wait_while(parked, |()| self.running.load(Ordering::SeqCst) == 0));
            std::thread::sleep(TICK);
        }
    }

    fn begin(&self) {
        if self.running.fetch_add(1, Ordering::SeqCst) == 0 {
            // Whoever holds the lock has not parked yet, and may have counted before.
            drop(self.parked.lock());
            self.wake.notify_one();
        }
    }

    fn enter(self: &Arc<Self>) -> Running {
        self.begin();
        Running(self.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Counts as a call that never ends: the thread ticks until the engine is gone, and ends.
        self.ticker.begin();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thread_that_ticks_ends_with_the_kernel() {
        let kernel = Kernel::new(PoolSize::default()).expect("the machine runs compiled WebAssembly");
        let ticker = Arc::downgrade(&kernel.shared.ticker);
        let until = std::time::Instant::now() + Duration::from_secs(30);
        // It parks meanwhile, or is just about to: both have to end.
        drop(kernel);
        while ticker.upgrade().is_some() {
            assert!(std::time::Instant::now() < until, "the thread goes on");
            std::thread::yield_now();
        }
    }
}
