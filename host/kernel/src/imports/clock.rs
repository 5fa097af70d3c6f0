//! `clock`: the host's one now.

use super::CallState;
use crate::bindings::cara::plugin::clock;

impl clock::Host for CallState {
    fn now_ms(&mut self) -> wasmtime::Result<u64> {
        Ok(self.call.services.clock.now_ms())
    }
}
