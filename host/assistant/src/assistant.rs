//! The assistant: everything that the runs of one process share.

use crate::approvals::{Approvals, Approver};
use crate::audience::Speaker;
use crate::event::TurnEvent;
use crate::guards::Guards;
use crate::guards::classifier::Classifier;
use crate::input::Input;
use crate::observed::Observer;
use crate::outbound::Outbound;
use crate::reply::Reply;
use crate::rules::LiveRules;
use crate::toolbox::Tools;
use cara_authority::limits::Time;
use cara_authority::{Deciders, PersonId};
use cara_kernel::CallServices;
use cara_records::{Charged, InboundId, Records};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedRwLockReadGuard, RwLock};
use tokio_util::sync::CancellationToken;

/// How far one run may go: one message and all that is done to answer it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct RunLimits {
    /// Answers of the model, 1 at least; 30 unless set.
    #[serde(deserialize_with = "at_least::<1, _>")]
    #[schemars(range(min = 1))]
    pub turns: u32,
    /// Calls that one answer may make, 1 at least; 32 unless set. The model is told of those that were not made.
    #[serde(deserialize_with = "at_least::<1, _>")]
    #[schemars(range(min = 1))]
    pub calls: u32,
    /// Time, without that in which a person is waited for; `"15m"` unless set.
    pub wall: Time,
    /// The longest answer, tokens, 64 at least; 8192 unless set.
    #[serde(deserialize_with = "at_least::<64, _>")]
    #[schemars(range(min = 64))]
    pub answer_tokens: u32,
    /// Tokens that every model takes, in place of what is known of it.
    pub context_tokens: Option<u32>,
    /// What a model is shown of the results of one answer at most, bytes; less where it has less room.
    #[serde(skip)]
    pub result_bytes: usize,
}

impl Default for RunLimits {
    fn default() -> Self {
        Self {
            turns: 30,
            calls: 32,
            wall: Time(Duration::from_secs(900)),
            answer_tokens: 8_192,
            context_tokens: None,
            result_bytes: 512 * 1024,
        }
    }
}

fn at_least<'de, const LEAST: u32, D: Deserializer<'de>>(number: D) -> Result<u32, D::Error> {
    let number = u32::deserialize(number)?;
    let few = || de::Error::custom(format!("{number} is too few; write {LEAST} or more"));
    (number >= LEAST).then_some(number).ok_or_else(few)
}

/// What all runs share. Public, because whoever starts the parts puts them together here.
pub struct Assistant {
    /// The gates of calls.
    pub services: CallServices,
    /// What is kept.
    pub records: Records,
    /// The approvals that people are asked for.
    pub approvals: Approvals,
    /// The tools on offer.
    pub tools: Arc<dyn Tools>,
    /// The operator's policy and budgets, which may change while runs go on.
    pub rules: LiveRules,
    /// How far a run may go.
    pub limits: RunLimits,
    /// What looks at text.
    pub guards: Guards,
    /// A model that judges strangers' words, where the operator wants one.
    pub classifier: Option<Classifier>,
    /// How messages leave.
    pub outbound: Arc<dyn Outbound>,
    /// The configuration as tools may read it, without secrets.
    pub configuration: Arc<Value>,
    /// This process, in the ledger.
    pub process: String,
    /// The person's IANA time zone, where known.
    pub time_zone: Option<String>,
}

/// Is told what happens in a run.
pub type Listener = Arc<dyn Fn(TurnEvent) + Send + Sync>;

/// Who listens to a run, and who can be asked in it.
#[derive(Clone)]
pub struct RunContext {
    /// Is told what happens.
    pub listen: Listener,
    /// Who may decide what is asked.
    pub deciders: Deciders,
    /// Is asked.
    pub approver: Arc<dyn Approver>,
    /// Ends the run at once.
    pub cancel: CancellationToken,
    /// Lets its calls begin.
    pub gate: CallGate,
    /// The person whom the run is for, where that is not the one of the session.
    pub person: Option<PersonId>,
    /// The credential whose allowance it uses.
    pub charged: Option<Charged>,
    /// What of a channel it answers.
    pub reply: Option<Reply>,
    /// Messages of the inbox that it takes where its answer is no message: whoever said them follows it.
    pub taken: Vec<InboundId>,
    /// What is added before its next step.
    pub steering: Steering,
    /// Hears of its calls of models.
    pub observer: Option<Arc<dyn Observer>>,
}

impl RunContext {
    /// Who listens to a run for the person of its session, and who is asked in it; nobody waits for it on a channel.
    pub fn new(listen: Listener, deciders: Deciders, approver: Arc<dyn Approver>) -> Self {
        let (cancel, gate, person, charged, reply, taken, steering, observer) = Default::default();
        Self { listen, deciders, approver, cancel, gate, person, charged, reply, taken, steering, observer }
    }
}

/// Messages that came while a run went on, to be added before its next step. A clone is the same.
#[derive(Clone, Default)]
pub struct Steering(Arc<Mutex<VecDeque<Steered>>>);

/// A message that steers a run.
pub struct Steered {
    /// What was said.
    pub input: Input,
    /// Who said it.
    pub speaker: Option<Speaker>,
    /// The message in the inbox.
    pub inbound: Vec<InboundId>,
}

impl Steering {
    /// Adds a message.
    pub fn push(&self, steered: Steered) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(steered);
    }

    /// The messages that wait, the first first.
    pub fn take(&self) -> VecDeque<Steered> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The gate that each call of a run passes. Who closes it knows that no call goes on, and none begins.
#[derive(Debug, Clone, Default)]
pub struct CallGate(Arc<RwLock<()>>);

impl CallGate {
    /// Waits until a call may begin; held until what it did is written down.
    pub(crate) async fn enter(&self) -> OwnedRwLockReadGuard<()> {
        self.0.clone().read_owned().await
    }

    /// Closes the gate at once and for good, and waits for the calls that have passed it.
    pub async fn close(&self) {
        std::mem::forget(self.0.clone().write_owned().await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_gate_that_was_closed_lets_no_call_in_again() {
        let gate = CallGate::default();
        drop(gate.enter().await);
        gate.close().await;
        assert!(tokio::time::timeout(Duration::ZERO, gate.enter()).await.is_err());
    }
}
