//! The host's one clock, as in `wit/clock.wit`, waiting, and dates to read.

use std::time::{Duration, UNIX_EPOCH};

use crate::host;

/// Milliseconds since 1970-01-01T00:00:00Z, UTC, leap seconds not counted. May step when the machine's clock is set.
///
/// ```
/// use cara_sdk::{clock, testing::MockHost};
///
/// assert_eq!(MockHost::new().now_ms(7).run(clock::now_ms), 7);
/// ```
#[must_use]
pub fn now_ms() -> u64 {
    host::clock::now_ms()
}

/// Waits this many milliseconds without burning fuel; the call's limits of time go on.
///
/// Imports `wasi:clocks/monotonic-clock` and `wasi:io/poll`. A cancelled call ends within the wait.
///
/// ```
/// use cara_sdk::{clock, testing::MockHost};
///
/// let later = MockHost::new().now_ms(0).run(|| {
///     clock::sleep_ms(250);
///     clock::now_ms()
/// });
/// assert_eq!(later, 250);
/// ```
pub fn sleep_ms(milliseconds: u64) {
    host::sleep_ms(milliseconds);
}

/// A time in Unix milliseconds as a date for reading, in UTC: `Sun, 29 Mar 2026 01:30:00 GMT` (RFC 9110 section 5.6.7).
///
/// ```
/// assert_eq!(cara_sdk::clock::shown(1_774_747_800_000), "Sun, 29 Mar 2026 01:30:00 GMT");
/// ```
#[must_use]
pub fn shown(ms: u64) -> String {
    // The form ends with the year 9999.
    const END: u64 = 253_402_300_800_000;
    match ms {
        END.. => "an unknown time".to_owned(),
        ms => httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(ms)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_can_be_shown() {
        assert_eq!(shown(1_774_747_800_000), "Sun, 29 Mar 2026 01:30:00 GMT");
        assert_eq!(shown(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(shown(253_402_300_799_999), "Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(shown(253_402_300_800_000), "an unknown time");
        assert_eq!(shown(u64::MAX), "an unknown time");
    }
}
