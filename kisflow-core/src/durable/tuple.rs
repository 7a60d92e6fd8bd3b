//! Tuples as bytes that are ordered as the tuples are, after the [tuple layer of
//! FoundationDB](https://apple.github.io/foundationdb/data-modeling.html#tuples): a text is its
//! UTF-8 between a tag and a zero, with `00 FF` for a zero in it; a number is a tag and eight bytes,
//! most significant first.

use std::{borrow::Cow, fmt};

const TEXT: u8 = 0x02;
const NUMBER: u8 = 0x15;

pub(super) fn push_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.push(TEXT);
    for byte in text.bytes() {
        bytes.push(byte);
        if byte == 0 {
            bytes.push(0xFF);
        }
    }
    bytes.push(0);
}

pub(super) fn push_number(bytes: &mut Vec<u8>, number: u64) {
    bytes.push(NUMBER);
    bytes.extend(number.to_be_bytes());
}

/// A part of a tuple.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPart<'k> {
    /// A text.
    Text(Cow<'k, str>),
    /// A number.
    Number(u64),
}

impl KeyPart<'_> {
    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(_) => None,
        }
    }

    /// The number, if it is one.
    #[must_use]
    pub const fn as_number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(_) => None,
        }
    }
}

impl fmt::Display for KeyPart<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(formatter, "{text:?}"),
            Self::Number(number) => write!(formatter, "{number}"),
        }
    }
}

/// Bytes that are no tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key is not one that kisflow wrote")]
#[non_exhaustive]
pub struct TupleError;

/// Returns the parts of a [`Key`](super::Key) that was built from texts and numbers. The iterator
/// ends after an error.
///
/// ```
/// use kisflow_core::durable::{Key, key_parts};
///
/// let key = Key::new("positions").text("orders").number(7);
/// let parts: Vec<_> = key_parts(key.bytes()).collect::<Result<_, _>>()?;
/// assert_eq!((parts[0].as_text(), parts[1].as_number()), (Some("orders"), Some(7)));
/// # Ok::<(), kisflow_core::durable::TupleError>(())
/// ```
#[must_use]
pub fn key_parts(key: &[u8]) -> KeyParts<'_> {
    KeyParts { rest: key }
}

/// The parts of a tuple, see [`key_parts`].
#[derive(Clone, Debug)]
pub struct KeyParts<'k> {
    rest: &'k [u8],
}

impl<'k> Iterator for KeyParts<'k> {
    type Item = Result<KeyPart<'k>, TupleError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let read = read(self.rest);
        self.rest = read.as_ref().map_or(&[], |(_, rest)| rest);
        Some(read.map(|(part, _)| part))
    }
}

/// The first part, and what follows it.
fn read(bytes: &[u8]) -> Result<(KeyPart<'_>, &[u8]), TupleError> {
    match bytes.split_first().ok_or(TupleError)? {
        (&NUMBER, rest) => {
            let (number, rest) = rest.split_first_chunk::<8>().ok_or(TupleError)?;
            Ok((KeyPart::Number(u64::from_be_bytes(*number)), rest))
        }
        (&TEXT, rest) => text(rest),
        _ => Err(TupleError),
    }
}

/// The text up to the first zero that no `FF` follows.
fn text(bytes: &[u8]) -> Result<(KeyPart<'_>, &[u8]), TupleError> {
    let mut unescaped: Option<Vec<u8>> = None;
    let mut begin = 0;
    loop {
        let zero = memchr::memchr(0, bytes.get(begin..).ok_or(TupleError)?).ok_or(TupleError)?;
        let (piece, rest) = (bytes.get(begin..begin + zero), bytes.get(begin + zero + 1..));
        let (piece, rest) = piece.zip(rest).ok_or(TupleError)?;
        if rest.first() == Some(&0xFF) {
            let text = unescaped.get_or_insert_default();
            text.extend(piece);
            text.push(0);
            begin += zero + 2;
            continue;
        }
        let text = match unescaped {
            None => Cow::Borrowed(std::str::from_utf8(piece).map_err(|_| TupleError)?),
            Some(mut text) => {
                text.extend(piece);
                Cow::Owned(String::from_utf8(text).map_err(|_| TupleError)?)
            }
        };
        return Ok((KeyPart::Text(text), rest));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::durable::Key;

    fn part() -> impl Strategy<Value = KeyPart<'static>> {
        let text = "[\\x00a\u{ff}é]{0,4}".prop_map(|text: String| KeyPart::Text(text.into()));
        prop_oneof![
            any::<u64>().prop_map(KeyPart::Number),
            (0..4_u64).prop_map(KeyPart::Number),
            text
        ]
    }

    fn key(parts: &[KeyPart<'_>]) -> Vec<u8> {
        let key = parts.iter().fold(Key::new("s"), |key, part| match part {
            KeyPart::Text(text) => key.text(text),
            KeyPart::Number(number) => key.number(*number),
        });
        key.bytes().to_vec()
    }

    /// The order of tuples: texts are before numbers.
    fn order(tuple: &[KeyPart<'_>]) -> Vec<(Option<u64>, String)> {
        let part = |part: &KeyPart<'_>| (part.as_number(), part.as_text().unwrap_or("").to_owned());
        tuple.iter().map(part).collect()
    }

    proptest! {
        #[test]
        fn keys_are_ordered_as_their_tuples_and_read_back(
            one in prop::collection::vec(part(), 0..4),
            other in prop::collection::vec(part(), 0..4),
        ) {
            prop_assert_eq!(key(&one).cmp(&key(&other)), order(&one).cmp(&order(&other)));
            let bytes = key(&one);
            let read: Vec<_> = key_parts(&bytes).collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(read, one);
        }

        #[test]
        fn any_bytes_are_a_tuple_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            if let Ok(read) = key_parts(&bytes).collect::<Result<Vec<_>, _>>() {
                prop_assert_eq!(key(&read), bytes);
            }
        }
    }
}
