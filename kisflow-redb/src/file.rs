//! [`StoreFile`]: the open file, which is reopened after an I/O error.

use std::{
    fs::{self, File},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
};

use redb::{
    Database, DatabaseError, Error, ReadTransaction, ReadableDatabase, TableError, WriteTransaction,
};

use crate::{durable, error::RedbError, storage};

/// How the file is opened, or created if allowed.
type Open = Box<dyn Fn(Make) -> Result<Database, DatabaseError> + Send + Sync>;

/// Whether a missing file is created.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Make {
    IfMissing,
    /// It existed before: an empty one in its place would hide a loss.
    Never,
}

/// The open file. Everything here blocks.
///
/// After an I/O error, such as a full disk, redb refuses to continue with its state in memory: the
/// file has to be closed and opened, which returns it to its last transaction. The next caller does
/// that here.
pub(crate) struct StoreFile {
    path: PathBuf,
    open: Open,
    /// Held for writing only to reopen the file: it is closed with its last transaction, so none
    /// may be in progress.
    opened: RwLock<Opened>,
}

impl StoreFile {
    /// Opens the file; creates it and its directory if they are missing.
    pub(crate) fn open(path: &Path, cache_bytes: usize) -> Result<Self, RedbError> {
        let directory = directory(path);
        fs::create_dir_all(directory).map_err(|cause| RedbError::directory(path, cause))?;
        let is_new = !path.exists();
        let at = path.to_owned();
        let open = move |make| {
            let mut builder = Database::builder();
            builder.set_cache_size(cache_bytes);
            match make {
                Make::IfMissing => builder.create(&at),
                Make::Never => builder.open(&at),
            }
        };
        let file = Self::with(path, Box::new(open))?;
        if is_new {
            sync(directory).map_err(|cause| RedbError::redb(path, cause.into()))?;
        }
        Ok(file)
    }

    pub(crate) fn with(path: &Path, open: Open) -> Result<Self, RedbError> {
        let file = Self { path: path.to_owned(), open, opened: RwLock::default() };
        file.reopen(0, Make::IfMissing)?;
        Ok(file)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads, all from one state of the file.
    pub(crate) fn read<T>(
        &self,
        work: impl Fn(&ReadTransaction) -> Result<T, Error>,
    ) -> Result<T, RedbError> {
        self.attempt(|database| work(&database.begin_read()?))
    }

    /// Writes all or nothing; on the disk when it returns. `work` may run twice.
    pub(crate) fn write<T>(
        &self,
        work: impl Fn(&WriteTransaction) -> Result<T, Error>,
    ) -> Result<T, RedbError> {
        self.attempt(|database| write(database, &work))
    }

    /// Uses the file, which an earlier error may have closed.
    fn attempt<T>(&self, work: impl Fn(&Database) -> Result<T, Error>) -> Result<T, RedbError> {
        let once = || {
            let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
            let done = match &opened.database {
                Some(database) => unpanicked(|| work(database)),
                None => Err(Error::DatabaseClosed),
            };
            (done, opened.times)
        };
        let done = match once() {
            (Err(Error::PreviousIo | Error::DatabaseClosed | Error::LockPoisoned(_)), times) => {
                self.reopen(times, Make::Never)?;
                once().0
            }
            (done, _) => done,
        };
        done.map_err(|cause| RedbError::redb(&self.path, cause))
    }

    /// Closes the file and opens it, unless another caller did: it was then opened more than
    /// `times`.
    fn reopen(&self, times: u64, make: Make) -> Result<(), RedbError> {
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        if opened.times != times {
            return Ok(());
        }
        // Closed first: the file can be open once.
        opened.close();
        let database = unpanicked(|| prepared((self.open)(make)?));
        opened.database = Some(database.map_err(|cause| RedbError::redb(&self.path, cause))?);
        opened.times += 1;
        Ok(())
    }
}

/// The database, and how often it was opened.
#[derive(Default)]
struct Opened {
    /// `None` while the file is closed, because it could not be opened again.
    database: Option<Database>,
    times: u64,
}

impl Opened {
    fn close(&mut self) {
        let database = self.database.take();
        // A file that was not closed properly is repaired when it is opened: nothing to report
        // here.
        let _ = unpanicked(|| {
            drop(database);
            Ok(())
        });
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.close();
    }
}

/// redb panics at damaged pages. That is an error of the file.
fn unpanicked<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    // No state of ours is left half done, and redb marks its own.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Err(Error::Corrupted(format!("redb panicked: {said}")))
    })
}

/// A database with its tables: readers need not check that they exist.
fn prepared(database: Database) -> Result<Database, Error> {
    let read = database.begin_read()?;
    match durable::tables_of(&read).and_then(|()| storage::tables_of(&read)) {
        Err(TableError::TableDoesNotExist(_)) => write(&database, &|write| {
            durable::make_tables(write)?;
            storage::make_tables(write)
        })?,
        there => there?,
    }
    Ok(database)
}

fn write<T>(
    database: &Database,
    work: &impl Fn(&WriteTransaction) -> Result<T, Error>,
) -> Result<T, Error> {
    let transaction = database.begin_write()?;
    let result = work(&transaction)?;
    transaction.commit()?;
    Ok(result)
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes the name of a new file as durable as its content.
fn sync(directory: &Path) -> io::Result<()> {
    // Elsewhere a directory cannot be opened as a file.
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
