//! How many requests go on at once, whichever connections they came over.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// All requests of some listeners. A clone counts the same.
#[derive(Clone)]
pub(crate) struct Requests(Arc<Counts>);

struct Counts {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// One of them, until it is dropped.
pub(crate) struct Counted(Requests);

impl Requests {
    /// At most so many.
    pub(crate) fn new(most: usize) -> Self {
        Self(Arc::new(Counts { now: AtomicUsize::new(0), most: AtomicUsize::new(most) }))
    }

    /// Changes how many there may be; those that go on stay.
    pub(crate) fn bound(&self, most: usize) {
        self.0.most.store(most, Ordering::Relaxed);
    }

    /// Counts one more; none where there are as many as may be.
    pub(crate) fn count(&self) -> Option<Counted> {
        let counted = Counted(self.clone());
        let before = self.0.now.fetch_add(1, Ordering::Relaxed);
        (before < self.0.most.load(Ordering::Relaxed)).then_some(counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_too_many_is_not_counted_and_takes_nothing() {
        let requests = Requests::new(2);
        let (first, second) = (requests.count(), requests.count());
        assert!(first.is_some() && second.is_some());
        assert!(requests.count().is_none() && requests.count().is_none());
        drop(first);
        let third = requests.count();
        assert!(third.is_some() && requests.count().is_none());
        requests.bound(3);
        assert!(requests.count().is_some());
    }
}
