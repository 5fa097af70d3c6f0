//! The services that the assistant offers to tools:
//! each asks the call's grants, then the assistant.

use crate::bindings::cara::plugin::{
    approvals, attachments, configuration, memory, messaging, models, sessions, types::Blob,
};
use crate::call::CallState;
use crate::imports::Answer;
use crate::services::HostServices;
use cara_authority::manifest::Effect;
use cara_authority::{Power, Refusal, ServiceGrant};
use std::future::Future;
use std::sync::Arc;

/// The most that is loaded at once of what has no smaller bound of its own.
const MOST: u64 = 16 << 20;
/// The most that a call of `memory` loads: all that is remembered about a person (`host/records`), with their keys.
const REMEMBERED: u64 = 1280 << 10;
/// One entry of it.
const ENTRY: u64 = 32 << 10;
/// The titles of a hundred conversations.
const TITLES: u64 = 128 << 10;

impl CallState {
    /// Uses a power that the component has.
    async fn powered<T, F: Future<Output = Result<T, Refusal>>>(
        &mut self,
        effect: Option<Effect>,
        power: Power,
        service: impl FnOnce(ServiceGrant, Arc<dyn HostServices>) -> F,
    ) -> Answer<T> {
        let done = match self.call.grants.power(power, effect) {
            Ok(powered) => service(powered, self.call.services.host_services.clone()).await,
            Err(refusal) => Err(refusal),
        };
        Ok(self.answer(done))
    }

    /// The same where something is loaded. It counts before it is: the service is told how many bytes there is room for,
    /// half of what is left of the call's memory, because what is loaded soon stands in the guest as well.
    async fn loaded<T, F: Future<Output = Result<T, Refusal>>>(
        &mut self,
        (least, most): (u64, u64),
        power: Power,
        service: impl FnOnce(ServiceGrant, Arc<dyn HostServices>, u64) -> F,
    ) -> Answer<T> {
        let room = (self.call.memory.left() / 2).min(most).max(least);
        let held = match self.call.hold(room) {
            Ok(held) => held,
            Err(refusal) => return Ok(self.answer(Err(refusal))),
        };
        let service = async |by, host_services| service(by, host_services, room).await;
        let done = self.powered(Some(Effect::ReadsPrivate), power, service).await;
        drop(held);
        done
    }

    /// The same where somebody else is waited for.
    async fn waiting<T, F: Future<Output = Result<T, Refusal>>>(
        &mut self,
        effect: Option<Effect>,
        power: Power,
        service: impl FnOnce(ServiceGrant, Arc<dyn HostServices>) -> F,
    ) -> Answer<T> {
        let done = match self.call.grants.power(power, effect) {
            Ok(powered) => {
                let host_services = self.call.services.host_services.clone();
                self.call.wait(service(powered, host_services)).await.map_err(wasmtime::Error::new)?
            }
            Err(refusal) => Err(refusal),
        };
        Ok(self.answer(done))
    }
}

impl approvals::Host for CallState {
    async fn ask(&mut self, question: approvals::Question) -> Answer<approvals::Decision> {
        self.waiting(None, Power::Approvals, async |by, host_services| host_services.ask(by, question).await).await
    }
}

impl attachments::Host for CallState {
    async fn get(&mut self, id: String) -> Answer<Blob> {
        let get = async |by, host_services: Arc<dyn HostServices>, room| host_services.attachment(by, id, room).await;
        self.loaded((0, MOST), Power::Attachments, get).await
    }
}

impl configuration::Host for CallState {
    async fn read(&mut self, path: String) -> Answer<Option<String>> {
        let read =
            async |by, host_services: Arc<dyn HostServices>, room| host_services.configuration(by, path, room).await;
        self.loaded((0, MOST), Power::Configuration, read).await
    }
}

impl memory::Host for CallState {
    async fn write(&mut self, key: String, value: String) -> Answer<()> {
        let write = async |by, host_services: Arc<dyn HostServices>| host_services.remember(by, key, value).await;
        self.powered(Some(Effect::ChangesState), Power::Memory, write).await
    }

    async fn read(&mut self, key: String) -> Answer<Option<memory::Entry>> {
        let read = async |by, host_services: Arc<dyn HostServices>, _| host_services.recall(by, key).await;
        self.loaded((ENTRY, ENTRY), Power::Memory, read).await
    }

    async fn delete(&mut self, key: String) -> Answer<bool> {
        let delete = async |by, host_services: Arc<dyn HostServices>| host_services.forget(by, key).await;
        self.powered(Some(Effect::ChangesState), Power::Memory, delete).await
    }

    async fn keys(&mut self, prefix: String) -> Answer<Vec<String>> {
        let keys = async |by, host_services: Arc<dyn HostServices>, _| host_services.remembered(by, prefix).await;
        self.loaded((REMEMBERED, REMEMBERED), Power::Memory, keys).await
    }

    async fn search(&mut self, query: String, most: u32) -> Answer<Vec<memory::Entry>> {
        let search = async |by, host_services: Arc<dyn HostServices>, _| host_services.search(by, query, most).await;
        self.loaded((REMEMBERED, REMEMBERED), Power::Memory, search).await
    }
}

impl messaging::Host for CallState {
    async fn send(&mut self, to: messaging::Address, message: messaging::Outbound) -> Answer<messaging::Receipt> {
        self.waiting(Some(Effect::SendsOutside), Power::Messaging, async |by, host_services| {
            host_services.send(by, to, message).await
        })
        .await
    }

    async fn deliver(&mut self, _: messaging::Inbound) -> Answer<()> {
        let text = format!("component `{}` is no channel and cannot hand in messages", self.call.grants.component());
        Ok(self.answer(Err(Refusal::new(cara_authority::Rule::Denied, text))))
    }
}

impl models::Host for CallState {
    async fn complete(&mut self, request: models::Request) -> Answer<models::Response> {
        let answered = self
            .waiting(None, Power::Models, async |by, host_services| host_services.complete(by, request).await)
            .await?;
        // It stands here and soon in the guest as well.
        let bytes = answered.as_ref().map_or(0, |answer| 2 * answer.text.len() as u64);
        Ok(match self.call.hold(bytes) {
            Ok(_) => answered,
            Err(refusal) => self.answer(Err(refusal)),
        })
    }
}

impl sessions::Host for CallState {
    async fn recent(&mut self, most: u32) -> Answer<Vec<sessions::Session>> {
        let recent = async |by, host_services: Arc<dyn HostServices>, _| host_services.recent(by, most).await;
        self.loaded((TITLES, TITLES), Power::Sessions, recent).await
    }

    async fn read(&mut self, id: String, first: u32, most: u32) -> Answer<Vec<sessions::Line>> {
        let read =
            async |by, host_services: Arc<dyn HostServices>, room| host_services.read(by, id, first, most, room).await;
        self.loaded((0, MOST), Power::Sessions, read).await
    }
}
