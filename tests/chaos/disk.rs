//! The disk of the embedded store is full.

use std::fs;

use crate::{
    feed,
    process::{ROWS, Stage, number},
    server::poll,
};

/// Rows that cannot be kept are not acknowledged; when there is room again, each is kept.
#[test]
fn when_the_disk_is_full_rows_wait_and_are_kept_when_there_is_room() {
    let stage = Stage::new("");
    stage.conf("flow.yml", "kistype: flow\nflow_name: Numbers\nsource: numbers\nflows:\n  - fname: Refuse\n  - fname: CountInRedis\n");
    stage.conf("refuse.yml", "kistype: func\nfname: Refuse\nfmode: Verify\n");
    stage.conf("source.yml", &format!(
        "kistype: source\nsname: numbers\ntype: redis_stream\naddrs: {}\nkey: numbers\nbatch: {{rows: 500, wait_ms: 5}}\nparams: {{lease_ms: 500}}\n",
        stage.redis.addr()
    ));
    feed::redis_stream(&stage.redis, "numbers", ROWS);

    // A limit on the size of files stands for the full disk: it is the same error of the same call,
    // and needs no privileges. The store is made first, so that there is one.
    let mut worker = stage.worker("begins");
    stage.until_delivered(1, &mut [&mut worker]);
    worker.stop();
    let size = fs::metadata(stage.path("kept.redb")).unwrap().len();
    let limited = stage.limited("limited", size);
    assert!(poll(|| limited.log().contains("cannot be put into quarantine")), "{}", limited.log());
    let printed = limited.stop();
    assert!(number(&printed, "returned") > 0, "what cannot be kept is given back: {printed}");

    let mut worker = stage.worker("again");
    stage.until_delivered(99_900, &mut [&mut worker]);
    // The last batch may have poison rows only.
    let pending = ["XPENDING", "numbers", "Numbers"];
    stage.redis.until(&pending, |printed| printed.starts_with('0'));
    worker.stop();
    let kept = stage.quarantined();
    let expected: Vec<u64> = (0..100).map(|row| row * 1_000 + 999).collect();
    assert_eq!(kept, expected, "every row that was refused is in quarantine, once");
    println!(
        "redis_stream, disk full: none lost, {} repeats",
        stage.repeats((0..100_000).filter(|id| id % 1_000 != 999))
    );
}
