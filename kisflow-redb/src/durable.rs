//! Entries in spaces, and how much each space holds: [`Durable`].

use std::{
    collections::{BTreeMap, btree_map::Entry as Slot},
    ops::Bound,
    time::SystemTime,
};

use bytes::Bytes;
use kisflow_core::{
    Durable, Result, Usage, async_trait,
    durable::{Change, Commit, CommitError, CommitId, Decision, Entry, Key, Limits, Scan},
};
use redb::{
    Error, ReadTransaction, ReadableTable, Table, TableDefinition, TableError, WriteTransaction,
};

use crate::{
    connect::Redb,
    request::{Look, Response},
    writer::Work,
};

/// A space and a key.
type Place = (&'static str, &'static [u8]);
/// A version and a value.
type Versioned = (u128, &'static [u8]);

/// Versions and values by space and key: all spaces are in one table, whose order is that of a scan.
pub(crate) const ENTRIES: TableDefinition<'_, Place, Versioned> = TableDefinition::new("entries");

/// Entries and bytes by space, without counters. Counting them when asked would read the whole
/// space.
pub(crate) const USAGE: TableDefinition<'_, &str, (u64, u64)> = TableDefinition::new("usage");

/// A page ends with the entry that makes it larger than this.
const PAGE_BYTES: usize = 16 << 20;

/// What one commit may hold.
pub(crate) const LIMITS: Limits = Limits { keys: 50_000, bytes: 64 << 20, key_bytes: 8 << 10 };

/// Entries in one table of the file.
///
/// # Errors
///
/// A [`RedbError`](crate::RedbError): the file cannot be read or written. A failed commit has
/// changed nothing, except when the disk fails during the final sync of a transaction: then all of
/// it may be written, or nothing.
///
/// # Cancel safety
///
/// A commit whose future is dropped may still be applied as a whole; if it was waiting for another
/// one, it is not applied. Reads may be dropped at any time.
#[async_trait]
impl Durable for Redb {
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        match self.look(Look::Read { keys: keys.to_vec() }).await? {
            Response::Read(entries) if entries.len() == keys.len() => Ok(entries),
            _ => Err(self.unfit().into()),
        }
    }

    async fn scan(&self, scan: &Scan) -> Result<Vec<(Bytes, Entry)>> {
        let Some((lower, upper)) = scan.bounds() else { return Ok(Vec::new()) };
        let look = Look::Scan(Page {
            space: scan.space().to_owned(),
            lower: lower.map(Bytes::copy_from_slice),
            upper: upper.map(Bytes::copy_from_slice),
            limit: u64::try_from(scan.page()).unwrap_or(u64::MAX),
            is_backwards: scan.is_backwards(),
            is_keys_only: scan.is_keys_only(),
        });
        match self.look(look).await? {
            Response::Scan(page) => Ok(page),
            _ => Err(self.unfit().into()),
        }
    }

    async fn commit(&self, commit: &Commit) -> Result<(), CommitError> {
        let mut results = self.commit_each(std::slice::from_ref(commit)).await;
        results.pop().unwrap_or_else(|| Err(CommitError::Outage(self.unfit().into())))
    }

    async fn commit_each(&self, commits: &[Commit]) -> Vec<Result<(), CommitError>> {
        // One that is invalid or too large goes no further.
        let checked = commits.iter().map(|commit| commit.validate(LIMITS));
        let mut results: Vec<Result<(), CommitError>> = checked.collect();
        let valid = commits
            .iter()
            .zip(&results)
            .filter(|(commit, result)| result.is_ok() && !commit.is_empty());
        let valid: Vec<Commit> = valid.map(|(commit, _)| commit.clone()).collect();
        if valid.is_empty() {
            return results;
        }
        let mut answers = Vec::with_capacity(valid.len());
        for part in parts(valid) {
            let count = part.len();
            match self.write(Work::Commits(part)).await {
                Ok(done) => answers.extend(done),
                Err(error) => answers
                    .extend((0..count).map(|_| Err(CommitError::Outage(error.clone().into())))),
            }
        }
        let mut answers = answers.into_iter();
        let sent = commits.iter().zip(&mut results);
        for (_, result) in sent.filter(|(commit, result)| result.is_ok() && !commit.is_empty()) {
            let unfit = || Err(CommitError::Outage(self.unfit().into()));
            *result = answers.next().unwrap_or_else(unfit);
        }
        results
    }

    fn limits(&self) -> Limits {
        LIMITS
    }

    fn is_exclusive(&self) -> bool {
        self.is_open()
    }

    async fn now(&self) -> Result<SystemTime> {
        Ok(SystemTime::now())
    }

    async fn usage(&self, space: &str) -> Result<Usage> {
        match self.look(Look::Usage { space: space.to_owned() }).await? {
            Response::Usage(usage) => Ok(usage),
            _ => Err(self.unfit().into()),
        }
    }
}

/// Commits in parts that are no larger than the largest commit, so that each part can be sent to
/// another process.
fn parts(commits: Vec<Commit>) -> Vec<Vec<Commit>> {
    let mut parts: Vec<Vec<Commit>> = Vec::new();
    let mut room = Limits { keys: 0, ..LIMITS };
    for commit in commits {
        let size = commit.size();
        match parts.last_mut() {
            Some(part) if size.keys <= room.keys && size.bytes <= room.bytes => part.push(commit),
            _ => {
                room = LIMITS;
                parts.push(vec![commit]);
            }
        }
        room.keys = room.keys.saturating_sub(size.keys);
        room.bytes = room.bytes.saturating_sub(size.bytes);
    }
    parts
}

/// A page of a scan.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Page {
    pub(crate) space: String,
    pub(crate) lower: Bound<Bytes>,
    pub(crate) upper: Bound<Bytes>,
    pub(crate) limit: u64,
    pub(crate) is_backwards: bool,
    pub(crate) is_keys_only: bool,
}

/// Returns whether the tables exist.
pub(crate) fn tables_of(read: &ReadTransaction) -> Result<(), TableError> {
    read.open_table(ENTRIES)?;
    read.open_table(USAGE)?;
    Ok(())
}

pub(crate) fn make_tables(write: &WriteTransaction) -> Result<(), Error> {
    write.open_table(ENTRIES)?;
    write.open_table(USAGE)?;
    Ok(())
}

/// The result of a commit.
pub(crate) type Committed = Result<(), CommitError>;

/// Applies commits in their order, each if its checks hold, and counts entries in the same
/// transaction: usage is exact after a crash.
pub(crate) fn apply(write: &WriteTransaction, commits: &[Commit]) -> Result<Vec<Committed>, Error> {
    let mut tables = Tables {
        entries: write.open_table(ENTRIES)?,
        counters: write.open_table(USAGE)?,
        usages: BTreeMap::new(),
    };
    let mut results = Vec::with_capacity(commits.len());
    for commit in commits {
        let decision = commit.decide(|key| entry(&tables.entries, key))?;
        results.push(match decision {
            Decision::Apply => {
                tables.apply(commit)?;
                Ok(())
            }
            Decision::Done => Ok(()),
            Decision::Refused(error) => Err(error),
        });
    }
    tables.count()?;
    Ok(results)
}

/// The tables of a transaction.
struct Tables<'w> {
    entries: Table<'w, Place, Versioned>,
    counters: Table<'w, &'static str, (u64, u64)>,
    /// The usage of the spaces that have changed.
    usages: BTreeMap<String, Usage>,
}

impl Tables<'_> {
    fn apply(&mut self, commit: &Commit) -> Result<(), Error> {
        for (key, change) in commit.changes() {
            match change {
                Change::Put(value) => self.set(key, Some((commit.id(), value)))?,
                Change::Remove => self.set(key, None)?,
                Change::Add { by, .. } => {
                    let sum = self.counted(key)?.saturating_add(*by);
                    self.set(key, Some((CommitId::NONE, sum.to_string().as_bytes())))?;
                }
            }
        }
        let mut failure = None;
        let (appended, groups) = commit.numbered(|group| {
            self.counted(group).unwrap_or_else(|error| {
                failure = Some(error);
                0
            })
        });
        if let Some(error) = failure {
            return Err(error);
        }
        for (key, value) in appended {
            self.set(&key, Some((commit.id(), &value)))?;
        }
        for (group, last) in groups {
            self.set(&group, Some((CommitId::NONE, last.to_string().as_bytes())))?;
        }
        Ok(())
    }

    fn counted(&self, key: &Key) -> Result<i64, Error> {
        Ok(entry(&self.entries, key)?.map_or(0, |entry| entry.count()))
    }

    fn set(&mut self, key: &Key, value: Option<(CommitId, &[u8])>) -> Result<(), Error> {
        let place = (key.space(), key.bytes());
        let old = match value {
            Some((version, value)) => {
                self.entries.insert(place, (u128::from_be_bytes(version.to_bytes()), value))?
            }
            None => self.entries.remove(place)?,
        };
        let size = |value: &[u8]| (key.bytes().len() as u64).saturating_add(value.len() as u64);
        let old = old.and_then(|old| {
            let (version, value) = old.value();
            (version != 0).then(|| size(value))
        });
        let new = value.filter(|(version, _)| *version != CommitId::NONE);
        let new = new.map(|(_, value)| size(value));
        let usage = match self.usages.entry(key.space().to_owned()) {
            Slot::Occupied(known) => known.into_mut(),
            Slot::Vacant(slot) => slot.insert(usage_of(&self.counters, key.space())?),
        };
        if let Some(bytes) = old {
            usage.entries = usage.entries.saturating_sub(1);
            usage.bytes = usage.bytes.saturating_sub(bytes);
        }
        if let Some(bytes) = new {
            usage.entries = usage.entries.saturating_add(1);
            usage.bytes = usage.bytes.saturating_add(bytes);
        }
        Ok(())
    }

    fn count(mut self) -> Result<(), Error> {
        for (space, usage) in self.usages {
            match usage.entries {
                0 => self.counters.remove(&*space)?,
                entries => self.counters.insert(&*space, (entries, usage.bytes))?,
            };
        }
        Ok(())
    }
}

/// The smallest thing that asks the file.
pub(crate) fn ping(read: &ReadTransaction) -> Result<(), Error> {
    read.open_table(USAGE)?.first()?;
    Ok(())
}

pub(crate) fn values(read: &ReadTransaction, keys: &[Key]) -> Result<Vec<Option<Entry>>, Error> {
    let entries = read.open_table(ENTRIES)?;
    keys.iter().map(|key| entry(&entries, key)).collect()
}

fn entry(
    entries: &impl ReadableTable<Place, Versioned>,
    key: &Key,
) -> Result<Option<Entry>, Error> {
    let found = entries.get((key.space(), key.bytes()))?;
    Ok(found.map(|found| self::value(found.value(), false)))
}

fn value((version, value): (u128, &[u8]), is_key_only: bool) -> Entry {
    let value = if is_key_only { Bytes::new() } else { Bytes::copy_from_slice(value) };
    Entry { value, version: CommitId::from_bytes(version.to_be_bytes()) }
}

pub(crate) fn page(read: &ReadTransaction, asked: &Page) -> Result<Vec<(Bytes, Entry)>, Error> {
    let Page { space, lower, upper, limit, is_backwards, is_keys_only } = asked;
    let next = next(space);
    let lower = match lower {
        Bound::Unbounded => Bound::Included((space.as_str(), &b""[..])),
        lower => placed(space, lower),
    };
    let upper = match upper {
        Bound::Unbounded => Bound::Excluded((next.as_str(), &b""[..])),
        upper => placed(space, upper),
    };
    let mut range = read.open_table(ENTRIES)?.range((lower, upper))?;
    let limit = usize::try_from(*limit).unwrap_or(usize::MAX);
    let (mut page, mut taken) = (Vec::new(), 0_usize);
    while page.len() < limit && taken <= PAGE_BYTES {
        let entry = if *is_backwards { range.next_back() } else { range.next() };
        let Some(entry) = entry else { break };
        let (key, found) = entry?;
        let entry = self::value(found.value(), *is_keys_only);
        let key = Bytes::copy_from_slice(key.value().1);
        taken = taken.saturating_add(key.len()).saturating_add(entry.value.len());
        page.push((key, entry));
    }
    Ok(page)
}

fn placed<'b>(space: &'b str, bound: &'b Bound<Bytes>) -> Bound<(&'b str, &'b [u8])> {
    bound.as_ref().map(|key| (space, &**key))
}

pub(crate) fn usage(read: &ReadTransaction, space: &str) -> Result<Usage, Error> {
    usage_of(&read.open_table(USAGE)?, space)
}

fn usage_of(
    counters: &impl ReadableTable<&'static str, (u64, u64)>,
    space: &str,
) -> Result<Usage, Error> {
    let (entries, bytes) = counters.get(space)?.map(|found| found.value()).unwrap_or_default();
    Ok(Usage::new(entries, bytes))
}

/// The least text that is greater: where the next space, or record, may begin.
pub(crate) fn next(text: &str) -> String {
    format!("{text}\0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_no_larger_than_the_largest_commit() {
        let of = |megabytes: usize| Commit::new().put(Key::new("s"), vec![0; megabytes << 20]);
        let sizes = |commits: &[usize]| -> Vec<usize> {
            parts(commits.iter().map(|size| of(*size)).collect()).iter().map(Vec::len).collect()
        };
        assert_eq!(sizes(&[]), [0; 0]);
        assert_eq!(sizes(&[64, 1, 62, 2]), [1, 2, 1]);
    }
}
