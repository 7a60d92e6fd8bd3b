//! Disks that are full, or that fail at any of their calls: the open file recovers from each.

use kisflow_core::{
    durable::{Commit, Key},
    error_chain,
};
use redb::{Error, ReadableTable};

use super::StoreFile;
use crate::{
    disk::Disk,
    durable::{self, ENTRIES, USAGE},
    error::RedbError,
};

fn put(file: &StoreFile, number: usize) -> Result<(), RedbError> {
    let commit = Commit::new().put(Key::raw("space", format!("{number:04}")), vec![7; 3_000]);
    let done = file.write(|write| durable::apply(write, std::slice::from_ref(&commit)))?;
    assert!(matches!(done[..], [Ok(())]), "{done:?}");
    Ok(())
}

/// How many entries are there: the first ones, each whole and all of them counted.
fn count(file: &StoreFile) -> Result<usize, RedbError> {
    file.read(|read| {
        let mut count = 0;
        for entry in read.open_table(ENTRIES)?.iter()? {
            let (key, value) = entry?;
            assert_eq!(key.value(), ("space", format!("{count:04}").as_bytes()));
            assert!(value.value().1 == [7; 3_000]);
            count += 1;
        }
        let usage = read.open_table(USAGE)?.get("space")?.map(|usage| usage.value());
        assert_eq!(usage.unwrap_or_default(), (count as u64, count as u64 * 3_004));
        Ok::<_, Error>(count)
    })
}

#[test]
fn a_disk_that_is_full_at_any_block_loses_nothing_and_is_read_meanwhile() {
    let empty = Disk::with_room(usize::MAX);
    drop(empty.open().unwrap());
    let mut refused = 0;
    for room in empty.used()..empty.used() + 60 {
        let disk = Disk::with_room(room);
        let file = match disk.open() {
            Ok(file) => file,
            Err(error) => {
                assert!(error.is_full(), "{}", error_chain(&error));
                refused += 1;
                continue;
            }
        };
        let mut written = 0;
        for _ in 0..3 {
            let error = loop {
                match put(&file, written) {
                    Ok(()) => written += 1,
                    Err(error) => break error,
                }
            };
            assert!(error.is_full(), "{room}: {}", error_chain(&error));
            assert_eq!(
                count(&file).unwrap(),
                written,
                "{room}: all is there while there is no room"
            );
        }
        disk.set_room(usize::MAX);
        put(&file, written).unwrap();
        assert_eq!(count(&file).unwrap(), written + 1);
        drop(file);
        assert_eq!(count(&disk.open().unwrap()).unwrap(), written + 1);
    }
    assert!(refused < 5, "nearly all of these disks had room for an empty file: {refused}");
}

#[test]
fn a_disk_that_breaks_at_any_call_is_used_again_when_it_is_mended() {
    let mut broken = 0;
    for calls in 0.. {
        let disk = Disk::with_room(usize::MAX);
        let file = disk.open().unwrap();
        (0..20).for_each(|number| put(&file, number).unwrap());
        disk.set_sound(Some(calls));
        let done = put(&file, 20);
        // Nobody can say what it is like now, but to say so is no panic.
        let _ = put(&file, 20);
        let _ = count(&file);
        disk.set_sound(None);
        let found = count(&file).unwrap();
        assert!(found == 21 || done.is_err() && found == 20, "{calls}: {found} after {done:?}");
        put(&file, found).unwrap();
        drop(file);
        assert_eq!(count(&disk.open().unwrap()).unwrap(), found + 1);
        match done {
            Ok(()) => break,
            Err(_) => broken += 1,
        }
    }
    assert!(broken > 3, "a write calls the disk several times: {broken}");
}

#[test]
fn a_file_that_was_taken_away_is_not_replaced_by_an_empty_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kisflow.redb");
    let file = StoreFile::open(&path, 1 << 20).unwrap();
    put(&file, 0).unwrap();
    // As after an I/O error.
    file.opened.write().unwrap().close();
    let away = directory.path().join("away");
    std::fs::rename(&path, &away).unwrap();
    let error = count(&file).unwrap_err();
    assert!(error_chain(&error).to_string().contains(path.to_str().unwrap()));
    assert!(!path.exists());
    std::fs::rename(&away, &path).unwrap();
    assert_eq!(count(&file).unwrap(), 1, "it is found when it is back");
}
