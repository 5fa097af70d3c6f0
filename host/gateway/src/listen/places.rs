//! How many connections there are, overall and of one source, and which of
//! them gives way.
//!
//! ```text
//! take ─→ free ─→ Place ─→ busy ⇄ idle ─→ dropped: free again
//!     └─→ full: the one that has been idle for longest ends, and its place is taken; else nobody gets in
//! ```

use rustls::pki_types::CertificateDer;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// The bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Connections at once.
    pub(crate) overall: usize,
    /// Connections at once of one source.
    pub(crate) each: usize,
}

/// All connections that came over TCP. A clone counts the same.
#[derive(Clone)]
pub(crate) struct Places(Arc<Mutex<Taken>>);

struct Taken {
    bounds: Bounds,
    /// Numbers connections and what they do, in the order in which it happened.
    next: u64,
    all: HashMap<u64, Entry>,
    sources: HashMap<IpAddr, usize>,
    /// Those that do nothing, the one first that has done so for longest.
    idle: BTreeMap<u64, u64>,
    /// The same by their sources.
    idle_of: BTreeMap<(IpAddr, u64), u64>,
}

struct Entry {
    source: IpAddr,
    idle: Option<u64>,
    end: CancellationToken,
    /// The certificates that the other side showed.
    chain: Vec<CertificateDer<'static>>,
}

/// The place of one connection, given back when it is dropped.
pub(crate) struct Place {
    number: u64,
    places: Places,
    end: CancellationToken,
}

impl Places {
    /// Places within these bounds.
    pub(crate) fn new(bounds: Bounds) -> Self {
        let (all, sources, idle, idle_of) = Default::default();
        Self(Arc::new(Mutex::new(Taken { bounds, next: 0, all, sources, idle, idle_of })))
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the bounds; connections that are there stay.
    pub(crate) fn bound(&self, bounds: Bounds) {
        self.taken().bounds = bounds;
    }

    /// How many are taken.
    pub(crate) fn count(&self) -> usize {
        self.taken().all.len()
    }

    /// A place for a connection of this source; none where all are taken by connections that do something.
    pub(crate) fn take(&self, source: IpAddr) -> Option<Place> {
        let mut taken = self.taken();
        if taken.sources.get(&source).is_some_and(|count| *count >= taken.bounds.each) {
            let oldest = taken.idle_of.range((source, 0)..=(source, u64::MAX)).next();
            let number = oldest.map(|(_, number)| *number)?;
            taken.end(number);
        }
        if taken.all.len() >= taken.bounds.overall && !taken.end_oldest() {
            return None;
        }
        let (number, end) = (taken.next(), CancellationToken::new());
        taken.all.insert(number, Entry { source, idle: None, end: end.clone(), chain: Vec::new() });
        *taken.sources.entry(source).or_default() += 1;
        taken.idle(number);
        Some(Place { number, places: self.clone(), end })
    }

    /// Ends the connections whose certificates are not good any more.
    pub(crate) fn end_unless(&self, is_good: impl Fn(&[CertificateDer<'static>]) -> bool) {
        let mut taken = self.taken();
        let certified = taken.all.iter().filter(|(_, entry)| !entry.chain.is_empty());
        let bad: Vec<u64> = certified.filter(|(_, entry)| !is_good(&entry.chain)).map(|(number, _)| *number).collect();
        bad.into_iter().for_each(|number| taken.end(number));
    }

    /// Ends the connection that has been idle for longest: false where each does something.
    pub(crate) fn end_oldest(&self) -> bool {
        self.taken().end_oldest()
    }
}

impl Taken {
    fn next(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn end_oldest(&mut self) -> bool {
        let Some(number) = self.idle.first_key_value().map(|(_, number)| *number) else { return false };
        self.end(number);
        true
    }

    fn end(&mut self, number: u64) {
        if let Some(entry) = self.remove(number) {
            entry.end.cancel();
        }
    }

    fn remove(&mut self, number: u64) -> Option<Entry> {
        self.busy(number);
        let entry = self.all.remove(&number)?;
        if let Some(count) = self.sources.get_mut(&entry.source) {
            *count -= 1;
            if *count == 0 {
                self.sources.remove(&entry.source);
            }
        }
        Some(entry)
    }

    fn busy(&mut self, number: u64) {
        let Some(entry) = self.all.get_mut(&number) else { return };
        if let Some(since) = entry.idle.take() {
            self.idle.remove(&since);
            self.idle_of.remove(&(entry.source, since));
        }
    }

    fn idle(&mut self, number: u64) {
        self.busy(number);
        let since = self.next();
        let Some(entry) = self.all.get_mut(&number) else { return };
        entry.idle = Some(since);
        self.idle.insert(since, number);
        self.idle_of.insert((entry.source, since), number);
    }
}

impl Place {
    /// Says that the connection does something: it gives way to nobody.
    pub(crate) fn busy(&self) {
        self.places.taken().busy(self.number);
    }

    /// Says that it does nothing from now on.
    pub(crate) fn idle(&self) {
        self.places.taken().idle(self.number);
    }

    /// Says which certificates the other side showed.
    pub(crate) fn certified(&self, chain: &[CertificateDer<'static>]) {
        if let Some(entry) = self.places.taken().all.get_mut(&self.number) {
            entry.chain = chain.to_vec();
        }
    }

    /// Is cancelled when the connection has to end at once.
    pub(crate) fn end(&self) -> &CancellationToken {
        &self.end
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken().remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn places(overall: usize, each: usize) -> Places {
        Places::new(Bounds { overall, each })
    }

    fn source(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn the_one_that_was_idle_for_longest_gives_way_and_none_that_does_something() {
        let places = places(3, 3);
        let [first, second, third] = [1, 2, 3].map(|last| places.take(source(last)).unwrap());
        first.busy();
        let fourth = places.take(source(4)).unwrap();
        assert!(second.end().is_cancelled() && !first.end().is_cancelled() && !third.end().is_cancelled());
        assert_eq!(places.count(), 3);
        [&third, &fourth].into_iter().for_each(Place::busy);
        assert!(places.take(source(5)).is_none());
        first.idle();
        assert!(places.take(source(5)).is_some() && first.end().is_cancelled());
    }

    #[test]
    fn a_source_that_has_many_takes_none_of_anothers() {
        let places = places(10, 2);
        let other = places.take(source(9)).unwrap();
        let mine: Vec<_> = (0..5).map(|_| places.take(source(1)).unwrap()).collect();
        let ended = mine.iter().filter(|place| place.end().is_cancelled()).count();
        assert_eq!((ended, places.count(), other.end().is_cancelled()), (3, 3, false));
        mine.iter().for_each(Place::busy);
        assert!(places.take(source(1)).is_none() && places.take(source(2)).is_some());
    }

    #[test]
    fn a_place_is_given_back_once() {
        let places = places(1, 1);
        let first = places.take(source(1)).unwrap();
        let second = places.take(source(1)).unwrap();
        drop(first);
        assert_eq!(places.count(), 1);
        drop(second);
        assert_eq!(places.count(), 0);
        assert!(places.taken().sources.is_empty() && places.taken().idle.is_empty());
    }
}
