//! `state`: what outlives a call, in the ledger,
//! under the component's own name.

use crate::bindings::cara::plugin::state::{self, Entry};
use crate::bindings::types::Refusal as Wit;
use crate::call::CallState;
use cara_authority::{Label, Refusal};
use cara_services::ledger::ComponentState;

impl CallState {
    /// The component's own state; there is no way to name another's. What is written gets the label of the call.
    fn own(&self) -> Result<ComponentState, Refusal> {
        let services = &self.call.services;
        Ok(services.ledger.state(&self.call.grants)?.labelled(services.powers.label()))
    }

    /// What was read joins the label of the call.
    fn saw(&self, label: Label) {
        self.call.services.powers.saw(label);
    }
}

impl state::Host for CallState {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<Entry>, Wit>> {
        let found = match self.own() {
            Ok(own) => own.get(&key).await,
            Err(refusal) => Err(refusal),
        };
        let entry = found.map(|entry| {
            entry.map(|entry| {
                self.saw(entry.label);
                Entry { value: entry.value, revision: entry.revision }
            })
        });
        Ok(self.answer(entry))
    }

    async fn put(&mut self, key: String, value: Vec<u8>, expected: Option<u64>) -> wasmtime::Result<Result<u64, Wit>> {
        let put = match self.own() {
            Ok(own) => own.put(&key, &value, expected).await,
            Err(refusal) => Err(refusal),
        };
        Ok(self.answer(put))
    }

    async fn delete(&mut self, key: String, expected: Option<u64>) -> wasmtime::Result<Result<(), Wit>> {
        let deleted = match self.own() {
            Ok(own) => own.delete(&key, expected).await,
            Err(refusal) => Err(refusal),
        };
        Ok(self.answer(deleted))
    }

    async fn keys(&mut self, prefix: String) -> wasmtime::Result<Result<Vec<String>, Wit>> {
        let keys = match self.own() {
            Ok(own) => own.keys(&prefix).await,
            Err(refusal) => Err(refusal),
        };
        let keys = keys.map(|(keys, label)| {
            self.saw(label);
            keys
        });
        Ok(self.answer(keys))
    }
}
