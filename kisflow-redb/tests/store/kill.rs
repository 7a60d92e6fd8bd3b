//! A process that is killed with SIGKILL has lost nothing that it had acknowledged.

use std::{
    collections::BTreeSet,
    env,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use kisflow_core::{
    ConnConf, Connector, Durable, Usage,
    durable::{Commit, CommitId, Entry, Key, Scan, each_page},
};
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

/// Writes until it is killed.
async fn write(redb: Redb, writer: usize, round: String) {
    for number in 0_u64.. {
        redb.commit(&commit(&round, writer, number)).await.unwrap();
        println!("ack {}", key(&round, writer, number));
    }
}

fn key(round: &str, writer: usize, number: u64) -> String {
    format!("{round}-{writer}-{number:06}")
}

/// Returns the commit with this number, the same in every process: an entry in two spaces, one that
/// moves on, and a count.
fn commit(round: &str, writer: usize, number: u64) -> Commit {
    let of = |space: &str, number: u64| Key::raw(space, key(round, writer, number));
    let id = [round.parse().unwrap(), 1, writer as u64, number].map(|part| part as u32);
    let id = id.map(u32::to_be_bytes).concat();
    let value = value(&key(round, writer, number));
    let commit = Commit::with_id(CommitId::from_bytes(id.try_into().unwrap()))
        .put_new(of("left", number), value.clone())
        .put(of("right", number), value.clone())
        .put(of("moving", number), value)
        .add(Key::raw("count", format!("{round}-{writer}")), 1);
    match number.checked_sub(1) {
        Some(last) => commit.remove(of("moving", last)),
        None => commit,
    }
}

#[tokio::test]
async fn what_was_acknowledged_outlives_kill_9_and_is_recognised() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kisflow.redb");
    let mut acknowledged = BTreeSet::new();
    for round in 0..ROUNDS {
        let killed = run_and_kill(&path, round);
        acknowledged.extend(killed.iter().cloned());
        check(&path, &acknowledged, WRITERS).await;
        let round = format!("{round:03}");
        acknowledged.extend(send_again(&path, &round, &killed).await);
    }
    assert!(acknowledged.len() > ROUNDS, "the killed processes did write: {}", acknowledged.len());
}

/// Sends the last commits of each writer again, and the one whose answer never came.
/// Returns the keys of the last ones.
async fn send_again(path: &Path, round: &str, acknowledged: &[String]) -> Vec<String> {
    let redb = open(path).await;
    let mut last = Vec::new();
    for writer in 0..WRITERS {
        let mine = acknowledged.iter().filter(|key| key.starts_with(&format!("{round}-{writer}-")));
        let next = mine.count() as u64;
        for number in next.saturating_sub(3)..=next {
            redb.commit(&commit(round, writer, number).sent_again()).await.unwrap();
        }
        last.push(key(round, writer, next));
        let count = redb.read(&[Key::raw("count", format!("{round}-{writer}"))]).await.unwrap();
        let count = count.into_iter().flatten().next().map_or(0, |count| count.count());
        assert_eq!(count, next as i64 + 1, "each commit of {round}-{writer} has one effect");
    }
    last
}

/// The keys that a process acknowledged until it was killed.
fn run_and_kill(path: &Path, round: usize) -> Vec<String> {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "kill::child", "--nocapture"])
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
    let mut all = Vec::new();
    let all_of = async |page: Vec<(_, Entry)>| {
        all.extend(page);
        Ok(())
    };
    each_page(redb, Scan::of(space), all_of).await.unwrap();
    let bytes = all.iter().map(|(key, entry)| (key.len() + entry.value.len()) as u64).sum();
    let usage = redb.usage(space).await.unwrap();
    assert_eq!(usage, Usage::new(all.len() as u64, bytes), "usage of {space} is exact");
    let text = |key: &[u8]| String::from_utf8(key.to_vec()).unwrap();
    for (key, found) in &all {
        assert!(*found.value == value(&text(key)), "the value of {key:?} is whole");
    }
    all.into_iter().map(|(key, _)| text(&key)).collect()
}
