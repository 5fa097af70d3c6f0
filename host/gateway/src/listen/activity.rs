//! What goes on in a connection, and when it has to end.
//!
//! ```text
//! accepted ─→ head ─→ request, answer ─→ idle ─┐
//!    │         │ too slow      │ nobody reads   │ for too long
//!    └─────────┴───────────────┴────────────────┴─→ ended
//! ```

use super::places::Place;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long the head of a request may take, and the first one after a connection was opened.
pub(crate) const HEAD: Duration = Duration::from_secs(10);

/// How long a connection may do nothing between two requests.
pub(crate) const IDLE: Duration = Duration::from_secs(60);

/// How long nobody may read what is ready to be read. Long enough for a slow line to empty the buffers of the system.
pub(crate) const STALLED: Duration = Duration::from_secs(60);

/// How often a connection is looked at, at least, while something goes on in it.
const LOOK: Duration = Duration::from_secs(5);

/// How many requests of a connection may be given up by their sender within [`WINDOW`]: what a person does, and no flood.
const GIVEN_UP: u32 = 200;

/// The time in which they are counted.
const WINDOW: Duration = Duration::from_secs(10);

/// What is known of a connection. A clone is about the same one.
#[derive(Clone)]
pub(crate) struct Activity(Arc<Shared>);

struct Shared {
    place: Option<Place>,
    state: Mutex<State>,
}

struct State {
    /// How many requests are under way.
    requests: usize,
    /// Since when none is, or since when the connection is there.
    since: Instant,
    /// Whether a request came yet.
    begun: bool,
    /// When the head of the next request began to come, over HTTP/1.
    head: Option<Instant>,
    /// Over HTTP/2, bytes that come need not be a head.
    multiplexed: bool,
    /// Whether the connection became something else.
    upgraded: bool,
    /// Bodies of answers whose last frame nobody came for yet, and since when.
    unread: BTreeMap<u64, Instant>,
    next: u64,
    /// Requests that were given up since `window`.
    given_up: u32,
    window: Instant,
}

/// Why a connection ends, or when to look at it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may go on; look again then.
    Well(Instant),
    /// It does nothing.
    Idle,
    /// The head of a request takes too long.
    SlowHead,
    /// An answer is not read.
    Unread,
    /// Requests are begun and given up again and again.
    Flood,
}

impl Activity {
    /// A connection that was just opened; with its place where places are counted.
    pub(crate) fn new(place: Option<Place>) -> Self {
        let now = Instant::now();
        let state = State {
            requests: 0,
            since: now,
            begun: false,
            head: None,
            multiplexed: false,
            upgraded: false,
            unread: BTreeMap::new(),
            next: 0,
            given_up: 0,
            window: now,
        };
        Self(Arc::new(Shared { place, state: Mutex::new(state) }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Is cancelled when the connection has to end at once, because its place is needed or its certificate is not good any
    /// more.
    pub(crate) fn end(&self) -> Option<&CancellationToken> {
        self.0.place.as_ref().map(Place::end)
    }

    /// Waits until then.
    pub(crate) async fn ended(&self) {
        match self.end() {
            Some(end) => end.cancelled().await,
            None => std::future::pending().await,
        }
    }

    /// Bytes came.
    pub(crate) fn heard(&self) {
        let mut state = self.state();
        if state.requests == 0 && !state.multiplexed && state.head.is_none() {
            state.head = Some(Instant::now());
        }
    }

    /// A request came: it is under way until what is returned is dropped.
    pub(crate) fn request(&self, multiplexed: bool) -> Request {
        let mut state = self.state();
        (state.begun, state.multiplexed, state.head) = (true, multiplexed, None);
        state.requests += 1;
        if let (Some(place), 1) = (&self.0.place, state.requests) {
            place.busy();
        }
        let number = state.next;
        state.next += 1;
        drop(state);
        Request { activity: self.clone(), number, done: false }
    }

    /// The connection became something else, such as a WebSocket: it does something until it ends.
    pub(crate) fn upgraded(&self) {
        self.state().upgraded = true;
        if let Some(place) = &self.0.place {
            place.busy();
        }
    }

    /// How the connection stands.
    pub(crate) fn verdict(&self) -> Verdict {
        let (now, state) = (Instant::now(), self.state());
        if state.given_up > GIVEN_UP {
            return Verdict::Flood;
        }
        let mut next = now + LOOK;
        if let Some(oldest) = state.unread.values().min() {
            if *oldest + STALLED <= now {
                return Verdict::Unread;
            }
            next = next.min(*oldest + STALLED);
        }
        if state.requests > 0 || state.upgraded {
            return Verdict::Well(next);
        }
        let head = if state.begun { state.head } else { Some(state.since) };
        if let Some(begun) = head {
            if begun + HEAD <= now {
                return Verdict::SlowHead;
            }
            next = next.min(begun + HEAD);
        }
        if state.since + IDLE <= now {
            return Verdict::Idle;
        }
        Verdict::Well(next.min(state.since + IDLE))
    }
}

/// A request that is under way, with its answer.
pub(crate) struct Request {
    activity: Activity,
    number: u64,
    done: bool,
}

impl Request {
    /// A part of the answer was given to whoever sends it, who comes for the next one once it has room.
    pub(crate) fn gave(&self) {
        self.activity.state().unread.insert(self.number, Instant::now());
    }

    /// Somebody came for the next part.
    pub(crate) fn asked(&self) {
        self.activity.state().unread.remove(&self.number);
    }

    /// The answer is whole.
    pub(crate) fn done(&mut self) {
        self.done = true;
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let (now, mut state) = (Instant::now(), self.activity.state());
        state.unread.remove(&self.number);
        state.requests -= 1;
        if !self.done {
            if state.window + WINDOW <= now {
                (state.window, state.given_up) = (now, 0);
            }
            state.given_up += 1;
        }
        if state.requests == 0 {
            state.since = now;
            if let Some(place) = self.activity.0.place.as_ref().filter(|_| !state.upgraded) {
                place.idle();
            }
        }
    }
}
