//! Those around an assistant: who is asked, who listens,
//! and where messages end up.

use cara_assistant::approvals::{Answer, Approver};
use cara_assistant::event::{Asked, TurnEvent};
use cara_assistant::outbound::{MessageBody, Outbound, Piece};
use cara_assistant::{Listener, PROMPT, RunContext};
use cara_authority::{ConversationAddress, Decider, Deciders, PersonId, Principal};
use cara_channels::{Channel, Pace, SendError, drive};
use cara_records::{DeliveryClass, Records};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

fn held<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

type Decide = dyn Fn(&Asked) -> Option<Answer> + Send + Sync;

/// Answers requests by a script, and remembers all of them.
pub struct Judge {
    decide: Box<Decide>,
    asked: Mutex<Vec<Asked>>,
    screens: Mutex<Vec<usize>>,
    rang: Notify,
}

impl Judge {
    /// Decides by this; never answers where it gives none.
    pub fn new(decide: impl Fn(&Asked) -> Option<Answer> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            decide: Box::new(decide),
            asked: Mutex::default(),
            screens: Mutex::default(),
            rang: Notify::new(),
        })
    }

    /// Says no to everything.
    #[must_use]
    pub fn denying() -> Arc<Self> {
        Self::new(|_| Some(Answer::No(None)))
    }

    /// Says yes, once, to everything.
    #[must_use]
    pub fn allowing() -> Arc<Self> {
        Self::new(|_| Some(Answer::Once))
    }

    /// Is asked, and never answers.
    #[must_use]
    pub fn silent() -> Arc<Self> {
        Self::new(|_| None)
    }

    /// The requests that the person was shown.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        held(&self.asked).clone()
    }

    /// How many requests stood on each screen.
    #[must_use]
    pub fn screens(&self) -> Vec<usize> {
        held(&self.screens).clone()
    }

    /// Waits until it is asked.
    pub async fn rang(&self) {
        self.rang.notified().await;
    }
}

#[async_trait::async_trait]
impl Approver for Judge {
    async fn ask(&self, asked: &[Asked]) -> (Decider, Vec<Answer>) {
        held(&self.screens).push(asked.len());
        held(&self.asked).extend_from_slice(asked);
        self.rang.notify_one();
        match asked.iter().map(|asked| (self.decide)(asked)).collect() {
            Some(answers) => (owner(PROMPT), answers),
            None => std::future::pending().await,
        }
    }
}

/// The owner, answering at a place.
#[must_use]
pub fn owner(place: &str) -> Decider {
    Principal::of_account("test").deciding(place)
}

/// The events of runs.
#[derive(Clone, Default)]
pub struct Heard(Arc<Mutex<Vec<TurnEvent>>>);

impl Heard {
    /// Every event.
    #[must_use]
    pub fn events(&self) -> Vec<TurnEvent> {
        held(&self.0).clone()
    }

    /// The answer as it was shown.
    #[must_use]
    pub fn shown(&self) -> String {
        let text = |event: &TurnEvent| if let TurnEvent::Text { text } = event { Some(text.clone()) } else { None };
        held(&self.0).iter().filter_map(text).collect()
    }

    /// The results of calls: tool, text, and whether it failed.
    #[must_use]
    pub fn results(&self) -> Vec<(String, String, bool)> {
        let result = |event: &TurnEvent| match event {
            TurnEvent::ToolResult { name, text, failed, .. } => Some((name.clone(), text.clone(), *failed)),
            _ => None,
        };
        held(&self.0).iter().filter_map(result).collect()
    }

    /// Who listens to a run with it.
    #[must_use]
    pub fn run_context(&self, approver: Arc<dyn Approver>) -> RunContext {
        let events = self.clone();
        let listen: Listener = Arc::new(move |event| held(&events.0).push(event));
        let deciders = Deciders::only(PersonId::owner());
        RunContext::new(listen, deciders, approver)
    }
}

/// Where messages end up: nowhere but here.
#[derive(Clone, Default)]
pub struct Outbox(Arc<Mutex<Vec<(String, String)>>>);

impl Outbox {
    /// Address and text of each message.
    #[must_use]
    pub fn sent(&self) -> Vec<(String, String)> {
        held(&self.0).clone()
    }
}

/// The channels that messages go to.
const CHANNELS: [&str; 2] = ["telegram", "mail"];

impl Outbox {
    /// The way of tools' messages to it, through the outbox of the records.
    pub(super) fn outbound(&self, records: &Records) -> Arc<dyn Outbound> {
        for name in CHANNELS {
            let (records, channel) = (records.clone(), Arc::new(Named(name, self.clone())));
            tokio::spawn(async move {
                drive(records, channel, "p-one", &|_| true, Pace::default(), CancellationToken::new()).await
            });
        }
        Arc::new(cara_channels::Outbox::new(records.clone(), CHANNELS.map(str::to_owned).to_vec()))
    }
}

struct Named(&'static str, Outbox);

#[async_trait::async_trait]
impl Channel for Named {
    fn name(&self) -> &str {
        self.0
    }

    fn class(&self, _: &str) -> Option<DeliveryClass> {
        Some(DeliveryClass::Blind)
    }

    async fn send(&self, message: &cara_records::Outbound) -> Result<String, SendError> {
        let body: MessageBody = serde_json::from_value(message.message.body.clone()).unwrap();
        let words = body.parts.iter().map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            _ => "\u{fffc}",
        });
        let words = words.collect::<Vec<_>>().join("\n");
        let mut sent = held(&self.1.0);
        sent.push((message.message.address.to_string(), words));
        Ok(format!("m-{}", sent.len()))
    }

    async fn confirm(&self, _: &ConversationAddress, _: &str) -> Result<Option<String>, SendError> {
        Ok(None)
    }
}
