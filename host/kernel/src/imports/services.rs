//! The gates a call may go through, and the services it may ask.
//!
//! The kernel calls them; it opens nothing itself.

use super::*;
use cara_authority::{AccountId, Label, PersonId, SecretGrant};
use cara_services::clock::Clock;
use cara_services::egress::Egress;
use cara_services::ledger::Ledger;
use cara_services::vault::SecretValue;
use std::future::Future;

/// Where the values of secrets come from. Asked for each secret that may go along with a request.
#[async_trait::async_trait]
pub trait SecretSource: Send + Sync {
    /// The value, of that account where the component serves several; `unavailable` when none is stored.
    async fn value(&self, grant: &SecretGrant, account: Option<&AccountId>) -> Result<Arc<SecretValue>, Refusal>;
}

/// What all calls share.
#[derive(Clone)]
pub struct CallServices {
    /// The one way out.
    pub egress: Egress,
    /// The secrets.
    pub secrets: Arc<dyn SecretSource>,
    /// Durable state.
    pub ledger: Arc<Ledger>,
    /// The one now.
    pub clock: Clock,
    /// The account the call is for, where the component serves several.
    pub account: Option<AccountId>,
    /// What the assistant does for the tools of the turn at hand.
    pub host_services: HostServices,
}

/// Knows what the call has seen.
pub trait Labels: Send + Sync {
    /// The label of what the call has seen by now: of whatever it leaves behind.
    fn label(&self) -> Label;
    /// Joins to it the label of what the call reads of an earlier one.
    fn saw(&self, label: &Label);
    /// The person or group whose conversation it is.
    fn person(&self) -> &PersonId;
}

impl HostServices {
    pub(super) fn saw(&self, label: &Label) {
        self.labels.iter().for_each(|labels| labels.saw(label));
    }
}

/// Picks one of the services.
type Which<S> = fn(&HostServices) -> &Option<Arc<S>>;

impl CallState {
    fn service<S: ?Sized>(
        &self,
        effect: Option<Effect>,
        power: Power,
        which: Which<S>,
    ) -> Result<(ServiceGrant, Arc<S>), Refusal> {
        let by = self.call.grants.power(power, effect)?;
        let Some(service) = which(&self.call.services.host_services).clone() else {
            let text = format!("component `{}` cannot use `{power}`: no turn is under way", by.component());
            return Err(Refusal::new(Rule::Unavailable, text));
        };
        Ok((by, service))
    }

    /// Asks a service that the component was granted.
    pub(super) async fn powered<S: ?Sized, T, F: Future<Output = Result<T, Refusal>>>(
        &mut self,
        effect: Option<Effect>,
        power: Power,
        which: Which<S>,
        ask: impl FnOnce(ServiceGrant, Arc<S>) -> F,
    ) -> Answer<T> {
        let done = match self.service(effect, power, which) {
            Ok((by, service)) => ask(by, service).await,
            Err(refusal) => Err(refusal),
        };
        Ok(self.answer(done))
    }

    /// Asks for something that is loaded. It counts before it is: the service is told how many bytes there is room for,
    /// half of what is left of the call's memory, because what is loaded soon stands in the guest as well.
    pub(super) async fn loaded<S: ?Sized, T, F: Future<Output = Result<T, Refusal>>>(
        &mut self,
        (least, most): (u64, u64),
        power: Power,
        which: Which<S>,
        ask: impl FnOnce(ServiceGrant, Arc<S>, u64) -> F,
    ) -> Answer<T> {
        let room = (self.call.memory.left() / 2).min(most).max(least);
        let held = match self.call.hold(room) {
            Ok(held) => held,
            Err(refusal) => return Ok(self.answer(Err(refusal))),
        };
        let ask = async |by, service| ask(by, service, room).await;
        let done = self.powered(Some(Effect::ReadsPrivate), power, which, ask).await;
        drop(held);
        done
    }

    /// Asks a service that waits for somebody else.
    pub(super) async fn waiting<S: ?Sized, T, F: Future<Output = Result<T, Refusal>>>(
        &mut self,
        effect: Option<Effect>,
        power: Power,
        which: Which<S>,
        ask: impl FnOnce(ServiceGrant, Arc<S>) -> F,
    ) -> Answer<T> {
        let done = match self.service(effect, power, which) {
            Ok((by, service)) => self.call.wait(ask(by, service)).await.map_err(wasmtime::Error::new)?,
            Err(refusal) => Err(refusal),
        };
        Ok(self.answer(done))
    }
}
