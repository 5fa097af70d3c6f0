//! Lengths of time and times of day, as the settings of sessions have them.

use cara_authority::limits::in_units;
use jiff::Timestamp;
use jiff::civil;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};
use std::time::Duration;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A length of time, written `"30m"`, `"4h"` or `"2d"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
pub struct Span(#[schemars(with = "String", regex(pattern = "^[0-9]+ *(m|h|d)$"))] pub Duration);

/// A number of days, written `"90d"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
pub struct Days(#[schemars(with = "String", regex(pattern = "^[0-9]+ *d$"))] pub Duration);

/// A time of day, written `"04:00"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
pub struct TimeOfDay(#[schemars(with = "String", regex(pattern = "^[0-2][0-9]:[0-5][0-9]$"))] pub civil::Time);

/// A length of time of at most a hundred years, but not none.
fn length(text: &str, units: &[(&str, u64)]) -> Option<Duration> {
    in_units(text, units).filter(|ms| (1..=36_500 * DAY).contains(ms)).map(Duration::from_millis)
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || de::Error::custom(format!("`{text}` is not a length of time; write `30m`, `4h` or `2d`"));
        length(&text, &[("m", MINUTE), ("h", HOUR), ("d", DAY)]).map(Self).ok_or_else(wrong)
    }
}

impl<'de> Deserialize<'de> for Days {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || de::Error::custom(format!("`{text}` is not a number of days; write `90d`"));
        length(&text, &[("d", DAY)]).map(Self).ok_or_else(wrong)
    }
}

impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || de::Error::custom(format!("`{text}` is not a time of day; write `04:00`"));
        let parsed = (text.len() == 5).then(|| civil::Time::strptime("%H:%M", &text).ok()).flatten();
        parsed.map(Self).ok_or_else(wrong)
    }
}

impl Span {
    /// The length, milliseconds.
    pub fn ms(self) -> u64 {
        ms(self.0)
    }
}

impl Days {
    /// The length of the days, milliseconds.
    pub fn ms(self) -> u64 {
        ms(self.0)
    }
}

fn ms(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

impl TimeOfDay {
    /// When it was last before `now_ms`, Unix milliseconds, in this zone. A time that a day does not have, as clocks are put
    /// forward, is the next one that it has.
    pub fn last_before(self, now_ms: u64, zone: &TimeZone) -> Option<u64> {
        let now = Timestamp::from_millisecond(i64::try_from(now_ms).ok()?).ok()?.to_zoned(zone.clone());
        let of = |day: civil::Date| day.to_datetime(self.0).to_zoned(zone.clone()).ok();
        let today = of(now.date())?;
        let last = if today <= now { today } else { of(now.date().yesterday().ok()?)? };
        u64::try_from(last.timestamp().as_millisecond()).ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default, rename_all = "kebab-case")]
    struct Settings {
        idle: Option<Span>,
        daily_at: Option<TimeOfDay>,
        keep: Option<Days>,
    }

    fn at(text: &str) -> u64 {
        u64::try_from(text.parse::<Timestamp>().unwrap().as_millisecond()).unwrap()
    }

    #[test]
    fn a_day_begins_where_the_machine_is_also_when_clocks_change() {
        // Central Europe: forward at 02:00 on 2026-03-29, back at 03:00 on 2026-10-25.
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let began = |time: &str, now| {
            let time = TimeOfDay(civil::Time::strptime("%H:%M", time).unwrap());
            time.last_before(at(now), &zone).unwrap()
        };
        assert_eq!(began("04:00", "2026-03-02T03:00:00Z"), at("2026-03-02T03:00:00Z"));
        assert_eq!(began("04:00", "2026-03-02T02:59:59Z"), at("2026-03-01T03:00:00Z"));
        // 02:30 is not on the clock that night; 03:30 is.
        assert_eq!(began("02:30", "2026-03-29T12:00:00Z"), at("2026-03-29T01:30:00Z"));
        assert_eq!(began("04:00", "2026-10-25T12:00:00Z"), at("2026-10-25T03:00:00Z"));
    }

    #[test]
    fn lengths_days_and_times_are_read_and_nothing_like_them() {
        let read = |text: &str| toml::from_str::<Settings>(text).map_err(|error| error.to_string());
        let all = read("idle = \"30m\"\ndaily-at = \"23:59\"\nkeep = \"90d\"").unwrap();
        assert_eq!((all.idle.unwrap().ms(), all.keep.unwrap().ms()), (1_800_000, 7_776_000_000));
        assert_eq!(all.daily_at.unwrap().0, civil::time(23, 59, 0, 0));
        for (key, bad) in [
            ("idle", "0m"),
            ("idle", "4"),
            ("idle", "-4h"),
            ("idle", "4 hours"),
            ("idle", "36501d"),
            ("keep", "12h"),
            ("keep", "0d"),
            ("keep", ""),
            ("daily-at", "24:00"),
            ("daily-at", "4:00"),
            ("daily-at", "04:00:00"),
            ("daily-at", "noon!"),
        ] {
            let error = read(&format!("{key} = \"{bad}\"")).unwrap_err();
            assert!(error.contains("; write `"), "{key} {bad}: {error}");
        }
    }
}
