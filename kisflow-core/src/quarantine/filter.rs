//! [`QuarantineFilter`]: which rows in quarantine are meant, and what there is of them.

use serde::Serialize;

use super::Quarantined;

/// Which rows in quarantine are meant; without anything, all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuarantineFilter {
    /// Of this flow.
    pub flow: Option<String>,
    /// Of this source.
    pub source: Option<String>,
    /// That this function could not process.
    pub function: Option<String>,
    /// Whose cause has this text in it.
    pub cause: Option<String>,
    /// Put there no earlier, in milliseconds since 1970.
    pub since_ms: Option<u64>,
    /// Put there earlier, in milliseconds since 1970.
    pub until_ms: Option<u64>,
}

impl QuarantineFilter {
    /// All rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// Of this flow.
    pub fn flow(mut self, flow: impl Into<String>) -> Self {
        self.flow = Some(flow.into());
        self
    }

    /// Of this source.
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// That this function could not process.
    pub fn function(mut self, function: impl Into<String>) -> Self {
        self.function = Some(function.into());
        self
    }

    /// Whose cause has this text in it.
    pub fn cause(mut self, text: impl Into<String>) -> Self {
        self.cause = Some(text.into());
        self
    }

    /// Put there no earlier, in milliseconds since 1970.
    pub fn since_ms(mut self, ms: u64) -> Self {
        self.since_ms = Some(ms);
        self
    }

    /// Put there earlier, in milliseconds since 1970.
    pub fn until_ms(mut self, ms: u64) -> Self {
        self.until_ms = Some(ms);
        self
    }

    pub(super) fn takes(&self, row: &Quarantined) -> bool {
        let is = |wanted: &Option<String>, found: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == found)
        };
        is(&self.flow, &row.flow)
            && is(&self.source, &row.source)
            && is(&self.function, &row.function)
            && self.cause.as_ref().is_none_or(|text| row.cause.contains(text.as_str()))
            && self.since_ms.is_none_or(|since| row.since_ms >= since)
            && self.until_ms.is_none_or(|until| row.since_ms < until)
    }
}

/// How many rows of one kind there are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct CauseCount {
    /// The flow.
    pub flow: String,
    /// The function.
    pub function: String,
    /// The cause. Numbers in it are written as `#`, so that causes which differ by an id only
    /// are one.
    pub cause: String,
    /// How many.
    pub rows: u64,
    /// When the oldest of them was put there, in milliseconds since 1970.
    pub since_ms: u64,
}

/// A cause without what differs from row to row.
pub(super) fn kind(cause: &str) -> String {
    let mut kind = String::with_capacity(cause.len());
    let mut quoted = false;
    let mut word = false;
    for character in cause.chars() {
        let within = word;
        // The digits of a name, as in `i32`, are no number.
        word = character.is_alphabetic() || character == '_' || within && character.is_numeric();
        match character {
            '`' | '"' => {
                quoted = !quoted;
                kind.push(character);
            }
            digit if digit.is_ascii_digit() && !quoted && !within => {
                if !kind.ends_with('#') {
                    kind.push('#');
                }
            }
            other => kind.push(other),
        }
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::kind;

    #[test]
    fn causes_that_differ_by_a_number_are_one() {
        assert_eq!(kind("order 1701 is late by 30 s"), "order # is late by # s");
        assert_eq!(kind("expected i32 at 7"), "expected i32 at #");
        assert_eq!(kind("missing field `score_1` at line 1"), "missing field `score_1` at line #");
    }
}
