//! [`Code`]: values as bytes. Numbers are big-endian; texts and bytes follow their length.

use std::ops::Bound;

use bytes::Bytes;

/// Something that can be encoded as bytes.
pub(crate) trait Code: Sized {
    /// Appends its bytes.
    fn put(&self, out: &mut Vec<u8>);

    /// Decodes it from the front; `None` if the bytes do not fit.
    fn take(from: &mut &[u8]) -> Option<Self>;

    fn encoded(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.put(&mut out);
        out
    }

    /// `None` unless the bytes are exactly that.
    fn decoded(mut bytes: &[u8]) -> Option<Self> {
        Self::take(&mut bytes).filter(|_| bytes.is_empty())
    }
}

impl Code for u8 {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        from.split_off_first().copied()
    }
}

impl Code for u64 {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend(self.to_be_bytes());
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        let (number, rest) = from.split_first_chunk()?;
        *from = rest;
        Some(Self::from_be_bytes(*number))
    }
}

impl Code for Bytes {
    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(self, out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        take_bytes(from).map(Self::copy_from_slice)
    }
}

impl Code for String {
    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(self.as_bytes(), out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        String::from_utf8(take_bytes(from)?.to_vec()).ok()
    }
}

pub(super) fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    (bytes.len() as u64).put(out);
    out.extend(bytes);
}

fn take_bytes<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(u64::take(from)?).ok()?;
    from.split_off(..length)
}

impl<T: Code> Code for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        u8::from(self.is_some()).put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        match u8::take(from)? {
            0 => Some(None),
            1 => T::take(from).map(Some),
            _ => None,
        }
    }
}

impl<T: Code> Code for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u64).put(out);
        for value in self {
            value.put(out);
        }
    }

    /// Does not reserve memory for bytes that a length only claims.
    fn take(from: &mut &[u8]) -> Option<Self> {
        let count = u64::take(from)?;
        // Everything that is counted has a byte at least.
        if count > from.len() as u64 {
            return None;
        }
        (0..count).map(|_| T::take(from)).collect()
    }
}

impl<A: Code, B: Code> Code for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        Some((A::take(from)?, B::take(from)?))
    }
}

impl<A: Code, B: Code, C: Code> Code for (A, B, C) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
        self.2.put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        Some((A::take(from)?, B::take(from)?, C::take(from)?))
    }
}

impl Code for bool {
    fn put(&self, out: &mut Vec<u8>) {
        u8::from(*self).put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        match u8::take(from)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl Code for i64 {
    fn put(&self, out: &mut Vec<u8>) {
        self.cast_unsigned().put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        u64::take(from).map(u64::cast_signed)
    }
}

impl Code for Bound<Bytes> {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Unbounded => 0_u8.put(out),
            Self::Included(key) => {
                1_u8.put(out);
                key.put(out);
            }
            Self::Excluded(key) => {
                2_u8.put(out);
                key.put(out);
            }
        }
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        match u8::take(from)? {
            0 => Some(Self::Unbounded),
            1 => Code::take(from).map(Self::Included),
            2 => Code::take(from).map(Self::Excluded),
            _ => None,
        }
    }
}
