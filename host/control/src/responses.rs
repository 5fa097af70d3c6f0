//! Answers to programs that are kept for their person, and those that are
//! worked at while nobody listens.
//!
//! What is kept is text in the form of its interface, and this looks into none of it. Each is its person's alone, whichever
//! credential asks; and work in the background ends with the process, when it is stopped, or when the credential is taken
//! back with which it was asked for.

use crate::allowed;
use crate::application::Application;
use crate::background_responses::Leaving;
use crate::completion::{Unanswered, Why};
use cara_authority::{Principal, Scope};
use cara_records::NewResponse;
use cara_services::ledger::records::fresh;
use std::future::Future;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

pub use crate::background_responses::Background;
pub use cara_records::KeptResponse;

/// How many responses of one person are worked at in the background.
const MOST_OF_ONE: usize = 16;

/// How many there are of all people.
const MOST: usize = 64;

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

/// Refuses whoever may not talk: what is kept here was said and answered.
fn let_in(by: &Principal) -> Result<(), Unanswered> {
    Ok(allowed::require(by, Scope::Chat, "responses")?)
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
    /// Whoever asks may not talk, or the ledger fails.
    pub async fn kept_response(&self, by: &Principal, id: &str) -> Result<Option<KeptResponse>, Unanswered> {
        let_in(by)?;
        Ok(self.records().await?.response(by.person(), id).await?)
    }

    /// What was told of a response that was worked at in the background, where somebody may listen to it again.
    ///
    /// # Errors
    ///
    /// Whoever asks may not talk, or the ledger fails.
    pub async fn response_events(&self, by: &Principal, id: &str) -> Result<Option<Vec<String>>, Unanswered> {
        let_in(by)?;
        let events = self.records().await?.response_events(by.person(), id).await?;
        Ok(events.and_then(|events| serde_json::from_str(&events).ok()))
    }

    /// Removes a response; false where there is none.
    ///
    /// # Errors
    ///
    /// Whoever asks may not talk, or the ledger fails.
    pub async fn delete_response(&self, by: &Principal, id: &str) -> Result<bool, Unanswered> {
        let_in(by)?;
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
        let work_of = self.work_of(by).await?;
        let (id, person) = (response.id.clone(), by.person().clone());
        let (told, grown) = (Mutex::default(), watch::Sender::new((0, false)));
        let background = Arc::new(Background { id, person, records, stop, work: work_of, told, grown, is_told, all });
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::plugins::tests::{open, with_a_file_for_secrets};
    use cara_authority::{PersonId, PersonRole};

    async fn begun(
        application: &Arc<Application>,
        by: &Principal,
        name: String,
    ) -> Result<Arc<Background>, Unanswered> {
        let id = format!("resp_{name}");
        let response = Response { id, previous: None, input: "{}".to_owned(), response: "{}".to_owned() };
        application.work_in_background(by, response, false, |_| std::future::pending()).await
    }

    #[tokio::test]
    async fn in_the_background_are_sixteen_of_one_person_and_sixty_four_of_all() {
        let folder = tempfile::tempdir().unwrap();
        let application = open(&with_a_file_for_secrets(folder.path()));
        let member = |name: &str| Principal::of_address(PersonId::parse(name).unwrap(), PersonRole::Member, "a test");
        for name in ["anna", "ben", "cleo"] {
            for number in 0..MOST_OF_ONE {
                begun(&application, &member(name), format!("{name}{number}"))
                    .await
                    .unwrap_or_else(|why| panic!("{why}"));
            }
            let refused = begun(&application, &member(name), format!("{name}more")).await.err().unwrap();
            assert_eq!(refused.why, Why::RateLimit, "{refused}");
            assert!(refused.message.starts_with("16 responses are worked at for you"), "{refused}");
        }
        for number in 3 * MOST_OF_ONE..MOST - 1 {
            let person = format!("person{number}");
            begun(&application, &member(&person), person.clone()).await.unwrap_or_else(|why| panic!("{why}"));
        }
        let last = begun(&application, &member("dora"), "dora".to_owned()).await.unwrap_or_else(|why| panic!("{why}"));
        let refused = begun(&application, &member("emil"), "emil".to_owned()).await.err().unwrap();
        assert_eq!(refused.why, Why::RateLimit, "{refused}");
        // One that ended leaves its place.
        last.end("{}", Vec::new()).await;
        assert!(begun(&application, &member("emil"), "emil".to_owned()).await.is_ok());
    }
}
