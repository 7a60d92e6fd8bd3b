//! Requests and responses as bytes: numbers are big-endian, texts and bytes follow their length.

use bytes::Bytes;
use kisflow_core::{Change, Record, Usage};

use crate::{
    request::{Look, Request, Response},
    writer::Work,
};

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

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
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

impl Code for Change {
    fn put(&self, out: &mut Vec<u8>) {
        self.space.put(out);
        self.key.put(out);
        self.value.put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        Some(Self { space: Code::take(from)?, key: Code::take(from)?, value: Code::take(from)? })
    }
}

/// The name of a field and its text.
struct Field((std::borrow::Cow<'static, str>, Option<String>));

impl Code for Field {
    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(self.0.0.as_bytes(), out);
        self.0.1.put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        Some(Self((String::take(from)?.into(), Code::take(from)?)))
    }
}

impl Code for Record {
    fn put(&self, out: &mut Vec<u8>) {
        self.key.put(out);
        (self.fields.len() as u64).put(out);
        for field in &self.fields {
            Field(field.clone()).put(out);
        }
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        let key = Code::take(from)?;
        let fields: Vec<Field> = Code::take(from)?;
        let fields = fields.into_iter().map(|Field(field)| field).collect();
        Some(Self { key, fields })
    }
}

impl Code for Request {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Look(Look::Ping) => 0_u8.put(out),
            Self::Look(Look::Read { space, key }) => {
                1_u8.put(out);
                space.put(out);
                key.put(out);
            }
            Self::Look(Look::Scan { space, after, limit }) => {
                2_u8.put(out);
                space.put(out);
                after.put(out);
                limit.put(out);
            }
            Self::Look(Look::Usage { space }) => {
                3_u8.put(out);
                space.put(out);
            }
            Self::Look(Look::Records { keys }) => {
                4_u8.put(out);
                keys.put(out);
            }
            Self::Write(Work::Changes(changes)) => {
                5_u8.put(out);
                changes.put(out);
            }
            Self::Write(Work::Put(records)) => {
                6_u8.put(out);
                records.put(out);
            }
            Self::Write(Work::Remove(keys)) => {
                7_u8.put(out);
                keys.put(out);
            }
        }
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        Some(match u8::take(from)? {
            0 => Self::Look(Look::Ping),
            1 => Self::Look(Look::Read { space: Code::take(from)?, key: Code::take(from)? }),
            2 => {
                let (space, after) = Code::take(from)?;
                Self::Look(Look::Scan { space, after, limit: Code::take(from)? })
            }
            3 => Self::Look(Look::Usage { space: Code::take(from)? }),
            4 => Self::Look(Look::Records { keys: Code::take(from)? }),
            5 => Self::Write(Work::Changes(Code::take(from)?)),
            6 => Self::Write(Work::Put(Code::take(from)?)),
            7 => Self::Write(Work::Remove(Code::take(from)?)),
            _ => return None,
        })
    }
}

/// The answer, or the reason why there is none.
pub(crate) type Answer = Result<Response, String>;

impl Code for Answer {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Ok(Response::Done) => 0_u8.put(out),
            Ok(Response::Read(value)) => {
                1_u8.put(out);
                value.put(out);
            }
            Ok(Response::Scan(page)) => {
                2_u8.put(out);
                page.put(out);
            }
            Ok(Response::Usage(Usage { entries, bytes })) => {
                3_u8.put(out);
                entries.put(out);
                bytes.put(out);
            }
            Ok(Response::Records(records)) => {
                4_u8.put(out);
                records.put(out);
            }
            Err(why) => {
                5_u8.put(out);
                why.put(out);
            }
        }
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        Some(match u8::take(from)? {
            0 => Ok(Response::Done),
            1 => Ok(Response::Read(Code::take(from)?)),
            2 => Ok(Response::Scan(Code::take(from)?)),
            3 => {
                let (entries, bytes) = Code::take(from)?;
                Ok(Response::Usage(Usage { entries, bytes }))
            }
            4 => Ok(Response::Records(Code::take(from)?)),
            5 => Err(Code::take(from)?),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use kisflow_core::{Change, Record, Usage};

    use super::{Answer, Code};
    use crate::{
        request::{Look, Request, Response},
        writer::Work,
    };

    fn check<T: Code + PartialEq + std::fmt::Debug>(value: &T) {
        let bytes = value.encoded();
        assert_eq!(T::decoded(&bytes).as_ref(), Some(value));
        // Whatever is missing at the end, or stands behind it: no panic, and no answer.
        for end in 0..bytes.len() {
            assert_eq!(T::decoded(&bytes[..end]), None, "{end} of {bytes:?}");
        }
        assert_eq!(T::decoded(&[&bytes[..], &[0]].concat()), None);
        for position in 0..bytes.len() {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut wrong = bytes.clone();
                wrong[position] = byte;
                let _ = T::decoded(&wrong);
            }
        }
    }

    #[test]
    fn what_is_asked_and_answered_survives_the_way() {
        let text = |text: &str| text.to_owned();
        for look in [
            Look::Ping,
            Look::Read { space: text("s"), key: text("ключ") },
            Look::Scan { space: text("s"), after: text(""), limit: u64::MAX },
            Look::Usage { space: text("") },
            Look::Records { keys: vec![text("a"), text("b")] },
        ] {
            check(&Request::Look(look));
        }
        let changes = vec![Change::put("s", "k", vec![0, 255]), Change::remove("s", "k")];
        let fields = vec![("id".into(), Some(text("1"))), ("x".into(), None)];
        let record = Record { key: text("r"), fields };
        for work in [Work::Changes(changes), Work::Put(vec![record]), Work::Remove(vec![text("r")])]
        {
            check(&Request::Write(work));
        }
        for response in [
            Response::Done,
            Response::Read(None),
            Response::Read(Some(vec![7; 300].into())),
            Response::Scan(vec![(text("k"), vec![1].into())]),
            Response::Usage(Usage { entries: 1, bytes: u64::MAX }),
            Response::Records(vec![None, Some(vec![(text("id"), text("1"))])]),
        ] {
            check::<Answer>(&Ok(response));
        }
        check::<Answer>(&Err(text("the disk is full")));
    }
}
