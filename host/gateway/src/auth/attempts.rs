//! How often somebody may be wrong: from one source, and from all together.

use cara_control::AttemptSettings;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most sources that are remembered one by one; further ones share one count.
const SOURCES: usize = 4_096;

/// How many refusals of one kind are written to the audit log in a day, one by one.
const NOTED: u32 = 200;

const DAY_MS: u64 = 24 * HOUR_MS;

/// How often one is written down from then on, with the number of those before it that were not.
const HOUR_MS: u64 = 3_600_000;

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

/// How much room the audit log has for refusals, which anybody can cause: nothing is ever taken out of it.
#[derive(Debug, Default)]
pub(crate) struct Audited(Mutex<Room>);

#[derive(Debug, Default)]
struct Room {
    one_by_one: Window,
    /// When one was written down last.
    noted_ms: u64,
    /// How many were not, since then.
    unnoted: u64,
}

/// A refusal that is written down.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Noted {
    /// How many before it were not.
    pub(crate) unnoted: u64,
    /// Whether those behind it are not written down one by one.
    pub(crate) is_last: bool,
}

impl Audited {
    /// Counts a refusal: what is written down of it, if it is.
    pub(crate) fn note(&self, now_ms: u64) -> Option<Noted> {
        let mut room = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_one = room.one_by_one.add(NOTED, now_ms, DAY_MS).is_ok();
        if !is_one && now_ms.saturating_sub(room.noted_ms) < HOUR_MS {
            room.unnoted += 1;
            return None;
        }
        room.noted_ms = now_ms;
        Some(Noted { unnoted: std::mem::take(&mut room.unnoted), is_last: room.one_by_one.count == NOTED })
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
    fn refusals_that_are_written_down_are_bounded_and_none_goes_uncounted() {
        let audited = Audited::default();
        let at_once: Vec<Noted> = (0..1_000).filter_map(|_| audited.note(1)).collect();
        assert_eq!((at_once.len(), at_once.iter().filter(|noted| noted.is_last).count()), (200, 1));
        assert!(at_once.iter().all(|noted| noted.unnoted == 0));
        assert_eq!(audited.note(HOUR_MS), None);
        assert_eq!(audited.note(HOUR_MS + 1), Some(Noted { unnoted: 801, is_last: true }), "once an hour");
        assert_eq!(audited.note(HOUR_MS + 2), None);
        assert_eq!(audited.note(DAY_MS + 1), Some(Noted { unnoted: 1, is_last: false }), "the next day");
        // Whoever goes on for a week writes little, and how often it was is there all the same.
        let audited = Audited::default();
        let noted: Vec<Noted> = (0..7 * 24 * 60).filter_map(|minute| audited.note(minute * 60_000)).collect();
        assert!(noted.len() <= 7 * 224, "{}", noted.len());
        let told = noted.len() as u64 + noted.iter().map(|noted| noted.unnoted).sum::<u64>();
        assert!((7 * 24 * 60 - 60..=7 * 24 * 60).contains(&told), "{told}");
    }
}
