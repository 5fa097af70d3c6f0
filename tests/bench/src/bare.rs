//! Wasmtime alone, under the kernel's settings:
//! the floor of what the kernel does.

use anyhow::{Result, anyhow};
use cara_kernel::{Kernel, PoolSize};
use wasmtime::component::{Component, InstancePre, Linker};
use wasmtime::{Engine, Store};

/// An engine with the kernel's own settings, so that they cannot drift apart.
pub(crate) struct Bare {
    engine: Engine,
}

/// Wasmtime's error as ours.
pub(crate) fn wasm(error: wasmtime::Error) -> anyhow::Error {
    anyhow!("wasmtime: {error:#}")
}

impl Bare {
    /// Starts it.
    pub(crate) fn new() -> Result<Self> {
        let engine = Engine::new(&Kernel::engine_config(PoolSize::default())).map_err(wasm)?;
        Ok(Self { engine })
    }

    /// Compiles a component.
    pub(crate) fn compile(&self, bytes: &[u8]) -> Result<Component> {
        Component::from_binary(&self.engine, bytes).map_err(wasm)
    }

    /// Loads compiled code.
    pub(crate) fn deserialize(&self, code: &[u8]) -> Result<Component> {
        // SAFETY: the caller made these bytes with `Component::serialize` in this process.
        #[allow(unsafe_code, reason = "the floor of loading compiled code is loading compiled code")]
        unsafe { Component::deserialize(&self.engine, code) }.map_err(wasm)
    }

    /// A linker with all the component imports. Settings are empty; whatever else the guest calls ends the call.
    pub(crate) fn linker(&self, component: &Component) -> Result<Linker<()>> {
        let mut linker: Linker<()> = Linker::new(&self.engine);
        let mut settings = linker.instance("cara:plugin/settings@0.2.0").map_err(wasm)?;
        settings.func_wrap("get", |_, (_key,): (String,)| Ok((None::<String>,))).map_err(wasm)?;
        linker.define_unknown_imports_as_traps(component).map_err(wasm)?;
        Ok(linker)
    }

    /// Compiles and links.
    pub(crate) fn link(&self, bytes: &[u8]) -> Result<InstancePre<()>> {
        let component = self.compile(bytes)?;
        self.linker(&component)?.instantiate_pre(&component).map_err(wasm)
    }

    /// A store for one call, with fuel and an epoch as the kernel sets them.
    pub(crate) fn store(&self, fuel: u64) -> Result<Store<()>> {
        let mut store = Store::new(&self.engine, ());
        store.set_fuel(fuel).map_err(wasm)?;
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        Ok(store)
    }
}
