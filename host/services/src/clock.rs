//! The host's one now: everything that asks for the time asks a `Clock`.

use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the wall-clock time; a copy tells the same.
///
/// It is passed to who needs it, so a test passes [`Clock::fixed`]. What measures how long something takes uses
/// `tokio::time` instead: a wall clock can jump.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock(Source);

#[derive(Debug, Clone, Copy, Default)]
enum Source {
    #[default]
    System,
    Fixed(u64),
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still at `now_ms`.
    pub fn fixed(now_ms: u64) -> Self {
        Self(Source::Fixed(now_ms))
    }

    /// Unix time in milliseconds; 0 on a machine whose clock is set before 1970.
    pub fn now_ms(&self) -> u64 {
        match self.0 {
            Source::Fixed(now_ms) => now_ms,
            Source::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_clock_stands_and_the_system_clock_is_past_2025() {
        assert_eq!((Clock::fixed(7).now_ms(), Clock::fixed(7).now_ms()), (7, 7));
        assert!(Clock::system().now_ms() > 1_735_689_600_000);
    }
}
