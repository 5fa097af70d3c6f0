//! Counts what a store allocates and says no at the limit.

use crate::memory::Memory;
use cara_authority::Limits;
use std::sync::Arc;
use wasmtime::ResourceLimiter;

/// The allocations of one call.
pub(crate) struct Limiter {
    memory: Arc<Memory>,
    elements_left: u64,
    instances: usize,
    denied: Option<&'static str>,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits, memory: Arc<Memory>) -> Self {
        Self {
            memory,
            elements_left: u64::from(limits.table_elements),
            instances: limits.instances as usize,
            denied: None,
        }
    }

    /// What was refused, if anything: `memory` or `table`.
    pub(crate) fn denied(&self) -> Option<&'static str> {
        self.denied
    }

    fn decided(&mut self, granted: bool, what: &'static str) -> wasmtime::Result<bool> {
        if !granted {
            self.denied = Some(what);
        }
        Ok(granted)
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let granted = self.memory.take((desired as u64).saturating_sub(current as u64));
        self.decided(granted, "memory")
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let left = self.elements_left.checked_sub((desired as u64).saturating_sub(current as u64));
        self.elements_left = left.unwrap_or(self.elements_left);
        self.decided(left.is_some(), "table")
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn tables(&self) -> usize {
        self.instances
    }

    fn memories(&self) -> usize {
        self.instances
    }
}
