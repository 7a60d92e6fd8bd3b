//! How far a file was read, and how it is known again.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// How much of a file's beginning it is known by.
pub(super) const HEAD: usize = 256;

/// How far a file was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Position {
    pub(super) offset: u64,
    pub(super) mark: Arc<Mark>,
}

/// What a file is known by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// The device is left out: some file systems have another after each start of the machine.
    pub(super) inode: u64,
    /// How many of its first bytes are in `hash`, at most [`HEAD`].
    pub(super) length: usize,
    hash: u64,
}

impl Mark {
    /// The mark of a file with such a beginning.
    pub(super) fn of(inode: u64, head: &[u8]) -> Self {
        Self { inode, length: head.len(), hash: fnv1a(head) }
    }
}

/// A position as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) offset: u64,
    pub(super) mark: Mark,
}

impl Position {
    /// As it is kept.
    pub(super) fn encode(&self) -> Vec<u8> {
        let kept = Kept { offset: self.offset, mark: *self.mark };
        // Numbers alone: there is nothing that could have no JSON form.
        serde_json::to_vec(&kept).unwrap_or_default()
    }
}

impl Kept {
    /// `None` if no version of this crate has written it.
    pub(super) fn decode(kept: &[u8]) -> Option<Self> {
        serde_json::from_slice(kept).ok()
    }
}

/// The same in every process and version, which `DefaultHasher` does not promise.
pub(super) fn fnv1a(bytes: &[u8]) -> u64 {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_position_survives_being_kept() {
        let mark = Mark::of(u64::MAX, b"head");
        let kept = Position { offset: 1 << 60, mark: Arc::new(mark) }.encode();
        assert_eq!(Kept::decode(&kept), Some(Kept { offset: 1 << 60, mark }));
        assert_eq!(Kept::decode(b"17"), None);
    }
}
