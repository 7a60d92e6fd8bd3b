//! Records, one row of a table for each field: [`Storage`].

use kisflow_core::{BoxError, Fields, Record, Result, Storage, Unavailable, async_trait};
use redb::{Error, ReadOnlyTable, ReadTransaction, TableDefinition, TableError, WriteTransaction};

use crate::{
    connect::Redb,
    durable::next,
    error::RedbError,
    request::{Look, Response},
    writer::Work,
};

/// Texts by record and field: a put writes the fields that it has, and reads nothing.
const RECORDS: TableDefinition<'_, (&str, &str), &str> = TableDefinition::new("records");

/// Records in one table of the file. A batch is one transaction: all of it is applied, or nothing.
///
/// # Errors
///
/// A [`RedbError`](crate::RedbError): the file cannot be read or written; inside an [`Unavailable`]
/// if the disk is full. See the errors of its [`Durable`](kisflow_core::Durable).
///
/// # Cancel safety
///
/// A write whose future is dropped may still be applied as a whole; if it was waiting for another
/// write, it is not applied. Reads may be dropped at any time.
#[async_trait]
impl Storage for Redb {
    async fn put(&self, records: Vec<Record>) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        self.write(Work::Put(records)).await.map(drop).map_err(failure)
    }

    async fn get(&self, keys: &[String]) -> Result<Vec<Option<Fields>>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        match self.look(Look::Records { keys: keys.to_vec() }).await? {
            Response::Records(records) => Ok(records),
            _ => Err(self.unfit().into()),
        }
    }

    async fn remove(&self, keys: &[String]) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        self.write(Work::Remove(keys.to_vec())).await.map(drop).map_err(failure)
    }
}

/// The rows are not at fault when the disk is full: a flow with a source waits until there is room.
fn failure(error: RedbError) -> BoxError {
    if error.is_full() { Unavailable::new(error).into() } else { error.into() }
}

/// Returns whether the table exists.
pub(crate) fn tables_of(read: &ReadTransaction) -> Result<(), TableError> {
    read.open_table(RECORDS).map(|_| ())
}

pub(crate) fn make_tables(write: &WriteTransaction) -> Result<(), Error> {
    write.open_table(RECORDS)?;
    Ok(())
}

pub(crate) fn put(write: &WriteTransaction, records: &[Record]) -> Result<(), Error> {
    let mut table = write.open_table(RECORDS)?;
    for record in records {
        for (name, text) in &record.fields {
            let place = (record.key.as_str(), &**name);
            match text {
                Some(text) => table.insert(place, text.as_str())?,
                None => table.remove(place)?,
            };
        }
    }
    Ok(())
}

pub(crate) fn remove(write: &WriteTransaction, keys: &[String]) -> Result<(), Error> {
    let mut table = write.open_table(RECORDS)?;
    for key in keys {
        table.retain_in((key.as_str(), "")..(next(key).as_str(), ""), |_, _| false)?;
    }
    Ok(())
}

pub(crate) fn records(
    read: &ReadTransaction,
    keys: &[String],
) -> Result<Vec<Option<Fields>>, Error> {
    let table = read.open_table(RECORDS)?;
    keys.iter().map(|key| fields(&table, key)).collect()
}

/// The fields of a record; `None` if it has none, because a record without fields does not exist.
fn fields(
    table: &ReadOnlyTable<(&'static str, &'static str), &'static str>,
    key: &str,
) -> Result<Option<Fields>, Error> {
    let mut fields = Fields::new();
    for field in table.range((key, "")..(next(key).as_str(), ""))? {
        let (place, text) = field?;
        fields.push((place.value().1.to_owned(), text.value().to_owned()));
    }
    Ok((!fields.is_empty()).then_some(fields))
}
