//! The example `flights_live`, fed from a Redis stream, from NATS and over HTTP, computes what it
//! computes from a file.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::{
    nats_server::NatsServer,
    redis_server::RedisServer,
    server::{free_port, poll},
};

/// The program beside the test's own.
fn example() -> Command {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().and_then(Path::parent).unwrap().join("examples/flights_live");
    assert!(
        path.exists(),
        "{} is not built; `cargo test` builds it with all tests, for this test alone say `cargo build --all-features --example flights_live`",
        path.display()
    );
    Command::new(path)
}

/// The rows of the excerpt, and of the damaged one.
fn rows() -> Vec<String> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data");
    let text = ["flights.ndjson", "flights-damaged.ndjson"]
        .map(|file| fs::read_to_string(format!("{dir}/{file}")).unwrap());
    text.concat().lines().map(str::to_owned).collect()
}

/// What it prints when it reads the file.
fn expected() -> String {
    let output = example().output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("344 rows read, 337 delivered, 7 quarantined"), "{printed}");
    printed
}

struct Running(Child);

impl Running {
    fn start(from: &str, addr: &str) -> Self {
        let mut command = example();
        command.args(["--from", from, "--addrs", addr]);
        Self(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap())
    }

    /// Tells it to stop, and gives what it printed.
    fn stop(mut self) -> String {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
        let mut printed = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
        let status = self.0.wait().unwrap();
        assert!(status.success(), "told to stop it exits with 0, not {status}");
        printed
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn from_a_redis_stream() {
    let server = RedisServer::start(&[]);
    for row in rows() {
        server.cli(&["XADD", "flights", "*", "row", &row]);
    }
    let running = Running::start("redis_stream", &server.addr());
    let groups = ["XINFO", "GROUPS", "flights"];
    server.until(&groups, |printed| {
        let lines: Vec<&str> = printed.lines().collect();
        let value = |name: &str| {
            lines.iter().position(|line| *line == name).and_then(|at| lines.get(at + 1).copied())
        };
        value("pending") == Some("0") && value("lag") == Some("0")
    });
    assert_eq!(running.stop(), expected());
}

#[test]
fn from_nats() {
    let server = NatsServer::start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let jetstream = runtime.block_on(async {
        let client = async_nats::connect(server.addr()).await.unwrap();
        let jetstream = async_nats::jetstream::new(client);
        let config = async_nats::jetstream::stream::Config {
            name: "FLIGHTS".to_owned(),
            subjects: vec!["flights".to_owned()],
            ..Default::default()
        };
        jetstream.create_stream(config).await.unwrap();
        for row in rows() {
            jetstream.publish("flights", row.into()).await.unwrap().await.unwrap();
        }
        jetstream
    });
    let running = Running::start("nats", &server.addr());
    let done = poll(|| {
        runtime.block_on(async {
            let stream = jetstream.get_stream("FLIGHTS").await.unwrap();
            match stream.consumer_info("DelaysByCarrier").await {
                Ok(info) => {
                    info.num_pending == 0
                        && info.num_ack_pending == 0
                        && info.delivered.stream_sequence > 0
                }
                Err(_) => false,
            }
        })
    });
    assert!(done, "not all rows are acknowledged");
    assert_eq!(running.stop(), expected());
}

#[test]
fn over_http() {
    let addr = format!("127.0.0.1:{}", free_port());
    let running = Running::start("http", &addr);
    let mut stream = None;
    assert!(poll(|| {
        stream = TcpStream::connect(&addr).ok();
        stream.is_some()
    }));
    let mut stream = stream.unwrap();
    // As lines of text: some of the rows are no JSON, and the endpoint would send them back.
    let rows = rows();
    let (good, bad): (Vec<_>, Vec<_>) =
        rows.iter().partition(|row| serde_json::from_str::<serde_json::Value>(row).is_ok());
    assert_eq!(bad.len(), 1);
    let body = good.iter().map(|row| format!("{row}\n")).collect::<String>();
    write!(
        stream,
        "POST /flights HTTP/1.1\r\nhost: {addr}\r\ncontent-type: application/x-ndjson\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.trim_end().ends_with(r#"{"rows":343,"quarantined":6}"#), "{answer}");
    // The row that is no JSON was not taken.
    let expected = expected()
        .replace(
            "344 rows read, 337 delivered, 7 quarantined",
            "343 rows read, 337 delivered, 6 quarantined",
        )
        .replace("7 rows in quarantine", "6 rows in quarantine");
    let expected: Vec<&str> =
        expected.lines().filter(|line| !line.contains("EOF while parsing")).collect();
    assert_eq!(running.stop().lines().collect::<Vec<_>>(), expected);
}
