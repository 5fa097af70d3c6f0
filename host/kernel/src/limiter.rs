//! Counts what a store allocates and says no at the limit.

use cara_authority::Limits;
use wasmtime::ResourceLimiter;

/// The allocations of one call.
pub(crate) struct Limiter {
    memory_left: u64,
    elements_left: u64,
    instances: usize,
    denied: Option<&'static str>,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory_left: limits.memory,
            elements_left: u64::from(limits.table_elements),
            instances: limits.instances as usize,
            denied: None,
        }
    }

    /// What was refused, if anything: `memory` or `table`.
    pub(crate) fn denied(&self) -> Option<&'static str> {
        self.denied
    }

    fn take(left: &mut u64, current: usize, desired: usize) -> bool {
        let wanted = (desired as u64).saturating_sub(current as u64);
        if wanted > *left {
            return false;
        }
        *left -= wanted;
        true
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let granted = Self::take(&mut self.memory_left, current, desired);
        if !granted {
            self.denied = Some("memory");
        }
        Ok(granted)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let granted = Self::take(&mut self.elements_left, current, desired);
        if !granted {
            self.denied = Some("table");
        }
        Ok(granted)
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
