//! The services that the assistant offers to tools:
//! each asks the call's grants, then the assistant.

use crate::bindings::cara::plugin::{
    approvals, attachments, configuration, memory, messaging, models, sessions, types::Blob,
};
use crate::bindings::types::Refusal as Wit;
use crate::call::CallState;
use crate::services::Powers;
use cara_authority::manifest::Effect;
use cara_authority::{Power, Powered, Refusal};
use std::future::Future;
use std::sync::Arc;
use wasmtime::component::{HasSelf, Linker};

/// Adds them to the linker.
pub(super) fn add(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    fn same(state: &mut CallState) -> &mut CallState {
        state
    }
    approvals::add_to_linker::<_, HasSelf<CallState>>(linker, same)?;
    attachments::add_to_linker::<_, HasSelf<CallState>>(linker, same)?;
    configuration::add_to_linker::<_, HasSelf<CallState>>(linker, same)?;
    memory::add_to_linker::<_, HasSelf<CallState>>(linker, same)?;
    messaging::add_to_linker::<_, HasSelf<CallState>>(linker, same)?;
    models::add_to_linker::<_, HasSelf<CallState>>(linker, same)?;
    sessions::add_to_linker::<_, HasSelf<CallState>>(linker, same)
}

/// An import's answer: the guest's, or a trap.
type Answer<T> = wasmtime::Result<Result<T, Wit>>;

impl CallState {
    /// Uses a power that the component has.
    async fn powered<T, F: Future<Output = Result<T, Refusal>>>(
        &mut self,
        power: Power,
        service: impl FnOnce(Powered, Arc<dyn Powers>) -> F,
    ) -> Answer<T> {
        self.powered_to(power.effects().first().copied(), power, service).await
    }

    /// The same for a use of another effect than most.
    async fn powered_to<T, F: Future<Output = Result<T, Refusal>>>(
        &mut self,
        effect: Option<Effect>,
        power: Power,
        service: impl FnOnce(Powered, Arc<dyn Powers>) -> F,
    ) -> Answer<T> {
        let done = match self.call.grants.power(power, effect) {
            Ok(powered) => service(powered, self.call.services.powers.clone()).await,
            Err(refusal) => Err(refusal),
        };
        Ok(self.answer(done))
    }

    /// The same where somebody else is waited for.
    async fn powered_waiting<T, F: Future<Output = Result<T, Refusal>>>(
        &mut self,
        power: Power,
        service: impl FnOnce(Powered, Arc<dyn Powers>) -> F,
    ) -> Answer<T> {
        let done = match self.call.grants.power(power, power.effects().first().copied()) {
            Ok(powered) => {
                let powers = self.call.services.powers.clone();
                self.call.wait(service(powered, powers)).await.map_err(wasmtime::Error::new)?
            }
            Err(refusal) => Err(refusal),
        };
        Ok(self.answer(done))
    }
}

impl approvals::Host for CallState {
    async fn ask(&mut self, question: approvals::Question) -> Answer<approvals::Decision> {
        self.powered_waiting(Power::Approvals, async |by, powers| powers.ask(by, question).await).await
    }
}

impl attachments::Host for CallState {
    async fn get(&mut self, id: String) -> Answer<Blob> {
        self.powered(Power::Attachments, async |by, powers| powers.attachment(by, id).await).await
    }
}

impl configuration::Host for CallState {
    async fn read(&mut self, path: String) -> Answer<Option<String>> {
        self.powered(Power::Configuration, async |by, powers| powers.configuration(by, path).await).await
    }
}

impl memory::Host for CallState {
    async fn write(&mut self, key: String, value: String) -> Answer<()> {
        let changes = Some(Effect::ChangesState);
        self.powered_to(changes, Power::Memory, async |by, powers| powers.remember(by, key, value).await).await
    }

    async fn read(&mut self, key: String) -> Answer<Option<memory::Entry>> {
        self.powered(Power::Memory, async |by, powers| powers.recall(by, key).await).await
    }

    async fn delete(&mut self, key: String) -> Answer<bool> {
        let changes = Some(Effect::ChangesState);
        self.powered_to(changes, Power::Memory, async |by, powers| powers.forget(by, key).await).await
    }

    async fn keys(&mut self, prefix: String) -> Answer<Vec<String>> {
        self.powered(Power::Memory, async |by, powers| powers.remembered(by, prefix).await).await
    }

    async fn search(&mut self, query: String, most: u32) -> Answer<Vec<memory::Entry>> {
        self.powered(Power::Memory, async |by, powers| powers.search(by, query, most).await).await
    }
}

impl messaging::Host for CallState {
    async fn send(&mut self, to: messaging::Address, message: messaging::Outbound) -> Answer<messaging::Receipt> {
        self.powered_waiting(Power::Messaging, async |by, powers| powers.send(by, to, message).await).await
    }

    async fn deliver(&mut self, _: messaging::Inbound) -> Answer<()> {
        let text = format!("component `{}` is no channel and cannot hand in messages", self.call.grants.component());
        Ok(self.answer(Err(Refusal::new(cara_authority::Rule::Denied, text))))
    }
}

impl models::Host for CallState {
    async fn complete(&mut self, request: models::Request) -> Answer<models::Response> {
        self.powered_waiting(Power::Models, async |by, powers| powers.complete(by, request).await).await
    }
}

impl sessions::Host for CallState {
    async fn recent(&mut self, most: u32) -> Answer<Vec<sessions::Session>> {
        self.powered(Power::Sessions, async |by, powers| powers.recent(by, most).await).await
    }

    async fn read(&mut self, id: String, first: u32, most: u32) -> Answer<Vec<sessions::Line>> {
        self.powered(Power::Sessions, async |by, powers| powers.read(by, id, first, most).await).await
    }
}
