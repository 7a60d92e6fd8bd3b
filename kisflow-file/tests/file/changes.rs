//! Every way in which a file may change, while it is read and while it is not: all rows come, in the
//! order in which they were written, or the bytes that are gone are reported.
#![cfg(unix)]

use std::collections::BTreeSet;

use crate::support::folder::Folder;

/// What the reader does while files change.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reader {
    /// It has read all of it, and goes on.
    Follows,
    /// It has read all of it and is down meanwhile.
    Down,
    /// It has read a few rows and is down meanwhile.
    DownBehind,
    /// It has read a few rows, and is not asked for more: the flow is full.
    Full,
    /// It is killed and started again between any two changes.
    Restarts,
}

use Reader::{Down, DownBehind, Follows, Full, Restarts};

const ALL: [Reader; 5] = [Follows, Down, DownBehind, Full, Restarts];

/// How many rows are read before anything changes.
const FEW: usize = 3;

/// A file of ten rows that changes so: which rows may be missing, and whether something is reported.
struct Case<'a> {
    key: &'a str,
    before: &'a [&'a str],
    changes: &'a [&'a str],
    readers: &'a [Reader],
    /// Rows that cannot come.
    lost: std::ops::Range<u64>,
    /// Whether `/readyz` tells of a loss.
    told: bool,
    rotate_wait_ms: u64,
}

impl Default for Case<'_> {
    fn default() -> Self {
        Self {
            key: "o.ndjson",
            before: &["append o.ndjson 0 10"],
            changes: &[],
            readers: &ALL,
            lost: 0..0,
            told: false,
            rotate_wait_ms: 60,
        }
    }
}

async fn check(case: Case<'_>) {
    for reader in case.readers {
        run(&case, *reader).await;
    }
}

async fn run(case: &Case<'_>, reader: Reader) {
    let what = format!("{reader:?} {:?}", case.changes);
    let mut folder = Folder::new(case.key);
    case.before.iter().for_each(|command| folder.run(command));
    folder.params["rotate_wait_ms"] = case.rotate_wait_ms.into();
    let mut reading = Some(folder.open(1).await);
    if let Some(source) = &mut reading {
        let first: BTreeSet<u64> = folder.written.iter().copied().collect();
        match reader {
            DownBehind | Full => {
                folder.deliveries(source, FEW).await;
                let rest = (first.len() - FEW) * folder.row(0).len();
                folder.lags(source, rest as u64, &what).await;
            }
            _ => folder.until(source, &first, &what).await,
        }
    }
    for command in case.changes {
        if matches!(reader, Down | DownBehind | Restarts) {
            reading = None;
        }
        folder.run(command);
        if reader == Restarts {
            let source = reading.insert(folder.open(1).await);
            folder.some(source).await;
        }
    }
    let mut source = match reading {
        Some(source) => source,
        None => folder.open(1).await,
    };
    let expect = folder.written.iter().copied().filter(|id| !case.lost.contains(id)).collect();
    folder.until(&mut source, &expect, &what).await;
    folder.some(&mut source).await;
    // In the order in which they were written.
    let order: Vec<_> =
        folder.written.iter().copied().filter(|id| folder.seen.contains(id)).collect();
    assert_eq!(folder.seen, order, "{what}");
    let missing = folder.missing();
    assert!(missing.iter().all(|id| case.lost.contains(id)), "{what}: {missing:?}");
    let bytes: usize = missing.iter().map(|id| folder.row(*id).len()).sum();
    assert_eq!(folder.context.lost(), bytes as u64, "{what}: {missing:?}");
    let problems = folder.context.health().problems();
    assert_eq!(!problems.is_empty(), case.told, "{what}: {problems:?}");
}

/// Nothing is lost, whoever reads.
async fn all(changes: &[&str]) {
    check(Case { changes, ..Case::default() }).await;
}

#[tokio::test]
async fn a_file_that_is_renamed() {
    all(&["mv o.ndjson o.1", "append o.ndjson 10 20"]).await;
    all(&["mv o.ndjson o.ndjson-20261127", "append o.ndjson 10 20"]).await;
    all(&["mv o.ndjson o-2026-11-27.ndjson", "append o.ndjson 10 20"]).await;
    // By its inode under any name.
    all(&["mv o.ndjson archive", "append o.ndjson 10 20"]).await;
    // The new one comes later, and is larger.
    all(&["mv o.ndjson o.1", "append o.ndjson 10 200"]).await;
}

#[tokio::test]
async fn a_file_that_is_renamed_twice_or_more() {
    all(&[
        "mv o.ndjson o.1",
        "append o.ndjson 10 20",
        "mv o.1 o.2",
        "mv o.ndjson o.1",
        "append o.ndjson 20 30",
    ])
    .await;
    all(&[
        "mv o.ndjson o.ndjson.2026-11-25",
        "append o.ndjson 10 20",
        "mv o.ndjson o.ndjson.2026-11-26",
        "append o.ndjson 20 30",
        "mv o.ndjson o.ndjson.2026-11-27",
        "append o.ndjson 30 40",
    ])
    .await;
}

#[tokio::test]
async fn a_file_that_is_renamed_and_compressed() {
    all(&["mv o.ndjson o.1", "gzip o.1", "append o.ndjson 10 20"]).await;
    all(&[
        "mv o.ndjson o.ndjson.1",
        "append o.ndjson 10 20",
        "gzip o.ndjson.1",
        "mv o.ndjson.1.gz o.ndjson.2.gz",
        "mv o.ndjson o.ndjson.1",
        "gzip o.ndjson.1",
        "append o.ndjson 20 30",
    ])
    .await;
}

#[tokio::test]
async fn a_file_that_is_copied_and_truncated() {
    all(&["cp o.ndjson o.1", "truncate o.ndjson", "append o.ndjson 10 20"]).await;
    // It has grown past where it was read.
    all(&["cp o.ndjson o.1", "truncate o.ndjson", "append o.ndjson 10 200"]).await;
    all(&[
        "append o.ndjson 10 15",
        "cp o.ndjson o.1",
        "truncate o.ndjson",
        "append o.ndjson 15 20",
    ])
    .await;
    all(&[
        "cp o.ndjson o.1",
        "truncate o.ndjson",
        "append o.ndjson 10 20",
        "mv o.1 o.2",
        "cp o.ndjson o.1",
        "truncate o.ndjson",
        "append o.ndjson 20 30",
    ])
    .await;
    // And renamed before anybody looks.
    all(&[
        "cp o.ndjson o.1",
        "write o.ndjson 10 40",
        "mv o.1 o.2",
        "mv o.ndjson o.1",
        "append o.ndjson 40 50",
    ])
    .await;
    all(&["cp o.ndjson o.1", "gzip o.1", "truncate o.ndjson", "append o.ndjson 10 20"]).await;
}

#[tokio::test]
async fn a_file_that_gets_another_name_by_a_link() {
    all(&["ln o.ndjson o.1", "rm o.ndjson", "append o.ndjson 10 20"]).await;
    check(Case {
        key: "o.ndjson",
        before: &["append a-1.ndjson 0 10", "link a-1.ndjson o.ndjson"],
        changes: &["append a-2.ndjson 10 20", "link a-2.ndjson o.ndjson"],
        ..Case::default()
    })
    .await;
}

#[tokio::test]
async fn a_file_that_is_replaced_by_a_longer_copy_of_itself() {
    let changes = &["cp o.ndjson new", "append new 10 20", "mv new o.ndjson"][..];
    all(changes).await;
    check(Case { before: &["append o.ndjson 100 900"], changes, ..Case::default() }).await;
}

#[tokio::test]
async fn a_writer_that_goes_on_in_the_renamed_file() {
    check(Case {
        changes: &[
            "mv o.ndjson o.1",
            "write o.ndjson 0 0",
            "append o.1 10 15",
            "append o.ndjson 15 20",
        ],
        readers: &[Follows, Down, DownBehind, Full],
        rotate_wait_ms: 2000,
        ..Case::default()
    })
    .await;
}

#[tokio::test]
async fn a_file_that_is_written_anew_in_place() {
    for changes in [
        &["write o.ndjson 10 20"][..],
        &["write o.ndjson 10 15"],
        &["write o.ndjson 10 200"],
        &["truncate o.ndjson", "append o.ndjson 10 20"],
    ] {
        // What is read is read, handed out or not.
        check(Case { changes, readers: &[Follows, Full], ..Case::default() }).await;
        // What was written last before that, nobody knows.
        check(Case { changes, readers: &[Down], told: true, ..Case::default() }).await;
        let lost = FEW as u64..10;
        check(Case { changes, readers: &[DownBehind], lost, told: true, ..Case::default() }).await;
    }
}

#[tokio::test]
async fn a_wide_header_that_stays_the_same() {
    let (key, before) = ("o.csv", &["append o.csv 0 10"][..]);
    for changes in [&["write o.csv 10 20"][..], &["write o.csv 10 15"], &["write o.csv 10 200"]] {
        check(Case { key, before, changes, readers: &[Follows], ..Case::default() }).await;
        let readers = &[Down][..];
        check(Case { key, before, changes, readers, told: true, ..Case::default() }).await;
    }
    for changes in [
        &["mv o.csv o.1.csv", "append o.csv 10 20"][..],
        &["cp o.csv o.csv.1", "write o.csv 10 20"],
        &["mv o.csv o.csv.1", "gzip o.csv.1", "append o.csv 10 200"],
    ] {
        check(Case { key, before, changes, ..Case::default() }).await;
    }
}

#[tokio::test]
async fn a_file_that_is_deleted() {
    let changes = &["rm o.ndjson", "append o.ndjson 10 20"][..];
    // It is held open.
    check(Case { changes, readers: &[Follows, Full], ..Case::default() }).await;
    check(Case { changes, readers: &[Down], told: true, ..Case::default() }).await;
    let lost = FEW as u64..10;
    check(Case { changes, readers: &[DownBehind], lost, told: true, ..Case::default() }).await;
}

#[tokio::test]
async fn nul_bytes_that_are_left_by_truncation() {
    check(Case {
        changes: &["truncate o.ndjson", "at o.ndjson 3000000 10 20"],
        readers: &[Follows],
        ..Case::default()
    })
    .await;
    all(&["cp o.ndjson o.1", "truncate o.ndjson", "at o.ndjson 3000000 10 20"]).await;
}

#[tokio::test]
async fn other_files_in_the_folder_are_not_read() {
    for name in ["other.1", "o.csv", "o.bak", "orders.ndjson.1", "o-eu.ndjson"] {
        let append = format!("append {name} 90 99");
        let changes = ["mv o.ndjson o.1", "append o.ndjson 10 20"];
        let mut folder = Folder::new("o.ndjson");
        folder.run("append o.ndjson 0 10");
        let mut source = folder.open(1).await;
        folder.deliveries(&mut source, FEW).await;
        folder.run(changes[0]);
        folder.run(&append);
        folder.written.truncate(10);
        folder.run(changes[1]);
        drop(source);
        let mut source = folder.open(1).await;
        folder.until(&mut source, &(0..20).collect(), name).await;
        folder.some(&mut source).await;
        assert_eq!(folder.seen, (0..20).collect::<Vec<_>>(), "{name}");
    }
}
