//! `settings`: what the operator configured for the component.

use super::CallState;
use crate::bindings::cara::plugin::settings;

impl settings::Host for CallState {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        Ok(self.call.grants.settings().get(&key).map(ToString::to_string))
    }
}
