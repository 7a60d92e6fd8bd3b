//! What writes that wait at one time do to each other.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use kisflow_core::{
    Record,
    durable::{Commit, CommitError, Key},
};
use redb::{Error, ReadableTable};

use super::{Work, Writer, lock};
use crate::{disk::Disk, durable::ENTRIES, error::RedbError, file::StoreFile, worker::Worker};

fn opened() -> (Disk, Arc<StoreFile>, Arc<Writer>) {
    let disk = Disk::with_room(usize::MAX);
    let file = Arc::new(disk.open().unwrap());
    let writer = Arc::new(Writer::new(file.clone(), Worker::start("writes").unwrap()));
    (disk, file, writer)
}

fn put(key: &str) -> Work {
    Work::Commits(vec![Commit::new().put(Key::raw("space", key), "value")])
}

fn keys(file: &StoreFile) -> Vec<String> {
    file.read(|read| {
        let table = read.open_table(ENTRIES)?;
        let keys =
            table.iter()?.map(|entry| Ok(String::from_utf8_lossy(entry?.0.value().1).into_owned()));
        keys.collect::<Result<_, Error>>()
    })
    .unwrap()
}

/// Begins what `future` does, as far as it gets without waiting.
fn begin<T>(future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn writes_that_wait_at_one_time_share_a_sync() {
    let (disk, file, writer) = opened();
    let before = disk.syncs();
    writer.write(put("alone")).await.unwrap();
    let one = disk.syncs() - before;
    assert!(one > 0, "a write is synced");

    let turn = writer.turn.clone().lock_owned().await;
    let before = disk.syncs();
    let writes: Vec<_> = (0..16)
        .map(|number| {
            let writer = writer.clone();
            tokio::spawn(async move { writer.write(put(&format!("{number:02}"))).await })
        })
        .collect();
    // Each has queued its job when those that were spawned have had their turn.
    tokio::task::yield_now().await;
    drop(turn);
    for write in writes {
        write.await.unwrap().unwrap();
    }
    assert_eq!(disk.syncs() - before, one, "16 writes are one transaction");
    assert_eq!(keys(&file).len(), 17);
}

#[tokio::test]
async fn a_write_that_is_dropped_before_its_turn_is_left_out() {
    let (_, file, writer) = opened();
    let turn = writer.turn.clone().lock_owned().await;
    let mut dropped = Box::pin(writer.write(put("dropped")));
    assert!(begin(dropped.as_mut()).is_pending());
    let mut kept = Box::pin(writer.write(put("kept")));
    assert!(begin(kept.as_mut()).is_pending());
    drop(dropped);
    drop(turn);
    kept.await.unwrap();
    assert_eq!(keys(&file), ["kept"]);
}

#[tokio::test]
async fn a_write_that_is_dropped_under_way_holds_nobody_up() {
    let (_, file, writer) = opened();
    for round in 0..200 {
        {
            let mut dropped = pin!(writer.write(put("dropped")));
            // It may be done at once: such a disk is fast.
            let _ = begin(dropped.as_mut());
        }
        writer.write(put(&round.to_string())).await.unwrap();
    }
    assert_eq!(keys(&file).iter().filter(|key| *key != "dropped").count(), 200);
}

#[tokio::test]
async fn writes_whose_callers_have_gone_do_not_pile_up() {
    let (_, file, writer) = opened();
    let turn = writer.turn.clone().lock_owned().await;
    // More than there are places: each gives its place back.
    for number in 0..1_000 {
        let mut dropped = pin!(writer.write(put(&number.to_string())));
        assert!(begin(dropped.as_mut()).is_pending());
        assert!(lock(&writer.queue).len() <= 1, "those that were dropped are let go");
    }
    drop(turn);
    writer.write(put("kept")).await.unwrap();
    assert_eq!(keys(&file), ["kept"]);
}

#[tokio::test]
async fn a_value_that_is_too_large_is_refused_by_itself() {
    let (_, file, writer) = opened();
    let text = String::from_utf8(vec![0; (1 << 30) + 1]).unwrap();
    let record = Record::new("stu_1", vec![("a".into(), Some(text))]);
    let huge = Commit::new().put(Key::raw("space", "huge"), vec![0; (1 << 30) + 1]);
    let (changed, put_, small) = tokio::join!(
        writer.write(Work::Commits(vec![huge])),
        writer.write(Work::Put(vec![record])),
        writer.write(put("small"))
    );
    let said = |refused: Result<_, RedbError>| refused.map(drop).unwrap_err().to_string();
    let expected = r#"kisflow.redb: the value of key space: b"huge" is larger than 1 GiB"#;
    assert_eq!(said(changed), expected);
    assert_eq!(said(put_), "kisflow.redb: the value of key stu_1 is larger than 1 GiB");
    small.unwrap();
    assert_eq!(keys(&file), ["small"]);
}

#[tokio::test]
async fn a_commit_that_is_refused_leaves_the_others_of_its_transaction_alone() {
    let (disk, file, writer) = opened();
    let turn = writer.turn.clone().lock_owned().await;
    let before = disk.syncs();
    let new = |value: &'static str| {
        let commit = Commit::new().put_new(Key::raw("space", "new"), value);
        let other = Commit::new().put(Key::raw("space", value), "");
        let writer = writer.clone();
        tokio::spawn(async move { writer.write(Work::Commits(vec![commit, other])).await })
    };
    let (first, second) = (new("first"), new("second"));
    tokio::task::yield_now().await;
    drop(turn);
    let (first, second) = (first.await.unwrap().unwrap(), second.await.unwrap().unwrap());
    assert!(matches!(first[..], [Ok(()), Ok(())]), "{first:?}");
    assert!(matches!(second[..], [Err(CommitError::Conflict(_)), Ok(())]), "{second:?}");
    assert!(disk.syncs() > before);
    assert_eq!(keys(&file), ["first", "new", "second"]);
}
