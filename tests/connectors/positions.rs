//! A service whose store is another one than before does not begin from the start without a word.

use std::{fs, path::Path};

use kisflow::{Result, prelude::*};
use kisflow_core::{
    Conf, ConnConf, FlowConf, QuarantineConf, QuarantineFilter, Served, SourceConf, StoredPosition,
    carry_over,
};

use crate::redis_server::RedisServer;

#[derive(Deserialize)]
pub(crate) struct Numbered {
    n: u32,
}

/// Odd numbers cannot be processed.
#[faas("Even")]
pub(crate) fn even(row: &Numbered) -> Result<bool> {
    if row.n % 2 == 1 { Err("it is odd".into()) } else { Ok(true) }
}

fn registry() -> Registry {
    Registry::new()
        .function::<even>()
        .connector::<kisflow::Redb>()
        .connector::<kisflow::Redis>()
        .source::<kisflow::File>()
}

/// A flow that reads a file, and keeps its position in one of two stores.
fn conf(dir: &Path, redis: &RedisServer, store: &str) -> Conf {
    let source = SourceConf::new("rows", "file").key(dir.join("rows").to_str().unwrap());
    let redb = dir.join("kisflow.redb");
    let mut conf = Conf::new()
        .connector(ConnConf::new("cache", "redis").addrs(redis.addr()).key("shop:"))
        .connector(ConnConf::new("file", "redb").addrs(redb.to_str().unwrap()))
        .source(source)
        .flow(FlowConf::new("Numbers").source("rows").then::<even>());
    conf.global.quarantine = QuarantineConf::on(store);
    conf
}

async fn serve(conf: Conf) -> Result<Served, kisflow_core::ServeError> {
    let flows = registry().link(conf).await.unwrap();
    flows.serve(std::future::pending()).await
}

fn read(served: &Served) -> u64 {
    served.flows["Numbers"].ledger.read
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_and_quarantine_move_from_redis_to_the_embedded_store() {
    let redis = RedisServer::start(&[]);
    let dir = tempfile::tempdir().unwrap();
    let rows = dir.path().join("rows");
    fs::write(&rows, "{\"n\":1}\n{\"n\":2}\n{\"n\":4}\n").unwrap();
    let conf = |store: &str| conf(dir.path(), &redis, store);
    assert_eq!(read(&serve(conf("cache")).await.unwrap()), 3);
    fs::write(&rows, "{\"n\":1}\n{\"n\":2}\n{\"n\":4}\n{\"n\":6}\n").unwrap();

    // The same store: only what is new. Another store: refused, and told before it starts.
    assert_eq!(read(&serve(conf("cache")).await.unwrap()), 1);
    let refused = serve(conf("file")).await.unwrap_err();
    assert!(refused.is_elsewhere());
    let said = refused.to_string();
    assert!(said.contains("`positions copy --from cache --to file`"), "{said}");
    assert!(said.contains("`positions reset Numbers --to start`"), "{said}");
    assert_eq!(registry().positions_elsewhere(&conf("file")).await.unwrap(), [said]);
    assert!(registry().positions_elsewhere(&conf("cache")).await.unwrap().is_empty());

    // Carried over it goes on where it was, and has the quarantine.
    let stores = conf("file");
    let from = registry().durable(&stores.connectors["cache"]).await.unwrap();
    let to = registry().durable(&stores.connectors["file"]).await.unwrap();
    let carried = carry_over(&*from, &*to, false).await.unwrap();
    assert_eq!((carried.positions, carried.quarantined, carried.conflicts), (1, 1, 0));
    let kept = StoredPosition::all(&*to).await.unwrap();
    assert_eq!((kept[0].offset(), &*kept[0].flow), (Some(32), "Numbers"));
    drop((from, to));
    let flows = registry().link(conf("file")).await.unwrap();
    let served = flows.serve(std::future::pending()).await.unwrap();
    assert_eq!(read(&served), 0);
    let bad = flows.quarantine().unwrap().list(&QuarantineFilter::new(), 10).await.unwrap();
    assert_eq!(bad.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_that_was_reset_is_a_decision() {
    let redis = RedisServer::start(&[]);
    let dir = tempfile::tempdir().unwrap();
    let rows = dir.path().join("rows");
    fs::write(&rows, "{\"n\":2}\n{\"n\":4}\n{\"n\":6}\n").unwrap();
    let conf = |store: &str| conf(dir.path(), &redis, store);
    serve(conf("cache")).await.unwrap();
    for (to, read_again) in [
        (kisflow_file::ResetTo::Start, 3),
        (kisflow_file::ResetTo::Offset(8), 2),
        (kisflow_file::ResetTo::End, 0),
    ] {
        let store = registry().durable(&conf("file").connectors["file"]).await.unwrap();
        let position = kisflow_file::reset_position(&rows, to).unwrap();
        let part = rows.to_str().unwrap();
        let position = StoredPosition::new("rows", "Numbers", part, position);
        StoredPosition::replace(&*store, &[], &[position]).await.unwrap();
        drop(store);
        assert_eq!(read(&serve(conf("file")).await.unwrap()), read_again);
    }
}
