//! Drives an account of a channel: connects it, makes the requests that its
//! sources name, and hands it what came of them.
//!
//! ```text
//! start ─→ sources ─→ wait ─→ request ─→ on-event, one at a time ─→ the next sources
//!   ↑ again after a credential that was refused, with longer and longer waits; woken when something was changed
//! ```
//!
//! What failed is made again until it works: a channel acknowledges nothing before it was delivered.

use crate::Pace;
use cara_kernel::bindings::channel::{Answer, Delivery, Event, Handled, Identity, Request, Response, Source, Started};
use cara_services::clock::Clock;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, watch};
use tokio::task::{AbortHandle, Id, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

/// The most sources of one account.
const MOST_SOURCES: usize = 32;

/// The shortest time between two events of a source: a server that answers at once keeps nobody busy.
const SHORTEST: Duration = Duration::from_millis(50);

/// The longest that a platform is obeyed which says when it wants to be asked again.
const LONGEST_WISH: Duration = Duration::from_secs(60 * 60);

/// How often in a row a source may fail before the account is connected anew.
const ANEW: u64 = 5;

/// Why an account, or a source of it, does not go on for now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Trouble {
    /// What happened, for a person.
    pub text: String,
    /// When the platform wants to be asked again.
    pub retry_after: Option<Duration>,
    /// Whether the platform does not take the credential.
    pub refused: bool,
}

/// What is called for an account.
#[async_trait::async_trait]
pub trait Account: Send + Sync {
    /// Connects it.
    async fn start(&self) -> Result<Started, Trouble>;
    /// Hands it an event.
    async fn on_event(&self, me: Identity, event: Event) -> Result<Handled, Trouble>;
    /// Makes a request for it.
    async fn request(&self, request: &Request) -> Result<Response, Trouble>;
}

/// How an account stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AccountState {
    /// Who it is on the platform; known once it was connected.
    pub me: Option<Identity>,
    /// How it delivers; known once it was connected.
    pub delivery: Option<Delivery>,
    /// Since when it is connected, Unix milliseconds.
    pub connected_ms: Option<u64>,
    /// What went wrong last, as long as it does.
    pub error: Option<String>,
    /// When it is tried again, Unix milliseconds.
    pub retry_ms: Option<u64>,
}

/// Drives an account.
pub struct AccountDriver {
    /// What is called.
    pub account: Arc<dyn Account>,
    /// How long is waited.
    pub pace: Pace,
    /// The one now.
    pub clock: Clock,
    /// Where it is told how the account stands.
    pub state: watch::Sender<AccountState>,
    /// Wakes an account that waits: something was changed.
    pub changed: watch::Receiver<()>,
}

/// What a source came to.
struct Ended {
    source: Source,
    failures: u64,
    handled: Result<Handled, Trouble>,
    /// What was changed before it began is seen; what was changed since wakes it.
    seen: watch::Receiver<()>,
}

/// Waits until something is changed.
async fn woken(mut changed: watch::Receiver<()>) {
    // Without a sender nothing is changed any more.
    if changed.changed().await.is_err() {
        std::future::pending().await
    }
}

/// Waits for the next try: until then, or until something is changed. A platform that said when is not asked before.
async fn wait(until: Instant, trouble: &Trouble, changed: watch::Receiver<()>) {
    match trouble.retry_after {
        Some(_) => sleep_until(until).await,
        None => tokio::select! {
            () = sleep_until(until) => {}
            () = woken(changed) => {}
        },
    }
}

impl AccountDriver {
    /// Drives it until it is stopped.
    pub async fn drive(&self, stop: CancellationToken) {
        stop.run_until_cancelled(self.go_on()).await;
        self.state.send_modify(|state| state.connected_ms = None);
    }

    async fn go_on(&self) {
        let (mut failures, mut started_before) = (0, true);
        loop {
            let mut seen = self.changed.clone();
            seen.mark_unchanged();
            let trouble = match self.account.start().await {
                Ok(started) => {
                    self.is_connected(&started, !started_before);
                    started_before = true;
                    let (trouble, has_worked) = self.connected(started).await;
                    if has_worked {
                        failures = 0;
                    }
                    trouble
                }
                Err(trouble) => {
                    started_before = false;
                    trouble
                }
            };
            failures += 1;
            let until = self.failed(failures, &trouble);
            self.state.send_modify(|state| state.connected_ms = None);
            wait(until, &trouble, seen).await;
        }
    }

    /// Says that the account is connected. What failed since it was last, only an event that is handled shows to be mended.
    fn is_connected(&self, started: &Started, mends: bool) {
        let now_ms = self.clock.now_ms();
        self.state.send_modify(|state| {
            state.me = Some(started.me.clone());
            state.delivery = Some(started.delivery);
            state.connected_ms = Some(now_ms);
            state.retry_ms = None;
            state.error.take_if(|_| mends);
        });
    }

    /// Says what went wrong, and when it is tried again.
    fn failed(&self, failures: u64, trouble: &Trouble) -> Instant {
        let wait =
            Duration::from_millis(self.pace.wait_ms(failures, trouble.retry_after.map(|wish| wish.min(LONGEST_WISH))));
        let retry_ms = self.clock.now_ms().saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        self.state.send_modify(|state| {
            state.error = Some(trouble.text.clone());
            state.retry_ms = Some(retry_ms);
        });
        Instant::now() + wait
    }

    /// Drives the sources until the account has to be connected anew. Says why, and whether any event was handled.
    async fn connected(&self, started: Started) -> (Trouble, bool) {
        let mut sources = Sources {
            driver: self,
            me: started.me,
            turn: Arc::default(),
            under_way: JoinSet::new(),
            ids: HashMap::new(),
            has_too_many: false,
        };
        for source in started.sources.into_iter().take(2 * MOST_SOURCES) {
            sources.begin(source, None);
        }
        let mut has_worked = false;
        loop {
            let Some(ended) = sources.under_way.join_next_with_id().await else {
                // One that only sends.
                return std::future::pending().await;
            };
            let (task, Ended { source, failures, handled, seen }) = match ended {
                Ok(ended) => ended,
                // One that was replaced was aborted.
                Err(error) if error.is_cancelled() => continue,
                Err(_) => {
                    let text = "the host failed".to_owned();
                    return (Trouble { text, retry_after: None, refused: false }, has_worked);
                }
            };
            if !sources.is_current(&source, task) {
                continue;
            }
            match handled {
                Ok(handled) => {
                    has_worked = true;
                    self.state.send_if_modified(|state| {
                        state.retry_ms = None;
                        state.error.take().is_some()
                    });
                    sources.ids.remove(id(&source));
                    for next in handled.next.into_iter().take(2 * MOST_SOURCES) {
                        sources.begin(next, None);
                    }
                }
                Err(trouble) if trouble.refused || failures + 1 >= ANEW => return (trouble, has_worked),
                Err(trouble) => {
                    let until = self.failed(failures + 1, &trouble);
                    sources.begin(source, Some(Again { failures: failures + 1, until, trouble, seen }));
                }
            }
        }
    }
}

fn id(source: &Source) -> &str {
    match source {
        Source::Poll(poll) => &poll.id,
        Source::Timer(timer) => &timer.id,
    }
}

/// The sources of a connected account.
struct Sources<'a> {
    driver: &'a AccountDriver,
    me: Identity,
    /// Held by the event that is handled.
    turn: Arc<Mutex<()>>,
    under_way: JoinSet<Ended>,
    ids: HashMap<String, AbortHandle>,
    /// Whether it was said that there are too many.
    has_too_many: bool,
}

/// What a source is made again after.
struct Again {
    failures: u64,
    until: Instant,
    trouble: Trouble,
    seen: watch::Receiver<()>,
}

impl Sources<'_> {
    /// Whether what ended is the newest of its id.
    fn is_current(&self, source: &Source, task: Id) -> bool {
        self.ids.get(id(source)).is_some_and(|newest| newest.id() == task)
    }

    /// Begins a source, in the place of one with its id.
    fn begin(&mut self, source: Source, again: Option<Again>) {
        let name = id(&source).to_owned();
        if let Some(before) = self.ids.remove(&name) {
            before.abort();
        }
        if self.ids.len() >= MOST_SOURCES {
            if !std::mem::replace(&mut self.has_too_many, true) {
                tracing::warn!("an account has more than {MOST_SOURCES} sources; the others are left out");
            }
            return;
        }
        let (account, me, turn) = (self.driver.account.clone(), self.me.clone(), self.turn.clone());
        let mut seen = self.driver.changed.clone();
        let begun = self.under_way.spawn(async move {
            let failures = again.as_ref().map_or(0, |again| again.failures);
            match again {
                Some(again) => wait(again.until, &again.trouble, again.seen).await,
                None => sleep(Duration::from_millis(after_ms(&source).into())).await,
            }
            seen.mark_unchanged();
            let began = Instant::now();
            let handled = happen(&*account, me, &turn, &source).await;
            sleep_until(began + SHORTEST).await;
            Ended { source, failures, handled, seen }
        });
        self.ids.insert(name, begun);
    }
}

fn after_ms(source: &Source) -> u32 {
    match source {
        Source::Poll(poll) => poll.after_ms,
        Source::Timer(timer) => timer.after_ms,
    }
}

/// Has a source happen once.
async fn happen(account: &dyn Account, me: Identity, turn: &Mutex<()>, source: &Source) -> Result<Handled, Trouble> {
    let event = match source {
        Source::Poll(poll) => {
            let response = account.request(&poll.request).await?;
            Event::Answered(Answer { id: poll.id.clone(), response })
        }
        Source::Timer(timer) => Event::Tick(timer.id.clone()),
    };
    let _turn = turn.lock().await;
    account.on_event(me, event).await
}
