//! `clock`: the host's one now.

use crate::bindings::cara::plugin::clock;
use crate::call::CallState;

impl clock::Host for CallState {
    fn now_ms(&mut self) -> wasmtime::Result<u64> {
        Ok(self.call.services.clock.now_ms())
    }
}
