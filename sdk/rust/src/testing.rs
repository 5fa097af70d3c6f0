//! A host for native tests: what a component asks for, and what it is told.
//!
//! A [`MockHost`] stands in for the host while a closure runs in it. Outside of one, what needs the host panics. A double
//! keeps the rules of `wit/` that a component's logic meets (revisions, sizes, which refusal when); it grants
//! everything, meets no network and does not wait: sleeping moves its clock. Nothing of this is in a component.
//!
//! ```
//! use cara_sdk::http::{Method, Request};
//! use cara_sdk::testing::{Reply, MockHost};
//! use cara_sdk::{Error, secrets, state};
//!
//! // What is tested: it calls the host as it will in a component.
//! fn login() -> Result<String, Error> {
//!     secrets::available("token")?;
//!     let name: String = Request::get("https://api.example/me").header("accept", "*/*").send()?.json(1024)?;
//!     state::put_json("name", &name)?;
//!     Ok(name)
//! }
//!
//! let mock = MockHost::new().secret("token").reply(
//!     Method::Get,
//!     "https://api.example/me",
//!     Reply::json(200, &"Kari"),
//! );
//! assert_eq!(mock.run(login).unwrap(), "Kari");
//! assert_eq!(mock.stored("name").unwrap(), b"\"Kari\"");
//! assert_eq!(mock.sent()[0].header("accept"), Some("*/*"));
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test's mistake is told by a panic")]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use serde::Serialize;

use crate::http::Method;
use crate::types::{Blob, Refusal};
use crate::{approvals, exec, inbox, log, memory, messaging, models, sessions, state, tool, turn};

pub(crate) mod double;
mod reply;

pub use crate::bindings::provider_component::wasi::http::types::ErrorCode;
pub use reply::{Reply, Sent};

/// The time a [`MockHost`] begins at unless it is told another: 2026-01-01T00:00:00Z.
pub const BEGINNING_MS: u64 = 1_767_225_600_000;

/// What a test says of the host, and what the host was asked.
///
/// The methods that take it by value say how the host shall be; those that borrow it tell what happened. A clone is the
/// same [`MockHost`].
///
/// ```
/// use cara_sdk::testing::MockHost;
/// use cara_sdk::{clock, settings};
///
/// let mock = MockHost::new().now_ms(5_000).setting("region", "eu");
/// let told = mock.run(|| {
///     clock::sleep_ms(250);
///     (clock::now_ms(), settings::get::<String>("region").unwrap())
/// });
/// assert_eq!(told, (5_250, Some("eu".to_owned())));
/// ```
#[derive(Clone, Default)]
pub struct MockHost {
    inner: Rc<RefCell<Inner>>,
}

type Before = Box<dyn FnOnce()>;

/// One conversation and its lines.
type Conversation = (sessions::Session, Vec<sessions::Line>);

struct Inner {
    now_ms: u64,
    settings: BTreeMap<String, String>,
    secrets: BTreeSet<String>,
    signatures: VecDeque<Vec<u8>>,
    state: BTreeMap<String, state::Entry>,
    state_bytes: usize,
    revision: u64,
    before_put: VecDeque<Before>,
    replies: VecDeque<(Method, String, Reply)>,
    sent: Vec<Sent>,
    decisions: VecDeque<approvals::Decision>,
    questions: Vec<approvals::Question>,
    lines: Vec<Line>,
    events: Vec<turn::Event>,
    attachments: BTreeMap<String, Blob>,
    configuration: serde_json::Value,
    memory: BTreeMap<String, memory::Entry>,
    messages: Vec<(messaging::Address, messaging::Outbound)>,
    delivered: Vec<inbox::Inbound>,
    random: u64,
    answers: VecDeque<models::Response>,
    asked: Vec<models::Request>,
    sessions: Vec<Conversation>,
    outcomes: VecDeque<exec::Outcome>,
    commands: Vec<exec::Command>,
    refusals: BTreeMap<String, Refusal>,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            now_ms: BEGINNING_MS,
            settings: BTreeMap::new(),
            secrets: BTreeSet::new(),
            signatures: VecDeque::new(),
            state: BTreeMap::new(),
            state_bytes: 1 << 20,
            revision: 0,
            before_put: VecDeque::new(),
            replies: VecDeque::new(),
            sent: Vec::new(),
            decisions: VecDeque::new(),
            questions: Vec::new(),
            lines: Vec::new(),
            events: Vec::new(),
            attachments: BTreeMap::new(),
            configuration: serde_json::Value::Null,
            memory: BTreeMap::new(),
            messages: Vec::new(),
            delivered: Vec::new(),
            random: 0,
            answers: VecDeque::new(),
            asked: Vec::new(),
            sessions: Vec::new(),
            outcomes: VecDeque::new(),
            commands: Vec::new(),
            refusals: BTreeMap::new(),
        }
    }
}

thread_local! {
    /// The worlds this thread is in, the innermost last.
    static ENTERED: RefCell<Vec<MockHost>> = const { RefCell::new(Vec::new()) };
}

/// Leaves the innermost double, also when a test panics.
struct Leave;

impl Drop for Leave {
    fn drop(&mut self) {
        ENTERED.with_borrow_mut(Vec::pop);
    }
}

/// Calls `act` with the double this thread is in.
#[track_caller]
fn within<T>(what: &str, act: impl FnOnce(&mut Inner) -> T) -> T {
    let mock = ENTERED.with_borrow(|entered| entered.last().cloned());
    let Some(mock) = mock else {
        panic!("`{what}` needs the host\nhint: call it inside `cara_sdk::testing::MockHost::run`");
    };
    act(&mut mock.inner.borrow_mut())
}

/// How the host shall be.
impl MockHost {
    /// A double with nothing in it, at [`BEGINNING_MS`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn with(self, change: impl FnOnce(&mut Inner)) -> Self {
        change(&mut self.inner.borrow_mut());
        self
    }

    /// Calls `act` inside this double: what it asks the host for, it asks this one.
    pub fn run<T>(&self, act: impl FnOnce() -> T) -> T {
        ENTERED.with_borrow_mut(|entered| entered.push(self.clone()));
        let _leave = Leave;
        act()
    }

    /// The clock shows this, in Unix milliseconds.
    #[must_use]
    pub fn now_ms(self, now_ms: u64) -> Self {
        self.with(|inner| inner.now_ms = now_ms)
    }

    /// The operator set this, or the manifest has it as default. A setting that is not set is `None`.
    ///
    /// # Panics
    /// When `value` is no JSON.
    #[must_use]
    pub fn setting(self, key: &str, value: impl Serialize) -> Self {
        let value = serde_json::to_string(&value).expect("a setting is JSON");
        self.with(|inner| drop(inner.settings.insert(key.to_owned(), value)))
    }

    /// This secret is stored. It has no value here: what the host puts into requests on the wire is not seen by what is
    /// tested, and not in [`MockHost::sent`].
    #[must_use]
    pub fn secret(self, name: &str) -> Self {
        self.with(|inner| {
            inner.secrets.insert(name.to_owned());
        })
    }

    /// What the next `secrets::sign` answers: a double has no keys of its own.
    #[must_use]
    pub fn signature(self, signature: impl Into<Vec<u8>>) -> Self {
        self.with(|inner| inner.signatures.push_back(signature.into()))
    }

    /// This is in the state, as if written by an earlier call.
    #[must_use]
    pub fn state(self, key: &str, value: impl Into<Vec<u8>>) -> Self {
        let value = value.into();
        self.with(|inner| {
            inner.revision += 1;
            inner.state.insert(key.to_owned(), state::Entry { value, revision: inner.revision });
        })
    }

    /// All keys and values of the state together are at most this many bytes; 1 MiB unless set.
    #[must_use]
    pub fn state_bytes(self, bytes: usize) -> Self {
        self.with(|inner| inner.state_bytes = bytes)
    }

    /// Does this just before the next `state.put`, as a call made at the same time would.
    #[must_use]
    pub fn before_put(self, act: impl FnOnce() + 'static) -> Self {
        self.with(|inner| inner.before_put.push_back(Box::new(act)))
    }

    /// The next request must be this one, and is answered so. Several are answered in their order; a request that is
    /// not the next one panics and names both.
    #[must_use]
    pub fn reply(self, method: Method, url: &str, reply: Reply) -> Self {
        self.with(|inner| inner.replies.push_back((method, url.to_owned(), reply)))
    }

    /// The person answers the next question so. A question nobody answers is a denial.
    #[must_use]
    pub fn decide(self, decision: approvals::Decision) -> Self {
        self.with(|inner| inner.decisions.push_back(decision))
    }

    /// The person attached this, under this id.
    #[must_use]
    pub fn attachment(self, id: &str, blob: Blob) -> Self {
        self.with(|inner| drop(inner.attachments.insert(id.to_owned(), blob)))
    }

    /// The whole configuration.
    ///
    /// # Panics
    /// When `value` is no JSON.
    #[must_use]
    pub fn configuration(self, value: impl Serialize) -> Self {
        self.with(|inner| inner.configuration = serde_json::to_value(value).expect("the configuration is JSON"))
    }

    /// What the model answers to the next `models.complete`. A question without an answer is `unavailable`.
    #[must_use]
    pub fn answer(self, answer: models::Response) -> Self {
        self.with(|inner| inner.answers.push_back(answer))
    }

    /// An earlier conversation of the person; the last one given was changed last.
    #[must_use]
    pub fn session(self, session: sessions::Session, lines: Vec<sessions::Line>) -> Self {
        self.with(|inner| inner.sessions.push((session, lines)))
    }

    /// How the next program ends. A command without an outcome is `unavailable`.
    #[must_use]
    pub fn outcome(self, outcome: exec::Outcome) -> Self {
        self.with(|inner| inner.outcomes.push_back(outcome))
    }

    /// Every function of this interface that can refuse does, with this refusal: `state`, `secrets`, `turn`, `memory`
    /// and so on, as the files of `wit/` are called.
    ///
    /// ```
    /// use cara_sdk::state;
    /// use cara_sdk::testing::MockHost;
    /// use cara_sdk::types::Refusal;
    ///
    /// let mock = MockHost::new().refuse("state", Refusal::Ungranted("hint: grant it".to_owned()));
    /// assert!(mock.run(|| state::get("key")).is_err());
    /// ```
    #[must_use]
    pub fn refuse(self, interface: &str, refusal: Refusal) -> Self {
        self.with(|inner| drop(inner.refusals.insert(interface.to_owned(), refusal)))
    }
}

/// What happened.
impl MockHost {
    fn look<T>(&self, at: impl FnOnce(&Inner) -> T) -> T {
        at(&self.inner.borrow())
    }

    /// What is stored under a key of the state.
    #[must_use]
    pub fn stored(&self, key: &str) -> Option<Vec<u8>> {
        self.look(|inner| inner.state.get(key).map(|entry| entry.value.clone()))
    }

    /// The requests that were made, in their order.
    #[must_use]
    pub fn sent(&self) -> Vec<Sent> {
        self.look(|inner| inner.sent.clone())
    }

    /// How many of the replies nobody asked for.
    #[must_use]
    pub fn replies_left(&self) -> usize {
        self.look(|inner| inner.replies.len())
    }

    /// What the person was asked.
    #[must_use]
    pub fn questions(&self) -> Vec<approvals::Question> {
        self.look(|inner| inner.questions.clone())
    }

    /// What was written to the log.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        self.look(|inner| inner.lines.clone())
    }

    /// What a provider emitted.
    #[must_use]
    pub fn events(&self) -> Vec<turn::Event> {
        self.look(|inner| inner.events.clone())
    }

    /// The messages that were sent to channels.
    #[must_use]
    pub fn messages(&self) -> Vec<(messaging::Address, messaging::Outbound)> {
        self.look(|inner| inner.messages.clone())
    }

    /// The messages that were delivered from channels.
    #[must_use]
    pub fn delivered(&self) -> Vec<inbox::Inbound> {
        self.look(|inner| inner.delivered.clone())
    }

    /// What models were asked.
    #[must_use]
    pub fn asked(&self) -> Vec<models::Request> {
        self.look(|inner| inner.asked.clone())
    }

    /// The programs that were run.
    #[must_use]
    pub fn commands(&self) -> Vec<exec::Command> {
        self.look(|inner| inner.commands.clone())
    }
}

impl std::fmt::Debug for MockHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MockHost").finish_non_exhaustive()
    }
}

/// A line of the log.
///
/// ```
/// use cara_sdk::log;
/// use cara_sdk::testing::MockHost;
///
/// let mock = MockHost::new();
/// mock.run(|| log::warn("slow answer", &[("ms", "900")]));
/// let line = mock.lines().remove(0);
/// assert_eq!((line.level, line.message.as_str()), (log::Level::Warn, "slow answer"));
/// assert_eq!(line.fields, [("ms".to_owned(), "900".to_owned())]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// How much it matters.
    pub level: log::Level,
    /// The text of the line.
    pub message: String,
    /// The fields of the line.
    pub fields: Vec<(String, String)>,
}

/// The context of a call of a tool: session `session`, run `run`, neither time zone nor language.
///
/// ```
/// assert_eq!(cara_sdk::testing::context().run, "run");
/// ```
#[must_use]
pub fn context() -> tool::Context {
    tool::Context { session: "session".to_owned(), run: "run".to_owned(), time_zone: None, language: None }
}

#[cfg(test)]
#[path = "testing_tests.rs"]
mod tests;
