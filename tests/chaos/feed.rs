//! How rows get to where each source reads them.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    thread::JoinHandle,
    time::Duration,
};

use futures_util::StreamExt;
use kisflow_redis::fred::prelude::*;

use crate::redis_server::RedisServer;

/// How many rows have the same key, one after the other.
pub(crate) const PER_KEY: u64 = 50;

/// How many groups of rows there are, whose rows are everywhere.
pub(crate) const GROUPS: u64 = 97;

fn text(id: u64) -> String {
    format!("{{\"id\":{id},\"key\":{},\"group\":{}}}", id / PER_KEY, id % GROUPS)
}

/// A file of all rows, a line each.
pub(crate) fn file(path: &Path, rows: std::ops::Range<u64>) {
    let mut file =
        std::io::BufWriter::new(fs::File::options().create(true).append(true).open(path).unwrap());
    for id in rows {
        writeln!(file, "{}", text(id)).unwrap();
    }
    file.flush().unwrap();
}

/// So many rows in a stream.
pub(crate) fn redis_stream(server: &RedisServer, key: &'static str, rows: u64) {
    let config = Config::from_url(&format!("redis://{}", server.addr())).unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let client = Builder::from_config(config).build().unwrap();
        client.init().await.unwrap();
        for chunk in (0..rows).collect::<Vec<_>>().chunks(5_000) {
            let pipeline = client.pipeline();
            for id in chunk {
                pipeline
                    .xadd::<(), _, _, _, _>(key, false, None, "*", ("row", text(*id)))
                    .await
                    .unwrap();
            }
            pipeline.all::<()>().await.unwrap();
        }
        client.quit().await.unwrap();
    });
}

/// So many rows in a JetStream stream.
pub(crate) fn nats(addr: &str, stream: &str, subject: &'static str, rows: u64) {
    let (addr, stream) = (addr.to_owned(), stream.to_owned());
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let client = async_nats::connect(&addr).await.unwrap();
        let jetstream = async_nats::jetstream::new(client);
        jetstream
            .create_stream(async_nats::jetstream::stream::Config {
                name: stream,
                subjects: vec![subject.to_owned()],
                ..Default::default()
            })
            .await
            .unwrap();
        for chunk in (0..rows).collect::<Vec<_>>().chunks(1_000) {
            let mut acks = Vec::new();
            for id in chunk {
                acks.push(jetstream.publish(subject, text(*id).into()).await.unwrap());
            }
            for ack in acks {
                ack.await.unwrap();
            }
        }
    });
}

/// Posts so many rows, a thousand at a time, each until it is answered with 200.
pub(crate) fn http(addr: String, path: &'static str, rows: u64) -> JoinHandle<u64> {
    std::thread::spawn(move || {
        let mut refused = 0;
        for first in (0..rows).step_by(1_000) {
            let body: String = (first..first + 1_000).map(|id| text(id) + "\n").collect();
            while post(&addr, path, &format!("post-{first}"), &body) != Some(200) {
                refused += 1;
                // The server is down, or full: a client backs off.
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        refused
    })
}

/// The status of one post; none when the connection broke.
pub(crate) fn post(addr: &str, path: &str, key: &str, body: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(addr).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: {addr}\r\ncontent-type: application/x-ndjson\r\nidempotency-key: {key}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split_whitespace().nth(1)?.parse().ok()
}

/// How many rows of a JetStream stream are not acknowledged by its consumers, one for each.
pub(crate) fn unacknowledged(addr: &str, stream: &str) -> u64 {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let jetstream = async_nats::jetstream::new(async_nats::connect(addr).await.unwrap());
        let stream = jetstream.get_stream(stream).await.unwrap();
        let mut consumers = stream.consumers();
        let mut open = 0;
        while let Some(consumer) = consumers.next().await {
            let consumer = consumer.unwrap();
            open += consumer.num_pending + consumer.num_ack_pending as u64;
        }
        open
    })
}
