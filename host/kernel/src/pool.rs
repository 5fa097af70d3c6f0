//! Places for calls: how many run at once, in all and of one component.
//!
//! ```text
//! call ─→ its component's share ─→ all places ─→ runs ─→ waits for a person or another call: parked ─→ runs ─→ ends
//!            at most half              N                     holds no place, N may be parked
//! ```
//!
//! Who waits for a place holds none, so nested calls end. Who finds none in time is turned away with a cause that
//! counts against nobody. The engine has a slot for each call that runs or is parked, so it never runs out of them.

use crate::fault::{Cause, Full};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How long a call waits for a place.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many calls may run at once; further ones wait for a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSize(u32);

impl PoolSize {
    /// The fewest and the most places there can be.
    pub const RANGE: std::ops::RangeInclusive<u32> = 2..=4096;

    /// So many places, or the nearest number there can be.
    pub fn new(calls: u32) -> Self {
        Self(calls.clamp(*Self::RANGE.start(), *Self::RANGE.end()))
    }

    /// How many calls run at once.
    pub fn calls(self) -> u32 {
        self.0
    }

    /// How many sandboxes there are at once: of calls that run, and of calls that are parked.
    pub(crate) fn slots(self) -> u32 {
        self.0 * 2
    }

    /// How many of the places one component may hold.
    pub(crate) fn share(self) -> u32 {
        self.0.div_ceil(2)
    }
}

impl Default for PoolSize {
    fn default() -> Self {
        Self(64)
    }
}

/// Places to run in, and to be parked in.
struct Places {
    running: Arc<Semaphore>,
    parked: Arc<Semaphore>,
}

impl Places {
    fn new(calls: u32) -> Self {
        let places = || Arc::new(Semaphore::new(calls as usize));
        Self { running: places(), parked: places() }
    }
}

/// All places.
pub(crate) struct Pool {
    size: PoolSize,
    all: Places,
}

impl Pool {
    pub(crate) fn new(size: PoolSize) -> Arc<Self> {
        Arc::new(Self { size, all: Places::new(size.calls()) })
    }

    /// The share of a component whose sandbox takes this many slots of the engine.
    pub(crate) fn share(self: &Arc<Self>, slots: u32) -> Arc<Share> {
        let most = self.size.share();
        Arc::new(Share { pool: self.clone(), own: Places::new(most), weight: slots.clamp(1, most) })
    }
}

/// The places of one component.
pub(crate) struct Share {
    pool: Arc<Pool>,
    own: Places,
    weight: u32,
}

/// A place to run in.
pub(crate) struct Place(#[allow(dead_code, reason = "held, and given back")] [OwnedSemaphorePermit; 2]);

/// A place to be parked in.
pub(crate) struct Parked(#[allow(dead_code, reason = "held, and given back")] [OwnedSemaphorePermit; 2]);

impl Share {
    /// Waits for a place: among the component's own first, so that its queue is in nobody else's way.
    pub(crate) async fn enter(&self) -> Result<Place, Cause> {
        let own = self.wait(&self.own.running, Full::Share(self.pool.size.share())).await?;
        let all = self.wait(&self.pool.all.running, Full::Pool(self.pool.size.calls())).await?;
        Ok(Place([own, all]))
    }

    async fn wait(&self, places: &Arc<Semaphore>, full: Full) -> Result<OwnedSemaphorePermit, Cause> {
        let permit = timeout(PATIENCE, places.clone().acquire_many_owned(self.weight)).await;
        permit.map_err(|_| Cause::Busy(full))?.map_err(|_| Cause::Busy(full))
    }

    /// Parks, if there is room; at once, because who waits here still holds a place.
    pub(crate) fn park(&self) -> Option<Parked> {
        let park = |places: &Arc<Semaphore>| places.clone().try_acquire_many_owned(self.weight).ok();
        Some(Parked([park(&self.own.parked)?, park(&self.pool.all.parked)?]))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_component_holds_at_most_half_and_is_turned_away_in_words() {
        let pool = Pool::new(PoolSize::new(4));
        let (greedy, other) = (pool.share(1), pool.share(1));
        let held = [greedy.enter().await.unwrap(), greedy.enter().await.unwrap()];
        assert!(matches!(greedy.enter().await, Err(Cause::Busy(Full::Share(2)))));
        let _others = [other.enter().await.unwrap(), other.enter().await.unwrap()];
        let third = pool.share(1);
        assert!(matches!(third.enter().await, Err(Cause::Busy(Full::Pool(4)))));
        drop(held);
        assert!(third.enter().await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_sandbox_of_several_slots_takes_several_places() {
        let pool = Pool::new(PoolSize::new(8));
        let large = pool.share(3);
        let held = large.enter().await.unwrap();
        assert!(large.enter().await.is_err(), "3 and 3 are more than its 4");
        assert!(
            large.park().is_some() && pool.share(100).enter().await.is_ok(),
            "what is larger than a share takes it whole"
        );
        drop(held);
    }

    #[test]
    fn the_number_of_places_has_bounds() {
        assert_eq!([0, 1_000, 1_000_000].map(|calls| PoolSize::new(calls).calls()), [2, 1_000, 4096]);
    }
}
