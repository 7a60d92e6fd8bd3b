//! Requests and responses as bytes.

use kisflow_core::{Record, Usage};

use super::code::{Code, put_bytes};
use crate::{
    request::{Look, Request, Response},
    writer::Work,
};

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
        let key: String = Code::take(from)?;
        let fields: Vec<Field> = Code::take(from)?;
        let fields = fields.into_iter().map(|Field(field)| field).collect();
        Some(Self::new(key, fields))
    }
}

impl Code for Request {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Look(Look::Ping) => 0_u8.put(out),
            Self::Look(Look::Read { keys }) => {
                1_u8.put(out);
                keys.put(out);
            }
            Self::Look(Look::Scan(page)) => {
                2_u8.put(out);
                page.put(out);
            }
            Self::Look(Look::Usage { space }) => {
                3_u8.put(out);
                space.put(out);
            }
            Self::Look(Look::Records { keys }) => {
                4_u8.put(out);
                keys.put(out);
            }
            Self::Write(Work::Commits(commits)) => {
                5_u8.put(out);
                commits.put(out);
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
            1 => Self::Look(Look::Read { keys: Code::take(from)? }),
            2 => Self::Look(Look::Scan(Code::take(from)?)),
            3 => Self::Look(Look::Usage { space: Code::take(from)? }),
            4 => Self::Look(Look::Records { keys: Code::take(from)? }),
            5 => Self::Write(Work::Commits(Code::take(from)?)),
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
            Ok(Response::Read(entries)) => {
                1_u8.put(out);
                entries.put(out);
            }
            Ok(Response::Scan(page)) => {
                2_u8.put(out);
                page.put(out);
            }
            Ok(Response::Usage(Usage { entries, bytes, .. })) => {
                3_u8.put(out);
                entries.put(out);
                bytes.put(out);
            }
            Ok(Response::Records(records)) => {
                4_u8.put(out);
                records.put(out);
            }
            Ok(Response::Committed(results)) => {
                6_u8.put(out);
                results.put(out);
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
                Ok(Response::Usage(Usage::new(entries, bytes)))
            }
            4 => Ok(Response::Records(Code::take(from)?)),
            5 => Err(Code::take(from)?),
            6 => Ok(Response::Committed(Code::take(from)?)),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Bound;

    use kisflow_core::{
        Record, Usage,
        durable::{Check, Commit, CommitError, CommitId, Entry, Key, Limits},
    };

    use super::{super::code::Code, Answer};
    use crate::{
        durable::Page,
        request::{Look, Request, Response},
        writer::Work,
    };

    fn check<T: Code + std::fmt::Debug>(value: &T) {
        let bytes = value.encoded();
        let shown = |value: Option<&T>| value.map(|value| format!("{value:?}"));
        assert_eq!(shown(T::decoded(&bytes).as_ref()), shown(Some(value)));
        // Whatever is missing at the end, or stands behind it: no panic, and no answer.
        for end in 0..bytes.len() {
            assert!(T::decoded(&bytes[..end]).is_none(), "{end} of {bytes:?}");
        }
        assert!(T::decoded(&[&bytes[..], &[0]].concat()).is_none());
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
        let key = |key: &str| Key::raw("s", key);
        let (lower, upper) = (Bound::Included("a".into()), Bound::Excluded("b".into()));
        let page = Page {
            space: text("s"),
            lower,
            upper,
            limit: u64::MAX,
            is_backwards: true,
            is_keys_only: false,
        };
        for look in [
            Look::Ping,
            Look::Read { keys: vec![key("ключ"), key("")] },
            Look::Scan(Page { upper: Bound::Unbounded, ..page.clone() }),
            Look::Scan(page),
            Look::Usage { space: text("") },
            Look::Records { keys: vec![text("a"), text("b")] },
        ] {
            check(&Request::Look(look));
        }
        let commit = Commit::new()
            .put_new(key("new"), vec![0, 255])
            .check(key("low"), Check::Below("5".into()))
            .check(key("is"), Check::Version(CommitId::from_bytes([7; 16])))
            .remove(key("is"))
            .add(key("count"), -1)
            .add_up_to(key("limited"), 1, 10)
            .append(key("group"), "a")
            .append(key("group"), "b");
        let commits = vec![commit.clone(), commit.sent_again(), Commit::new()];
        let fields = vec![("id".into(), Some(text("1"))), ("x".into(), None)];
        let record = Record::new(text("r"), fields);
        for work in [Work::Commits(commits), Work::Put(vec![record]), Work::Remove(vec![text("r")])]
        {
            check(&Request::Write(work));
        }
        let entry = Entry { value: vec![7; 300].into(), version: CommitId::from_bytes([1; 16]) };
        let limits = Limits { keys: 1, bytes: 2, key_bytes: 3 };
        for response in [
            Response::Done,
            Response::Read(vec![None, Some(entry.clone())]),
            Response::Scan(vec![("k".into(), entry)]),
            Response::Usage(Usage::new(1, u64::MAX)),
            Response::Records(vec![None, Some(vec![(text("id"), text("1"))])]),
            Response::Committed(vec![
                Ok(()),
                Err(CommitError::Conflict(vec![key("a")])),
                Err(CommitError::Lost),
                Err(CommitError::Exceeded(vec![key("b")])),
                Err(CommitError::TooLarge { size: limits, limits }),
                Err(CommitError::Invalid(text("why"))),
            ]),
        ] {
            check::<Answer>(&Ok(response));
        }
        check::<Answer>(&Err(text("the disk is full")));
    }
}
