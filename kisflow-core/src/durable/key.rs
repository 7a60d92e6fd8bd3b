//! [`Key`]: where an entry is.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use super::tuple;

/// Where an entry is: a space, and bytes in it.
///
/// The bytes of kisflow's own layers are tuples, built part by part. Tuples are ordered part by
/// part; see [`key_parts`](super::key_parts) for the way back.
///
/// ```
/// use kisflow_core::durable::Key;
///
/// let key = |line: u64| Key::new("positions").text("orders").number(line);
/// assert!(key(9) < key(10));
/// assert_eq!(key(9).to_string(), r#"positions: "orders", 9"#);
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    space: Arc<str>,
    /// Shared: the keys of a commit are in several places at once.
    bytes: Arc<Vec<u8>>,
}

impl Key {
    /// The empty key of a space.
    pub fn new(space: impl Into<Arc<str>>) -> Self {
        Self { space: space.into(), bytes: Arc::default() }
    }

    /// A key of any bytes.
    pub fn raw(space: impl Into<Arc<str>>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { space: space.into(), bytes: Arc::new(bytes.into()) }
    }

    /// Appends a text.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        tuple::push_text(Arc::make_mut(&mut self.bytes), text);
        self
    }

    /// Appends a number.
    #[must_use]
    pub fn number(mut self, number: u64) -> Self {
        tuple::push_number(Arc::make_mut(&mut self.bytes), number);
        self
    }

    /// The same bytes in another space.
    #[must_use]
    pub fn in_space(&self, space: impl Into<Arc<str>>) -> Self {
        Self { space: space.into(), bytes: self.bytes.clone() }
    }

    /// The space.
    #[must_use]
    pub fn space(&self) -> &str {
        &self.space
    }

    /// The bytes in the space.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The space, shared.
    #[must_use]
    pub fn shared_space(&self) -> &Arc<str> {
        &self.space
    }

    /// The key of the entry with this number in the group at this key, see
    /// [`append`](super::Commit::append).
    #[must_use]
    pub fn numbered(&self, number: i64) -> Self {
        let mut bytes = (*self.bytes).clone();
        bytes.extend(number.to_be_bytes());
        Self { space: self.space.clone(), bytes: Arc::new(bytes) }
    }

    /// The key's bytes, to keep.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        Bytes::copy_from_slice(&self.bytes)
    }
}

/// The space and the parts of the tuple; bytes that are no tuple are escaped.
impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.space)?;
        match tuple::key_parts(&self.bytes).collect::<Result<Vec<_>, _>>() {
            Ok(parts) => {
                for (at, part) in parts.iter().enumerate() {
                    write!(formatter, "{}{part}", if at > 0 { ", " } else { "" })?;
                }
                Ok(())
            }
            Err(_) => write!(formatter, "b\"{}\"", self.bytes.escape_ascii()),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Key({self})")
    }
}
