//! [`Check`] and [`Change`]: what a commit requires of an entry, and does to it.

use bytes::Bytes;

use super::CommitId;

/// What must be true of an entry when the commit takes effect. An engine has to know every kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// There is no entry. The commit has to put one. An entry that came and went meanwhile is not
    /// noticed: if entries are removed, let commits check another entry that stays.
    Absent,
    /// The entry is the one that this commit wrote.
    Version(CommitId),
    /// There is no entry, or its value is less than these bytes: with no bytes, there is no entry.
    /// Commits that only check so do not exclude each other.
    Below(Bytes),
}

/// A change of an entry. An engine has to know every one: another kind would be a new version of the
/// trait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Sets the value.
    Put(Bytes),
    /// Removes the entry, if there is one.
    Remove,
    /// Adds to a counter, which begins at 0. Two additions never conflict.
    ///
    /// A counter's value is its decimal text. A key that was added to is a counter until it is
    /// removed, as a key with a value is none: see [`Durable`](super::Durable#values-and-counters).
    Add {
        /// How much to add.
        by: i64,
        /// The commit fails if the counter would be greater.
        max: Option<i64>,
    },
}

impl Change {
    /// The bytes of its value.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Put(value) => value.len(),
            Self::Remove | Self::Add { .. } => 0,
        }
    }
}
