//! Times as people read them: in this machine's zone,
//! or UTC where it has none.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// To the minute.
pub fn minute(unix_ms: u64) -> String {
    shown(unix_ms, TimeZone::system(), "%Y-%m-%d %H:%M")
}

/// To the second.
pub fn second(unix_ms: u64) -> String {
    shown(unix_ms, TimeZone::system(), "%Y-%m-%d %H:%M:%S")
}

fn shown(unix_ms: u64, zone: TimeZone, form: &str) -> String {
    let at = i64::try_from(unix_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    at.map_or_else(|| "-".to_owned(), |at| at.to_zoned(zone).strftime(form).to_string())
}

/// How long something is: `0.2 s`, `9 min 5 s`, `2 h 3 min`.
pub fn length(ms: u64) -> String {
    match ms / 1000 {
        0..60 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        seconds @ 60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_a_zone_and_a_length_in_two_units() {
        let noon = 1_774_951_200_000;
        assert_eq!(shown(noon, TimeZone::UTC, "%H:%M"), "10:00");
        assert_eq!(shown(noon, TimeZone::fixed(jiff::tz::offset(2)), "%H:%M"), "12:00");
        assert_eq!(shown(u64::MAX, TimeZone::UTC, "%H"), "-");
        assert_eq!([250, 61_000, 7_380_000].map(length), ["0.2 s", "1 min 1 s", "2 h 3 min"]);
    }
}
