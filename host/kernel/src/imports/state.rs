//! `state`: what outlives a call, in the ledger,
//! under the component's own name.

use super::{Answer, Call, CallState};
use crate::bindings::cara::plugin::state::{self, Entry};
use cara_authority::Refusal;
use cara_services::ledger::ComponentState;

/// The most bytes that one call of the interface brings in: a value, or all keys.
const MOST_READ: u64 = 256 << 10;

impl Call {
    /// The component's own state, of the person whose conversation it is called in; there is no way to name another's. What is
    /// written gets the label of the call.
    fn own(&self) -> Result<ComponentState, Refusal> {
        let state = self.services.ledger.state(&self.grants)?;
        if let Some(account) = &self.services.account {
            return Ok(state.of_account(account));
        }
        let Some(labels) = &self.services.host_services.labels else { return Ok(state) };
        Ok(state.labelled(labels.label()).of(labels.person()))
    }

    /// Reads a key. What was read joins the label of the call.
    async fn state(&self, key: &str) -> Result<Option<Entry>, Refusal> {
        let _held = self.hold(MOST_READ)?;
        let Some(entry) = self.own()?.get(key).await? else { return Ok(None) };
        self.services.host_services.saw(&entry.label);
        Ok(Some(Entry { value: entry.value, revision: entry.revision }))
    }

    /// Lists keys; they are words too.
    async fn state_keys(&self, prefix: &str) -> Result<Vec<String>, Refusal> {
        let _held = self.hold(MOST_READ)?;
        let (keys, label) = self.own()?.keys(prefix).await?;
        self.services.host_services.saw(&label);
        Ok(keys)
    }
}

impl state::Host for CallState {
    async fn get(&mut self, key: String) -> Answer<Option<Entry>> {
        let found = self.call.state(&key).await;
        Ok(self.answer(found))
    }

    async fn put(&mut self, key: String, value: Vec<u8>, expected: Option<u64>) -> Answer<u64> {
        let call = &self.call;
        let put = async { call.own()?.put(&key, &value, expected).await }.await;
        Ok(self.answer(put))
    }

    async fn delete(&mut self, key: String, expected: Option<u64>) -> Answer<()> {
        let call = &self.call;
        let deleted = async { call.own()?.delete(&key, expected).await }.await;
        Ok(self.answer(deleted))
    }

    async fn keys(&mut self, prefix: String) -> Answer<Vec<String>> {
        let keys = self.call.state_keys(&prefix).await;
        Ok(self.answer(keys))
    }
}
