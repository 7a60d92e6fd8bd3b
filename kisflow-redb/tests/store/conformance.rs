//! The file keeps the rules that every engine keeps.

use kisflow_core::{ConnConf, Connector, conformance};
use kisflow_redb::{Redb, RedbParams};

/// A directory in memory, if there is one: these rules do not need a disk, and each commit waits for
/// one.
fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

async fn open(directory: &tempfile::TempDir) -> Redb {
    let path = directory.path().join("kisflow.redb");
    let conf = ConnConf::new("kisflow", "redb").addrs(path.to_str().unwrap());
    Redb::connect(&conf, RedbParams::default()).await.unwrap()
}

#[tokio::test]
async fn records_keep_the_rules_of_storage() {
    let directory = directory();
    conformance::storage(&open(&directory).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn records_keep_the_rules_of_storage_on_several_threads() {
    let directory = directory();
    conformance::storage(&open(&directory).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_keep_the_rules_of_durable() {
    let directory = directory();
    let reopen = |engine| async {
        drop(engine);
        open(&directory).await
    };
    conformance::durable(open(&directory).await, reopen, fastrand::u64(..)).await;
    conformance::durable_random(open(&directory).await, fastrand::u64(..), 3_000).await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn entries_keep_the_rules_through_the_process_that_has_the_file_open() {
    let directory = directory();
    let _open = open(&directory).await;
    let path = directory.path().join("kisflow.redb");
    let conf = ConnConf::new("kisflow", "redb").addrs(path.to_str().unwrap());
    let attach = async || Redb::attach(&conf, RedbParams::default()).await.unwrap();
    conformance::durable(attach().await, async |_| attach().await, fastrand::u64(..)).await;
}
