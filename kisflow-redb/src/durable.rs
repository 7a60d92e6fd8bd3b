//! Entries in spaces, and how much each space holds: [`Durable`].

use std::{
    collections::{BTreeMap, btree_map::Entry},
    ops::Bound,
};

use bytes::Bytes;
use kisflow_core::{Change, Durable, Result, Usage, async_trait};
use redb::{Error, ReadTransaction, ReadableTable, TableDefinition, TableError, WriteTransaction};

use crate::{
    connect::Redb,
    request::{Look, Response},
    writer::Work,
};

/// Values by space and key: all spaces are in one table, whose order is that of a scan.
const ENTRIES: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("entries");

/// Entries and bytes by space. Counting them when asked would read the whole space.
const USAGE: TableDefinition<'_, &str, (u64, u64)> = TableDefinition::new("usage");

/// Entries in one table of the file.
///
/// # Errors
///
/// A [`RedbError`](crate::RedbError): the file cannot be read or written. A failed write has
/// changed nothing, except when the disk fails during the final sync of a transaction: then all of
/// it may be written, or nothing.
///
/// # Cancel safety
///
/// A write whose future is dropped may still be applied as a whole; if it was waiting for another
/// write, it is not applied. Reads may be dropped at any time.
#[async_trait]
impl Durable for Redb {
    async fn write(&self, changes: Vec<Change>) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        Ok(self.write(Work::Changes(changes)).await?)
    }

    async fn read(&self, space: &str, key: &str) -> Result<Option<Bytes>> {
        let look = Look::Read { space: space.to_owned(), key: key.to_owned() };
        match self.look(look).await? {
            Response::Read(value) => Ok(value),
            _ => Err(self.unfit().into()),
        }
    }

    async fn scan(&self, space: &str, after: &str, limit: usize) -> Result<Vec<(String, Bytes)>> {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        let look = Look::Scan { space: space.to_owned(), after: after.to_owned(), limit };
        match self.look(look).await? {
            Response::Scan(page) => Ok(page),
            _ => Err(self.unfit().into()),
        }
    }

    async fn usage(&self, space: &str) -> Result<Usage> {
        match self.look(Look::Usage { space: space.to_owned() }).await? {
            Response::Usage(usage) => Ok(usage),
            _ => Err(self.unfit().into()),
        }
    }
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

/// Applies changes, and counts them in the same transaction: usage is exact after a crash.
pub(crate) fn apply(write: &WriteTransaction, changes: &[Change]) -> Result<(), Error> {
    let mut entries = write.open_table(ENTRIES)?;
    let mut counters = write.open_table(USAGE)?;
    let mut usages: BTreeMap<&str, Usage> = BTreeMap::new();
    for Change { space, key, value } in changes {
        let place = (space.as_str(), key.as_str());
        let old = match value {
            Some(value) => entries.insert(place, &**value)?,
            None => entries.remove(place)?,
        };
        let old = old.map(|old| size(key, old.value()));
        let usage = match usages.entry(space) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(usage_of(&counters, space)?),
        };
        if let Some(bytes) = old {
            usage.entries = usage.entries.saturating_sub(1);
            usage.bytes = usage.bytes.saturating_sub(bytes);
        }
        if let Some(value) = value {
            usage.entries = usage.entries.saturating_add(1);
            usage.bytes = usage.bytes.saturating_add(size(key, value));
        }
    }
    for (space, usage) in usages {
        match usage.entries {
            0 => counters.remove(space)?,
            entries => counters.insert(space, (entries, usage.bytes))?,
        };
    }
    Ok(())
}

/// The smallest thing that asks the file.
pub(crate) fn ping(read: &ReadTransaction) -> Result<(), Error> {
    read.open_table(USAGE)?.first()?;
    Ok(())
}

pub(crate) fn value(
    read: &ReadTransaction,
    space: &str,
    key: &str,
) -> Result<Option<Bytes>, Error> {
    let found = read.open_table(ENTRIES)?.get((space, key))?;
    Ok(found.map(|value| Bytes::copy_from_slice(value.value())))
}

pub(crate) fn page(
    read: &ReadTransaction,
    space: &str,
    after: &str,
    limit: usize,
    bytes: usize,
) -> Result<Vec<(String, Bytes)>, Error> {
    let next = next(space);
    let place = (Bound::Excluded((space, after)), Bound::Excluded((next.as_str(), "")));
    let (mut page, mut taken) = (Vec::new(), 0_usize);
    for entry in read.open_table(ENTRIES)?.range(place)?.take(limit) {
        let (place, value) = entry?;
        let value = Bytes::copy_from_slice(value.value());
        taken = taken.saturating_add(value.len());
        page.push((place.value().1.to_owned(), value));
        if taken > bytes {
            break;
        }
    }
    Ok(page)
}

pub(crate) fn usage(read: &ReadTransaction, space: &str) -> Result<Usage, Error> {
    usage_of(&read.open_table(USAGE)?, space)
}

fn usage_of(
    counters: &impl ReadableTable<&'static str, (u64, u64)>,
    space: &str,
) -> Result<Usage, Error> {
    let (entries, bytes) = counters.get(space)?.map(|found| found.value()).unwrap_or_default();
    Ok(Usage { entries, bytes })
}

/// The least text that is greater: where the next space, or record, may begin.
pub(crate) fn next(text: &str) -> String {
    format!("{text}\0")
}

fn size(key: &str, value: &[u8]) -> u64 {
    (key.len() as u64).saturating_add(value.len() as u64)
}
