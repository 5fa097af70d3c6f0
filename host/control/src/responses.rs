//! Answers to programs that are kept for their person, and those that are
//! worked at while nobody listens.
//!
//! What is kept is text in the form of its interface, and this looks into none of it. Each is its person's alone, whichever
//! credential asks; and work in the background ends with the process, or when it is stopped.

use crate::application::Application;
use crate::completion::{Unanswered, Why};
use cara_authority::{PersonId, Principal};
use cara_records::{MAX_RESPONSE, NewResponse, Records};
use cara_services::ledger::records::fresh;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use cara_records::KeptResponse;

/// How many responses of one person are worked at in the background.
const MOST_OF_ONE: usize = 16;

/// How many there are of all people.
const MOST: usize = 64;

/// The most bytes of what was told of one.
const MOST_TOLD: usize = MAX_RESPONSE as usize;

/// A response to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Names it.
    pub id: String,
    /// The one that it goes on from.
    pub previous: Option<String>,
    /// What was sent, JSON.
    pub input: String,
    /// The response, JSON.
    pub response: String,
}

/// The responses that are worked at in the background. A clone is the same.
#[derive(Clone, Default)]
pub(crate) struct BackgroundResponses(Arc<Mutex<BTreeMap<String, Arc<Background>>>>);

impl BackgroundResponses {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Background>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A response that is worked at in the background.
pub struct Background {
    id: String,
    person: PersonId,
    records: Records,
    stop: CancellationToken,
    told: Mutex<Told>,
    /// How much was told, and whether that was all.
    grown: watch::Sender<(usize, bool)>,
    is_told: bool,
    all: BackgroundResponses,
}

#[derive(Default)]
struct Told {
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
        self.stop.cancelled().await;
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
struct Leaving(Arc<Background>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Application {
    /// An id for a response.
    ///
    /// # Errors
    ///
    /// The system gives no random bytes.
    pub fn new_response_id(&self) -> Result<String, Unanswered> {
        Ok(fresh("resp_", 32)?)
    }

    /// Keeps a response that has ended; durable when it returns.
    ///
    /// # Errors
    ///
    /// It is too large, or the ledger fails.
    pub async fn keep_response(&self, by: &Principal, response: Response) -> Result<(), Unanswered> {
        let Response { id, previous, input, response } = &response;
        let new =
            NewResponse { id, person: by.person(), previous: previous.as_deref(), input, response, process: None };
        Ok(self.records().await?.keep_response(&new).await?)
    }

    /// A response that is kept for whoever asks.
    ///
    /// # Errors
    ///
    /// The ledger fails.
    pub async fn kept_response(&self, by: &Principal, id: &str) -> Result<Option<KeptResponse>, Unanswered> {
        Ok(self.records().await?.response(by.person(), id).await?)
    }

    /// What was told of a response that was worked at in the background, where somebody may listen to it again.
    ///
    /// # Errors
    ///
    /// The ledger fails.
    pub async fn response_events(&self, by: &Principal, id: &str) -> Result<Option<Vec<String>>, Unanswered> {
        let events = self.records().await?.response_events(by.person(), id).await?;
        Ok(events.and_then(|events| serde_json::from_str(&events).ok()))
    }

    /// Removes a response; false where there is none.
    ///
    /// # Errors
    ///
    /// The ledger fails.
    pub async fn delete_response(&self, by: &Principal, id: &str) -> Result<bool, Unanswered> {
        Ok(self.records().await?.delete_response(by.person(), id).await?)
    }

    /// A response that is worked at in the background for whoever asks.
    pub fn background_response(&self, by: &Principal, id: &str) -> Option<Arc<Background>> {
        self.background_responses.all().get(id).filter(|background| background.person == *by.person()).cloned()
    }

    /// Keeps a response as one that is worked at, and works at it. `is_told` says whether somebody may listen to it.
    ///
    /// # Errors
    ///
    /// As for [`Application::keep_response`]; or too many are worked at, or the process is ending.
    pub async fn work_in_background<W: Future<Output = ()> + Send + 'static>(
        self: &Arc<Self>,
        by: &Principal,
        response: Response,
        is_told: bool,
        work: impl FnOnce(Arc<Background>) -> W + Send,
    ) -> Result<Arc<Background>, Unanswered> {
        let stop = self.holder.stop.child_token();
        if stop.is_cancelled() {
            let text = "the process that holds the home is ending\nhint: try again";
            return Err(Unanswered::new(Why::Overloaded, text));
        }
        let (records, all) = (self.records().await?.clone(), self.background_responses.clone());
        let (id, person) = (response.id.clone(), by.person().clone());
        let (told, grown) = (Mutex::default(), watch::Sender::new((0, false)));
        let background = Arc::new(Background { id, person, records, stop, told, grown, is_told, all });
        {
            let mut all = self.background_responses.all();
            let own = all.values().filter(|other| other.person == background.person).count();
            if all.len() >= MOST || own >= MOST_OF_ONE {
                let text =
                    format!("{own} responses are worked at for you in the background\nhint: wait for one to end");
                return Err(Unanswered::new(Why::RateLimit, text));
            }
            all.insert(background.id.clone(), background.clone());
        }
        let leaving = Leaving(background.clone());
        let process = Some(self.holder.process.as_str());
        let Response { id, previous, input, response } = &response;
        let new = NewResponse { id, person: by.person(), previous: previous.as_deref(), input, response, process };
        background.records.keep_response(&new).await?;
        let work = work(background.clone());
        tokio::spawn(async move {
            work.await;
            drop(leaving);
        });
        Ok(background)
    }
}
