//! Responses that are worked at while nobody listens.

use cara_authority::PersonId;
use cara_records::{MAX_RESPONSE, Records};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The most bytes of what was told of one.
const MOST_TOLD: usize = MAX_RESPONSE as usize;

/// The responses that are worked at in the background. A clone is the same.
#[derive(Clone, Default)]
pub(crate) struct BackgroundResponses(Arc<Mutex<BTreeMap<String, Arc<Background>>>>);

impl BackgroundResponses {
    pub(crate) fn all(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Background>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A response that is worked at in the background.
pub struct Background {
    pub(crate) id: String,
    pub(crate) person: PersonId,
    pub(crate) records: Records,
    pub(crate) stop: CancellationToken,
    /// Is cancelled when the credential is taken back with which it was asked for.
    pub(crate) work: CancellationToken,
    pub(crate) told: Mutex<Told>,
    /// How much was told, and whether that was all.
    pub(crate) grown: watch::Sender<(usize, bool)>,
    pub(crate) is_told: bool,
    pub(crate) all: BackgroundResponses,
}

#[derive(Default)]
pub(crate) struct Told {
    events: Vec<String>,
    bytes: usize,
}

impl Background {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops it; whoever works at it ends it.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until it is to be stopped.
    pub async fn stopped(&self) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.work.cancelled() => {}
        }
    }

    /// Tells more of it; false where it has become more than is kept. Nothing is kept that nobody may listen to.
    pub fn tell(&self, events: Vec<String>) -> bool {
        if !self.is_told {
            return true;
        }
        let count = {
            let mut told = self.told();
            told.bytes += events.iter().map(String::len).sum::<usize>();
            if told.bytes > MOST_TOLD {
                return false;
            }
            told.events.extend(events);
            told.events.len()
        };
        self.grown.send_replace((count, false));
        true
    }

    /// What was told from a place on, when there is some; none at the end.
    pub async fn after(&self, place: usize) -> Option<Vec<String>> {
        let mut grown = self.grown.subscribe();
        let _ = grown.wait_for(|(count, is_all)| *count > place || *is_all).await;
        let told = self.told().events.get(place..).map(<[String]>::to_vec).unwrap_or_default();
        (!told.is_empty()).then_some(told)
    }

    /// Waits for its end.
    pub async fn ended(&self) {
        let _ = self.grown.subscribe().wait_for(|(_, is_all)| *is_all).await;
    }

    /// Keeps how it ended, and tells it.
    pub async fn end(&self, response: &str, last: Vec<String>) {
        let events = {
            let mut told = self.told();
            told.events.extend(last);
            self.is_told.then(|| serde_json::to_string(&told.events).expect("texts are plain data"))
        };
        if let Err(error) = self.records.end_response(&self.person, &self.id, response, events.as_deref()).await {
            tracing::error!(%error, "how a response ended is not written down");
        }
        self.leave();
    }

    fn leave(&self) {
        self.all.all().remove(&self.id);
        let count = self.told().events.len();
        self.grown.send_replace((count, true));
    }
}

/// Lets go of what is worked at, also where the work panics.
pub(crate) struct Leaving(pub(crate) Arc<Background>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.leave();
    }
}
