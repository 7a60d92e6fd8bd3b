//! Addresses: shared, in use, wrong, and lost.

use std::{net::TcpListener, time::Duration};

use crate::support::{Answer, LONG, ask, conf, context, done, free_port, next, params, post, send};
use kisflow_core::{CancellationToken, Source, SourceConf, SourceContext, Start, error_chain};
use kisflow_http::{Http, HttpError, HttpParams};
use tokio::time::timeout;

async fn open(conf: &SourceConf, context: &SourceContext) -> Result<Http, HttpError> {
    Http::open(conf, params(|_| {}), context.clone())
        .await
        .map_err(|error| *error.downcast().unwrap())
}

/// Posts a row, works on it, and gives the answer.
async fn through(http: &mut Http, port: u16, path: &str, row: &str) -> Answer {
    let request = post(path, &[], row);
    let answer = tokio::spawn(async move { ask(port, &request).await });
    let delivery = next(http).await;
    assert_eq!(delivery.batch().to_ndjson().unwrap(), format!("{row}\n"));
    done(&delivery).await;
    answer.await.unwrap()
}

/// Contexts of one `serve`, for several flows: only its own clones share.
fn together() -> SourceContext {
    context("Orders")
}

#[tokio::test]
async fn sources_share_a_port_until_the_last_of_them_goes() {
    let (port, context) = (free_port(), together());
    let mut orders = open(&conf(port, "/orders"), &context).await.unwrap();
    let mut returns = open(&conf(port, "/returns"), &context).await.unwrap();
    assert_eq!(through(&mut orders, port, "/orders", "1").await.status, 200);
    assert_eq!(through(&mut returns, port, "/returns", "2").await.status, 200);
    assert_eq!(ask(port, &post("/", &[], "3")).await.status, 404);

    orders.close().await.unwrap();
    let gone = ask(port, &post("/orders", &[], "4")).await;
    assert_eq!((gone.status, gone.headers["retry-after"].as_str()), (503, "5"), "{gone:?}");
    assert_eq!(through(&mut returns, port, "/returns", "5").await.status, 200);

    let mut orders = open(&conf(port, "/orders"), &context).await.unwrap();
    assert_eq!(through(&mut orders, port, "/orders", "6").await.status, 200);
    drop(orders);
    assert_eq!(through(&mut returns, port, "/returns", "7").await.status, 200);
    returns.close().await.unwrap();
    assert!(send(port, &post("/returns", &[], "8")).await.is_err(), "the port is closed");

    // And is there for whoever comes next.
    let mut root = open(&conf(port, ""), &context).await.unwrap();
    assert_eq!(through(&mut root, port, "/", "9").await.status, 200);
    root.close().await.unwrap();
}

#[tokio::test]
async fn a_path_that_another_flow_has_is_an_error_that_names_both() {
    let (port, context) = (free_port(), together());
    let mut first = open(&conf(port, "/rows"), &context).await.unwrap();
    let Err(error) = open(&conf(port, "/rows"), &context).await else { panic!("it is taken") };
    assert!(error.is_conf() && !error.is_in_use());
    assert_eq!(
        error.to_string(),
        format!(
            "flow `Orders` cannot take what is posted to /rows at 127.0.0.1:{port}: flow `Orders` does already; give one of their sources another `key`"
        )
    );
    assert_eq!(through(&mut first, port, "/rows", "1").await.status, 200);
    first.close().await.unwrap();
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_names_the_address() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let Err(error) = open(&conf(port, "/rows"), &context("Flow")).await else {
        panic!("it is in use")
    };
    assert!(error.is_in_use() && !error.is_conf());
    let chain = error_chain(&error).to_string();
    let expected = format!(
        "source `posts`: cannot listen at 127.0.0.1:{port} (`addrs`); another program does; stop it, or take another port: "
    );
    assert!(chain.starts_with(&expected), "{chain}");
    drop(taken);
    open(&conf(port, "/rows"), &context("Flow")).await.unwrap().close().await.unwrap();
}

#[tokio::test]
async fn a_host_that_is_not_this_machine_is_an_error_with_the_way_out() {
    for (addrs, words) in [("nowhere.invalid:8080", "is unknown"), ("192.0.2.1:8080", "0.0.0.0")] {
        let conf = SourceConf::new("posts", "http").addrs(addrs);
        let Err(error) = open(&conf, &context("Flow")).await else {
            panic!("{addrs} is another's")
        };
        assert!(error.to_string().contains(words) && error.to_string().contains(addrs), "{error}");
    }
}

#[test]
fn what_is_wrong_with_a_conf_is_told_before_anything_is_opened() {
    let fine = || conf(8080, "/rows");
    let none = || params(|_| {});
    for (conf, params, path, words) in [
        (fine().addrs(""), none(), "addrs", "missing"),
        (fine().addrs("localhost"), none(), "addrs", "no address"),
        (fine().addrs(":8080"), none(), "addrs", "no address"),
        (fine().addrs("localhost:http"), none(), "addrs", "0.0.0.0:8080"),
        (fine().addrs("localhost:0"), none(), "addrs", "port 0"),
        (fine().addrs("a:1,b:2"), none(), "addrs", "one address"),
        (fine().key("rows"), none(), "key", "write /rows"),
        (fine().key("/rows?a=b"), none(), "key", "no plain path"),
        (fine().key("/my rows"), none(), "key", "no plain path"),
        (fine().group("g"), none(), "group", "drop the group"),
        (fine().start(Start::Latest), none(), "start", "no past"),
        (fine(), params(|params| params.queue = 0), "params.queue", "1 to 10000"),
        (fine(), params(|params| params.queue = usize::MAX), "params.queue", "1 to 10000"),
        (fine(), params(|params| params.max_body_bytes = 0), "params.max_body_bytes", "found 0"),
        (
            fine(),
            params(|params| params.timeout = Duration::ZERO),
            "params.timeout_ms",
            "at least 1ms",
        ),
        (fine(), params(|params| params.idle = Duration::ZERO), "params.idle_ms", "at least 1ms"),
        (
            fine(),
            params(|params| params.min_bytes_per_second = 0),
            "params.min_bytes_per_second",
            "at least 1",
        ),
        (
            fine(),
            params(|params| params.memory_bytes = Some(20_971_519)),
            "params.memory_bytes",
            "at least twice `max_body_bytes`, which is 20971520; found 20971519",
        ),
        (
            fine(),
            params(|params| params.idempotency_keys = 1_000_001),
            "params.idempotency_keys",
            "0 to 1000000",
        ),
    ] {
        let misfits = Http::check(&conf, &params);
        let [(found, message)] = misfits.as_slice() else { panic!("one is expected: {misfits:?}") };
        assert!(found == path && message.contains(words), "{path}: {misfits:?}");
    }
    // Only what listens needs the token.
    let unset = params(|params| params.token_env = Some("KISFLOW_NO_SUCH".into()));
    assert!(Http::check(&fine(), &unset).is_empty());
    for good in [
        fine(),
        fine().key(""),
        fine().key("/"),
        fine().key("/a/b-c_d.e~1"),
        fine().addrs("[::1]:80"),
    ] {
        assert_eq!(Http::check(&good, &HttpParams::default()), [], "{good:?}");
    }
}

#[test]
fn params_of_a_conf_are_read_with_their_defaults() {
    let read = |json: &str| serde_json::from_str::<HttpParams>(json);
    let params = read("{}").unwrap();
    assert_eq!(
        (params.max_body_bytes, params.queue, params.timeout),
        (10 << 20, 64, Duration::from_secs(30))
    );
    assert_eq!(params.token_env, None);
    assert_eq!(read("{\"queue\":3}").unwrap().queue, 3);
    assert!(read("{\"queue\":-3}").is_err());
}

#[test]
fn a_listener_that_dies_is_an_error_once_and_is_opened_again() {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    };
    let (port, context) = (free_port(), together());
    let dying = runtime();
    let (mut orders, mut returns) = dying.block_on(async {
        (
            open(&conf(port, "/orders"), &context).await.unwrap(),
            open(&conf(port, "/returns"), &context).await.unwrap(),
        )
    });
    // The tasks that serve end with the runtime that they live on.
    drop(dying);
    runtime().block_on(async {
        assert!(send(port, &post("/orders", &[], "1")).await.is_err());
        for http in [&mut orders, &mut returns] {
            let error = timeout(LONG, http.next()).await.unwrap().unwrap_err();
            let error: &HttpError = error.downcast_ref().unwrap();
            assert!(
                error.is_lost() && error.to_string().contains(&format!("127.0.0.1:{port}")),
                "{error}"
            );
        }
        // Each is asked again, as the engine does; whichever comes first opens the port.
        for (http, path) in [(&mut orders, "/orders"), (&mut returns, "/returns")] {
            let answer = tokio::spawn(persist(port, post(path, &[], "2")));
            let delivery = next(http).await;
            done(&delivery).await;
            assert_eq!(answer.await.unwrap().status, 200);
        }
        orders.close().await.unwrap();
        returns.close().await.unwrap();
        assert!(send(port, &post("/orders", &[], "3")).await.is_err());
    });
}

/// Posts until somebody is there who answers.
async fn persist(port: u16, request: Vec<u8>) -> Answer {
    let posted = async {
        loop {
            match send(port, &request).await {
                Ok(answer) => return answer,
                Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    };
    timeout(LONG, posted).await.expect("the port is never open")
}

#[tokio::test]
async fn a_read_that_is_cancelled_loses_nothing() {
    let (port, context) = (free_port(), context("Flow"));
    let mut http = open(&conf(port, "/rows"), &context).await.unwrap();
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    tokio::select! {
        biased;
        () = cancelled.cancelled() => {}
        _ = http.next() => panic!("nothing was posted"),
    }
    assert_eq!(through(&mut http, port, "/rows", "1").await.status, 200);
    http.close().await.unwrap();
}
