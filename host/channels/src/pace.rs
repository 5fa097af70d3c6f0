//! How fast, how often and for how long is tried.

use cara_records::Patience;
use std::time::Duration;

/// How fast, how often and for how long is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How many messages of a channel are under way at once.
    pub at_once: u32,
    /// How long an attempt takes at most.
    pub deadline: Duration,
    /// How long after an attempt began a platform is not yet asked whether the message got there.
    pub settle: Duration,
    /// The wait after the first attempt, doubled with each more.
    pub first_wait: Duration,
    /// The longest wait that is not the platform's own wish.
    pub longest_wait: Duration,
    /// How often a message is tried at most.
    pub attempts: u64,
    /// For how long, since the first attempt.
    pub time: Duration,
    /// How long attempts that are under way have to end when the process does.
    pub grace: Duration,
}

impl Default for Pace {
    /// Some two hours of attempts; a day, where the platform itself says later.
    fn default() -> Self {
        Self {
            at_once: 32,
            deadline: Duration::from_secs(30),
            settle: Duration::from_secs(60),
            first_wait: Duration::from_secs(2),
            longest_wait: Duration::from_secs(15 * 60),
            attempts: 16,
            time: Duration::from_secs(24 * 60 * 60),
            grace: Duration::from_secs(5),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Pace {
    /// As the records take it.
    pub(crate) fn patience(&self) -> Patience {
        Patience {
            attempts: self.attempts,
            time_ms: millis(self.time),
            deadline_ms: millis(self.deadline),
            settle_ms: millis(self.settle),
        }
    }

    /// How long to wait after so many attempts, milliseconds: what the platform wished, or longer each time; and a random
    /// part of it more or less, so that not all come back at once.
    pub(crate) fn wait_ms(&self, attempts: u64, wished: Option<Duration>) -> u64 {
        // Without randomness they come back together, which is no reason to fail.
        let mut random = [0; 2];
        let _none = getrandom::fill(&mut random);
        let part = |of: u64| of.saturating_mul(u64::from(u16::from_le_bytes(random))) / u64::from(u16::MAX);
        if let Some(wished) = wished.map(millis) {
            return wished.saturating_add(part((wished / 10).min(5_000)));
        }
        let doubled = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX).min(30);
        let whole = millis(self.first_wait).saturating_mul(1 << doubled).min(millis(self.longest_wait));
        whole / 2 + part(whole.div_ceil(2))
    }
}
