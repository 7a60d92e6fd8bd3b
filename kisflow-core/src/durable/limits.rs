//! [`Limits`]: the most that one commit may hold.

/// The most that one commit may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The keys that it checks or changes.
    pub keys: usize,
    /// The bytes of its keys and values, and of the [bounds](super::Check::Below) of its checks.
    pub bytes: usize,
}
