//! [`EntryId`]: the id of an entry of a stream, by which entries have an order.

use std::{fmt, str::FromStr};

/// The id of an entry: the milliseconds, and the number within them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EntryId(u64, u64);

impl EntryId {
    /// The id of an entry as Redis answers it; `None` if it is none.
    pub(super) fn read(answer: &[u8]) -> Option<Self> {
        std::str::from_utf8(answer).ok()?.parse().ok()
    }

    /// The id before it.
    pub(super) fn before(self) -> Self {
        match self {
            Self(ms, 0) => Self(ms.saturating_sub(1), u64::MAX),
            Self(ms, number) => Self(ms, number - 1),
        }
    }
}

/// A text that is no id.
#[derive(Debug)]
pub(super) struct NoId(String);

impl fmt::Display for NoId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the id of an entry, such as `1700000000000-0`; found `{}`", self.0)
    }
}

impl std::error::Error for NoId {}

impl FromStr for EntryId {
    type Err = NoId;

    /// Without its second number an id is the first of its millisecond, as Redis has it.
    fn from_str(text: &str) -> Result<Self, NoId> {
        let (ms, number) = text.split_once('-').unwrap_or((text, "0"));
        // `parse` would take a sign.
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        match (ms.parse(), number.parse()) {
            (Ok(first), Ok(second)) if digits(ms) && digits(number) => Ok(Self(first, second)),
            _ => Err(NoId(text.to_owned())),
        }
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::EntryId;

    #[test]
    fn ids_are_read_and_have_an_order() {
        let id = |text: &str| text.parse::<EntryId>().ok();
        assert_eq!(id("1700000000000-3"), Some(EntryId(1_700_000_000_000, 3)));
        assert_eq!(id("5"), id("5-0"));
        assert!(id("9-10") < id("10-2"), "by number, not by text");
        for bad in
            ["", "-", "5-", "-5", "5-x", "$", "latset", "+5-0", "5-0-0", "18446744073709551616-0"]
        {
            assert_eq!(id(bad), None, "{bad}");
        }
    }
}
