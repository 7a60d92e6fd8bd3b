//! Points in time, as people write and read them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// `2h` ago, a date and time of RFC 3339, or milliseconds since 1970.
pub(crate) fn parse(text: &str) -> Result<SystemTime, String> {
    let time =
        UNIX_EPOCH.checked_add(Duration::from_millis(parse_at(text, millis(SystemTime::now()))?));
    time.ok_or_else(|| "expected a time before the year 292,277,026,596".to_owned())
}

fn parse_at(text: &str, now: u64) -> Result<u64, String> {
    let ago = || {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let unit = match unit {
            "s" => SECOND,
            "m" => MINUTE,
            "h" => HOUR,
            "d" => DAY,
            _ => return None,
        };
        Some(now.saturating_sub(number.parse::<u64>().ok()?.saturating_mul(unit)))
    };
    let found = text.parse().ok().or_else(ago).or_else(|| rfc3339(text));
    found.ok_or_else(|| "expected 90s, 15m, 2h or 3d, or 2026-03-01T12:00:00Z".to_owned())
}

/// How long ago, in the largest unit that fits.
pub(crate) fn age(time: SystemTime) -> String {
    age_at(millis(time), millis(SystemTime::now()))
}

fn age_at(ms: u64, now: u64) -> String {
    let age = now.saturating_sub(ms);
    match age {
        ..MINUTE => format!("{}s", age / SECOND),
        MINUTE..HOUR => format!("{}m", age / MINUTE),
        HOUR..DAY => format!("{}h", age / HOUR),
        _ => format!("{}d", age / DAY),
    }
}

/// A date and time of RFC 3339, to the second.
pub(crate) fn utc(time: SystemTime) -> String {
    let ms = millis(time);
    let (year, month, day) = date(ms / DAY);
    let of = |unit, most| ms / unit % most;
    let (hour, minute, second) = (of(HOUR, 24), of(MINUTE, 60), of(SECOND, 60));
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Writes a time as milliseconds since 1970.
pub(crate) fn serialize<S: Serializer>(
    time: &Option<SystemTime>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    time.map(millis).serialize(serializer)
}

/// The milliseconds from 1970 to a time.
pub(crate) fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// `2026-03-01T12:00:00.5+01:00`; the time may be left out, and its seconds.
fn rfc3339(text: &str) -> Option<u64> {
    let (date, time) = text.split_once(['T', 't', ' ']).unwrap_or((text, "00:00Z"));
    let [year, month, day] = numbers(date, '-')?;
    let (time, east) = zone(time)?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let seconds = if time.matches(':').count() == 1 { format!("{time}:00") } else { time.into() };
    let [hour, minute, second] = numbers(&seconds, ':')?;
    let millis = format!("{fraction:0<3}").get(..3)?.parse::<u64>().ok()?;
    if day == 0 || day > month_days(year, month)? || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let ms = days(year, month, day)? * DAY + hour * HOUR + minute * MINUTE + second * SECOND;
    (ms + millis).checked_add_signed(-east)
}

/// The time without its zone, and how many milliseconds the zone is before UTC.
fn zone(time: &str) -> Option<(&str, i64)> {
    if let Some(time) = time.strip_suffix(['Z', 'z']) {
        return Some((time, 0));
    }
    let (time, zone) = time.split_at_checked(time.rfind(['+', '-'])?)?;
    let [hours, minutes] = numbers(zone.get(1..)?, ':')?;
    let east = i64::try_from(hours * HOUR + minutes * MINUTE).ok()?;
    Some((time, if zone.starts_with('-') { -east } else { east }))
}

fn numbers<const N: usize>(text: &str, between: char) -> Option<[u64; N]> {
    let number = |part: &str| (part.len() <= 4).then(|| part.parse().ok()).flatten();
    text.split(between).map(number).collect::<Option<Vec<u64>>>()?.try_into().ok()
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400)
}

fn year_days(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn month_days(year: u64, month: u64) -> Option<u64> {
    Some(match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    })
}

/// Days from 1970 to a date.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let years: u64 = (1970..year).map(year_days).sum();
    let months = (1..month).filter_map(|month| month_days(year, month)).sum::<u64>();
    (year >= 1970).then_some(years + months + day - 1)
}

/// Year, month and day so many days after 1970 began.
fn date(mut days: u64) -> (u64, u64, u64) {
    let mut year = 1970;
    while days >= year_days(year) && year < 9999 {
        days -= year_days(year);
        year += 1;
    }
    let mut month = 1;
    while let Some(long) = month_days(year, month).filter(|long| days >= *long && month < 12) {
        days -= long;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::{age_at, parse, parse_at, utc};

    /// 2026-03-01T12:00:00Z.
    const NOON: u64 = 1_772_366_400_000;

    fn check(text: &str, ms: Option<u64>) {
        assert_eq!(parse_at(text, NOON).ok(), ms, "{text}");
    }

    #[test]
    fn a_duration_is_so_long_ago() {
        check("90s", Some(NOON - 90_000));
        check("15m", Some(NOON - 900_000));
        check("2h", Some(NOON - 7_200_000));
        check("3d", Some(NOON - 259_200_000));
        check("99999999999999d", Some(0));
        check("1772366400000", Some(NOON));
    }

    #[test]
    fn a_date_and_time_is_what_it_says() {
        check("2026-03-01T12:00:00Z", Some(NOON));
        check("2026-03-01T13:30:00.25+01:30", Some(NOON + 250));
        check("2026-03-01 07:00-05:00", Some(NOON));
        check("2026-03-01", Some(NOON - 43_200_000));
        check("2024-02-29", Some(1_709_164_800_000));
        check("1970-01-01", Some(0));
    }

    #[test]
    fn what_is_no_point_in_time_is_refused() {
        for text in ["", "h", "2w", "-2h", "2.5h", "ä", "2026-02-29", "2026-13-01", "2026-00-01"] {
            check(text, None);
        }
        for text in ["2026-03-01T25:00Z", "2026-03-01T12", "1969-12-31", "1970-01-01T00:00+01:00"] {
            check(text, None);
        }
    }

    #[test]
    fn a_time_is_written_as_it_is_read() {
        for text in ["1970-01-01T00:00:00Z", "2024-02-29T23:59:59Z", "2026-12-31T01:02:03Z"] {
            assert_eq!(utc(parse(text).unwrap()), text);
        }
    }

    #[test]
    fn an_age_is_in_the_largest_unit_that_fits() {
        for (ms, age) in [(0, "0s"), (59_999, "59s"), (60_000, "1m"), (7_300_000, "2h")] {
            assert_eq!(age_at(NOON - ms, NOON), age);
        }
        assert_eq!(age_at(NOON - 10 * 86_400_000, NOON), "10d");
        assert_eq!(age_at(NOON + 5, NOON), "0s");
    }
}
