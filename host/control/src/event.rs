//! What happens while a use case goes on, told as data to whoever asked.

use cara_assistant::{Asked, TurnEvent};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One thing that happened. As JSON: one object, told apart by `type`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Event {
    /// A sentence for the person, in plain words.
    Note {
        /// The sentence.
        text: String,
    },
    /// How far something is that takes time.
    Progress(Progress),
    /// A message that a tool sent to the person.
    Message {
        /// The address it was sent to.
        to: String,
        /// The text.
        text: String,
    },
    /// Calls of the run wait for this person's answer; `approvals.answer` takes it for each.
    Ask {
        /// The requests, which stand together.
        asked: Vec<Asked>,
    },
    /// The run and its session, said first.
    Began {
        /// The run.
        run: String,
        /// The session.
        session: String,
    },
    /// What happened in a run.
    Run {
        /// The event, in its own form.
        event: TurnEvent,
    },
}

/// How far something is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Progress {
    /// What is being done: `fetching`, `compiling`.
    pub what: String,
    /// How much of it is done.
    pub done: u64,
    /// How much there is; nothing when nobody knows.
    pub of: Option<u64>,
    /// What is counted: `bytes` or `components`.
    pub unit: Unit,
}

/// What progress counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Components.
    Components,
}

/// Where events go. A clone is the same place.
#[derive(Clone)]
pub struct Events(Arc<dyn Fn(Event) + Send + Sync>);

impl Events {
    /// Events go to this function, which must not block.
    pub fn new(tell: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Nobody listens.
    pub fn nobody() -> Self {
        Self::new(|_| {})
    }

    /// Tells one.
    pub fn tell(&self, event: Event) {
        (self.0)(event);
    }

    /// Tells a sentence.
    pub fn note(&self, text: impl Into<String>) {
        self.tell(Event::Note { text: text.into() });
    }

    /// Tells how far something is.
    pub fn progress(&self, what: &str, unit: Unit, done: u64, of: Option<u64>) {
        self.tell(Event::Progress(Progress { what: what.to_owned(), done, of, unit }));
    }
}

/// Everybody who listens now: what concerns the whole home is told to all of them.
#[derive(Clone, Default)]
pub(crate) struct Listeners(Arc<std::sync::Mutex<Vec<Listening>>>);

/// A listener that may be gone.
type Listening = std::sync::Weak<dyn Fn(Event) + Send + Sync>;

impl Listeners {
    /// Adds one, for as long as it is held.
    pub(crate) fn add(&self, events: &Events) {
        let mut all = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        all.retain(|listener| listener.strong_count() > 0);
        all.push(Arc::downgrade(&events.0));
    }

    /// Tells all of them.
    pub(crate) fn tell(&self, event: &Event) {
        let all = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        for listener in all.iter().filter_map(std::sync::Weak::upgrade) {
            listener(event.clone());
        }
    }

    /// Tells all of them a sentence.
    pub(crate) fn note(&self, text: impl Into<String>) {
        self.tell(&Event::Note { text: text.into() });
    }
}
