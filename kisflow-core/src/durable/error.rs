//! [`CommitError`]: why a commit failed, or that its outcome is unknown.

use std::fmt;

use super::{Key, Limits};
use crate::error::BoxError;

/// Why a commit failed, or that its outcome is unknown.
#[derive(Debug)]
#[non_exhaustive]
pub enum CommitError {
    /// These entries are not as the commit requires. Read them again and decide anew.
    Conflict(Vec<Key>),
    /// The commit was sent [again](super::Commit::sent_again), and the entries by which it could be
    /// recognised have been overwritten: whether it took effect before is unknown, and now it does
    /// not. Drop what was decided, and read everything again.
    Lost,
    /// These counters would pass their maximum.
    Exceeded(Vec<Key>),
    /// The commit is larger than the engine's limits; split it.
    TooLarge {
        /// What it holds.
        size: Limits,
        /// What it may hold.
        limits: Limits,
    },
    /// A mistake of the caller: no engine accepts such a commit, or not with [entries of the
    /// kind](super::Durable#values-and-counters) that it found.
    Invalid(String),
    /// The engine failed or cannot be reached. Whether the commit took effect is unknown: send the
    /// same commit [again](super::Commit::sent_again) until there is another answer.
    Outage(BoxError),
}

impl CommitError {
    /// The engine's own error if it is an outage, for callers who do not send the commit again;
    /// otherwise this error.
    #[must_use]
    pub fn into_cause(self) -> BoxError {
        match self {
            Self::Outage(cause) => cause,
            error => error.into(),
        }
    }
}

impl fmt::Display for CommitError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict(keys) => {
                write!(formatter, "others have changed what this commit relies on: {}", List(keys))
            }
            Self::Lost => formatter.write_str(
                "it is unknown whether this commit took effect: its entries have been overwritten",
            ),
            Self::Exceeded(keys) => {
                write!(formatter, "these counters have reached their maximum: {}", List(keys))
            }
            Self::TooLarge { size, limits } => write!(
                formatter,
                "this commit is too large: {} keys (at most {}), {} bytes beside its largest value (at most {}), a key of {} bytes (at most {})",
                size.keys, limits.keys, size.bytes, limits.bytes, size.key_bytes, limits.key_bytes
            ),
            Self::Invalid(why) => write!(formatter, "this commit is invalid: {why}"),
            Self::Outage(_) => formatter.write_str("the store does not answer"),
        }
    }
}

impl std::error::Error for CommitError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Outage(cause) => Some(&**cause),
            _ => None,
        }
    }
}

/// At most three keys.
struct List<'k>(&'k [Key]);

impl fmt::Display for List<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 3;
        for (at, key) in self.0.iter().take(MOST).enumerate() {
            write!(formatter, "{}{key}", if at > 0 { "; " } else { "" })?;
        }
        match self.0.len().saturating_sub(MOST) {
            0 => Ok(()),
            more => write!(formatter, "; and {more} more"),
        }
    }
}
