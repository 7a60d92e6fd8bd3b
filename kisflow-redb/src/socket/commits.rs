//! Commits and their results as bytes.

use bytes::Bytes;
use kisflow_core::durable::{Change, Check, Commit, CommitError, CommitId, Entry, Key, Limits};

use super::code::Code;
use crate::durable::{Committed, LIMITS, Page};

impl Code for Key {
    fn put(&self, out: &mut Vec<u8>) {
        self.space().to_owned().put(out);
        self.to_bytes().put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        let (space, bytes): (String, Bytes) = Code::take(from)?;
        Some(Self::raw(space, bytes))
    }
}

impl Code for CommitId {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend(self.to_bytes());
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        let (bytes, rest) = from.split_first_chunk()?;
        *from = rest;
        Some(Self::from_bytes(*bytes))
    }
}

impl Code for Entry {
    fn put(&self, out: &mut Vec<u8>) {
        self.value.put(out);
        self.version.put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        let (value, version) = Code::take(from)?;
        Some(Self { value, version })
    }
}

impl Code for Page {
    fn put(&self, out: &mut Vec<u8>) {
        self.space.put(out);
        self.lower.put(out);
        self.upper.put(out);
        self.limit.put(out);
        self.is_backwards.put(out);
        self.is_keys_only.put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        let ((space, lower, upper), (limit, is_backwards, is_keys_only)) = Code::take(from)?;
        Some(Self { space, lower, upper, limit, is_backwards, is_keys_only })
    }
}

impl Code for Check {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Absent => 0_u8.put(out),
            Self::Version(version) => {
                1_u8.put(out);
                version.put(out);
            }
            Self::Below(bytes) => {
                2_u8.put(out);
                bytes.put(out);
            }
        }
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        match u8::take(from)? {
            0 => Some(Self::Absent),
            1 => Code::take(from).map(Self::Version),
            2 => Code::take(from).map(Self::Below),
            _ => None,
        }
    }
}

impl Code for Change {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Put(value) => {
                0_u8.put(out);
                value.put(out);
            }
            Self::Remove => 1_u8.put(out),
            Self::Add { by, max } => {
                2_u8.put(out);
                by.put(out);
                max.put(out);
            }
        }
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        match u8::take(from)? {
            0 => Code::take(from).map(Self::Put),
            1 => Some(Self::Remove),
            2 => Some(Self::Add { by: Code::take(from)?, max: Code::take(from)? }),
            _ => None,
        }
    }
}

impl Code for Commit {
    fn put(&self, out: &mut Vec<u8>) {
        fn owned<T: Clone>(pairs: impl Iterator<Item = (Key, T)>) -> Vec<(Key, T)> {
            pairs.collect()
        }
        self.id().put(out);
        self.is_sent_again().put(out);
        owned(self.checks().map(|(key, check)| (key.clone(), check.clone()))).put(out);
        owned(self.changes().map(|(key, change)| (key.clone(), change.clone()))).put(out);
        owned(self.appends().map(|(group, value)| (group.clone(), value.clone()))).put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        let (id, is_sent_again): (CommitId, bool) = Code::take(from)?;
        let checks: Vec<(Key, Check)> = Code::take(from)?;
        let changes: Vec<(Key, Change)> = Code::take(from)?;
        let appends: Vec<(Key, Bytes)> = Code::take(from)?;
        let commit =
            checks.into_iter().fold(Self::with_id(id), |it, (key, check)| it.check(key, check));
        let commit = changes.into_iter().fold(commit, |it, (key, change)| it.change(key, change));
        let commit = appends.into_iter().fold(commit, |it, (group, value)| it.append(group, value));
        let commit = if is_sent_again { commit.sent_again() } else { commit };
        commit.validate(LIMITS).is_ok().then_some(commit)
    }
}

impl Code for Limits {
    fn put(&self, out: &mut Vec<u8>) {
        (self.keys as u64).put(out);
        (self.bytes as u64).put(out);
        (self.key_bytes as u64).put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        let (keys, bytes, key_bytes): (u64, u64, u64) = Code::take(from)?;
        let number = |number: u64| usize::try_from(number).ok();
        Some(Self { keys: number(keys)?, bytes: number(bytes)?, key_bytes: number(key_bytes)? })
    }
}

impl Code for Committed {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Ok(()) => 0_u8.put(out),
            Err(CommitError::Conflict(keys)) => {
                1_u8.put(out);
                keys.put(out);
            }
            Err(CommitError::Lost) => 2_u8.put(out),
            Err(CommitError::Exceeded(keys)) => {
                3_u8.put(out);
                keys.put(out);
            }
            Err(CommitError::TooLarge { size, limits }) => {
                4_u8.put(out);
                size.put(out);
                limits.put(out);
            }
            Err(CommitError::Invalid(why)) => {
                5_u8.put(out);
                why.put(out);
            }
            // A failure of the file is the answer to the whole request.
            Err(error) => {
                6_u8.put(out);
                error.to_string().put(out);
            }
        }
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        Some(match u8::take(from)? {
            0 => Ok(()),
            1 => Err(CommitError::Conflict(Code::take(from)?)),
            2 => Err(CommitError::Lost),
            3 => Err(CommitError::Exceeded(Code::take(from)?)),
            4 => Err(CommitError::TooLarge { size: Code::take(from)?, limits: Code::take(from)? }),
            5 => Err(CommitError::Invalid(Code::take(from)?)),
            6 => Err(CommitError::Outage(String::take(from)?.into())),
            _ => return None,
        })
    }
}
