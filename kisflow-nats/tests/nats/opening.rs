//! What a reader finds when it is opened, and what it says of it.

use std::{env, path::Path, process::Command, time::Duration};

use async_nats::jetstream::consumer::{AckPolicy, pull};
use kisflow_core::{Source, SourceConf, Start};
use kisflow_nats::{Nats, NatsParams};
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt, net::TcpListener};

use crate::{
    nats_server::NatsServer,
    reader::{conf, open, params, read, refusal, server, texts, timed},
    server::free_port,
};

/// Whatever stands there, the answer is there in time.
async fn refused_in_time(conf: &SourceConf, params: NatsParams) -> String {
    let limit = params.connect_timeout;
    let (error, took) = timed(refusal(conf, params)).await;
    assert!(took < limit + Duration::from_secs(4), "{error}: only after {took:?}");
    error
}

fn hasty() -> NatsParams {
    params(|params| params.connect_timeout = Duration::from_millis(500))
}

#[tokio::test]
async fn an_address_where_nothing_listens_is_named() {
    let addr = format!("127.0.0.1:{}", free_port());
    let error =
        refused_in_time(&SourceConf::new("orders", "nats").addrs(&*addr).key("a"), hasty()).await;
    assert_eq!(error, format!("nothing listens at {addr} (connection refused)"));
}

/// A server that says this to whoever connects, and no more.
async fn other_server(greeting: &'static [u8]) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let mut streams = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(greeting).await.unwrap();
            streams.push(stream);
        }
    });
    addr
}

#[tokio::test]
async fn a_server_that_waits_to_be_asked_as_redis_or_http_is_no_nats() {
    let addr = other_server(b"").await;
    let error =
        refused_in_time(&SourceConf::new("orders", "nats").addrs(&*addr).key("a"), hasty()).await;
    assert_eq!(
        error,
        format!(
            "{addr} accepts connections and does not greet as NATS does, within 500ms: another protocol, or a server that hangs; see `addrs`"
        )
    );
}

#[tokio::test]
async fn a_server_that_speaks_another_protocol_is_no_nats() {
    for greeting in [
        &b"220 mail.example.org ESMTP\r\n"[..],
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"+PONG\r\n",
        b"-ERR wrong\r\n",
    ] {
        let addr = other_server(greeting).await;
        let error =
            refused_in_time(&SourceConf::new("orders", "nats").addrs(&*addr).key("a"), hasty())
                .await;
        let expect = format!("{addr} does not speak the protocol of NATS; see `addrs`");
        assert!(error.starts_with(&expect), "{greeting:?}: {error}");
    }
}

#[tokio::test]
async fn a_server_without_jetstream_is_an_error_with_the_way_out() {
    let server = NatsServer::start_with(&[]);
    let expect = format!(
        "nats at {} has no JetStream; start it with `nats-server --jetstream`, and enable it for this user's account",
        server.addr()
    );
    assert_eq!(refused_in_time(&conf(&server), hasty()).await, expect);
    let named = params(|params| params.stream = Some("ORDERS".into()));
    assert_eq!(refused_in_time(&conf(&server), named).await, expect);
}

#[tokio::test]
async fn who_reads_must_be_known_to_a_server_that_asks() {
    // A variable that every process has; tests cannot set one.
    let secret = env::var("PATH").unwrap();
    let server = NatsServer::start_with(&["-js", "--user", "billing", "--pass", &secret]);
    let place = server.addr();
    let error = refused_in_time(&conf(&server), hasty()).await;
    assert_eq!(
        error,
        format!(
            "nats at {place} wants to know who reads; set `user` and `password_env`, `token_env` or `creds`"
        )
    );
    let with = |user: &str| {
        params(|params| {
            params.user = Some(user.to_owned());
            params.password_env = Some("PATH".to_owned());
            params.stream = Some("ORDERS".to_owned());
            params.create_stream = true;
        })
    };
    let error = refused_in_time(&conf(&server), with("nobody")).await;
    assert_eq!(
        error,
        format!(
            "nats at {place} refused the user; see `user` and `password_env`, `token_env` or `creds`"
        )
    );
    open(&conf(&server), with("billing")).await;

    let server = NatsServer::start_with(&["-js", "--auth", &secret]);
    let token = params(|params| {
        params.token_env = Some("PATH".to_owned());
        params.stream = Some("ORDERS".to_owned());
        params.create_stream = true;
    });
    open(&conf(&server), token).await;
}

#[tokio::test]
async fn a_stream_that_is_missing_is_an_error_that_says_how_to_create_it() {
    let server = NatsServer::start();
    let named = params(|params| params.stream = Some("ORDERS".into()));
    assert_eq!(
        refused_in_time(&conf(&server), named).await,
        format!(
            "there is no stream `ORDERS` at nats {}; create it: `nats stream add ORDERS --subjects 'orders.>'`, or set `params.create_stream: true`",
            server.addr()
        )
    );
    assert_eq!(
        refused_in_time(&conf(&server), hasty()).await,
        format!(
            "no stream at nats {} has the subject `orders.>`; create one: `nats stream add ORDERS --subjects 'orders.>'`, or set `params.stream` and `params.create_stream: true`",
            server.addr()
        )
    );
}

#[tokio::test]
async fn a_stream_is_created_when_the_conf_says_so() {
    let server = NatsServer::start();
    let create = || {
        params(|params| {
            params.stream = Some("ORDERS".into());
            params.create_stream = true;
        })
    };
    let mut reader = open(&conf(&server), create()).await;
    server.publish("orders.new", texts(0..3)).await;
    assert_eq!(read(&mut reader, 3).await, texts(0..3));
    let mut again = open(&conf(&server).group("again"), create()).await;
    assert_eq!(read(&mut again, 3).await, texts(0..3));
}

#[tokio::test]
async fn one_of_several_streams_must_be_named() {
    let server = NatsServer::start();
    server.create_stream("NEW", &["orders.new"]).await;
    server.create_stream("PAID", &["orders.paid"]).await;
    let error = refused_in_time(&conf(&server), hasty()).await;
    assert_eq!(
        error,
        format!(
            "several streams at nats {} have subjects of `orders.>`: NEW, PAID; name one in `params.stream`",
            server.addr()
        )
    );
    open(&conf(&server).key("orders.new"), hasty()).await;
}

#[tokio::test]
async fn a_subject_that_the_stream_does_not_have_is_refused_with_those_it_has() {
    let server = server(0..0).await;
    let named = params(|params| params.stream = Some("ORDERS".into()));
    let error = refused_in_time(&conf(&server).key("ships"), named).await;
    assert!(
        error.contains("`ships` on stream `ORDERS`, which has the subjects [\"orders.>\"]"),
        "{error}"
    );
}

#[tokio::test]
async fn a_position_of_another_stream_is_no_start() {
    let server = server(0..0).await;
    let conf = conf(&server).start(Start::After("SHIPS:7".into()));
    assert_eq!(
        refused_in_time(&conf, hasty()).await,
        format!(
            "`start: SHIPS:7` is a position in stream `SHIPS`; `orders.>` is read from stream `ORDERS` at nats {}",
            server.addr()
        )
    );
}

#[tokio::test]
async fn a_consumer_with_other_settings_is_left_alone_and_both_are_named() {
    let server = server(0..1).await;
    let stream = server.jetstream().await.get_stream("ORDERS").await.unwrap();
    let config = pull::Config {
        durable_name: Some("billing".to_owned()),
        ack_policy: AckPolicy::All,
        ack_wait: Duration::from_secs(5),
        filter_subject: "orders.paid".to_owned(),
        max_deliver: 3,
        ..pull::Config::default()
    };
    stream.create_consumer(config).await.unwrap();
    assert_eq!(
        refused_in_time(&conf(&server), hasty()).await,
        format!(
            "the consumer `billing` of stream `ORDERS` at nats {} exists with other settings: its subject is `orders.paid`, and the conf says `key: orders.>`, ack_policy is All, and the conf says Explicit, ack_wait is 5s, and the conf says `params.lease_ms: 30000`, max_deliver is 3, and the conf says unlimited; set them in the conf, name another `group`, or delete it: `nats consumer rm ORDERS billing`",
            server.addr()
        )
    );
    let mut other = open(&conf(&server).group("other"), hasty()).await;
    assert_eq!(read(&mut other, 1).await, texts(0..1));
    stream.delete_consumer("billing").await.unwrap();
    let mut reader = open(&conf(&server), hasty()).await;
    assert_eq!(read(&mut reader, 1).await, texts(0..1));
}

#[test]
fn what_cannot_be_right_is_found_before_anything_connects() {
    let check = |conf: SourceConf, params: NatsParams, expect: &[&str]| {
        let found = Nats::check(&conf, &params);
        let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, expect, "{found:?}");
    };
    let good = || SourceConf::new("orders", "nats").key("orders.>");
    check(good(), params(|_| {}), &[]);
    check(good().group("billing"), params(|_| {}), &[]);
    check(good().group("bill.ing"), params(|_| {}), &["group"]);
    check(good().start(Start::After("yesterday".into())), params(|_| {}), &["start"]);
    check(good(), params(|params| params.creds = Some("/gone.creds".into())), &["params"]);
    check(
        good(),
        params(|params| {
            params.tls = true;
            params.tls_ca = Some("/gone.pem".into());
        }),
        &["params"],
    );
    check(
        SourceConf::new("orders", "nats")
            .addrs("nats://127.0.0.1:4222")
            .key("")
            .start(Start::After("A:1".into())),
        params(|params| {
            params.stream = Some("B".into());
            params.create_stream = true;
            params.token_env = Some("PATH".into());
            params.tls_ca = Some("/ca.pem".into());
            params.user = Some("billing".into());
            params.lease = Duration::ZERO;
        }),
        &[
            "addrs",
            "key",
            "start",
            "params.user",
            "params.token_env",
            "params.tls_ca",
            "params.lease_ms",
        ],
    );
}

#[tokio::test]
async fn tls_is_spoken_with_the_authority_of_the_conf() {
    let dir = TempDir::new().unwrap();
    certificates(dir.path());
    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let server = NatsServer::start_with(&[
        "-js",
        "--tls",
        "--tlscert",
        &file("server.pem"),
        "--tlskey",
        &file("server.key"),
    ]);
    let with = |tls, ca: Option<String>| {
        params(|params| {
            (params.tls, params.tls_ca) = (tls, ca);
            params.stream = Some("ORDERS".to_owned());
            params.create_stream = true;
            params.connect_timeout = Duration::from_secs(2);
        })
    };
    open(&conf(&server), with(true, Some(file("ca.pem")))).await;
    for (params, what) in [
        (with(false, None), "without tls"),
        (with(true, Some(file("other.pem"))), "another authority"),
    ] {
        let error = refused_in_time(&conf(&server), params).await;
        assert!(
            error.starts_with(&format!("the certificate of {} is not trusted", server.addr())),
            "{what}: {error}"
        );
    }
    let plain = NatsServer::start();
    let error = refused_in_time(&conf(&plain), with(true, Some(file("ca.pem")))).await;
    assert_eq!(error, format!("{} does not speak TLS; set `tls: false`", plain.addr()));
}

/// An authority `ca.pem`, one that signs nothing, `other.pem`, and a certificate for 127.0.0.1.
fn certificates(dir: &Path) {
    let openssl = |arguments: &str| {
        let output = Command::new("openssl").current_dir(dir).args(arguments.split(' ')).output();
        let output = output.expect("these tests need openssl: `apt-get install openssl`");
        assert!(
            output.status.success(),
            "openssl {arguments}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    for name in ["ca", "other"] {
        openssl(&format!(
            "req -x509 {key} -keyout {name}.key -out {name}.pem -subj /CN={name} -days 2"
        ));
    }
    openssl(&format!("req {key} -keyout server.key -out server.csr -subj /CN=server"));
    std::fs::write(dir.join("server.ext"), "subjectAltName=IP:127.0.0.1").unwrap();
    openssl(
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile server.ext -days 2 -out server.pem",
    );
}
