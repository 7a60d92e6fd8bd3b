//! A disk in memory for tests, which can be full and can fail.

use std::{
    collections::BTreeSet,
    io::{self, ErrorKind},
    ops::Bound,
    path::Path,
    sync::{Arc, Mutex},
};

use redb::{BackendError, Database, StorageBackend};

use crate::{error::RedbError, file::StoreFile};

const BLOCK: usize = 4096;

/// A disk that a file has to itself. As on a real one, a file that is made longer has holes, and a
/// block costs room when it is first written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Arc<Mutex<Blocks>>);

#[derive(Debug, Default)]
struct Blocks {
    bytes: Vec<u8>,
    used: BTreeSet<usize>,
    room: usize,
    /// How many calls succeed until all fail with a broken disk's error.
    sound: Option<usize>,
    syncs: usize,
}

impl Blocks {
    fn call(&mut self) -> io::Result<()> {
        match &mut self.sound {
            Some(0) => Err(io::Error::other("the disk is broken")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.call()?;
        let found = disk.bytes.get(offset as usize..offset as usize + out.len());
        out.copy_from_slice(found.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.call()?;
        disk.bytes.resize(len as usize, 0);
        disk.used.split_off(&(len as usize).div_ceil(BLOCK));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.syncs += 1;
        disk.call()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.call()?;
        let (start, end) = (offset as usize, offset as usize + data.len());
        for block in start / BLOCK..end.div_ceil(BLOCK) {
            if !disk.used.contains(&block) && disk.used.len() >= disk.room {
                return Err(ErrorKind::StorageFull.into());
            }
            disk.used.insert(block);
            // What there is room for is written, as far as it goes.
            let part = start.max(block * BLOCK)..end.min((block + 1) * BLOCK);
            disk.bytes[part.clone()].copy_from_slice(&data[part.start - start..part.end - start]);
        }
        Ok(())
    }

    fn try_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(true)
    }

    fn unlock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }
}

impl Disk {
    pub(crate) fn with_room(room: usize) -> Self {
        let disk = Self::default();
        disk.set_room(room);
        disk
    }

    pub(crate) fn set_room(&self, room: usize) {
        self.0.lock().unwrap().room = room;
    }

    pub(crate) fn set_sound(&self, calls: Option<usize>) {
        self.0.lock().unwrap().sound = calls;
    }

    pub(crate) fn syncs(&self) -> usize {
        self.0.lock().unwrap().syncs
    }

    pub(crate) fn used(&self) -> usize {
        self.0.lock().unwrap().used.len()
    }

    pub(crate) fn open(&self) -> Result<StoreFile, RedbError> {
        let disk = self.clone();
        let open =
            move |_| Database::builder().set_cache_size(1 << 20).create_with_backend(disk.clone());
        StoreFile::with(Path::new("kisflow.redb"), Box::new(open))
    }
}
