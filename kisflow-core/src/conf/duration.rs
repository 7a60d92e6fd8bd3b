//! Durations of conf: bare milliseconds, or `5s`, `250ms`, `1m30s`, `24h`, `7d`.

use super::scalar::{self, NoWhole, Whole};

/// The expected form, for messages.
pub(crate) const EXPECTED: &str = "milliseconds or a duration such as `250ms`, `5s`, `1m30s`, `7d`";

/// The units, from the longest to the shortest, in milliseconds.
const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Returns the milliseconds of a text, or why it is not a duration.
pub(crate) fn millis(text: &str) -> Result<u64, String> {
    match scalar::whole(text) {
        Ok(Whole { negative: true, magnitude: 1.. }) => return Err("it is negative".to_owned()),
        Ok(Whole { magnitude, .. }) => return u64::try_from(magnitude).map_err(|_| too_long()),
        Err(NoWhole::LeadingZero) => {
            return Err(format!("write `{}`", scalar::without_zeros(text)));
        }
        Err(NoWhole::TooLarge) => return Err(too_long()),
        Err(NoWhole::Other) => {}
    }
    if text.starts_with('-') {
        return Err("it is negative".to_owned());
    }
    let mut rest = text;
    let mut all = 0_u64;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let end = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        if number.is_empty() {
            return Err(format!("there is no number before {rest:?}"));
        }
        if unit.is_empty() {
            return Err(format!("there is no unit behind `{number}`"));
        }
        if !UNITS.iter().any(|(known, _)| *known == unit) {
            return Err(format!("`{unit}` is no unit; known: d, h, m, s, ms"));
        }
        let Some((_, millis)) = units.find(|(known, _)| *known == unit) else {
            return Err(format!("`{unit}` stands behind a unit that is not longer"));
        };
        all = all.checked_add(times(number, *millis)?).ok_or_else(too_long)?;
        rest = after;
    }
    if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(all) }
}

/// `1.5` of a unit, which has to be whole milliseconds.
fn times(number: &str, millis: u64) -> Result<u64, String> {
    let wrong = || format!("`{number}` is no number");
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.contains('.') || fraction.len() > 9 {
        return Err(wrong());
    }
    let whole: u64 = whole.parse().map_err(|_| too_long())?;
    let digits: u64 = fraction.parse().map_err(|_| wrong())?;
    let scale = 10_u64.pow(u32::try_from(fraction.len()).map_err(|_| wrong())?);
    let part = u128::from(digits) * u128::from(millis);
    if part % u128::from(scale) != 0 {
        return Err(format!("`{number}` is less than whole milliseconds"));
    }
    let part = u64::try_from(part / u128::from(scale)).map_err(|_| too_long())?;
    whole.checked_mul(millis).and_then(|whole| whole.checked_add(part)).ok_or_else(too_long)
}

fn too_long() -> String {
    format!("it is too long; the limit is {} milliseconds", u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::millis;

    #[test]
    fn a_duration_is_milliseconds_or_numbers_with_units() {
        let check = |text: &str, expect: u64| assert_eq!(millis(text), Ok(expect), "{text}");
        check("0", 0);
        check("250", 250);
        check("250ms", 250);
        check("5s", 5_000);
        check("1m30s", 90_000);
        check("24h", 86_400_000);
        check("7d", 604_800_000);
        check("1d2h3m4s5ms", 93_784_005);
        check("1.5s", 1_500);
        check("0.25h", 900_000);
        check("0s", 0);
        check("18446744073709551615ms", u64::MAX);
    }

    #[test]
    fn what_is_no_duration_is_explained() {
        let check = |text: &str, expect: &str| {
            let why = millis(text).unwrap_err();
            assert!(why.contains(expect), "{text}: {why}");
        };
        check("5 sec", "no unit behind `5`");
        check("5sec", "`sec` is no unit; known: d, h, m, s, ms");
        check("5 s", "no unit behind `5`");
        check("5S", "`S` is no unit");
        check("-1s", "negative");
        check("-1", "negative");
        check("1h30", "no unit behind `30`");
        check("s", "no number before \"s\"");
        check("30s1m", "`m` stands behind a unit that is not longer");
        check("1s1s", "`s` stands behind a unit that is not longer");
        check("1.0005s", "less than whole milliseconds");
        check("1..5s", "is no number");
        check("1.5", "no unit behind `1.5`");
        check("", "empty");
        check("soon", "no number before \"soon\"");
        check("007", "write `7`");
        check("99999999999999999999", "too long");
        check("18446744073709551615s", "too long");
        check("1_000", "no unit behind `1`");
    }
}
