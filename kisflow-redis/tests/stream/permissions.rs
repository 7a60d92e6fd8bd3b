//! Users with few permissions: those of the page on Redis users are enough, and what is refused is
//! named.

use kisflow_core::{
    ConnConf, Connector, Receipt, Source, SourceConf, Start, Storage, conformance,
    durable::{Commit, CommitError, Key, Scan},
    error_chain,
};
use kisflow_redis::{Redis, RedisError, RedisParams};

use crate::{
    redis_server::RedisServer,
    rules::keeps_the_rules_as,
    world::{add, done, next, open, orders, pending, positions, rows, texts, try_open},
};

const PAGE: &str = include_str!("../../../docs/redis.md");

/// Makes a user as the page says, for other keys if wanted.
fn user(server: &RedisServer, name: &str, keys: (&str, &str)) {
    let start = format!("ACL SETUSER {name} ");
    let mut lines = PAGE.lines().skip_while(|line| !line.starts_with(&start));
    let mut rule = String::new();
    for line in &mut lines {
        rule.push_str(line.trim_end_matches('\\'));
        if !line.ends_with('\\') {
            break;
        }
    }
    assert!(!rule.is_empty(), "the page has no user {name}");
    let rule = rule.replace(keys.0, keys.1);
    let words: Vec<&str> = rule.split_whitespace().collect();
    assert_eq!(server.cli(&words), "OK", "{rule}");
}

fn as_user(server: &RedisServer, user: &str) -> SourceConf {
    orders(server.addr()).param("username", user).param("password", "secret")
}

async fn connect(server: &RedisServer, user: &str, key: &str) -> Redis {
    let conf = ConnConf::new("scores", "redis").addrs(server.addr()).key(key);
    let params = serde_json::json!({"username": user, "password": "secret", "ttl_ms": 60_000});
    let params: RedisParams = serde_json::from_value(params).unwrap();
    Redis::connect(&conf, params).await.unwrap()
}

/// Nothing was refused, but for what is not needed.
fn nothing_refused(server: &RedisServer) {
    assert_eq!(server.cli(&["ACL", "LOG"]), "");
}

#[tokio::test]
async fn the_permissions_of_the_page_are_enough_for_records() {
    let server = RedisServer::start(&[]);
    user(&server, "kisflow-scores", ("~stu_*", "~*"));
    let redis = connect(&server, "kisflow-scores", "stu_").await;
    conformance::storage(&redis).await;
    redis.ping().await.unwrap();
    nothing_refused(&server);
}

#[tokio::test]
async fn the_permissions_of_the_page_are_enough_for_quarantine_and_positions() {
    let server = RedisServer::start(&[]);
    user(&server, "kisflow-quarantine", ("~app_", "~app_"));
    let durable = async || {
        let redis = connect(&server, "kisflow-quarantine", "app_").await;
        Redis::durable().unwrap()(&redis)
    };
    conformance::durable(durable().await, async |_| durable().await, fastrand::u64(..)).await;
    nothing_refused(&server);
}

#[tokio::test]
async fn the_permissions_of_the_page_are_enough_for_a_stream() {
    let server = RedisServer::start(&[]);
    user(&server, "kisflow-orders", ("~orders", "~orders*"));
    let mut reader = open(&as_user(&server, "kisflow-orders").start(Start::Latest)).await;
    assert_eq!(reader.lag().await.unwrap(), Some(0));
    reader.close().await.unwrap();
    nothing_refused(&server);
    keeps_the_rules_as(server, "kisflow-orders").await;
}

#[tokio::test]
async fn the_least_permissions_of_the_page_are_enough_for_a_group_that_is_there() {
    let server = RedisServer::start(&[]);
    user(&server, "kisflow-reader", ("", ""));
    server.cli(&["XGROUP", "CREATE", "orders", "g", "0", "MKSTREAM"]);
    add(&server, 1..4);
    for start in [Start::Earliest, Start::Latest] {
        let mut reader = open(&as_user(&server, "kisflow-reader").start(start)).await;
        let delivery = next(&mut reader).await;
        let receipt = delivery.receipt();
        receipt.renew().await.unwrap();
        receipt.release().await.unwrap();
        let delivery = next(&mut reader).await;
        assert_eq!(positions(&delivery).len(), 3, "given back, they come again");
        assert_eq!(reader.lag().await.unwrap(), None);
        drop(delivery);
        reader.close().await.unwrap();
        assert_eq!(pending(&server), "3");
    }
    let mut reader = open(&as_user(&server, "kisflow-reader")).await;
    let delivery = next(&mut reader).await;
    assert_eq!(rows(&delivery), texts(1..4));
    done(&delivery).await;
    reader.close().await.unwrap();
    assert_eq!(pending(&server), "0");
}

#[tokio::test]
async fn a_group_that_is_not_there_and_may_not_be_made_is_told() {
    let server = RedisServer::start(&[]);
    user(&server, "kisflow-reader", ("", ""));
    let conf = as_user(&server, "kisflow-reader");
    let expect = format!(
        "stream orders at {} has no group g, and this user may not run XGROUP CREATE; allow it with the ACL rule `+xgroup|create`, or make the group: `XGROUP CREATE orders g 0 MKSTREAM`: NOPERM",
        server.addr()
    );
    let chain = |error: kisflow_core::BoxError| error_chain(&*error).to_string();
    let said = chain(try_open(&conf).await.unwrap_err());
    assert!(said.starts_with(&expect), "{said}");

    // Neither may it ask: the first read reports that.
    server.cli(&["ACL", "SETUSER", "kisflow-reader", "-xpending"]);
    let mut reader = open(&conf).await;
    let said = chain(reader.next().await.unwrap_err());
    assert!(said.starts_with("key orders: this user may not run XPENDING"), "{said}");
    server.cli(&["ACL", "SETUSER", "kisflow-reader", "+xpending"]);
    let said = chain(reader.next().await.unwrap_err());
    assert!(said.starts_with(&expect), "{said}");
    // Somebody makes it: reading goes on.
    server.cli(&["XGROUP", "CREATE", "orders", "g", "0", "MKSTREAM"]);
    add(&server, 1..2);
    assert_eq!(rows(&next(&mut reader).await), texts(1..2));
}

/// Takes permissions from a reader that has all, and expects what the task says.
async fn denied(rules: &[&str], task: &str, expect: &str) {
    let server = RedisServer::start(&[]);
    server.cli(&["ACL", "SETUSER", "u", "on", ">secret", "~orders", "+@all"]);
    add(&server, 1..3);
    let mut reader = open(&as_user(&server, "u")).await;
    let delivery = next(&mut reader).await;
    server.cli(&[&["ACL", "SETUSER", "u"][..], rules].concat());
    let receipt: &dyn Receipt = delivery.receipt();
    let result = match task {
        "acknowledge" => receipt.done(&kisflow_core::Settled::new(2, 0)).await,
        "renew" => receipt.renew().await,
        "release" => receipt.release().await,
        "close" => reader.close().await,
        _ => loop {
            if let Err(error) = reader.next().await {
                break Err(error);
            }
        },
    };
    let error = result.unwrap_err();
    let said = error.to_string();
    assert_eq!(said, expect, "{task} {rules:?}");
    assert!(error.downcast_ref::<RedisError>().unwrap().is_denied());
    assert!(error_chain(&*error).to_string().contains("NOPERM"), "what Redis says is its cause");
}

#[tokio::test]
async fn each_command_of_a_stream_that_is_refused_is_named() {
    let may = |command: &str, rule: &str| {
        format!("key orders: this user may not run {command}; allow it with the ACL rule `{rule}`")
    };
    let all = "+@all";
    denied(&[all, "-xack"], "acknowledge", &may("XACK", "+xack")).await;
    denied(&[all, "-xpending"], "read", &may("XPENDING", "+xpending")).await;
    denied(&[all, "-xclaim"], "renew", &may("XCLAIM", "+xclaim")).await;
    denied(&[all, "-xclaim"], "release", &may("XCLAIM", "+xclaim")).await;
    denied(&[all, "-xclaim"], "close", &may("XCLAIM", "+xclaim")).await;
    denied(&[all, "-eval", "-evalsha"], "renew", &may("EVAL", "+eval")).await;
    denied(&[all, "-xreadgroup"], "read", &may("XREADGROUP", "+xreadgroup")).await;
    let on_it = |command: &str| {
        format!(
            "key orders: this user may not run {command} on it; allow it with the ACL rule `~orders`"
        )
    };
    let other = ["resetkeys", "~others"];
    denied(&other, "acknowledge", &on_it("XACK")).await;
    denied(&other, "renew", &on_it("EVAL")).await;
}

#[tokio::test]
async fn a_name_that_may_not_be_removed_is_no_error() {
    let server = RedisServer::start(&[]);
    server.cli(&[
        "ACL",
        "SETUSER",
        "u",
        "on",
        ">secret",
        "~orders",
        "+@all",
        "-xgroup|delconsumer",
    ]);
    let reader = open(&as_user(&server, "u")).await;
    reader.close().await.unwrap();
}

#[tokio::test]
async fn each_command_of_a_connector_that_is_refused_is_named() {
    let server = RedisServer::start(&[]);
    for (without, task, expect) in [
        (
            "-hset",
            "put",
            "key stu_1: this user may not run HSET; allow it with the ACL rule `+hset`",
        ),
        (
            "-pexpire",
            "put",
            "key stu_1: this user may not run PEXPIRE; allow it with the ACL rule `+pexpire`",
        ),
        (
            "-hgetall",
            "get",
            "key stu_1: this user may not run HGETALL; allow it with the ACL rule `+hgetall`",
        ),
        (
            "-del",
            "remove",
            "key stu_1: this user may not run DEL; allow it with the ACL rule `+del`",
        ),
        (
            "resetkeys",
            "get",
            "key stu_1: this user may not run HGETALL on it; allow it with the ACL rule `~stu_1`",
        ),
        (
            "-zadd",
            "write",
            "key app_{kisflow}:s:…: this user may not run ZADD; allow it with the ACL rule `+zadd`",
        ),
        (
            "-zcard",
            "write",
            "key app_{kisflow}:s:…: this user may not run ZCARD; allow it with the ACL rule `+zcard`",
        ),
        (
            "-hget",
            "read",
            "key app_{kisflow}:s:…: this user may not run HGET; allow it with the ACL rule `+hget`",
        ),
        (
            "-zrangebylex",
            "scan",
            "key app_{kisflow}:s:…: this user may not run ZRANGEBYLEX; allow it with the ACL rule `+zrangebylex`",
        ),
        (
            "-eval",
            "scan",
            "key app_{kisflow}:s:…: this user may not run EVAL; allow it with the ACL rule `+eval`",
        ),
        (
            "resetkeys",
            "usage",
            "key app_{kisflow}:s:…: this user may not run HMGET on it; allow it with the ACL rule `~app_{kisflow}:s:*`",
        ),
    ] {
        server.cli(&["ACL", "SETUSER", "u", "reset", "on", ">secret", "~*", "+@all", without]);
        let redis = connect(&server, "u", "app_").await;
        let keys = ["stu_1".to_owned()];
        let durable = Redis::durable().unwrap()(&redis);
        let result = match task {
            "put" => {
                let fields = vec![("score".into(), Some("1".into()))];
                redis.put(vec![kisflow_core::Record::new("stu_1", fields)]).await
            }
            "get" => redis.get(&keys).await.map(drop),
            "remove" => redis.remove(&keys).await,
            "write" => {
                let commit = Commit::new().put(Key::raw("s", "a"), "1");
                durable.commit(&commit).await.map_err(CommitError::into_cause)
            }
            "read" => durable.read(&[Key::raw("s", "a")]).await.map(drop),
            "scan" => durable.scan(&Scan::of("s")).await.map(drop),
            _ => durable.usage("s").await.map(drop),
        };
        let error = result.unwrap_err();
        assert_eq!(error.to_string(), expect, "{task} {without}");
    }
}

#[tokio::test]
async fn what_connecting_takes_is_named_as_well() {
    let server = RedisServer::start(&[]);
    server.cli(&["ACL", "SETUSER", "u", "on", ">secret", "~*", "+@all", "-select"]);
    let conf = as_user(&server, "u").param("database", 3);
    let error = try_open(&conf).await.unwrap_err().to_string();
    let addr = server.addr();
    assert_eq!(
        error,
        format!(
            "{addr} does not let this user run SELECT, which connecting takes; allow it with the ACL rule `+select`"
        )
    );
    // A ping that is refused is an answer.
    server.cli(&["ACL", "SETUSER", "u", "-ping"]);
    connect(&server, "u", "app_").await.ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_have_the_name_of_their_connector_or_source_where_they_may() {
    let server = RedisServer::start(&[]);
    let names = |said: &str, name: &str| said.matches(&format!(" name=kisflow:{name} ")).count();
    let mut conf = as_user(&server, "u");
    conf.sname = "my orders".to_owned();
    server.cli(&["ACL", "SETUSER", "u", "on", ">secret", "~*", "+@all"]);
    let _reader = open(&conf).await;
    let _redis = connect(&server, "u", "app_").await;
    let named = |said: &str| (names(said, "my_orders"), names(said, "scores")) == (2, 2);
    server.until(&["CLIENT", "LIST"], named);
    // After the connection was lost, too.
    server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
    server.until(&["CLIENT", "LIST"], named);

    server.cli(&["ACL", "SETUSER", "u", "-client|setname"]);
    let mut reader = open(&conf).await;
    add(&server, 1..2);
    assert_eq!(rows(&next(&mut reader).await), texts(1..2));
}
