//! Keys that name several files: their order, gzip, files that come and go.
#![cfg(unix)]

use std::{
    fs::File,
    time::{Duration, SystemTime},
};

use crate::support::{folder::Folder, soon};
use kisflow_core::{Source, SourceConf, Start};
use kisflow_file::{FileParams, Order, matching};
use serde_json::json;

/// Rows of three files, the first of which is the youngest.
fn three() -> Folder {
    let mut folder = Folder::new("in/o-*.ndjson*");
    folder.params = json!({});
    folder.run("mkdir in");
    folder.run("append in/o-1.ndjson 0 10");
    folder.run("append in/o-2.ndjson 10 20");
    folder.run("append in/o-3.ndjson 20 30");
    folder.run("append in/other.ndjson 90 99");
    folder.written.truncate(30);
    for (name, age) in [("in/o-1.ndjson", 10), ("in/o-2.ndjson", 30), ("in/o-3.ndjson", 20)] {
        let file = File::options().append(true).open(folder.path(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
    }
    folder
}

async fn to_the_end(folder: &mut Folder) {
    let mut source = folder.open(4).await;
    folder.some_until_end(&mut source).await;
}

#[tokio::test]
async fn files_are_read_by_name_or_by_time_and_then_the_source_ends() {
    let mut folder = three();
    to_the_end(&mut folder).await;
    assert_eq!(folder.seen, (0..30).collect::<Vec<_>>());
    let mut folder = three();
    folder.run("gzip in/o-2.ndjson");
    folder.params = json!({"order": "time"});
    to_the_end(&mut folder).await;
    assert_eq!(folder.seen, (10..30).chain(0..10).collect::<Vec<_>>());
    // Each has its position.
    folder.seen.clear();
    folder.run("append in/o-3.ndjson 30 32");
    folder.run("append in/o-4.ndjson 32 34");
    to_the_end(&mut folder).await;
    assert_eq!(folder.seen, [30, 31, 32, 33]);
}

#[tokio::test]
async fn files_that_take_each_others_names_while_nobody_reads_keep_their_positions() {
    for (order, start) in [
        ("time", Start::Earliest),
        ("name", Start::Earliest),
        ("time", Start::Latest),
        ("name", Start::Latest),
    ] {
        let mut folder = Folder::new("o.log*");
        folder.params = json!({"follow": true, "poll_ms": 5, "rotate_wait_ms": 20, "order": order});
        folder.run("append o.log.1 0 10");
        folder.run("append o.log 10 20");
        let mut source = folder.open(4).await;
        folder.until(&mut source, &(0..20).collect(), "all").await;
        drop(source);
        folder.run("mv o.log.1 o.log.2");
        folder.run("mv o.log o.log.1");
        folder.run("append o.log 20 30");
        // The first process stops before it reads a row. Each file still has a position after it.
        for rows in [0, 30] {
            let mut source = folder.open_at(4, start.clone()).await;
            let what = format!("{order} {start:?} {rows}");
            folder.until(&mut source, &(0..rows).collect(), &what).await;
            drop(source);
        }
        let mut source = folder.open_at(4, start.clone()).await;
        folder.some(&mut source).await;
        assert_eq!(folder.rows, 30, "{order} {start:?}: {:?}", folder.seen);
        assert_eq!(folder.context.lost(), 0);
    }
}

#[tokio::test]
async fn a_pattern_without_files_ends() {
    let mut folder = Folder::new("none-*.ndjson");
    folder.params = json!({});
    to_the_end(&mut folder).await;
    assert_eq!(folder.seen, [0; 0]);
}

#[tokio::test]
async fn a_compressed_file_is_known_by_its_content() {
    let mut folder = Folder::new("o.log");
    folder.params = json!({});
    folder.run("append o.log 0 50000");
    folder.run("gzip o.log");
    folder.run("mv o.log.gz o.log");
    let mut source = folder.open(1000).await;
    folder.deliveries(&mut source, 3).await;
    drop(source);
    to_the_end(&mut folder).await;
    assert_eq!(folder.seen, (0..50_000).collect::<Vec<_>>());
    // One whose end is missing is an error, and is read on when it is there.
    let whole = std::fs::read(folder.path("o.log")).unwrap();
    let mut folder = Folder::new("o.log");
    folder.params = json!({});
    std::fs::write(folder.path("o.log"), &whole[..whole.len() / 2]).unwrap();
    let mut source = folder.open(1000).await;
    let error = soon(async {
        loop {
            match source.next().await {
                Ok(Some(delivery)) => folder.take(&delivery),
                other => return other.err().unwrap(),
            }
        }
    })
    .await;
    let cause = kisflow_core::error_chain(&*error).to_string();
    assert!(cause.contains("the gzip stream is cut off"), "{cause}");
    std::fs::write(folder.path("o.log"), &whole).unwrap();
    folder.some_until_end(&mut source).await;
    assert_eq!(folder.seen, (0..50_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn files_that_come_later_are_read() {
    let mut folder = three();
    folder.key = "in*/o-?.ndjson".to_owned();
    folder.params = json!({"follow": true, "poll_ms": 5, "rotate_wait_ms": 50});
    let mut source = folder.open(4).await;
    folder.until(&mut source, &(0..30).collect(), "those that are there").await;
    assert_eq!(folder.seen, (0..30).collect::<Vec<_>>());
    folder.run("append in/o-4.ndjson 30 40");
    folder.run("append in/o-2.ndjson 40 45");
    folder.until(&mut source, &(30..45).collect(), "a new one").await;
    folder.run("mkdir in2");
    folder.run("append in2/o-1.ndjson 45 50");
    folder.until(&mut source, &(45..50).collect(), "a new folder").await;
    drop(source);
    folder.run("append in/o-5.ndjson 50 60");
    folder.run("append in/o-1.ndjson 60 61");
    let seen = folder.seen.len();
    let mut source = folder.open(4).await;
    folder.until(&mut source, &(50..61).collect(), "while it was down").await;
    assert_eq!(folder.seen.len(), seen + 11);
}

#[tokio::test]
async fn a_file_that_is_renamed_within_the_pattern_is_not_read_twice() {
    for down in [false, true] {
        let mut folder = Folder::new("o-*.ndjson");
        folder.run("append o-1.ndjson 0 10");
        let mut source = folder.open(1).await;
        folder.until(&mut source, &(0..10).collect(), "the first").await;
        if down {
            drop(source);
            folder.run("mv o-1.ndjson o-2.ndjson");
            source = folder.open(1).await;
        } else {
            folder.run("mv o-1.ndjson o-2.ndjson");
        }
        folder.rows = 0;
        folder.run("append o-1.ndjson 10 20");
        folder.run("append o-2.ndjson 20 30");
        folder.until(&mut source, &(0..30).collect(), "both").await;
        folder.some(&mut source).await;
        assert_eq!(folder.rows, 20, "down: {down}");
    }
}

#[tokio::test]
async fn a_file_that_is_deleted_after_it_was_read_is_no_loss() {
    let mut folder = Folder::new("o-*.ndjson");
    folder.run("append o-1.ndjson 0 10");
    folder.run("append o-2.ndjson 10 20");
    let mut source = folder.open(1).await;
    folder.deliveries(&mut source, 14).await;
    drop(source);
    folder.run("rm o-1.ndjson");
    let mut source = folder.open(1).await;
    folder.deliveries(&mut source, 1).await;
    assert_eq!((folder.context.lost(), folder.context.health().problems().len()), (0, 0));
    drop(source);
    // The second was not.
    folder.run("rm o-2.ndjson");
    let mut source = folder.open(1).await;
    folder.some(&mut source).await;
    assert_eq!(folder.context.lost(), 5 * folder.row(0).len() as u64);
    assert_eq!(folder.context.health().problems().len(), 1);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_keeps_no_other_from_being_read() {
    let mut folder = Folder::new("o-*.ndjson");
    std::fs::write(folder.path("o-1.ndjson"), b"\xFF\xFE{\0").unwrap();
    folder.run("append o-2.ndjson 0 10");
    let mut source = folder.open(1).await;
    folder.until(&mut source, &(0..10).collect(), "the other").await;
    let problems = folder.context.health().problems();
    assert!(problems[0].contains("o-1.ndjson is in UTF-16"), "{problems:?}");
}

#[test]
fn a_pattern_names_files() {
    let folder = three();
    let names = |pattern: &str, order| -> Vec<String> {
        let files = matching(folder.path(pattern).to_str().unwrap(), order).unwrap();
        files.iter().map(|file| file.file_name().unwrap().to_str().unwrap().to_owned()).collect()
    };
    let all = ["o-1.ndjson", "o-2.ndjson", "o-3.ndjson"];
    assert_eq!(names("in/o-*", Order::Name), all);
    assert_eq!(names("in/o-*", Order::Time), [all[1], all[2], all[0]]);
    assert_eq!(names("*/o-[12].ndjson", Order::Name), all[..2]);
    assert_eq!(names("in/o-4*", Order::Name), [""; 0]);
    let error = matching("in/[a", Order::Name).unwrap_err().to_string();
    assert!(
        error.starts_with("the conf of in/[a is wrong: `key`: `in/[a` is no pattern"),
        "{error}"
    );
}

#[test]
fn a_pattern_that_cannot_be_used_is_a_problem_of_the_conf() {
    let check = |conf: &SourceConf| kisflow_file::File::check(conf, &FileParams::default());
    let conf = SourceConf::new("lines", "file").key("in/[a");
    assert_eq!(check(&conf)[0].0, "key");
    let conf = SourceConf::new("lines", "file").key("in/*").start(Start::After("3".to_owned()));
    assert_eq!(
        check(&conf),
        [(
            "start".to_owned(),
            "a pattern names several files: expected earliest or latest".to_owned()
        )]
    );
}

#[tokio::test]
async fn a_file_with_the_inode_of_another_is_read_from_its_start() {
    // How many of ten rows were read before the inode went to another file.
    for (read, unread) in [(10, 0), (4, 6)] {
        let mut folder = Folder::new("o-*.ndjson");
        folder.run("append o-1.ndjson 0 10");
        let mut source = folder.open(read).await;
        folder.deliveries(&mut source, 1).await;
        drop(source);
        folder.run("mv o-1.ndjson o-2.ndjson");
        folder.run("write o-2.ndjson 10 30");
        let mut source = folder.open(100).await;
        folder.until(&mut source, &(10..30).collect(), "the other file").await;
        let bytes = unread * folder.row(0).len() as u64;
        let problems = folder.context.health().problems();
        assert_eq!(folder.context.lost(), bytes, "{problems:?}");
        assert_eq!(problems.len(), usize::from(bytes > 0), "{problems:?}");
    }
}
