//! A client that speaks HTTP/1.1 byte by byte, and sources to post to.

use std::{
    collections::BTreeMap,
    io,
    net::TcpListener,
    process,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use kisflow_core::{Delivery, Settled, Source, SourceConf, SourceContext, durable::MemoryStore};
use kisflow_http::{Http, HttpParams};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Longer than anything here takes, unless something waits for what never comes.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// A context of a flow, as of a process of its own.
pub(crate) fn context(flow: &str) -> SourceContext {
    SourceContext::new(flow, "posts", Arc::new(MemoryStore::default()))
}

/// A port that nobody listens at, below those that the system gives to clients.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 12_000 + (process::id().wrapping_mul(37) % 18_000) as u16 + next % 1_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A source at a port: batches of 10 rows.
pub(crate) fn conf(port: u16, path: &str) -> SourceConf {
    SourceConf::new("posts", "http")
        .addrs(format!("127.0.0.1:{port}"))
        .key(path)
        .batch(10, Duration::from_millis(20))
}

pub(crate) fn params(change: impl FnOnce(&mut HttpParams)) -> HttpParams {
    let mut params = HttpParams::default();
    change(&mut params);
    params
}

/// A source that listens at `/rows`, and its port.
pub(crate) async fn open(change: impl FnOnce(&mut HttpParams)) -> (Http, u16) {
    let port = free_port();
    let http = Http::open(&conf(port, "/rows"), params(change), context("Flow")).await.unwrap();
    (http, port)
}

pub(crate) async fn next(http: &mut Http) -> Delivery {
    timeout(LONG, http.next()).await.unwrap().unwrap().unwrap()
}

/// Settles every row as delivered.
pub(crate) async fn done(delivery: &Delivery) {
    let settled = Settled::new(delivery.batch().len(), 0);
    delivery.receipt().done(&settled).await.unwrap();
}

/// Works on what is posted, and keeps the rows.
pub(crate) async fn work(mut http: Http, rows: tokio::sync::mpsc::Sender<String>) {
    loop {
        let delivery = http.next().await.unwrap().unwrap();
        for row in delivery.batch().to_ndjson().unwrap().lines() {
            rows.send(row.to_owned()).await.unwrap();
        }
        done(&delivery).await;
    }
}

/// Asks again and again, within bounds.
pub(crate) async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) {
    let asked = async {
        while !is().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(timeout(LONG, asked).await.is_ok(), "never: {what}");
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: serde_json::Value,
}

impl Answer {
    pub(crate) fn error(&self) -> &str {
        self.body["error"].as_str().unwrap_or_default()
    }
}

/// A post, as bytes.
pub(crate) fn post(path: &str, headers: &[&str], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = format!("content-length: {}", body.len());
    request("POST", path, &[headers, &[&length]].concat(), body)
}

pub(crate) fn request(method: &str, path: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: here\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

/// Sends a request on a connection of its own, and reads the answer.
pub(crate) async fn send(port: u16, request: &[u8]) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    // A server may answer, and close, before it has read everything.
    let _ = stream.write_all(request).await;
    read(&mut stream).await
}

/// Sends a request that must be answered.
pub(crate) async fn ask(port: u16, request: &[u8]) -> Answer {
    timeout(LONG, send(port, request)).await.expect("no answer").expect("no answer")
}

/// Reads one answer.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Answer> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let mut body =
        vec![0; headers.get("content-length").map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await?;
    let body = if body.is_empty() {
        serde_json::Value::Null
    } else {
        serde_json::from_slice(&body).unwrap()
    };
    Ok(Answer { status, headers, body })
}

pub(crate) fn gzip(plain: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(plain).unwrap();
    packed.finish().unwrap()
}

pub(crate) fn zlib(plain: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(plain).unwrap();
    packed.finish().unwrap()
}

/// Deflate without the frame of zlib, as some clients send it.
pub(crate) fn deflate(plain: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut packed = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(plain).unwrap();
    packed.finish().unwrap()
}
