//! How often somebody may be wrong: from one source, and from all together.

use cara_control::AttemptSettings;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most sources that are remembered one by one; further ones share one count.
const SOURCES: usize = 4_096;

/// How many refusals of one kind are written to the audit log in ten minutes.
const NOTED: u32 = 200;

const NOTED_WITHIN_MS: u64 = 600_000;

/// A count since a time.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    count: u32,
    since_ms: u64,
}

impl Window {
    fn is_over(&self, now_ms: u64, within_ms: u64) -> bool {
        now_ms.saturating_sub(self.since_ms) >= within_ms
    }

    /// Counts one more, where there is room; else how long there is none.
    fn add(&mut self, most: u32, now_ms: u64, within_ms: u64) -> Result<(), u64> {
        if self.count == 0 || self.is_over(now_ms, within_ms) {
            *self = Self { count: 0, since_ms: now_ms };
        }
        if self.count >= most {
            return Err(self.since_ms.saturating_add(within_ms).saturating_sub(now_ms));
        }
        self.count += 1;
        Ok(())
    }
}

#[derive(Debug, Default)]
struct State {
    sources: HashMap<IpAddr, Window>,
    /// Of those for which there is no room.
    others: Window,
    all: Window,
}

impl State {
    fn window(&mut self, source: IpAddr, now_ms: u64, within_ms: u64) -> &mut Window {
        if self.sources.len() >= SOURCES && !self.sources.contains_key(&source) {
            self.sources.retain(|_, window| !window.is_over(now_ms, within_ms));
            if self.sources.len() >= SOURCES {
                return &mut self.others;
            }
        }
        self.sources.entry(source).or_default()
    }
}

/// Attempts that were wrong, or are not known to be right yet.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Mutex<State>);

impl Attempts {
    /// Counts an attempt before it is looked at, so that many at once are no more than so many; else for how many milliseconds no
    /// further one is looked at.
    pub(crate) fn begin(&self, source: IpAddr, settings: &AttemptSettings, now_ms: u64) -> Result<(), u64> {
        let within_ms = within(settings);
        let mut state = self.state();
        state.window(source, now_ms, within_ms).add(settings.per_source.0, now_ms, within_ms)?;
        let all = state.all.add(settings.in_all.0, now_ms, within_ms);
        if all.is_err() {
            give_back(state.window(source, now_ms, within_ms));
        }
        all
    }

    /// Takes back the count of one that was right.
    pub(crate) fn right(&self, source: IpAddr, settings: &AttemptSettings, now_ms: u64) {
        let mut state = self.state();
        give_back(state.window(source, now_ms, within(settings)));
        give_back(&mut state.all);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn give_back(window: &mut Window) {
    window.count = window.count.saturating_sub(1);
}

fn within(settings: &AttemptSettings) -> u64 {
    u64::try_from(settings.within.0.as_millis()).unwrap_or(u64::MAX)
}

/// How much room the audit log has for refusals, which anybody can cause.
#[derive(Debug, Default)]
pub(crate) struct Audited(Mutex<Window>);

impl Audited {
    /// Whether one more is written down, and whether it is the last for now.
    pub(crate) fn note(&self, now_ms: u64) -> Option<bool> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        window.add(NOTED, now_ms, NOTED_WITHIN_MS).ok()?;
        Some(window.count == NOTED)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::net::Ipv4Addr;

    fn from(number: u32) -> IpAddr {
        Ipv4Addr::from(number).into()
    }

    #[test]
    fn attempts_are_counted_by_source_and_in_all_and_take_bounded_room() {
        let (attempts, settings) = (Attempts::default(), AttemptSettings::default());
        let begin = |source: u32, now_ms| attempts.begin(from(source), &settings, now_ms);
        assert!((0..10).all(|_| begin(1, 5_000).is_ok()));
        assert_eq!(begin(1, 65_000), Err(540_000));
        // Whoever was right has not tried.
        attempts.right(from(1), &settings, 65_000);
        assert!(begin(1, 65_000).is_ok() && begin(1, 65_000).is_err());
        // Others are not held up by one, but by all together.
        assert!((2..92).all(|source| begin(source, 65_000).is_ok()));
        assert_eq!(begin(200, 65_000), Err(540_000));
        assert!(begin(200, 605_000).is_ok(), "ten minutes after the first");
        let attempts = Attempts::default();
        let settings = AttemptSettings { in_all: toml_count(100_000), ..settings };
        for source in 0..10_000 {
            let _ = attempts.begin(from(source), &settings, 1);
        }
        assert!(attempts.state().sources.len() <= SOURCES);
        assert!(attempts.begin(from(1_000_000), &settings, 1).is_err(), "those without room share one count");
        assert!(attempts.begin(from(1_000_000), &settings, 700_000).is_ok());
    }

    fn toml_count(number: u32) -> cara_control::AttemptCount {
        cara_control::AttemptCount(number)
    }

    #[test]
    fn refusals_that_are_written_down_are_bounded() {
        let audited = Audited::default();
        let noted: Vec<bool> = (0..1_000).filter_map(|_| audited.note(1)).collect();
        assert_eq!((noted.len(), noted.iter().filter(|last| **last).count()), (200, 1));
        assert_eq!(audited.note(600_001), Some(false));
    }
}
