//! What cannot work is told, with the place and the way out, in a bounded time.

use std::time::{Duration, Instant};

use kisflow_core::{SourceConf, Start, error_chain};
use kisflow_redis::RedisError;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::{
    redis_server::RedisServer,
    server::free_port,
    world::{misfits, open, orders, try_open},
};

const SECONDS: Duration = Duration::from_secs(20);

/// The error of an open that must not succeed.
async fn refusal(conf: &SourceConf) -> String {
    let started = Instant::now();
    let error = try_open(conf).await.expect_err("it opened");
    assert!(started.elapsed() < SECONDS, "it took {:?}", started.elapsed());
    assert!(error.downcast_ref::<RedisError>().is_some(), "another error: {error}");
    error_chain(&*error).to_string()
}

#[tokio::test]
async fn a_key_that_holds_no_stream_is_named() {
    let server = RedisServer::start(&[]);
    server.cli(&["SET", "orders", "a text"]);
    let addr = server.addr();
    let expect = format!(
        "the key orders at {addr} holds no stream; name a stream in `key`, or remove what is there: \
         WRONGTYPE Operation against a key holding the wrong kind of value"
    );
    assert_eq!(refusal(&orders(&addr)).await, expect);

    server.cli(&["DEL", "orders"]);
    let mut reader = open(&orders(&addr)).await;
    server.cli(&["SET", "orders", "a text"]);
    let error = kisflow_core::Source::next(&mut reader).await.unwrap_err();
    assert_eq!(error_chain(&*error).to_string().trim_end_matches('.'), expect);
}

#[tokio::test]
async fn a_password_that_is_missing_or_wrong_is_told() {
    let server = RedisServer::start_with(&["--requirepass", "hunter2"], &["-a", "hunter2"]);
    let addr = server.addr();
    let said = refusal(&orders(&addr)).await;
    assert!(said.starts_with(&format!("{addr} wants a password; set `password_env`")), "{said}");
    let said = refusal(&orders(&addr).param("password", "wrong")).await;
    assert!(said.starts_with(&format!("{addr} refused the user name or the password")), "{said}");
    open(&orders(&addr).param("password", "hunter2")).await;
}

#[tokio::test]
async fn nothing_there_is_told() {
    let addr = format!("127.0.0.1:{}", free_port());
    let expect = format!("nothing listens at {addr} (connection refused)");
    assert_eq!(refusal(&orders(&addr)).await, expect);
}

#[tokio::test]
async fn a_server_that_never_answers_is_told_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let conf = orders(addr.to_string()).param("connect_timeout_ms", 200);
    let said = refusal(&conf).await;
    assert_eq!(said, format!("{addr} accepted the connection and did not answer within 200ms"));
}

/// A server that answers whatever it is asked with this.
async fn answering(answer: &'static [u8], close: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 1024];
                while let Ok(1..) = client.read(&mut buffer).await {
                    if client.write_all(answer).await.is_err() || close {
                        return;
                    }
                }
            });
        }
    });
    addr
}

#[tokio::test]
async fn a_server_of_another_protocol_is_told() {
    let answers: [(&[u8], bool); 3] = [
        (b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", true),
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", false),
        (b"220 mail.example.com ESMTP\r\n", false),
    ];
    for (answer, close) in answers {
        let addr = answering(answer, close).await;
        let said = refusal(&orders(&addr).param("connect_timeout_ms", 1_000)).await;
        let expect = format!(
            "what listens at {addr} does not speak redis' protocol; check the port, and `tls`"
        );
        assert!(said.starts_with(&expect), "{said}");
    }
}

#[test]
fn what_a_conf_cannot_mean_is_found_before_anything_connects() {
    let check = |conf: SourceConf, expect: &[(&str, &str)]| {
        let found = misfits(&conf);
        let found: Vec<_> = found.iter().map(|(path, why)| (path.as_str(), why.as_str())).collect();
        assert_eq!(found, expect);
    };
    let good = || orders("127.0.0.1:6379");
    check(good(), &[]);
    check(good().start(Start::After("1700000000000-0".into())), &[]);
    check(
        SourceConf::new("orders", "redis_stream"),
        &[
            ("addrs", "`addrs` names no server; expected `host:port`, such as `127.0.0.1:6379`"),
            ("key", "`key` is empty; expected the name of a stream, such as `orders`"),
        ],
    );
    check(
        good().start(Start::After("latset".into())),
        &[(
            "start",
            "expected earliest, latest, or the id of an entry, such as `1700000000000-0`; found `latset`",
        )],
    );
    check(
        good().param("lease_ms", 0),
        &[("params.lease_ms", "`lease_ms` is too short; at least 10ms are needed")],
    );
    check(
        good().param("lease_ms", 700_000_000),
        &[("params.lease_ms", "`lease_ms` is 700000s; the most is a week, `7d`")],
    );
    check(
        good().batch(10, Duration::from_millis(500)).param("lease_ms", 1_000),
        &[(
            "batch.wait_ms",
            "`wait_ms` is 500ms, and `lease_ms` 1s; a batch may wait for a third of a lease at most",
        )],
    );
    check(
        good().param("field", ""),
        &[("params.field", "`field` is empty; leave it out, or write \"*\" for all fields")],
    );
    check(
        good().param("tls_ca", "ca.pem"),
        &[("params", "`tls_ca` is set, and TLS is off; set `tls: true`")],
    );
    check(
        good().param("password", "a").param("password_env", "B"),
        &[("params", "both `password` and `password_env` are set; drop one, best `password`")],
    );
}
