//! How far a file was read, and how it is recognized.

use serde::{Deserialize, Serialize};

/// How many of its first bytes recognize a file.
pub(super) const HEAD: usize = 4096;
/// How many of the last read bytes recognize a file.
pub(super) const TAIL: usize = 4096;

/// The hash of some bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Print {
    pub(super) length: usize,
    hash: u64,
    /// Whether the hash is FNV-1a, as it was in positions of the first format.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    fnv: bool,
}

impl Print {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self { length: bytes.len(), hash: hash(bytes), fnv: false }
    }

    /// Whether these bytes begin as those of the print.
    pub(super) fn begins(&self, bytes: &[u8]) -> bool {
        let hash = if self.fnv { fnv1a } else { hash };
        bytes.get(..self.length).is_some_and(|bytes| hash(bytes) == self.hash)
    }
}

/// How a file is recognized: its first bytes, and those before the offset up to which it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fingerprint {
    /// The device is left out: some file systems have another after each start of the machine.
    pub(super) inode: u64,
    pub(super) head: Print,
    pub(super) tail: Print,
}

/// Bytes that were gone before they could be read, not acknowledged yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Loss {
    pub(super) id: String,
    pub(super) text: String,
}

/// How far a file was read, as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// In bytes, of the decompressed text if the file is gzip.
    pub(super) offset: u64,
    #[serde(flatten)]
    pub(super) print: Fingerprint,
    /// The most bytes that the file was seen to have.
    pub(super) length: u64,
    /// The time of the last write, in nanoseconds since 1970.
    pub(super) modified: u64,
    /// Which of the files it is that were at the path, from 1; 0 if that is not known yet.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub(super) generation: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) losses: Vec<Loss>,
}

/// The generation of positions without one.
const fn first() -> u64 {
    1
}

const fn is_first(generation: &u64) -> bool {
    *generation == 1
}

/// A position in the first format, with the inode and at most 256 bytes.
#[derive(Deserialize)]
struct First {
    offset: u64,
    mark: Mark,
}

#[derive(Deserialize)]
struct Mark {
    inode: u64,
    length: usize,
    hash: u64,
}

impl Position {
    pub(super) fn encode(&self) -> Vec<u8> {
        // Only numbers and text, which always have a JSON form.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// `None` if no version of this crate has written it.
    pub(super) fn decode(kept: &[u8]) -> Option<Self> {
        if let Ok(position) = serde_json::from_slice(kept) {
            return Some(position);
        }
        let First { offset, mark } = serde_json::from_slice(kept).ok()?;
        let head = Print { length: mark.length, hash: mark.hash, fnv: true };
        let print = Fingerprint { inode: mark.inode, head, tail: Print::default() };
        Some(Self { offset, print, length: offset, generation: first(), ..Self::default() })
    }

    /// Returns how many bytes are known to be behind it.
    pub(super) fn unread(&self) -> u64 {
        self.length.saturating_sub(self.offset)
    }

    /// Returns how many of the read bytes can be compared.
    pub(super) fn evidence(&self) -> usize {
        self.print.head.length.max(self.print.tail.length)
    }

    /// Returns a short id of the position, for messages.
    pub(super) fn id(&self, path: &str) -> String {
        let Fingerprint { inode, head, tail } = self.print;
        let text = format!("{path} {inode} {} {} {}", head.hash, tail.hash, self.offset);
        // No YAML reads it as a number.
        format!("loss-{:08x}", hash(text.as_bytes()) >> 32)
    }
}

/// The same in every process and version, which `DefaultHasher` does not guarantee.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    let words = words.iter().chain([&last]).map(|word| u64::from_le_bytes(*word));
    words.fold(bytes.len() as u64, |hash, word| {
        let hash = (hash ^ word).wrapping_mul(FACTOR);
        hash ^ (hash >> 29)
    })
}

pub(super) fn fnv1a(bytes: &[u8]) -> u64 {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_the_first_format_is_the_published_one() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn the_hash_stays_what_it_is_and_sees_each_byte() {
        assert_eq!(hash(b"kisflow keeps this"), hash(b"kisflow keeps this"));
        let text: Vec<u8> = (0..100).collect();
        let mut seen = std::collections::HashSet::from([hash(&text)]);
        for at in 0..text.len() {
            let mut other = text.clone();
            other[at] ^= 1;
            assert!(seen.insert(hash(&other)), "{at}");
            assert!(seen.insert(hash(&text[..at])), "{at}");
        }
    }

    #[test]
    fn a_position_survives_being_kept() {
        let print = Fingerprint {
            inode: u64::MAX,
            head: Print::of(b"head and more"),
            tail: Print::of(b"more"),
        };
        let losses = vec![Loss { id: "1f".to_owned(), text: "3 bytes are lost".to_owned() }];
        let (offset, length, modified) = (1 << 60, u64::MAX, 7);
        for generation in [0, 1, 2] {
            let losses = losses.clone();
            let position = Position { offset, print, length, modified, generation, losses };
            assert_eq!(Position::decode(&position.encode()), Some(position));
        }
        assert_eq!(Position::decode(b"17"), None);
    }

    #[test]
    fn a_position_of_the_first_format_is_read() {
        let kept = format!(
            r#"{{"offset":9,"mark":{{"inode":5,"length":6,"hash":{}}}}}"#,
            fnv1a(b"foobar")
        );
        let position = Position::decode(kept.as_bytes()).unwrap();
        assert_eq!((position.offset, position.length, position.print.inode), (9, 9, 5));
        assert!(position.print.head.begins(b"foobar and more"));
        assert!(!position.print.head.begins(b"fooba"));
        assert!(!position.print.head.begins(b"foobaz"));
    }
}
