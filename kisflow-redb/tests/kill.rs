//! A process that is killed with SIGKILL has lost nothing that it had acknowledged.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::{
    collections::BTreeSet,
    env,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use kisflow_core::{Change, ConnConf, Connector, Durable, Usage};
use kisflow_redb::{Redb, RedbParams};

/// Where the process that is to be killed finds the file, and how often it was killed before.
const CHILD: &str = "KISFLOW_REDB_KILL_CHILD";
const ROUND: &str = "KISFLOW_REDB_KILL_ROUND";
const ROUNDS: usize = 32;
/// Tasks that write at one time, so that transactions are shared.
const WRITERS: usize = 4;

async fn open(path: &Path) -> Redb {
    let conf = ConnConf::new("kisflow", "redb").addrs(path.to_str().unwrap());
    Redb::connect(&conf, RedbParams::default()).await.unwrap()
}

fn value(key: &str) -> Vec<u8> {
    // Up to several pages of the file.
    let size = key.bytes().map(usize::from).sum::<usize>() * 37 % 9_000;
    key.bytes().cycle().take(size).collect()
}

/// No test of its own: the process that `what_was_acknowledged_outlives_kill_9` kills.
#[test]
fn child() {
    let (Ok(path), Ok(round)) = (env::var(CHILD), env::var(ROUND)) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let redb = open(Path::new(&path)).await;
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| tokio::spawn(write(redb.clone(), writer, round.clone())))
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
    });
}

/// Writes until it is killed: each transaction an entry in two spaces, and one that moves on.
async fn write(redb: Redb, writer: usize, round: String) {
    let mut last = None;
    for number in 0_u64.. {
        let key = format!("{round}-{writer}-{number:06}");
        let mut changes = vec![
            Change::put("left", &key, value(&key)),
            Change::put("right", &key, value(&key)),
            Change::put("moving", &key, value(&key)),
        ];
        changes.extend(last.map(|last: String| Change::remove("moving", last)));
        redb.write(changes).await.unwrap();
        println!("ack {key}");
        last = Some(key);
    }
}

#[tokio::test]
async fn what_was_acknowledged_outlives_kill_9() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kisflow.redb");
    let mut acknowledged = BTreeSet::new();
    for round in 0..ROUNDS {
        let killed = run_and_kill(&path, round);
        acknowledged.extend(killed);
        check(&path, &acknowledged, (round + 1) * WRITERS).await;
    }
    assert!(acknowledged.len() > ROUNDS, "the killed processes did write: {}", acknowledged.len());
}

/// The keys that a process acknowledged until it was killed.
fn run_and_kill(path: &Path, round: usize) -> Vec<String> {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(CHILD, path)
        .env(ROUND, format!("{round:03}"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut keys =
        lines.map_while(Result::ok).filter_map(|line| Some(line.strip_prefix("ack ")?.to_owned()));
    // One round in eight dies while it opens the file, or soon after.
    let mut seen = Vec::new();
    if round % 8 != 7 {
        seen.extend(keys.by_ref().take(fastrand::usize(1..40)));
        assert!(!seen.is_empty(), "the process writes");
    }
    // The instant of death is any: nothing waits for it.
    thread::sleep(Duration::from_micros(fastrand::u64(..5_000)));
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert!(!status.success(), "it was killed, and did not end: {status}");
    seen.extend(keys);
    seen
}

async fn check(path: &Path, acknowledged: &BTreeSet<String>, most_unheard: usize) {
    let redb = open(path).await;
    let left = entries(&redb, "left").await;
    for key in acknowledged {
        assert!(left.contains(key), "{key} was acknowledged and is lost");
    }
    assert!(
        left.len() <= acknowledged.len() + most_unheard,
        "no more is there than was acknowledged or under way"
    );
    assert_eq!(left, entries(&redb, "right").await, "a transaction is there wholly or not at all");
    let moving = entries(&redb, "moving").await;
    assert!(moving.is_subset(&left), "a transaction is there wholly or not at all");
}

/// The keys of a space, whose values and usage are as they must be.
async fn entries(redb: &Redb, space: &str) -> BTreeSet<String> {
    let all = redb.scan(space, "", usize::MAX).await.unwrap();
    let bytes = all.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum();
    let usage = redb.usage(space).await.unwrap();
    assert_eq!(usage, Usage { entries: all.len() as u64, bytes }, "usage of {space} is exact");
    for (key, found) in &all {
        assert!(**found == value(key), "the value of {key} is whole");
    }
    all.into_iter().map(|(key, _)| key).collect()
}
