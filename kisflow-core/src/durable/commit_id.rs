//! [`CommitId`]: 128 bits that no other commit has.

use std::{
    fmt,
    str::FromStr,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// The id of a commit, and the version of the entries that it wrote: a random number of the process,
/// and a counter. No two commits share one, whatever process or machine made them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitId(u128);

/// The random number of this process.
static PROCESS: LazyLock<u64> = LazyLock::new(|| fastrand::Rng::new().u64(1..));

impl CommitId {
    /// The version of entries that no commit may check.
    pub const NONE: Self = Self(0);

    pub(crate) fn new() -> Self {
        static COUNTER: AtomicU64 = AtomicU64::new(1);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        Self(u128::from(*PROCESS) << 64 | u128::from(number))
    }

    /// Whether this process made it.
    pub(crate) fn is_of_this_process(self) -> bool {
        self.0 >> 64 == u128::from(*PROCESS)
    }

    /// Its 16 bytes, most significant first.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The id of [these bytes](Self::to_bytes).
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for CommitId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

impl fmt::Debug for CommitId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CommitId({self})")
    }
}

impl FromStr for CommitId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_survive_their_forms() {
        let (one, other) = (CommitId::new(), CommitId::new());
        assert_ne!(one, other);
        assert_ne!(one, CommitId::NONE);
        assert_eq!(CommitId::from_bytes(one.to_bytes()), one);
        assert_eq!(one.to_string().parse(), Ok(one));
        assert_eq!(one.to_string().len(), 32);
    }
}
