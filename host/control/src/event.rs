//! What happens, told as data: a log of events, and readers that each hold a
//! place in it.
//!
//! A log has one scope: a call, a run, or the home. Nothing is copied for a reader until it reads, so one that is slow, or
//! gone, costs nothing. Of calls and of the home only the last events are kept: who is too slow for them misses some.
//!
//! ```text
//! run log ── follow ─→ call log ─→ Reader { place } ─→ door
//! home log ───────────────────────────┘
//! ```

use crate::change::{Change, Topic};
use cara_assistant::{Asked, TurnEvent};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// One thing that happened. As JSON: one object, told apart by `type`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// Calls of the run wait for this person's answer; `approvals.respond` takes it for each.
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
    /// Where whoever follows the changes of the home stands.
    Position {
        /// The process in which changes have their numbers.
        process: String,
        /// The change that was heard last.
        seq: u64,
        /// Whether changes before it were missed: then everything is to be looked at anew.
        missed: bool,
    },
    /// Something changed in the home.
    Changed(Change),
}

/// How far something is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Components.
    Components,
}

/// What a log of events is about, which says how much of it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// One call of a use case.
    Call,
    /// One run. All of it is kept: whoever follows it hears it from the beginning on.
    Run,
    /// The home, for as long as a process holds it.
    Home,
    /// What changed in the home, for whoever comes back.
    Changes,
}

impl Scope {
    /// How many events are kept.
    const fn most(self) -> usize {
        match self {
            Self::Call => 1024,
            Self::Run => usize::MAX,
            Self::Home => 64,
            Self::Changes => 4096,
        }
    }
}

/// A log of events. A clone is the same log.
#[derive(Clone)]
pub struct Events(Arc<Log>);

struct Log {
    most: usize,
    kept: Mutex<Kept>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct Kept {
    /// How many entries were there before the first one that is kept.
    forgotten: usize,
    entries: VecDeque<Entry>,
    ended: bool,
    /// What is taken up as long as what is asked for has not begun.
    held: Option<Box<dyn Send>>,
}

#[derive(Clone)]
enum Entry {
    Event(Arc<Event>),
    /// All events of another log, after so many of its first ones, to its end.
    Log(Events, usize),
}

impl Events {
    /// An empty log.
    pub fn new(scope: Scope) -> Self {
        Self::keeping(scope.most())
    }

    /// A log that nobody reads.
    pub fn nobody() -> Self {
        Self::keeping(0)
    }

    fn keeping(most: usize) -> Self {
        Self(Arc::new(Log { most, kept: Mutex::default(), changed: watch::Sender::new(()) }))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, entry: Entry) {
        let mut kept = self.kept();
        kept.entries.push_back(entry);
        while kept.entries.len() > self.0.most {
            kept.entries.pop_front();
            kept.forgotten += 1;
        }
        drop(kept);
        self.0.changed.send_replace(());
    }

    /// The same log, which keeps something until another one is followed or it ends: until what was asked for goes on by
    /// itself.
    #[must_use]
    pub fn holding(self, what: impl Send + 'static) -> Self {
        self.kept().held = Some(Box::new(what));
        self
    }

    /// Tells an event.
    pub fn tell(&self, event: Event) {
        self.put(Entry::Event(Arc::new(event)));
    }

    /// Tells what changed.
    pub(crate) fn changed(&self, topic: Topic, what: &str, subject: Option<&str>) {
        let (what, subject) = (what.to_owned(), subject.map(str::to_owned));
        self.tell(Event::Changed(Change { topic, what, subject }));
    }

    /// The number after which all are kept, and that of the last event.
    pub(crate) fn numbers(&self) -> (u64, u64) {
        let kept = self.kept();
        (kept.forgotten as u64, (kept.forgotten + kept.entries.len()) as u64)
    }

    /// Tells a sentence.
    pub fn note(&self, text: impl Into<String>) {
        self.tell(Event::Note { text: text.into() });
    }

    /// Tells how far something is.
    pub fn progress(&self, what: &str, unit: Unit, done: u64, of: Option<u64>) {
        self.tell(Event::Progress(Progress { what: what.to_owned(), done, of, unit }));
    }

    /// Whether anybody reads the log.
    pub(crate) fn is_read(&self) -> bool {
        self.0.changed.receiver_count() > 0
    }

    /// Tells all events of another log, after so many of its first ones, to its end.
    pub(crate) fn follow(&self, other: &Self, after: usize) {
        drop(self.kept().held.take());
        self.put(Entry::Log(other.clone(), after));
    }

    /// Ends the log: its readers have heard everything.
    pub fn end(&self) {
        let mut kept = self.kept();
        kept.ended = true;
        let held = kept.held.take();
        drop((kept, held));
        self.0.changed.send_replace(());
    }

    /// Waits for the end of the log.
    pub(crate) async fn ended(&self) {
        let mut changed = self.0.changed.subscribe();
        while !self.kept().ended {
            // The sender is held here.
            let _ = changed.changed().await;
        }
    }

    /// Reads the log from its beginning on.
    pub fn read(&self) -> Reader {
        Reader { within: vec![Place::beginning(self)], beside: None }
    }
}

/// A place in a log.
struct Place {
    log: Events,
    next: usize,
    changed: watch::Receiver<()>,
}

/// What stands at a place.
enum Stands {
    Entry(Entry),
    Nothing,
    End,
}

impl Place {
    fn beginning(log: &Events) -> Self {
        Self { next: 0, changed: log.0.changed.subscribe(), log: log.clone() }
    }

    fn after(log: &Events, next: usize) -> Self {
        Self { next, ..Self::beginning(log) }
    }

    fn end(log: &Events) -> Self {
        let kept = log.kept();
        let next = kept.forgotten + kept.entries.len();
        drop(kept);
        Self::after(log, next)
    }

    /// What stands here, and goes on to the next place.
    fn take(&mut self) -> Stands {
        // Before the look, so that nothing comes unseen between the two.
        self.changed.mark_unchanged();
        let kept = self.log.kept();
        self.next = self.next.max(kept.forgotten);
        match kept.entries.get(self.next - kept.forgotten) {
            Some(entry) => {
                self.next += 1;
                Stands::Entry(entry.clone())
            }
            None if kept.ended => Stands::End,
            None => Stands::Nothing,
        }
    }

    async fn changed(&mut self) {
        // The sender is held here.
        let _ = self.changed.changed().await;
    }
}

/// Reads a log, and the logs that it follows.
pub struct Reader {
    /// The log that is read is the last one; the one before it goes on when it has ended.
    within: Vec<Place>,
    beside: Option<Place>,
}

impl Reader {
    /// Reads what is told in another log from now on as well, for as long as its own goes on.
    #[must_use]
    pub fn beside(mut self, other: &Events) -> Self {
        self.beside = Some(Place::end(other));
        self
    }

    /// The next event; nothing when the log has ended. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        Some(self.next_numbered().await?.1)
    }

    /// The next event, with its number where its log is followed: the first event of a run is 1, whoever hears it.
    pub async fn next_numbered(&mut self) -> Option<(Option<u64>, Arc<Event>)> {
        loop {
            if let Some(beside) = &mut self.beside
                && let Stands::Entry(Entry::Event(event)) = beside.take()
            {
                return Some((None, event));
            }
            let is_followed = self.within.len() > 1;
            let place = self.within.last_mut()?;
            match (place.take(), &mut self.beside) {
                (Stands::Entry(Entry::Event(event)), _) => {
                    let number = is_followed.then_some(place.next as u64);
                    return Some((number, event));
                }
                (Stands::Entry(Entry::Log(log, after)), _) => self.within.push(Place::after(&log, after)),
                (Stands::End, _) => drop(self.within.pop()),
                (Stands::Nothing, None) => place.changed().await,
                (Stands::Nothing, Some(beside)) => tokio::select! {
                    () = place.changed() => {}
                    () = beside.changed() => {}
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn note(text: &str) -> Arc<Event> {
        Arc::new(Event::Note { text: text.to_owned() })
    }

    #[tokio::test]
    async fn a_reader_hears_a_followed_log_in_its_place_and_the_home_from_now_on() {
        let [home, call, run] = [Scope::Home, Scope::Call, Scope::Run].map(Events::new);
        home.note("long ago");
        let mut reader = call.read().beside(&home);
        call.note("first");
        call.follow(&run, 0);
        call.note("last");
        run.note("in the run");
        assert_eq!(reader.next().await, Some(note("first")));
        home.note("home");
        assert_eq!(reader.next().await, Some(note("home")));
        assert_eq!(reader.next().await, Some(note("in the run")));
        run.end();
        call.end();
        assert_eq!(reader.next().await, Some(note("last")));
        assert_eq!(reader.next().await, None);
    }

    #[tokio::test]
    async fn an_event_of_a_followed_log_has_its_number_wherever_its_reader_began() {
        let [run, first, second] = [Scope::Run, Scope::Call, Scope::Call].map(Events::new);
        (1..=3).for_each(|number| run.note(number.to_string()));
        run.end();
        for (call, after) in [(first, 0), (second, 2)] {
            call.note("of the call");
            call.follow(&run, after);
            call.end();
            let (mut reader, mut heard) = (call.read(), Vec::new());
            while let Some(next) = reader.next_numbered().await {
                heard.push(next);
            }
            assert_eq!(heard.remove(0), (None, note("of the call")));
            let expected = (after as u64 + 1..=3).map(|number| (Some(number), note(&number.to_string())));
            assert_eq!(heard, expected.collect::<Vec<_>>());
        }
    }

    #[tokio::test]
    async fn who_is_too_slow_misses_the_oldest_and_nothing_grows() {
        let home = Events::new(Scope::Home);
        let mut reader = home.read();
        (0..1000).for_each(|number| home.note(number.to_string()));
        home.end();
        assert_eq!(home.kept().entries.len(), Scope::Home.most());
        assert_eq!(reader.next().await, Some(note(&(1000 - Scope::Home.most()).to_string())));
    }
}
