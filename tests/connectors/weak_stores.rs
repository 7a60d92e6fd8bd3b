//! A store that may lose what it has confirmed, under a flow with `guarantee: exactly_once`.

use kisflow::{Guarantee, prelude::*};
use kisflow_core::{Conf, ConnConf, FlowConf, FunctionConf, Mode, QuarantineConf, SourceConf};

use crate::{postgres_server::PostgresServer, redis_server::RedisServer};

#[derive(Deserialize)]
struct Numbered {
    #[expect(dead_code, reason = "only its field is read")]
    n: u32,
}

#[faas("CountNumbers")]
fn count_numbers(_: &Numbered, count: &mut u64) {
    *count += 1;
}

/// What is said of a flow with this store.
async fn said(store: ConnConf, guarantee: Guarantee) -> Vec<String> {
    let registry = Registry::new()
        .function::<count_numbers>()
        .connector::<kisflow::Redb>()
        .connector::<kisflow::Redis>()
        .connector::<kisflow::Postgres>()
        .source::<kisflow::File>();
    let mut conf = Conf::new()
        .source(SourceConf::new("rows", "file").key("rows"))
        .function(FunctionConf::new("CountNumbers", Mode::Calculate).key(["n"]))
        .flow(FlowConf::new("Numbers").guarantee(guarantee).source("rows").then::<count_numbers>());
    conf.global.quarantine = QuarantineConf::on(&*store.cname);
    registry.weak_stores(&conf.connector(store)).await.unwrap()
}

async fn of_redis(options: &[&str]) -> Vec<String> {
    let server = RedisServer::start(options);
    let store = ConnConf::new("cache", "redis").addrs(server.addr());
    let found = said(store, Guarantee::ExactlyOnce).await;
    found.into_iter().map(|text| text.replace(&server.addr(), "ADDR")).collect()
}

#[tokio::test]
async fn redis_has_to_keep_what_it_confirms() {
    let begin = "flow `Numbers` has `guarantee: exactly_once`, and its store `cache` may lose what it has confirmed: redis at ADDR has ";
    for (options, end) in [
        (
            &[][..],
            "`appendonly no` and may lose all that it has not written to a snapshot; set `appendonly yes`",
        ),
        (
            &["--appendonly", "yes"],
            "`appendfsync everysec` and may lose the last seconds before its death; set `appendfsync always`",
        ),
        (
            &[
                "--appendonly",
                "yes",
                "--appendfsync",
                "always",
                "--maxmemory-policy",
                "allkeys-lru",
            ],
            "`maxmemory-policy allkeys-lru` and may lose entries, when its memory is full; set `maxmemory-policy noeviction`",
        ),
    ] {
        assert_eq!(of_redis(options).await, [format!("{begin}{end}")]);
    }
    assert_eq!(of_redis(&["--appendonly", "yes", "--appendfsync", "always"]).await, [""; 0]);
}

#[tokio::test]
async fn only_flows_that_are_to_be_exact_are_told_of() {
    let server = RedisServer::start(&[]);
    let store = ConnConf::new("cache", "redis").addrs(server.addr());
    assert_eq!(said(store.clone(), Guarantee::AtLeastOnce).await, [""; 0]);
    // A user who may not ask.
    server.cli(&["ACL", "SETUSER", "u", "on", ">secret", "~*", "+@all", "-config"]);
    let store = store.param("username", "u").param("password", "secret");
    assert_eq!(said(store, Guarantee::ExactlyOnce).await, [""; 0]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("kept.redb");
    let store = ConnConf::new("kept", "redb").addrs(file.to_str().unwrap());
    assert_eq!(said(store, Guarantee::ExactlyOnce).await, [""; 0]);
}

#[tokio::test]
async fn postgres_has_to_wait_for_its_disk() {
    let of = async |options: &[&str]| {
        let server = PostgresServer::start_with(options);
        said(ConnConf::new("facts", "postgres").addrs(server.url()), Guarantee::ExactlyOnce).await
    };
    let found = of(&["-c", "synchronous_commit=off", "-c", "fsync=on"]).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].ends_with("has `synchronous_commit = off` and may lose the last commits before its death; set `synchronous_commit = on`"),
        "{found:?}"
    );
    assert_eq!(of(&["-c", "synchronous_commit=on", "-c", "fsync=on"]).await, [""; 0]);
}
