//! Rests a component after repeated faults, and tries it again by itself.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Faults in a row that open it.
const THRESHOLD: u32 = 5;
/// The first rest; doubles with every further fault.
const FIRST_REST: Duration = Duration::from_secs(1);
/// The longest rest.
const LONGEST_REST: Duration = Duration::from_secs(300);

/// The breaker of one component.
#[derive(Debug, Default)]
pub struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    faults: u32,
    until: Option<Instant>,
}

/// Having a `Pass` tells you: the breaker let this call through. Dropped, it says nothing about the component.
#[derive(Debug)]
pub struct Pass<'a>(&'a Breaker);

impl Breaker {
    /// Asks to make a call: the faults in a row and the time left when it rests.
    pub fn enter(&self, now: Instant) -> Result<Pass<'_>, (u32, Duration)> {
        let mut state = self.state();
        match state.until {
            Some(until) if now < until => return Err((state.faults, until - now)),
            // One call is let through to try; others wait for what becomes of it, at most the same rest again.
            Some(_) => state.until = Some(now + rest(state.faults)),
            None => {}
        }
        Ok(Pass(self))
    }

    /// How long calls are still refused, if they are.
    pub fn rests(&self, now: Instant) -> Option<Duration> {
        self.state().until.filter(|until| now < *until).map(|until| until - now)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass<'_> {
    /// The call answered: all is well again.
    pub fn answered(self) {
        *self.0.state() = State::default();
    }

    /// The call ended in a fault.
    pub fn faulted(self, now: Instant) {
        let breaker = self.0;
        drop(self);
        let mut state = breaker.state();
        state.faults = state.faults.saturating_add(1);
        state.until = (state.faults >= THRESHOLD).then(|| now + rest(state.faults));
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.until = state.until.map(|_| Instant::now());
    }
}

fn rest(faults: u32) -> Duration {
    let doublings = faults.saturating_sub(THRESHOLD).min(16);
    (FIRST_REST * 2_u32.pow(doublings)).min(LONGEST_REST)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn fail(breaker: &Breaker, times: u32, now: Instant) {
        for _ in 0..times {
            let pass = breaker.enter(now).unwrap();
            pass.faulted(now);
        }
    }

    #[test]
    fn it_opens_after_five_faults_in_a_row_and_closes_again() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        fail(&breaker, 4, now);
        let pass = breaker.enter(now).unwrap();
        pass.answered();
        fail(&breaker, 5, now);
        assert_eq!(breaker.enter(now).unwrap_err(), (5, Duration::from_secs(1)));
        let later = now + Duration::from_secs(1);
        let pass = breaker.enter(later).unwrap();
        assert!(breaker.enter(later).is_err(), "one trial at a time");
        pass.answered();
        assert!(breaker.enter(later).is_ok());
    }

    #[test]
    fn it_rests_longer_each_time_up_to_five_minutes() {
        let (breaker, mut now) = (Breaker::default(), Instant::now());
        fail(&breaker, 5, now);
        let mut rests = Vec::new();
        for _ in 0..12 {
            let (_, wait) = breaker.enter(now).unwrap_err();
            rests.push(wait.as_secs());
            now += wait;
            let pass = breaker.enter(now).unwrap();
            pass.faulted(now);
        }
        assert_eq!(rests, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
    }
}
