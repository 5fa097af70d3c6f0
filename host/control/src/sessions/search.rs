//! Search over all that was said in a person's own conversations.
//!
//! What was said is sealed, so it is decrypted and looked at: page by page, the newest conversation first, and only so far.

use super::PAGE;
use crate::application::Application;
use crate::error::{Result, fail};
use crate::event::Events;
use crate::operation::{Operation, Route};
use cara_assistant::Speaker;
use cara_assistant::part::{Body, Part};
use cara_authority::{PersonId, Principal, words};
use cara_records::{Hit, Message, Records, Role, Session, Words};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The most texts that are looked at together.
const TEXTS: usize = 500;

/// The most bytes of texts that are looked at together.
const BYTES: usize = 1024 * 1024;

words! {
    /// Why a search ended before it had looked at everything.
    Stopped {
        /// So many conversations as were asked for have the words.
        Limit = "limit",
        /// It had looked at as many messages as one search may.
        Messages = "messages",
        /// It had taken as long as one search may.
        Time = "time",
    }
}

/// A message that has the words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct FoundIn {
    /// The message's number, from 1.
    pub place: u64,
    /// When it was said, Unix milliseconds.
    pub at_ms: u64,
    /// Who said it: `user` or `assistant`.
    pub role: String,
    /// Who said it, where that is not the person of the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker: Option<Speaker>,
    /// What stands around the words, in one line.
    pub excerpt: String,
}

/// A conversation that has the words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct FoundSession {
    /// The session's id.
    pub id: String,
    /// The title.
    pub title: String,
    /// The channel it takes place on.
    pub channel: String,
    /// When it last changed, Unix milliseconds.
    pub changed_ms: u64,
    /// How many of its messages have the words.
    pub messages: u64,
    /// The last of them; nothing where only the title has the words.
    pub last: Option<FoundIn>,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct FoundSessions {
    /// The conversations, the one that changed last first.
    pub sessions: Vec<FoundSession>,
    /// How many messages were looked at.
    pub looked_at: u64,
    /// Why the search ended before it had looked at everything, if it did.
    pub stopped: Option<Stopped>,
}

/// Searches the titles of one's own conversations, and what was said in them: all the words in one message or title.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchSessions {
    /// The words; case and accents do not matter, and a word stands for all that begin with it.
    pub words: String,
    /// At most so many conversations, 1 to 50.
    #[serde(default = "super::twenty")]
    pub limit: u32,
}

impl Operation for SearchSessions {
    type View = FoundSessions;
    const ROUTE: Route = Route::get("sessions.search", "/control/v1/search", "Search one's own conversations.");

    async fn run(self, application: &Arc<Application>, by: &Principal, _: &Events) -> Result<Self::View> {
        let records = application.records().await?;
        let Some(words) = Words::of(&self.words) else {
            fail!(
                Invalid,
                "there is no word to look for\nhint: write one or more words, as in `cara sessions search window seat`"
            );
        };
        let most = Most { sessions: self.limit.clamp(1, 50) as usize, ..Most::default() };
        Search::new(records, words, most).of(by.person()).await
    }
}

/// How far one search goes.
#[derive(Debug, Clone, Copy)]
struct Most {
    sessions: usize,
    messages: u64,
    time: Duration,
}

impl Default for Most {
    fn default() -> Self {
        Self { sessions: 20, messages: 200_000, time: Duration::from_secs(10) }
    }
}

/// A text that is to be looked at.
struct Text {
    /// Which of the conversations it is of.
    session: usize,
    /// The message it is of, without its excerpt; nothing for a title.
    of: Option<FoundIn>,
}

/// A search that goes on.
struct Search<'a> {
    records: &'a Records,
    words: Words,
    most: Most,
    began: Instant,
    found: Vec<(usize, FoundSession)>,
    texts: Vec<Text>,
    said: Vec<String>,
    bytes: usize,
    looked_at: u64,
}

impl<'a> Search<'a> {
    fn new(records: &'a Records, words: Words, most: Most) -> Self {
        let (found, texts, said) = Default::default();
        Self { records, words, most, began: Instant::now(), found, texts, said, bytes: 0, looked_at: 0 }
    }

    async fn of(mut self, person: &PersonId) -> Result<FoundSessions> {
        let sessions = self.records.recent_sessions(Some(person), u32::MAX).await?;
        let mut stopped = None;
        for at in 0..sessions.len() {
            stopped = self.session(&sessions, at).await?;
            if stopped.is_some() {
                break;
            }
        }
        self.look(&sessions).await?;
        if self.found.len() > self.most.sessions {
            stopped = Some(Stopped::Limit);
            self.found.truncate(self.most.sessions);
        }
        let sessions = self.found.into_iter().map(|(_, found)| found).collect();
        Ok(FoundSessions { sessions, looked_at: self.looked_at, stopped })
    }

    /// Goes through one conversation.
    async fn session(&mut self, sessions: &[Session], at: usize) -> Result<Option<Stopped>> {
        if self.found.len() >= self.most.sessions {
            return Ok(Some(Stopped::Limit));
        }
        self.add(Text { session: at, of: None }, sessions[at].title.clone());
        let mut from = 1;
        loop {
            if self.looked_at >= self.most.messages {
                return Ok(Some(Stopped::Messages));
            }
            if self.began.elapsed() >= self.most.time {
                return Ok(Some(Stopped::Time));
            }
            if self.texts.len() >= TEXTS || self.bytes >= BYTES {
                self.look(sessions).await?;
            }
            let page = self.records.messages(&sessions[at].id, from, PAGE).await?;
            let Some(last) = page.last() else { return Ok(None) };
            from = last.place + 1;
            for message in page {
                self.looked_at += 1;
                if let Some((of, said)) = said(message) {
                    self.add(Text { session: at, of: Some(of) }, said);
                }
            }
        }
    }

    fn add(&mut self, text: Text, said: String) {
        self.bytes += said.len();
        self.texts.push(text);
        self.said.push(said);
    }

    /// Looks at the texts that were gathered.
    async fn look(&mut self, sessions: &[Session]) -> Result<()> {
        let (texts, said) = (std::mem::take(&mut self.texts), std::mem::take(&mut self.said));
        self.bytes = 0;
        let hits = self.records.texts_with(&self.words, &said).await?;
        let mut texts: Vec<Option<Text>> = texts.into_iter().map(Some).collect();
        for Hit { text, excerpt } in hits {
            let Some(Text { session, of }) = texts.get_mut(text).and_then(Option::take) else { continue };
            if self.found.last().is_none_or(|(last, _)| *last != session) {
                self.found.push((session, found(&sessions[session])));
            }
            if let (Some((_, found)), Some(of)) = (self.found.last_mut(), of) {
                found.messages += 1;
                found.last = Some(FoundIn { excerpt, ..of });
            }
        }
        Ok(())
    }
}

fn found(session: &Session) -> FoundSession {
    FoundSession {
        id: session.id.to_string(),
        title: session.title.clone(),
        channel: session.channel.clone(),
        changed_ms: session.changed_ms,
        messages: 0,
        last: None,
    }
}

/// What somebody said in a message; nothing where it is a tool's, or has no words.
fn said(message: Message) -> Option<(FoundIn, String)> {
    let Message { place, role, body, speaker, at_ms, .. } = message;
    if role == Role::Tool {
        return None;
    }
    let parts: Vec<Part> = serde_json::from_value(body).unwrap_or_default();
    let words = parts.iter().filter_map(|part| match &part.body {
        Body::Text { text } => Some(text.as_str()),
        Body::Attachment { name, .. } => name.as_deref(),
        _ => None,
    });
    let words = words.collect::<Vec<_>>().join("\n");
    let speaker = speaker.and_then(|speaker| serde_json::from_value(speaker).ok());
    let of = FoundIn { place, at_ms, role: role.name().to_owned(), speaker, excerpt: String::new() };
    (!words.trim().is_empty()).then_some((of, words))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use cara_authority::{Label, SessionId};
    use cara_records::{ContentKey, NewMessage, RunState};
    use cara_services::clock::Clock;
    use cara_services::ledger::Ledger;
    use serde_json::json;

    struct Place {
        records: Records,
        _folder: tempfile::TempDir,
    }

    impl Place {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let at = folder.path().join("ledger.db");
            let ledger = Ledger::open(at, Clock::fixed(1_000), [7; 32].into()).await.unwrap();
            Self { records: Records::open(&ledger, ContentKey::new([5; 32].into())).await.unwrap(), _folder: folder }
        }

        async fn says(&self, person: &str, title: &str, said: &[(Role, &str)]) -> SessionId {
            let person = if person == "owner" { PersonId::owner() } else { PersonId::parse(person).unwrap() };
            let session = self.records.begin_session(&person, "console", "main", title).await.unwrap();
            for (role, text) in said {
                let body = json!([{ "label": "owner", "kind": "text", "text": text }]);
                let message = NewMessage { role: *role, body, label: Label::NONE, speaker: None };
                let run = self.records.begin_run(&session, "p", &message).await.unwrap();
                self.records.end_run(&run, &[], RunState::Done, None, &[]).await.unwrap();
            }
            session
        }

        async fn finds(&self, words: &str, most: Most) -> FoundSessions {
            let words = Words::of(words).unwrap();
            Search::new(&self.records, words, most).of(&PersonId::owner()).await.unwrap()
        }
    }

    #[tokio::test]
    async fn titles_and_what_was_said_are_found_and_nobody_elses() {
        let place = Place::new().await;
        let (user, model, tool) = (Role::User, Role::Assistant, Role::Tool);
        let talk =
            [(user, "the window seat"), (model, "A seat at the WÍNDOW."), (user, "thanks"), (tool, "window seat")];
        let seat = place.says("owner", "Journey", &talk).await;
        let title = place.says("owner", "Window seats", &[(user, "hi")]).await;
        place.says("anna", "Window seats", &talk).await;
        place.says("owner", "apart", &[(user, "a window"), (user, "a seat")]).await;
        let found = place.finds("window seat", Most::default()).await;
        assert_eq!((found.looked_at, found.stopped), (7, None));
        let by_id = |id: &SessionId| found.sessions.iter().find(|found| found.id == id.as_str()).unwrap().clone();
        assert_eq!(found.sessions.len(), 2);
        assert_eq!((by_id(&title).messages, by_id(&title).last), (0, None));
        let last = by_id(&seat).last.unwrap();
        assert_eq!((by_id(&seat).messages, last.place, last.role.as_str()), (2, 2, "assistant"));
        assert_eq!(last.excerpt, "A seat at the WÍNDOW.");
    }

    #[tokio::test]
    async fn a_search_that_ends_early_says_why() {
        let place = Place::new().await;
        for _ in 0..3 {
            place.says("owner", "t", &[(Role::User, "tea"), (Role::User, "tea")]).await;
        }
        let found = place.finds("tea", Most { sessions: 2, ..Most::default() }).await;
        assert_eq!((found.sessions.len(), found.stopped), (2, Some(Stopped::Limit)));
        let found = place.finds("tea", Most { messages: 3, ..Most::default() }).await;
        assert_eq!((found.sessions.len(), found.looked_at, found.stopped), (2, 4, Some(Stopped::Messages)));
        let found = place.finds("tea", Most { time: Duration::ZERO, ..Most::default() }).await;
        assert_eq!((found.sessions.len(), found.stopped), (0, Some(Stopped::Time)));
        assert_eq!(place.finds("tea", Most::default()).await.stopped, None);
    }
}
