//! The file keeps the rules that every engine keeps.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

use kisflow_core::{ConnConf, Connector, conformance};
use kisflow_redb::{Redb, RedbParams};

async fn open(directory: &tempfile::TempDir) -> Redb {
    let path = directory.path().join("kisflow.redb");
    let conf = ConnConf::new("kisflow", "redb").addrs(path.to_str().unwrap());
    Redb::connect(&conf, RedbParams::default()).await.unwrap()
}

#[tokio::test]
async fn records_keep_the_rules_of_storage() {
    let directory = tempfile::tempdir().unwrap();
    conformance::storage(&open(&directory).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn records_keep_the_rules_of_storage_on_several_threads() {
    let directory = tempfile::tempdir().unwrap();
    conformance::storage(&open(&directory).await).await;
}

#[tokio::test]
async fn entries_keep_the_rules_of_durable() {
    let directory = tempfile::tempdir().unwrap();
    let reopen = |engine| async {
        drop(engine);
        open(&directory).await
    };
    conformance::durable(open(&directory).await, reopen).await;
}
