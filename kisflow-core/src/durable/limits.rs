//! [`Limits`]: the most that one commit may hold.

/// The most that one commit may hold. The name of a space has at most 255 bytes everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The keys that it checks or changes.
    pub keys: usize,
    /// The bytes of its keys and values, and of the [bounds](super::Check::Below) of its checks,
    /// without those of its largest value: a value cannot be split.
    pub bytes: usize,
    /// The bytes of one key; 1 KiB at least.
    pub key_bytes: usize,
}

impl Limits {
    /// Whether a commit of this size is within limits.
    pub(super) const fn fits(self, limits: Self) -> bool {
        self.keys <= limits.keys && self.bytes <= limits.bytes && self.key_bytes <= limits.key_bytes
    }
}
