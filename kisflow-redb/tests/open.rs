//! A file that cannot be opened is named, with the way out.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use kisflow_core::{Change, ConnConf, Connector, Durable, error_chain};
use kisflow_redb::{Redb, RedbError, RedbParams};

const CHILD: &str = "KISFLOW_REDB_OPEN_CHILD";

async fn open(path: &Path) -> Result<Redb, RedbError> {
    let conf = ConnConf::new("kisflow", "redb").addrs(path.to_str().unwrap());
    let opened = Redb::connect(&conf, RedbParams::default()).await;
    opened.map_err(|error| *error.downcast::<RedbError>().unwrap())
}

/// The error of opening `path`, which names the file and gives advice.
async fn refused(path: &Path, advice: &str) -> RedbError {
    let error = open(path).await.unwrap_err();
    let said = error_chain(&error).to_string();
    assert!(said.contains(path.to_str().unwrap()), "it names the file: {said}");
    assert!(said.contains(advice), "it says `{advice}`: {said}");
    assert_eq!(said.lines().count(), 1, "it is one line: {said}");
    assert_eq!(error.path(), Some(path));
    error
}

/// A file with an entry.
async fn written(path: &Path) {
    let redb = open(path).await.unwrap();
    let changes = (0..200).map(|number| Change::put("space", number.to_string(), vec![7; 1_000]));
    redb.write(changes.collect()).await.unwrap();
}

#[tokio::test]
async fn directories_that_are_not_there_are_made() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/b/kisflow.redb");
    written(&path).await;
    assert!(path.is_file());
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "text").unwrap();
    refused(&file.join("kisflow.redb"), "cannot be made").await;
}

#[tokio::test]
async fn a_path_that_is_a_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    refused(directory.path(), "is a directory; let `addrs` name a file, such as ").await;
}

/// Not even root may write this one.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_file_that_may_not_be_written_is_refused() {
    refused(Path::new("/proc/sys/kernel/ostype"), "may not be written").await;
}

#[tokio::test]
async fn a_file_of_something_else_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    for text in ["x", "name,class\nAda,7b\n", &"long\n".repeat(100_000)] {
        let path = directory.path().join("students.csv");
        fs::write(&path, text).unwrap();
        let error = refused(&path, "is no file of this connector, and was left as it is").await;
        assert!(error.is_corrupt());
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

#[tokio::test]
async fn a_file_that_was_cut_short_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kisflow.redb");
    written(&path).await;
    let whole = fs::read(&path).unwrap();
    for part in [whole.len() - 1, whole.len() / 2, 5_000, 4_096, 400, 100, 20, 9] {
        fs::write(&path, &whole[..part]).unwrap();
        let error = refused(&path, "is damaged; restore it, or move it away").await;
        assert!(error.is_corrupt(), "{part}");
    }
}

/// redb looks at pages when it comes to them: damage may be met at any time, or never.
#[tokio::test]
async fn a_file_with_a_damaged_page_is_an_error_and_no_panic() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kisflow.redb");
    written(&path).await;
    let whole = fs::read(&path).unwrap();
    let mut met = 0;
    for page in (0..whole.len() / 4096).filter(|page| whole[page * 4096..][..4096] != [0; 4096]) {
        let mut damaged = whole.clone();
        damaged[page * 4096..][..64].fill(0xab);
        fs::write(&path, damaged).unwrap();
        let error = match open(&path).await {
            Err(error) => Some(error),
            Ok(redb) => {
                let found = redb.scan("space", "", usize::MAX).await.map(|_| ());
                let found = found.and(redb.write(vec![Change::put("space", "0", "new")]).await);
                found.err().map(|error| *error.downcast::<RedbError>().unwrap())
            }
        };
        if let Some(error) = error {
            assert!(error.is_corrupt(), "{page}: {}", error_chain(&error));
            met += 1;
        }
    }
    assert!(met > 10, "some pages are looked at: {met}");
}

#[tokio::test]
async fn the_same_file_twice_in_one_process_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kisflow.redb");
    let first = open(&path).await.unwrap();
    let error = refused(&path, "open already, in another process or by another connector").await;
    assert!(error.is_in_use());
    first.write(vec![Change::put("space", "a", "1")]).await.unwrap();
    drop(first);
    open(&path).await.unwrap();
}

/// No test of its own: the process that has the file open.
#[test]
fn child() {
    let Ok(path) = env::var(CHILD) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let _redb = open(Path::new(&path)).await.unwrap();
        println!("open");
        std::io::stdin().read_line(&mut String::new()).unwrap();
    });
}

#[tokio::test]
async fn a_file_that_another_process_has_open_is_refused_until_that_ends() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kisflow.redb");
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(CHILD, &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line == "open"));
    let error = refused(&path, "give each a file of its own, or keep quarantine on redis").await;
    assert!(error.is_in_use());
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    open(&path).await.unwrap();
}

#[test]
fn a_cache_of_nothing_is_a_mistake_of_the_conf() {
    let conf = ConnConf::new("kisflow", "redb");
    let mut params = RedbParams::default();
    assert_eq!(Redb::check(&conf, &params), []);
    params.cache_mb = 0;
    let said = "`cache_mb` is 0; it must be at least 1".to_owned();
    assert_eq!(Redb::check(&conf, &params), [("params.cache_mb".to_owned(), said)]);
}

#[test]
fn where_nobody_names_a_connector_there_is_a_file_in_the_working_directory() {
    let conf = Redb::embedded().unwrap();
    assert_eq!((&*conf.cname, &*conf.engine, &*conf.addrs), ("kisflow", "redb", "kisflow.redb"));
}
