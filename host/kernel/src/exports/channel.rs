//! `channel`: accounts of a chat network, and the requests that the host makes
//! for them.

use super::{presentable, within_output};
use crate::bindings::channel::{Account, Action, Event, Guest, Handled, Request, Response, Source, Started};
use crate::bindings::types::{Address, Error, ErrorKind, Outbound, Receipt};
use crate::call::{Invocation, Returned};
use crate::component::Component;
use crate::exports::provider::Answered;
use crate::fault::{Cause, Fault};
use crate::imports::http::outside;
use crate::imports::{CallServices, CallState};
use crate::loader::Loaded;
use cara_authority::Grants;
use std::sync::Arc;
use wasmtime::Store;
use wasmtime::component::Instance;

fn guest(store: &mut Store<CallState>, instance: &Instance, loaded: &Loaded) -> wasmtime::Result<Guest> {
    let missing = || wasmtime::Error::new(Cause::Start("it is not a channel".into()));
    loaded.channel.as_ref().ok_or_else(missing)?.load(store, instance)
}

fn size(headers: &[(String, String)]) -> usize {
    headers.iter().map(|(name, value)| name.len() + value.len() + 32).sum()
}

fn sources_size(sources: &[Source]) -> u64 {
    let size = |source: &Source| match source {
        Source::Poll(poll) => {
            poll.id.len()
                + poll.request.method.len()
                + poll.request.url.len()
                + poll.request.body.len()
                + size(&poll.request.headers)
        }
        Source::Timer(timer) => timer.id.len(),
    };
    sources.iter().map(|source| size(source) as u64 + 64).sum()
}

/// Calls of a channel are for the account in `services`.
impl Component {
    async fn channel<T>(
        &self,
        grants: &Arc<Grants>,
        services: &CallServices,
        size: impl FnOnce(&T) -> u64,
        invocation: Invocation<Result<T, Error>>,
    ) -> Answered<T> {
        let Returned { answer, refusals, fuel } = self.call(grants, services, None, invocation).await?;
        if let Ok(answer) = &answer {
            within_output(size(answer), grants)?;
        }
        Ok(Returned { answer: answer.map_err(|error| presentable(error, services)), refusals, fuel })
    }

    /// Connects the account.
    pub async fn start_account(&self, grants: &Arc<Grants>, services: &CallServices) -> Answered<Started> {
        let account = services.account.as_ref().map(ToString::to_string).unwrap_or_default();
        let start: Invocation<_> = Box::new(move |store, instance, loaded| {
            Box::pin(async move { guest(&mut *store, instance, loaded)?.call_start(store, &account).await })
        });
        let size =
            |started: &Started| (started.me.id.len() + started.me.name.len()) as u64 + sources_size(&started.sources);
        self.channel(grants, services, size, start).await
    }

    /// Hands an event to the channel.
    pub async fn on_event(
        &self,
        grants: &Arc<Grants>,
        services: &CallServices,
        account: Account,
        event: Event,
    ) -> Answered<Handled> {
        let on_event: Invocation<_> = Box::new(move |store, instance, loaded| {
            Box::pin(async move { guest(&mut *store, instance, loaded)?.call_on_event(store, &account, &event).await })
        });
        self.channel(grants, services, |handled: &Handled| sources_size(&handled.next), on_event).await
    }

    /// Sends a message.
    pub async fn send_message(
        &self,
        grants: &Arc<Grants>,
        services: &CallServices,
        account: Account,
        to: Address,
        message: Outbound,
    ) -> Answered<Receipt> {
        let send: Invocation<_> = Box::new(move |store, instance, loaded| {
            Box::pin(
                async move { guest(&mut *store, instance, loaded)?.call_send(store, &account, &to, &message).await },
            )
        });
        self.channel(grants, services, |receipt: &Receipt| receipt.message_id.len() as u64, send).await
    }

    /// Asks whether the platform has a message.
    pub async fn confirm_message(
        &self,
        grants: &Arc<Grants>,
        services: &CallServices,
        account: Account,
        to: Address,
        key: String,
    ) -> Answered<Option<Receipt>> {
        let confirm: Invocation<_> = Box::new(move |store, instance, loaded| {
            Box::pin(
                async move { guest(&mut *store, instance, loaded)?.call_confirm(store, &account, &to, &key).await },
            )
        });
        let size = |receipt: &Option<Receipt>| receipt.as_ref().map_or(0, |receipt| receipt.message_id.len() as u64);
        self.channel(grants, services, size, confirm).await
    }

    /// Does one of the other things.
    pub async fn act(
        &self,
        grants: &Arc<Grants>,
        services: &CallServices,
        account: Account,
        action: Action,
    ) -> Answered<()> {
        let act: Invocation<_> = Box::new(move |store, instance, loaded| {
            Box::pin(async move { guest(&mut *store, instance, loaded)?.call_act(store, &account, &action).await })
        });
        self.channel(grants, services, |()| 0, act).await
    }

    /// Makes a request for the channel, as if it had made it itself; no sandbox waits for the answer.
    pub async fn request(
        &self,
        grants: &Arc<Grants>,
        services: &CallServices,
        request: &Request,
    ) -> Result<Result<Response, Error>, Fault> {
        if grants.component() != self.id() {
            return Err(Fault::new(self.id(), Cause::Mismatch("the grants are another component's")));
        }
        let share = self.share().await?;
        let answered = outside(grants, services, share, request).await;
        Ok(answered.map_err(|(refusal, kind)| {
            let message = refusal.to_string();
            let retry = kind == ErrorKind::Network;
            presentable(Error { kind, message, retry, retry_after_ms: None }, services)
        }))
    }
}
