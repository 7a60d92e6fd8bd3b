//! The endpoint over real sockets: what each path answers, and that nothing is left of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

use std::{
    net::TcpListener,
    process,
    sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering},
    time::Duration,
};

use kisflow_core::{
    AsStorage, Conf, ConnConf, Connector, Exporter, FlowConf, FunctionConf, GlobalConf, Health,
    Memory, MemoryParams, Mode, Registry, Result, async_trait, error_chain,
};
use kisflow_prometheus::{Prometheus, PrometheusError};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::{Builder, Handle},
    time::{Instant, sleep, timeout},
};

const LONG: Duration = Duration::from_secs(30);

/// A port that nobody listens at, below those that the system gives to clients.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 12_000 + (process::id().wrapping_mul(41) % 18_000) as u16 + next % 1_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// An exporter that serves.
fn start() -> (Prometheus, u16) {
    let (prometheus, port) = (Prometheus::new(), free_port());
    drop(
        prometheus
            .start(&GlobalConf::prometheus(format!("127.0.0.1:{port}")), Health::default())
            .unwrap(),
    );
    (prometheus, port)
}

async fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    ask(&mut stream, path).await
}

async fn ask(stream: &mut TcpStream, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(LONG, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

/// Asks until the answer is yes.
async fn until(wanted: impl AsyncFn() -> bool) {
    let asking = async {
        while !wanted().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, asking).await.unwrap();
}

#[track_caller]
fn is(answer: &str, status: &str, content_type: &str, body: &str) {
    let (head, found) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    assert!(head.to_lowercase().contains(&format!("content-type: {content_type}")), "{head}");
    assert_eq!(found, body);
}

#[tokio::test]
async fn each_path_has_its_answer() {
    let port = free_port();
    let prometheus = Prometheus::new();
    let conf = GlobalConf::prometheus(format!("127.0.0.1:{port}"));
    let recorder = prometheus.start(&conf, Health::default()).unwrap();
    metrics::with_local_recorder(&*recorder, || {
        metrics::counter!("posts_total", "flow" => "A").increment(3);
        metrics::histogram!("wait_seconds").record(0.2);
    });
    for path in ["/", "/metrics"] {
        let answer = get(port, path).await;
        is(&answer, "200", "text/plain; version=0.0.4", &prometheus.render());
        assert!(answer.contains("posts_total{flow=\"A\"} 3\n"), "{answer}");
        assert!(answer.contains("wait_seconds_bucket{le=\"0.5\"} 1\n"), "{answer}");
    }
    is(&get(port, "/healthz").await, "200", "text/plain", "ok\n");
    let starting = "starting: the connectors are not connected yet\n";
    is(&get(port, "/readyz").await, "503", "text/plain", starting);
    assert!(get(port, "/other").await.starts_with("HTTP/1.1 404 "));
}

/// An engine that answers pings or does not.
struct Line(Memory);

static ANSWERS: AtomicBool = AtomicBool::new(true);

static PINGS: AtomicUsize = AtomicUsize::new(0);

#[async_trait]
impl Connector for Line {
    const TYPE: &'static str = "line";
    type Params = MemoryParams;

    async fn connect(conf: &ConnConf, params: MemoryParams) -> Result<Self> {
        Ok(Self(Memory::connect(conf, params).await?))
    }

    fn storage() -> Option<AsStorage<Self>> {
        Some(|line| &line.0)
    }

    async fn ping(&self) -> Result<()> {
        PINGS.fetch_add(1, Ordering::AcqRel);
        match ANSWERS.load(Ordering::Acquire) {
            true => Ok(()),
            false => Err("the line is dead\nand cold".into()),
        }
    }
}

#[tokio::test]
async fn the_endpoint_says_when_flows_are_not_ready_and_why() {
    let port = free_port();
    let conf = Conf::new()
        .connector(ConnConf::new("notes", "line"))
        .function(FunctionConf::new("Keep", Mode::Save).connector("notes").param("id", "id"))
        .flow(FlowConf::new("Notes").then_named("Keep"))
        .global(GlobalConf::prometheus(format!("127.0.0.1:{port}")));
    let registry = Registry::new().connector::<Line>().exporter(Prometheus::new());
    let flows = registry.link(conf).await.unwrap();
    is(&get(port, "/readyz").await, "200", "text/plain", "ready\n");
    ANSWERS.store(false, Ordering::Release);
    let problem = "connector `notes`: the line is dead and cold\n";
    until(async || get(port, "/readyz").await.ends_with(problem)).await;
    is(&get(port, "/readyz").await, "503", "text/plain", problem);
    // Who asks pings nothing.
    let pings = PINGS.load(Ordering::Acquire);
    for _ in 0..200 {
        get(port, "/readyz").await;
    }
    assert!(PINGS.load(Ordering::Acquire) - pings < 100);
    is(&get(port, "/healthz").await, "200", "text/plain", "ok\n");
    ANSWERS.store(true, Ordering::Release);
    until(async || get(port, "/readyz").await.ends_with("ready\n")).await;
    is(&get(port, "/readyz").await, "200", "text/plain", "ready\n");
    assert!(get(port, "/metrics").await.contains("kisflow_flow_runs_in_flight{flow=\"Notes\"} 0"));
    drop(flows);
    closed(port).await;
}

/// Waits until nobody listens.
async fn closed(port: u16) {
    let closes = async {
        while TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(timeout(LONG, closes).await.is_ok(), "the port is never closed");
}

/// How many tasks live on the runtime of this test.
fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

#[tokio::test]
async fn an_exporter_that_is_dropped_leaves_no_task_and_no_connection() {
    assert_eq!(tasks(), 0);
    for listens in [true, false] {
        let (prometheus, port) = (Prometheus::new(), free_port());
        let mut conf = GlobalConf::prometheus(format!("127.0.0.1:{port}"));
        conf.prometheus_listen = listens;
        drop(prometheus.start(&conf, Health::default()).unwrap());
        let mut open = None;
        if listens {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: here\r\n\r\n").await.unwrap();
            assert_eq!(stream.read_u8().await.unwrap(), b'H');
            open = Some(stream);
        }
        assert!(tasks() > 0);
        drop(prometheus);
        let ended = async {
            while tasks() > 0 {
                tokio::task::yield_now().await;
            }
        };
        assert!(timeout(LONG, ended).await.is_ok(), "{} tasks are left", tasks());
        if let Some(mut stream) = open {
            let mut rest = Vec::new();
            timeout(LONG, stream.read_to_end(&mut rest)).await.unwrap().unwrap();
        }
        assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
    }
}

#[tokio::test]
async fn a_port_in_use_is_an_error_when_the_exporter_starts() {
    let (_first, port) = start();
    let conf = GlobalConf::prometheus(format!("127.0.0.1:{port}"));
    let Err(error) = Prometheus::new().start(&conf, Health::default()) else {
        panic!("it is in use")
    };
    let chain = error_chain(&*error).to_string();
    let expected = format!("cannot listen on 127.0.0.1:{port} (`prometheus_serve`): ");
    assert!(chain.starts_with(&expected) && chain.len() > expected.len(), "{chain}");
    assert!(error.downcast_ref::<PrometheusError>().is_some_and(PrometheusError::is_bind));
    is(&get(port, "/healthz").await, "200", "text/plain", "ok\n");
}

#[tokio::test]
async fn an_address_that_is_none_is_an_error_that_names_it() {
    let conf = GlobalConf::prometheus("nowhere.invalid:20004");
    let Err(error) = Prometheus::new().start(&conf, Health::default()) else {
        panic!("it is none")
    };
    let expected = "\"nowhere.invalid:20004\" (`prometheus_serve`) is no address";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn an_exporter_starts_once_and_goes_on() {
    let (prometheus, port) = start();
    let other = free_port();
    let conf = GlobalConf::prometheus(format!("127.0.0.1:{other}"));
    let Err(error) = prometheus.start(&conf, Health::default()) else { panic!("it has started") };
    assert!(error.to_string().contains("give each registry one of its own"), "{error}");
    closed(other).await;
    is(&get(port, "/healthz").await, "200", "text/plain", "ok\n");
}

#[tokio::test]
async fn a_client_that_sends_nothing_keeps_nobody_waiting() {
    let (_prometheus, port) = start();
    let mut silent = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(b"GET /metr").await.unwrap();
        silent.push(stream);
    }
    is(&get(port, "/healthz").await, "200", "text/plain", "ok\n");
}

#[test]
fn silent_clients_make_room_for_others() {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (_prometheus, port) = start();
        let mut silent = Vec::new();
        for _ in 0..150 {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            stream.write_all(b"GET /metr").await.unwrap();
            silent.push(stream);
        }
        // Time passes as soon as everybody waits.
        let since = Instant::now();
        is(&get(port, "/healthz").await, "200", "text/plain", "ok\n");
        assert!(since.elapsed() < Duration::from_secs(60), "{:?}", since.elapsed());
    });
}

#[tokio::test]
async fn a_client_that_closes_its_side_behind_the_request_gets_its_answer() {
    let port = free_port();
    let prometheus = Prometheus::new();
    let conf = GlobalConf::prometheus(format!("127.0.0.1:{port}"));
    prometheus.start(&conf, Health::default()).unwrap();
    for path in ["/metrics", "/healthz", "/readyz"] {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: here\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        timeout(LONG, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 "), "{path}: {answer}");
    }
}
