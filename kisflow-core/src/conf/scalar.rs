//! [`Scalar`]: one value of a conf that is neither a list nor a map, as the text that the file has,
//! and what that text says: YAML 1.2's core schema, and the reading of a text as what is asked for.

use std::fmt;

/// The text of a scalar as it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    /// Whether the text stands without quotes and says something else than a text: a number, a
    /// boolean, nothing.
    pub(crate) bare: bool,
}

/// What a text says where it stands without quotes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Meaning {
    Null,
    Bool(bool),
    /// A whole number of at most 64 bits.
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    /// A number that none of these holds: a whole one of more than 64 bits, one past the largest
    /// float. Rows keep its digits; for everything else it is a text.
    Large,
    /// Anything else. A number with a leading zero is a text as well.
    Text,
}

/// Why a text is no whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoWhole {
    /// YAML 1.1 reads `010` as 8, YAML 1.2 as 10.
    LeadingZero,
    TooLarge,
    Other,
}

/// A whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Whole {
    pub(crate) negative: bool,
    pub(crate) magnitude: u128,
}

impl Scalar {
    /// A scalar that stands in the file without quotes.
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { bare: meaning(&text) != Meaning::Text, text }
    }

    /// A text, whatever it looks like.
    pub(crate) fn quoted(text: impl Into<String>) -> Self {
        Self { text: text.into(), bare: false }
    }

    pub(crate) fn meaning(&self) -> Meaning {
        if self.bare { meaning(&self.text) } else { Meaning::Text }
    }

    pub(crate) fn is_null(&self) -> bool {
        self.meaning() == Meaning::Null
    }

    /// Returns the value as JSON; a number keeps the digits of the file.
    pub(crate) fn to_json_text(&self) -> String {
        match self.meaning() {
            Meaning::Null => "null".to_owned(),
            Meaning::Bool(value) => value.to_string(),
            Meaning::Unsigned(_) | Meaning::Signed(_) | Meaning::Float(_) | Meaning::Large => {
                json_number(&self.text)
            }
            Meaning::Text => serde_json::Value::from(self.text.as_str()).to_string(),
        }
    }

    /// The text, unless it stands for nothing.
    pub(crate) fn as_text(&self) -> Option<&str> {
        (!self.is_null()).then_some(self.text.as_str())
    }
}

/// What it is, for a message, in the file's own words.
impl fmt::Display for Scalar {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number =
            |character: char| character.is_ascii_alphanumeric() || "+-._".contains(character);
        let starts =
            self.text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first));
        if self.is_null() {
            formatter.write_str("nothing")
        } else if self.bare || (starts && self.text.chars().all(number)) {
            write!(formatter, "`{}`", self.text)
        } else {
            write!(formatter, "the text {:?}", self.text)
        }
    }
}

fn meaning(text: &str) -> Meaning {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Meaning::Null,
        "true" | "True" | "TRUE" => return Meaning::Bool(true),
        "false" | "False" | "FALSE" => return Meaning::Bool(false),
        _ => {}
    }
    match whole(text) {
        Ok(Whole { negative: false, magnitude }) => {
            u64::try_from(magnitude).map_or(Meaning::Large, Meaning::Unsigned)
        }
        Ok(Whole { negative: true, magnitude }) => match i128::try_from(magnitude) {
            // `-0` is no whole number that keeps its sign.
            Ok(0) => Meaning::Float(-0.0),
            Ok(magnitude) => i64::try_from(-magnitude).map_or(Meaning::Large, Meaning::Signed),
            Err(_) => Meaning::Large,
        },
        Err(NoWhole::TooLarge) if !text.contains(['x', 'o']) => Meaning::Large,
        Err(NoWhole::LeadingZero | NoWhole::TooLarge) => Meaning::Text,
        Err(NoWhole::Other) => match float(text) {
            Ok(float) if float.is_finite() => Meaning::Float(float),
            Ok(_) if text.contains(|digit: char| digit.is_ascii_digit()) => Meaning::Large,
            _ => Meaning::Text,
        },
    }
}

/// Returns a number as JSON writes it, with its own digits.
fn json_number(text: &str) -> String {
    let (negative, digits) = sign(text);
    let minus = if negative { "-" } else { "" };
    if digits.starts_with("0x") || digits.starts_with("0o") {
        let magnitude = whole(digits).map_or(0, |whole| whole.magnitude);
        return format!("{minus}{magnitude}");
    }
    let end = digits.find(['e', 'E']).unwrap_or(digits.len());
    let (mantissa, exponent) = digits.split_at(end);
    match mantissa.split_once('.') {
        None => format!("{minus}{mantissa}{exponent}"),
        Some((before, after)) => {
            let zero = |part: &'static str, digits: &str| if digits.is_empty() { part } else { "" };
            let (first, last) = (zero("0", before), zero("0", after));
            format!("{minus}{first}{before}.{after}{last}{exponent}")
        }
    }
}

/// `5`, `-5`, `+5`, `0x1F`, `0o17`.
pub(crate) fn whole(text: &str) -> Result<Whole, NoWhole> {
    let (negative, digits) = sign(text);
    let (digits, radix) = match (digits.strip_prefix("0x"), digits.strip_prefix("0o")) {
        (Some(digits), _) => (digits, 16),
        (_, Some(digits)) => (digits, 8),
        _ => (digits, 10),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err(NoWhole::Other);
    }
    if radix == 10 && leading_zero(digits) {
        return Err(NoWhole::LeadingZero);
    }
    let magnitude = u128::from_str_radix(digits, radix).map_err(|_| NoWhole::TooLarge)?;
    Ok(Whole { negative, magnitude })
}

/// `1.5`, `.5`, `1e3`, `-.inf`, and every whole number.
pub(crate) fn float(text: &str) -> Result<f64, NoWhole> {
    let (negative, digits) = sign(text);
    match digits {
        ".inf" | ".Inf" | ".INF" if negative => return Ok(f64::NEG_INFINITY),
        ".inf" | ".Inf" | ".INF" => return Ok(f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" if digits.len() == text.len() => return Ok(f64::NAN),
        _ => {}
    }
    match whole(text) {
        Ok(Whole { negative, magnitude })
            if digits.starts_with("0x") || digits.starts_with("0o") =>
        {
            #[expect(clippy::cast_precision_loss, reason = "a float is what is asked for")]
            let float = magnitude as f64;
            return Ok(if negative { -float } else { float });
        }
        Err(NoWhole::LeadingZero) => return Err(NoWhole::LeadingZero),
        _ => {}
    }
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(sign(exponent).1)),
        None => (digits, None),
    };
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let numeric = |text: &str| text.chars().all(|digit| digit.is_ascii_digit());
    let has_digits = !(before.is_empty() && after.is_empty());
    let exponent = exponent.is_none_or(|digits| !digits.is_empty() && numeric(digits));
    if !(has_digits && exponent && numeric(before) && numeric(after)) {
        return Err(NoWhole::Other);
    }
    if leading_zero(before) {
        return Err(NoWhole::LeadingZero);
    }
    text.parse().map_err(|_| NoWhole::Other)
}

/// `true`, `false`, and YAML 1.1's `yes`, `no`, `on`, `off`, `y`, `n`.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "y" | "Y" | "on" | "On" | "ON" => {
            Some(true)
        }
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "n" | "N" | "off" | "Off" | "OFF" => {
            Some(false)
        }
        _ => None,
    }
}

/// What to write instead of a number with a leading zero.
pub(crate) fn without_zeros(text: &str) -> String {
    let (_, digits) = sign(text);
    let sign = text.strip_suffix(digits).unwrap_or_default();
    let trimmed = digits.trim_start_matches('0');
    let zero = if trimmed.starts_with(|first: char| first.is_ascii_digit()) { "" } else { "0" };
    format!("{sign}{zero}{trimmed}")
}

fn sign(text: &str) -> (bool, &str) {
    match (text.strip_prefix('-'), text.strip_prefix('+')) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        _ => (false, text),
    }
}

fn leading_zero(digits: &str) -> bool {
    digits.len() > 1 && digits.starts_with('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_text_means_what_yaml_says_unless_it_would_not_survive() {
        let check = |text: &str, expect: Meaning| assert_eq!(meaning(text), expect, "{text}");
        check("", Meaning::Null);
        check("~", Meaning::Null);
        check("True", Meaning::Bool(true));
        check("yes", Meaning::Text);
        check("5", Meaning::Unsigned(5));
        check("+5", Meaning::Unsigned(5));
        check("0x1F", Meaning::Unsigned(31));
        check("0o17", Meaning::Unsigned(15));
        check("18446744073709551615", Meaning::Unsigned(u64::MAX));
        check("-9223372036854775808", Meaning::Signed(i64::MIN));
        check("1.10", Meaning::Float(1.1));
        check("1e3", Meaning::Float(1_000.0));
        check(".5", Meaning::Float(0.5));
        for text in [
            "007",
            "01234",
            "00",
            "-07",
            "01.5",
            "1_000",
            "2026_11",
            "0b11",
            "0X1F",
            "-",
            "+",
            ".",
            "e3",
            "1e",
            "0x",
            ".inf",
            ".nan",
            "inf",
            "nan",
            "2026-11-27",
            "12:30",
            "1.1.1",
            "0xffffffffffffffffffffffffffffffffff",
        ] {
            check(text, Meaning::Text);
        }
        for text in [
            "18446744073709551616",
            "-9223372036854775809",
            "12345678901234567890123",
            "1234567890123456789012345678901234567890",
            "0x10000000000000000",
            "1e400",
            "-1e400",
        ] {
            check(text, Meaning::Large);
        }
    }

    #[test]
    fn a_number_in_json_has_the_digits_of_the_file() {
        let check = |text: &str, expect: &str| {
            assert_eq!(Scalar::plain(text).to_json_text(), expect);
        };
        for text in ["5", "-5", "0", "-0", "1.10", "1e3", "-1.50E+07", "1e400"] {
            check(text, text);
        }
        check("18446744073709551617", "18446744073709551617");
        check("0.123456789012345678901234567890", "0.123456789012345678901234567890");
        check(
            "1234567890123456789012345678901234567890",
            "1234567890123456789012345678901234567890",
        );
        check("+5", "5");
        check("0x1F", "31");
        check("-0o17", "-15");
        check("0x10000000000000000", "18446744073709551616");
        check(".5", "0.5");
        check("-.5e1", "-0.5e1");
        check("5.", "5.0");
        check("007", "\"007\"");
        check("1_000", "\"1_000\"");
        check(".inf", "\".inf\"");
        check("True", "true");
        check("~", "null");
        assert_eq!(Scalar::quoted("5").to_json_text(), "\"5\"");
    }

    #[test]
    fn a_number_without_its_leading_zeros_is_the_same_number() {
        let check = |text: &str, expect: &str| assert_eq!(without_zeros(text), expect);
        check("007", "7");
        check("-007", "-7");
        check("000", "0");
        check("00.5", "0.5");
    }
}
