//! [`PlainValue`]: the JSON of a value that came as bare text: a number, a boolean, `null`, or
//! text.

use std::io::Write;

/// A value that came as bare text without a type: a field of CSV, a field of a Redis entry.
///
/// It is a number if it is written like a JSON number that a number type holds exactly (`12`,
/// `-0.5`, `1e5`; not `007`, `+1`, or more digits than a float keeps), a boolean if it is `true` or
/// `false`, `null` if it is empty, and text otherwise. So a function may read it as a number, and
/// an identifier that only looks like one is never changed.
///
/// ```
/// use kisflow_core::PlainValue;
///
/// let json = |text| {
///     let mut out = Vec::new();
///     PlainValue(text).write_json(&mut out);
///     String::from_utf8(out).unwrap()
/// };
/// assert_eq!(["12", "007", "true", "", "tea"].map(json), ["12", "\"007\"", "true", "null", "\"tea\""]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PlainValue<'a>(pub &'a str);

impl PlainValue<'_> {
    /// Appends it to `out` as JSON.
    pub fn write_json(self, out: &mut Vec<u8>) {
        match self.0 {
            "" => out.extend_from_slice(b"null"),
            "true" | "false" => out.extend_from_slice(self.0.as_bytes()),
            number if is_number(number) => out.extend_from_slice(number.as_bytes()),
            _ => self.write_text(out),
        }
    }

    /// Returns whether it is written like a JSON number that a number type holds exactly.
    #[must_use]
    pub fn is_number(self) -> bool {
        is_number(self.0)
    }

    /// Appends it to `out` as a JSON string, whatever it looks like.
    pub fn write_text(self, out: &mut Vec<u8>) {
        // Writing to a `Vec` does not fail, and a text has a JSON form.
        let _ = serde_json::to_writer(out, self.0);
    }
}

/// Whether a text is a number as JSON writes numbers, and some number type holds exactly it.
fn is_number(text: &str) -> bool {
    let Some(number) = Number::parse(text) else { return false };
    if number.is_whole {
        // `-0` is no whole number that Rust would write.
        return text != "-0" && (text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok());
    }
    number.survives(text)
}

/// A number in JSON's own writing, taken apart.
struct Number {
    /// Its digits without leading and trailing zeros; no more than fit.
    digits: Digits,
    /// Where the decimal point is: 0 is in front of the first of `digits`.
    point: i64,
    /// Neither a fraction nor an exponent.
    is_whole: bool,
}

/// The significant digits of a float, and one more.
#[derive(PartialEq)]
struct Digits {
    digits: [u8; 18],
    len: usize,
}

impl Digits {
    /// The significant ones of these; `None` if a float cannot hold so many.
    fn of(digits: impl Iterator<Item = u8> + Clone) -> Option<(Self, i64)> {
        let leading = digits.clone().take_while(|digit| *digit == b'0').count();
        let mut found = Self { digits: [0; 18], len: 0 };
        for (at, digit) in digits.skip(leading).enumerate() {
            if digit != b'0' {
                *found.digits.get_mut(at)? = digit;
                found.len = at + 1;
            }
        }
        // Zeros in the midst.
        for digit in found.digits.iter_mut().take(found.len).filter(|digit| **digit == 0) {
            *digit = b'0';
        }
        (found.len < found.digits.len())
            .then(|| (found, -i64::try_from(leading).unwrap_or(i64::MAX)))
    }
}

impl Number {
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('-').unwrap_or(text);
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (text, None),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (mantissa, None),
        };
        let is_digits =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits(whole)
            || (whole.len() > 1 && whole.starts_with('0'))
            || !fraction.is_none_or(is_digits)
        {
            return None;
        }
        let power = match exponent {
            None => 0,
            Some(exponent) => {
                is_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)).then_some(())?;
                exponent.parse::<i16>().ok()?
            }
        };
        let is_whole = fraction.is_none() && exponent.is_none();
        if is_whole {
            // Whole numbers have a limit of their own.
            return Some(Self { digits: Digits { digits: [0; 18], len: 0 }, point: 0, is_whole });
        }
        let (digits, leading) =
            Digits::of(whole.bytes().chain(fraction.unwrap_or_default().bytes()))?;
        let point = i64::try_from(whole.len()).ok()? + leading + i64::from(power);
        Some(Self { digits, point, is_whole })
    }

    /// Whether a float that is read from `text` is written with the same digits.
    fn survives(&self, text: &str) -> bool {
        // So many digits of a number of middling size always survive.
        if self.digits.len <= 15 && (self.digits.len == 0 || (-290..290).contains(&self.point)) {
            return true;
        }
        let Ok(float) = text.parse::<f64>() else { return false };
        if !float.is_finite() {
            return false;
        }
        let mut written = Vec::with_capacity(32);
        if write!(written, "{float:e}").is_err() {
            return false;
        }
        let written = std::str::from_utf8(&written).unwrap_or_default();
        Self::parse(written)
            .is_some_and(|again| again.digits == self.digits && again.point == self.point)
    }
}

#[cfg(test)]
mod tests {
    use super::PlainValue;

    fn json(field: &str) -> String {
        let mut out = Vec::new();
        PlainValue(field).write_json(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_a_number_type_holds_exactly_is_a_number() {
        for number in [
            "0",
            "12",
            "-7",
            "9223372036854775807",
            "-9223372036854775808",
            "18446744073709551615",
            "0.1",
            "-0.5",
            "1.50",
            "-0.0",
            "1.0",
            "0.30000000000000004",
            "1e5",
            "1e-07",
            "2.5E+10",
            "5e-324",
            "1.7976931348623157e308",
            "100000000000000000000.0",
            "0.000",
            "123456.7890",
        ] {
            assert_eq!(json(number), number);
        }
    }

    #[test]
    fn all_else_is_text() {
        for text in [
            "007",
            "00",
            "+1",
            ".5",
            "5.",
            "-",
            "-0",
            "1e",
            "1e+",
            "e5",
            "0x10",
            " 12",
            "12 ",
            "1,5",
            "NaN",
            "inf",
            "18446744073709551616",
            "-9223372036854775809",
            "0.1000000000000000055",
            "1e400",
            "1e99999999",
            "1e-400",
            "0.12345678901234567890",
            "True",
            "NULL",
            "12abc",
            "١٢",
            "3.14159265358979323846",
        ] {
            assert_eq!(json(text), format!("\"{text}\""));
        }
    }

    #[test]
    fn nothing_is_null_and_booleans_are_booleans() {
        assert_eq!([json(""), json("true"), json("false")], ["null", "true", "false"]);
    }

    #[test]
    fn a_field_that_is_to_be_text_is_text() {
        for text in ["", "12", "true", "a\"b\n"] {
            let mut out = Vec::new();
            PlainValue(text).write_text(&mut out);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }
}
