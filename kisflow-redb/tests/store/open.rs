//! A file that cannot be opened is named, with the way out.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use kisflow_core::{
    BoxError, ConnConf, Connector, Durable,
    durable::{Commit, CommitError, Key, Scan},
    error_chain,
};
use kisflow_redb::{Redb, RedbError, RedbParams};
use redb::{ReadableDatabase, TableDefinition};

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

async fn commit(redb: &Redb, key: Key) -> Result<(), BoxError> {
    redb.commit(&Commit::new().put(key, "new")).await.map_err(CommitError::into_cause)
}

/// A file with an entry.
async fn written(path: &Path) {
    let redb = open(path).await.unwrap();
    let commit = (0..200).fold(Commit::new(), |commit, number| {
        commit.put(Key::raw("space", number.to_string()), vec![7; 1_000])
    });
    redb.commit(&commit).await.unwrap();
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

/// Tables of the same names with other types.
const FORMER: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("entries");
const FORMER_USAGE: TableDefinition<'_, &str, (u64, u64)> = TableDefinition::new("usage");

#[tokio::test]
async fn a_file_of_another_version_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kisflow.redb");
    let database = redb::Database::create(&path).unwrap();
    let write = database.begin_write().unwrap();
    write.open_table(FORMER).unwrap().insert(("positions", "orders"), &b"17"[..]).unwrap();
    write.open_table(FORMER_USAGE).unwrap().insert("positions", (1, 8)).unwrap();
    write.commit().unwrap();
    drop(database);
    for _ in 0..2 {
        let error = refused(&path, "was left as it is; move it away to begin with an empty").await;
        assert!(error.is_corrupt());
    }
    let read = redb::Database::open(&path).unwrap().begin_read().unwrap();
    let found = read.open_table(FORMER).unwrap().get(("positions", "orders")).unwrap();
    assert_eq!(found.unwrap().value(), b"17");
    assert_eq!(read.list_tables().unwrap().count(), 2, "nothing was added");
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
                let found = redb.scan(&Scan::of("space")).await.map(|_| ());
                let found = found.and(commit(&redb, Key::raw("space", "0")).await);
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
    commit(&first, Key::raw("space", "a")).await.unwrap();
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
        .args(["--exact", "open::child", "--nocapture"])
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
