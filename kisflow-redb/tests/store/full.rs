//! A write for which there is no room fails and changes nothing; later ones go on.
//!
//! There is no room because a limit on the size of files is reached: that needs no rights, and the
//! system says it in the same places as it says that a disk is full.
#![cfg(target_os = "linux")]

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use kisflow_core::{
    ConnConf, Connector, Durable, Usage,
    durable::{Commit, Entry, Key, Scan, each_page},
    error_chain,
};
use kisflow_redb::{Redb, RedbError, RedbParams};

const CHILD: &str = "KISFLOW_REDB_FULL_CHILD";
const VALUE: usize = 100_000;

async fn open(path: &Path) -> Redb {
    let conf = ConnConf::new("kisflow", "redb").addrs(path.to_str().unwrap());
    Redb::connect(&conf, RedbParams::default()).await.unwrap()
}

async fn write(redb: &Redb, number: usize) -> Result<(), RedbError> {
    let key = Key::raw("space", format!("{number:06}"));
    let committed = redb.commit(&Commit::new().put_new(key, vec![b'x'; VALUE])).await;
    committed.map_err(|error| *error.into_cause().downcast::<RedbError>().unwrap())
}

/// Everything up to `count` is there, and nothing else.
async fn check(redb: &Redb, count: usize) {
    let mut found = Vec::new();
    let all_of = async |page: Vec<(_, Entry)>| {
        found.extend(page);
        Ok(())
    };
    each_page(redb, Scan::of("space"), all_of).await.unwrap();
    let keys: Vec<usize> =
        found.iter().map(|(key, _)| String::from_utf8_lossy(key).parse().unwrap()).collect();
    assert_eq!(keys, (0..count).collect::<Vec<_>>(), "what was acknowledged is there, no more");
    assert!(found.iter().all(|(_, entry)| *entry.value == [b'x'; VALUE]), "and whole");
    let usage = Usage::new(count as u64, (count * (VALUE + 6)) as u64);
    assert_eq!(redb.usage("space").await.unwrap(), usage, "and counted");
}

/// No test of its own: the process that writes under a limit.
#[test]
fn child() {
    let Ok(path) = env::var(CHILD) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let redb = open(Path::new(&path)).await;
        let mut count = 0;
        let error = loop {
            match write(&redb, count).await {
                Ok(()) => count += 1,
                Err(error) => break error,
            }
        };
        assert!(error.is_full(), "{}", error_chain(&error));
        check(&redb, count).await;
        for _ in 0..3 {
            let again = write(&redb, count).await.unwrap_err();
            assert!(again.is_full(), "it stays full: {}", error_chain(&again));
            check(&redb, count).await;
            redb.ping().await.unwrap();
        }
        println!("full {count} {}", error_chain(&error));
        std::io::stdin().read_line(&mut String::new()).unwrap();
        for _ in 0..50 {
            write(&redb, count).await.unwrap();
            count += 1;
        }
        check(&redb, count).await;
        println!("done {count}");
    });
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_later_writes_go_on_in_the_same_process() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kisflow.redb");
    let mut child = Command::new("sh")
        .args([
            "-c",
            r#"ulimit -S -f 30000; trap "" XFSZ; exec "$0" --exact full::child --nocapture"#,
        ])
        .arg(env::current_exe().unwrap())
        .env(CHILD, &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut said = |word: &str| lines.find_map(|line| Some(line.strip_prefix(word)?.to_owned()));

    let full = said("full ").expect("a write fails, nothing is lost, and the process lives");
    let (count, error) = full.split_once(' ').unwrap();
    assert!(count.parse::<usize>().unwrap() > 10, "it wrote until there was no room: {count}");
    assert!(
        error.starts_with(&format!("no room to write {}: ", path.display())),
        "the error names the file: {error}"
    );

    let room = Command::new("prlimit")
        .args(["--pid", &child.id().to_string(), "--fsize=unlimited"])
        .status()
        .unwrap();
    assert!(room.success(), "the limit is lifted");
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let done = said("done ").expect("later writes go on");
    assert!(child.wait().unwrap().success());
    check(&open(&path).await, done.parse().unwrap()).await;
}
