//! The rules of sources and of durable storage.

use std::{
    sync::{Arc, Mutex, atomic::AtomicU32, atomic::Ordering},
    time::{Duration, SystemTime},
};

use kisflow_core::{
    ConnConf, Connector, Durable, SourceConf, SourceContext, async_trait,
    conformance::{self, ExactlyOnceWorld, Lease, SourceWorld, World},
    durable::{Commit, CommitError, Key},
    error_chain,
};
use kisflow_redis::{Redis, RedisParams, RedisStream};

use crate::{
    redis_server::RedisServer,
    world::{open, open_in, orders},
};

/// How connections break.
#[derive(Clone, Copy)]
enum Break {
    /// The server closes them.
    Close,
    /// The server dies, and comes back with its data.
    Restart,
}

struct Worlds {
    server: Arc<Mutex<RedisServer>>,
    breaks: Break,
    made: AtomicU32,
    user: Option<&'static str>,
}

struct Stream {
    server: Arc<Mutex<RedisServer>>,
    breaks: Break,
    conf: SourceConf,
}

#[async_trait]
impl SourceWorld for Worlds {
    type World = Stream;

    async fn create(&self) -> Stream {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let addr = self.server.lock().unwrap().addr();
        let conf = orders(addr).key(format!("orders-{number}"));
        let conf = match self.user {
            Some(user) => conf.param("username", user).param("password", "secret"),
            None => conf,
        };
        Stream { server: self.server.clone(), breaks: self.breaks, conf }
    }
}

/// The rules of sources for streams `orders-…`, as a user with the password "secret" sees them.
pub(crate) async fn keeps_the_rules_as(server: RedisServer, user: &'static str) {
    let (server, made) = (Arc::new(Mutex::new(server)), AtomicU32::new(0));
    conformance::source(&Worlds { server, breaks: Break::Close, made, user: Some(user) }).await;
}

#[async_trait]
impl World for Stream {
    type Source = RedisStream;

    async fn open(&self, lease: Lease) -> RedisStream {
        let ms = if lease == Lease::Short { 500 } else { 600_000 };
        open(&self.conf.clone().param("lease_ms", ms)).await
    }

    async fn feed(&self, rows: Vec<String>) {
        let server = self.server.lock().unwrap();
        for row in rows {
            server.cli(&["XADD", &self.conf.key, "*", "row", &row]);
        }
    }

    async fn disconnect(&self) {
        let mut server = self.server.lock().unwrap();
        match self.breaks {
            Break::Close => drop(server.cli(&["CLIENT", "KILL", "TYPE", "normal"])),
            Break::Restart => server.restart(),
        }
    }
}

#[async_trait]
impl ExactlyOnceWorld for Stream {
    async fn open_in(&self, lease: Lease, context: SourceContext) -> RedisStream {
        let ms = if lease == Lease::Short { 500 } else { 600_000 };
        open_in(&self.conf.clone().param("lease_ms", ms), context).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_read_exactly_once() {
    let server = Arc::new(Mutex::new(RedisServer::start(&[])));
    let made = AtomicU32::new(0);
    conformance::exactly_once(&Worlds { server, breaks: Break::Close, made, user: None }).await;
}

async fn keeps_the_rules(breaks: Break) {
    let server = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let server = Arc::new(Mutex::new(server));
    conformance::source(&Worlds { server, breaks, made: AtomicU32::new(0), user: None }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_keeps_the_rules_of_sources() {
    keeps_the_rules(Break::Close).await;
}

#[tokio::test]
async fn a_stream_keeps_the_rules_of_sources_when_the_server_dies() {
    keeps_the_rules(Break::Restart).await;
}

/// The durable storage of a connector that is gone: it holds what it needs.
pub(crate) async fn durable(addr: impl Into<String>) -> Arc<dyn Durable> {
    let conf = ConnConf::new("keep", "redis").addrs(addr).key("app_");
    let redis = Redis::connect(&conf, RedisParams::default()).await.unwrap();
    Redis::durable().unwrap()(&redis)
}

#[tokio::test]
async fn redis_keeps_the_rules_of_durable_storage() {
    let server = RedisServer::start(&[]);
    let reopen = async |_| durable(server.addr()).await;
    conformance::durable(durable(server.addr()).await, reopen, fastrand::u64(..)).await;
    assert_eq!(server.cli(&["DBSIZE"]), "0", "it left something behind");
    conformance::durable_random(durable(server.addr()).await, fastrand::u64(..), 10_000).await;
}

#[tokio::test]
async fn with_an_append_only_file_entries_survive_the_server() {
    let server = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let first = durable(server.addr()).await;
    let server = Arc::new(Mutex::new(server));
    let reopen = async |_| {
        let addr = {
            let mut server = server.lock().unwrap();
            server.restart();
            server.addr()
        };
        durable(addr).await
    };
    conformance::durable(first, reopen, fastrand::u64(..)).await;
}

#[tokio::test]
async fn a_write_that_cannot_be_done_changes_nothing() {
    let server = RedisServer::start(&[]);
    let durable = durable(server.addr()).await;
    server.cli(&["SET", "app_{kisflow}:good:values", "a text"]);
    let commit = Commit::new().put(Key::raw("good", "a"), "1").put(Key::raw("bad", "a"), "1");
    let CommitError::Outage(error) = durable.commit(&commit).await.unwrap_err() else { panic!() };
    let said = error_chain(&*error).to_string();
    assert!(said.starts_with("key app_{kisflow}:bad:…: write failed: WRONGTYPE"), "{said}");
    assert_eq!(durable.read(&[Key::raw("bad", "a")]).await.unwrap(), [None]);
}

#[tokio::test]
async fn a_value_that_kisflow_did_not_write_is_told() {
    let server = RedisServer::start(&[]);
    let durable = durable(server.addr()).await;
    server.cli(&["HSET", "app_{kisflow}:s:values", "a", "{}"]);
    let error = durable.read(&[Key::raw("s", "a")]).await.unwrap_err();
    assert_eq!(error.to_string(), "key app_{kisflow}:s:values: kisflow did not write this value");
}

#[tokio::test]
async fn scripts_that_the_server_has_forgotten_are_sent_again() {
    let server = RedisServer::start(&[]);
    let durable = durable(server.addr()).await;
    let put = |key: &str| Commit::new().put(Key::raw("s", key), "1");
    durable.commit(&put("a")).await.unwrap();
    durable.commit(&put("b")).await.unwrap();
    let calls = server.cli(&["INFO", "commandstats"]);
    assert!(calls.contains("cmdstat_evalsha:calls=1,"), "{calls}");
    server.cli(&["SCRIPT", "FLUSH"]);
    durable.commit(&put("c")).await.unwrap();
    assert_eq!(durable.usage("s").await.unwrap().entries, 3);
}

#[tokio::test]
async fn the_time_is_that_of_the_server() {
    let server = RedisServer::start(&[]);
    let before = SystemTime::now() - Duration::from_millis(1);
    let now = durable(server.addr()).await.now().await.unwrap();
    assert!(before <= now && now <= SystemTime::now(), "{now:?}");
}

#[tokio::test]
async fn a_ping_tells_whether_the_server_answers() {
    let mut server = RedisServer::start(&[]);
    let conf = ConnConf::new("keep", "redis").addrs(server.addr());
    let redis = Redis::connect(&conf, RedisParams::default()).await.unwrap();
    redis.ping().await.unwrap();
    server.signal("STOP");
    let started = std::time::Instant::now();
    let error = redis.ping().await.unwrap_err();
    assert!(started.elapsed() < std::time::Duration::from_secs(2), "{:?}", started.elapsed());
    let addr = server.addr();
    assert_eq!(error.to_string(), format!("redis at {addr} did not answer within 1s"));
    server.signal("CONT");
    server.kill();
    assert!(redis.ping().await.is_err());
}
