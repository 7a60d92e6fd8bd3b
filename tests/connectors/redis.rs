//! The Redis connector against real servers, each started for its test alone.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use kisflow::{Result, prelude::*};
use kisflow_core::{
    ConnConf, Connector, Flows, LoadError, Record, RunError, Storage, conformance, error_chain,
};
use kisflow_redis::{Redis, RedisError, fred::prelude::*};
use serde_json::{Value as Json, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    redis_server::RedisServer,
    server::{free_port, poll},
};

#[derive(Serialize, Deserialize)]
struct Id {
    stu_id: u32,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Score {
    stu_id: u32,
    score: f64,
}

#[faas("SaveScores")]
async fn save_scores(rows: &[Score], scores: Store<'_>) -> Result<Action> {
    scores.put(rows.iter().map(|row| (row.stu_id, row))).await?;
    Ok(Action::Reuse)
}

#[faas("LoadScores")]
async fn load_scores(rows: &[Id], scores: Store<'_>, cx: Cx<'_>) -> Result<Vec<Score>> {
    let mut loaded = Vec::with_capacity(rows.len());
    for (position, score) in
        scores.get(rows.iter().map(|row| row.stu_id)).await?.into_iter().enumerate()
    {
        match score {
            Ok(score) => loaded.push(score),
            Err(cause) => cx.reject(position, cause),
        }
    }
    Ok(loaded)
}

/// Brings its server back when its first attempt has failed.
#[faas("SaveWithHelp")]
async fn save_with_help(
    rows: &[Score],
    scores: Store<'_>,
    cx: Cx<'_>,
    server: State<'_, Arc<Mutex<RedisServer>>>,
) -> Result<Action> {
    if cx.attempt() == 1 {
        server.lock().unwrap().kill();
    }
    let saved = scores.put(rows.iter().map(|row| (row.stu_id, row))).await;
    if cx.attempt() == 1 {
        assert!(saved.is_err(), "the server was killed, and the save says that it succeeded");
        server.lock().unwrap().restart();
    }
    saved.map(|()| Action::Reuse)
}

#[faas("CountStudents")]
async fn count_students(rows: &[Id], redis: Conn<'_, Redis>) -> Result<Vec<i64>> {
    let count = i64::try_from(rows.len())?;
    Ok(vec![redis.client().incr_by("students", count).await?])
}

fn registry() -> Registry {
    Registry::new()
        .connector::<Redis>()
        .function::<save_scores>()
        .function::<load_scores>()
        .function::<count_students>()
}

fn connector(addrs: impl Into<String>) -> ConnConf {
    ConnConf::new("scores", "redis").addrs(addrs).key("stu_")
}

/// A flow of one function for each of them.
fn conf(connector: ConnConf) -> Conf {
    let function = |name: &str, mode| FunctionConf::new(name, mode).connector("scores");
    Conf::new()
        .connector(connector)
        .function(function("SaveScores", Mode::Save))
        .function(function("LoadScores", Mode::Load))
        .function(function("CountStudents", Mode::Calculate))
        .flow(FlowConf::new("Save").then::<save_scores>())
        .flow(FlowConf::new("Load").then::<load_scores>())
        .flow(FlowConf::new("Count").then::<count_students>())
}

async fn link(connector: ConnConf) -> Result<Flows, LoadError> {
    registry().link(conf(connector)).await
}

async fn connect(conf: ConnConf) -> kisflow_core::Result<Redis> {
    let params = conf.params.read()?;
    Redis::connect(&conf, params).await
}

fn score(stu_id: u32) -> Score {
    Score { stu_id, score: f64::from(stu_id) / 3.0 }
}

async fn save(flows: &Flows, rows: u32) -> Result<Report, RunError> {
    flows.get("Save").unwrap().run(Batch::typed((0..rows).map(score).collect())).await
}

async fn load(flows: &Flows, rows: u32) -> Result<Report, RunError> {
    flows
        .get("Load")
        .unwrap()
        .run(Batch::typed((0..rows).map(|stu_id| Id { stu_id }).collect()))
        .await
}

async fn assert_saves_and_loads(flows: &Flows, rows: u32) {
    save(flows, rows).await.unwrap().assert_balanced();
    let report = load(flows, rows).await.unwrap();
    report.assert_balanced();
    assert_eq!(*report.output().rows::<Score>().unwrap(), (0..rows).map(score).collect::<Vec<_>>());
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    error_chain(error).to_string()
}

/// The error of a connect that must not succeed, which took less than `limit`.
async fn refusal(conf: ConnConf, limit: Duration) -> String {
    let started = Instant::now();
    let error = connect(conf).await.expect_err("it connected");
    assert!(started.elapsed() < limit, "it took {:?}: {error}", started.elapsed());
    let redis = error.downcast_ref::<RedisError>().expect("another error");
    assert!(redis.is_connect(), "{error}");
    chain(&*error)
}

const SECONDS: Duration = Duration::from_secs(20);

#[tokio::test]
async fn redis_keeps_the_rules_of_storage() {
    let server = RedisServer::start(&[]);
    conformance::storage(&connect(connector(server.addr())).await.unwrap()).await;
    assert_eq!(server.cli(&["DBSIZE"]), "0", "it left something behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_the_rules_of_storage_with_a_ttl_and_many_threads() {
    let server = RedisServer::start(&[]);
    conformance::storage(
        &connect(connector(server.addr()).param("ttl_ms", 600_000)).await.unwrap(),
    )
    .await;
    assert_eq!(server.cli(&["DBSIZE"]), "0", "it left something behind");
}

#[tokio::test]
async fn batches_larger_than_one_part_are_saved_and_loaded_whole() {
    let server = RedisServer::start(&[]);
    let flows = link(connector(server.addr()).param("ttl_ms", 600_000)).await.unwrap();
    assert_saves_and_loads(&flows, 25_001).await;
    assert_eq!(server.cli(&["DBSIZE"]), "25001");
}

#[tokio::test]
async fn save_and_load_without_rust_code_keep_rows_in_redis() {
    let server = RedisServer::start(&[]);
    let function =
        |name: &str, mode| FunctionConf::new(name, mode).connector("scores").param("id", "stu_id");
    let conf = Conf::new()
        .connector(connector(server.addr()))
        .function(function("Keep", Mode::Save))
        .function(function("Fetch", Mode::Load))
        .flow(FlowConf::new("Keep").then_named("Keep"))
        .flow(FlowConf::new("Fetch").then_named("Fetch"));
    let flows = Registry::new().connector::<Redis>().link(conf).await.unwrap();
    flows
        .get("Keep")
        .unwrap()
        .run(Batch::json([r#"{"stu_id":7,"name":"Ada","marks":[1,2]}"#]))
        .await
        .unwrap()
        .assert_balanced();
    assert_eq!(server.cli(&["HGET", "stu_7", "marks"]), "[1,2]");
    let report = flows.get("Fetch").unwrap().run(Batch::json([r#"{"stu_id":7}"#])).await.unwrap();
    assert_eq!(
        *report.output().rows::<Json>().unwrap(),
        [json!({"stu_id": 7, "name": "Ada", "marks": [1, 2]})]
    );
}

#[tokio::test]
async fn a_function_speaks_to_redis_itself_through_its_conn() {
    let server = RedisServer::start(&[]);
    let flows = link(connector(server.addr())).await.unwrap();
    let report = flows
        .get("Count")
        .unwrap()
        .run(Batch::typed(vec![Id { stu_id: 1 }, Id { stu_id: 2 }]))
        .await
        .unwrap();
    assert_eq!(*report.output().rows::<i64>().unwrap(), [2]);
    assert_eq!(server.cli(&["GET", "students"]), "2");
}

#[tokio::test]
async fn a_server_that_is_down_is_a_link_error_with_connector_and_address() {
    let addr = format!("127.0.0.1:{}", free_port());
    let started = Instant::now();
    let error = link(connector(&addr)).await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert!(error.is_connect());
    let expected = format!(
        "connector `scores` at {addr} cannot connect: nothing listens at {addr} (connection refused)"
    );
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_server_that_accepts_and_never_answers_is_an_error_within_the_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let accepting = tokio::spawn(async move {
        let mut peers = Vec::new();
        loop {
            peers.push(listener.accept().await);
        }
    });
    let said =
        refusal(connector(&addr).param("connect_timeout_ms", 400), Duration::from_secs(5)).await;
    assert_eq!(said, format!("{addr} accepted the connection and did not answer within 400ms"));
    accepting.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connect_that_fails_in_part_leaves_no_connection_behind() {
    let server = RedisServer::start(&["--maxclients", "2"]);
    refusal(connector(server.addr()).param("pool", 4), SECONDS).await;
    // The server has room again.
    server.until(&["CLIENT", "LIST"], |clients| {
        clients.starts_with("id=") && clients.lines().count() == 1
    });
}

#[tokio::test]
async fn a_wrong_password_is_named_as_such_and_never_shown() {
    let server = RedisServer::start_with(&["--requirepass", "open sesame"], &["-a", "open sesame"]);
    let said = refusal(connector(server.addr()).param("password", "hunter2"), SECONDS).await;
    assert!(
        said.starts_with(&format!(
            "{} refused the user name or the password: WRONGPASS",
            server.addr()
        )),
        "{said}"
    );
    assert!(!said.contains("hunter2"), "{said}");
    let said = refusal(connector(server.addr()), SECONDS).await;
    assert!(
        said.starts_with(&format!(
            "{} wants a password; set `password_env`: NOAUTH",
            server.addr()
        )),
        "{said}"
    );
    let flows = link(connector(server.addr()).param("password", "open sesame")).await.unwrap();
    assert_saves_and_loads(&flows, 3).await;
}

#[tokio::test]
async fn a_user_and_a_password_from_the_environment_connect() {
    // The one variable that every machine has.
    let path = std::env::var("PATH").unwrap();
    let server = RedisServer::start_with(&["--requirepass", "other"], &["-a", "other"]);
    assert_eq!(
        server.cli(&["ACL", "SETUSER", "ada", "on", &format!(">{path}"), "~*", "+@all"]),
        "OK"
    );
    let conf = connector(server.addr()).param("username", "ada").param("password_env", "PATH");
    let flows = link(conf).await.unwrap();
    assert_saves_and_loads(&flows, 3).await;
    let clients = server.cli(&["CLIENT", "LIST"]);
    assert_eq!(clients.matches("user=ada").count(), 2, "{clients}");
}

#[tokio::test]
async fn records_are_kept_in_the_database_of_the_conf() {
    let server = RedisServer::start(&[]);
    assert_saves_and_loads(&link(connector(server.addr()).param("database", 3)).await.unwrap(), 5)
        .await;
    assert_eq!(
        (server.cli(&["-n", "3", "DBSIZE"]), server.cli(&["DBSIZE"])),
        ("5".to_owned(), "0".to_owned())
    );
    let said = refusal(connector(server.addr()).param("database", 99), SECONDS).await;
    assert_eq!(said, format!("{} has no database 99: ERR DB index is out of range", server.addr()));
}

#[tokio::test]
async fn records_expire_after_the_ttl_and_each_write_renews_it() {
    let server = RedisServer::start(&[]);
    let flows = link(connector(server.addr()).param("ttl_ms", 500_000)).await.unwrap();
    save(&flows, 2).await.unwrap();
    let left = || server.cli(&["PTTL", "stu_1"]).parse::<u64>().unwrap();
    assert!((400_000..=500_000).contains(&left()), "{}", left());
    server.cli(&["PEXPIRE", "stu_1", "1000000"]);
    save(&flows, 2).await.unwrap();
    assert!((400_000..=500_000).contains(&left()), "{}", left());

    let short = link(connector(server.addr()).param("ttl_ms", 1)).await.unwrap();
    save(&short, 1).await.unwrap();
    server.until(&["EXISTS", "stu_0"], |count| count == "0");
}

#[tokio::test]
async fn a_key_of_another_type_is_named() {
    let server = RedisServer::start(&[]);
    let flows = link(connector(server.addr())).await.unwrap();
    save(&flows, 5).await.unwrap();
    for key in ["stu_2", "stu_3"] {
        server.cli(&["DEL", key]);
        server.cli(&["SET", key, "a text"]);
    }
    let error = load(&flows, 5).await.unwrap_err();
    let wrong = "WRONGTYPE Operation against a key holding the wrong kind of value";
    assert_eq!(
        chain(&error),
        format!("flow `Load`, function `LoadScores` failed: key stu_2: HGETALL failed: {wrong}")
    );
    let error = save(&flows, 5).await.unwrap_err();
    assert_eq!(
        chain(&error),
        format!("flow `Save`, function `SaveScores` failed: key stu_2: HSET failed: {wrong}")
    );
    // A batch of one command is answered as those of many.
    let error = flows.get("Save").unwrap().run(Batch::typed(vec![score(3)])).await.unwrap_err();
    assert_eq!(
        chain(&error),
        format!("flow `Save`, function `SaveScores` failed: key stu_3: HSET failed: {wrong}")
    );
}

#[tokio::test]
async fn a_value_that_does_not_parse_rejects_its_row_with_key_and_field() {
    let server = RedisServer::start(&[]);
    let conf = conf(connector(server.addr()));
    let quarantine =
        FlowConf::new("LoadSome").then::<load_scores>().on_reject(OnReject::Quarantine);
    let flows = registry().link(conf.flow(quarantine)).await.unwrap();
    save(&flows, 4).await.unwrap();
    server.cli(&["HSET", "stu_2", "score", "excellent"]);
    server.cli(&["DEL", "stu_3"]);
    let ids: Vec<Id> = (0..4).map(|stu_id| Id { stu_id }).collect();
    let report = flows.get("LoadSome").unwrap().run(Batch::typed(ids)).await.unwrap();
    report.assert_balanced();
    assert_eq!(*report.output().rows::<Score>().unwrap(), [score(0), score(1)]);
    let causes: Vec<String> = report.rejected().iter().map(|reject| chain(reject)).collect();
    assert!(
        causes[0].contains("the record `stu_2` cannot be read: field `score` is \"excellent\""),
        "{causes:?}"
    );
    assert!(causes[1].contains("there is no record `stu_3`"), "{causes:?}");
}

#[tokio::test]
async fn a_hash_that_holds_bytes_names_key_and_field() {
    let server = RedisServer::start(&[]);
    let redis = connect(connector(server.addr())).await.unwrap();
    let bytes = Value::Bytes(vec![0xff, 0xfe].into());
    redis.client().hset::<(), _, _>("stu_1", ("raw", bytes)).await.unwrap();
    let error = redis.get(&["stu_0".to_owned(), "stu_1".to_owned()]).await.unwrap_err();
    assert_eq!(chain(&*error), "key stu_1: field `raw` is no UTF-8 text");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_in_a_run_and_comes_back_loses_nothing_that_is_retried() {
    let server = RedisServer::start(&[]);
    let conf = Conf::new()
        .connector(connector(server.addr()).param("command_timeout_ms", 2_000))
        .function(
            FunctionConf::new("SaveWithHelp", Mode::Save)
                .connector("scores")
                .retry(20, Duration::from_millis(10)),
        )
        .flow(FlowConf::new("Save").then::<save_with_help>());
    let server = Arc::new(Mutex::new(server));
    let registry =
        Registry::new().connector::<Redis>().function::<save_with_help>().state(server.clone());
    let flows = registry.link(conf).await.unwrap();
    let report = save(&flows, 100).await.unwrap();
    report.assert_balanced();
    assert_eq!(report.rows_out(), 100);
    assert_eq!(server.lock().unwrap().cli(&["DBSIZE"]), "100");
}

/// Saves until that succeeds.
async fn works_again(flows: &Flows) {
    let end = Instant::now() + SECONDS;
    while let Err(error) = save(flows, 10).await {
        assert!(Instant::now() < end, "it never works again: {}", chain(&error));
    }
}

#[tokio::test]
async fn a_server_that_dies_and_stays_away_fails_the_run_with_its_batch() {
    let mut server = RedisServer::start(&[]);
    let flows = link(connector(server.addr()).param("command_timeout_ms", 300)).await.unwrap();
    save(&flows, 10).await.unwrap();
    server.kill();
    for _ in 0..3 {
        let started = Instant::now();
        let error = save(&flows, 10).await.unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
        assert_eq!(*error.input().rows::<Score>().unwrap(), (0..10).map(score).collect::<Vec<_>>());
        assert!(
            chain(&error).contains(&format!("redis at {}", server.addr())),
            "{}",
            chain(&error)
        );
        error.report().assert_balanced();
    }
    // By now the connection is known to be lost: nothing is sent into the dark.
    let error = save(&flows, 10).await.unwrap_err();
    assert!(
        chain(&error).ends_with("is lost, and did not come back within 300ms"),
        "{}",
        chain(&error)
    );
    server.restart();
    works_again(&flows).await;
    assert_eq!(server.cli(&["DBSIZE"]), "10");
}

#[tokio::test]
async fn a_connector_that_used_up_its_attempts_says_so() {
    let mut server = RedisServer::start(&[]);
    let params = connector(server.addr()).param("reconnect_attempts", 2).param("reconnect_ms", 1);
    let flows = link(params).await.unwrap();
    server.kill();
    let mut said = String::new();
    let end = Instant::now() + SECONDS;
    while !said.ends_with("is lost, and `reconnect_attempts` are used up") {
        assert!(Instant::now() < end, "{said}");
        said = chain(&save(&flows, 1).await.unwrap_err());
    }
}

#[tokio::test]
async fn a_server_that_stops_answering_fails_the_batch_by_its_timeout_and_works_again_later() {
    let server = RedisServer::start(&[]);
    let flows = link(connector(server.addr()).param("command_timeout_ms", 300)).await.unwrap();
    save(&flows, 10).await.unwrap();
    server.signal("STOP");
    let started = Instant::now();
    let error = save(&flows, 10).await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert!(chain(&error).contains("did not answer within 300ms"), "{}", chain(&error));
    server.signal("CONT");
    works_again(&flows).await;
}

/// What a proxy between client and server saw.
#[derive(Default)]
struct Seen {
    /// Blocks of bytes from the client.
    blocks: AtomicUsize,
    /// How often the client spoke after the server had: round trips.
    turns: AtomicUsize,
}

/// A proxy to `server`, and its address.
async fn proxy(server: String, seen: Arc<Seen>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&server).await.unwrap();
            tokio::spawn(pass(client, server, seen.clone()));
        }
    });
    addr
}

async fn pass(mut client: TcpStream, mut server: TcpStream, seen: Arc<Seen>) {
    let (mut from_client, mut from_server) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut clients_turn = true;
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let Ok(read @ 1..) = read else { return };
                seen.blocks.fetch_add(1, Ordering::SeqCst);
                if clients_turn {
                    seen.turns.fetch_add(1, Ordering::SeqCst);
                }
                clients_turn = false;
                server.write_all(&from_client[..read]).await.unwrap();
            }
            read = server.read(&mut from_server) => {
                let Ok(read @ 1..) = read else { return };
                clients_turn = true;
                client.write_all(&from_server[..read]).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn a_batch_of_a_thousand_rows_is_a_handful_of_round_trips() {
    let server = RedisServer::start(&[]);
    let seen = Arc::new(Seen::default());
    let flows = link(connector(proxy(server.addr(), seen.clone()).await).param("ttl_ms", 600_000))
        .await
        .unwrap();
    for what in ["save", "load"] {
        let before = (seen.blocks.load(Ordering::SeqCst), seen.turns.load(Ordering::SeqCst));
        match what {
            "save" => save(&flows, 1_000).await.unwrap(),
            _ => load(&flows, 1_000).await.unwrap(),
        };
        let blocks = seen.blocks.load(Ordering::SeqCst) - before.0;
        let turns = seen.turns.load(Ordering::SeqCst) - before.1;
        println!(
            "{what} of 1,000 rows: {blocks} blocks from the client, {turns} of them after the server had spoken"
        );
        assert!(
            turns < 50 && blocks < 100,
            "{what} of 1,000 rows took {turns} turns and {blocks} blocks"
        );
    }
    assert_eq!(server.cli(&["DBSIZE"]), "1000");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_connects_once_however_many_functions_use_it_and_closes_with_its_flows() {
    let server = RedisServer::start(&[]);
    let received = || {
        let stats = server.cli(&["INFO", "stats"]);
        let count = stats.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
        count.unwrap().trim().parse::<usize>().unwrap()
    };
    let before = received();
    let flows = link(connector(server.addr()).param("pool", 3)).await.unwrap();
    assert_saves_and_loads(&flows, 10).await;
    assert_eq!(received() - before, 3 + 1, "the pool, and the question itself");
    drop(flows);
    // Only the one that asks.
    server.until(&["CLIENT", "LIST"], |clients| clients.lines().count() == 1);
}

/// Runs openssl in a directory.
fn openssl(dir: &Path, arguments: &str) {
    let output = Command::new("openssl").current_dir(dir).args(arguments.split(' ')).output();
    let output = output.expect("these tests need openssl: `apt-get install openssl`");
    assert!(
        output.status.success(),
        "openssl {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A certificate authority in `ca.pem`, and a certificate of it for 127.0.0.1 in `server.pem`.
fn certificates(dir: &Path) {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(
        dir,
        &format!("req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=authority"),
    );
    openssl(dir, &format!("req {key} -keyout server.key -out server.csr -subj /CN=server"));
    fs::write(
        dir.join("server.ext"),
        "subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n",
    )
    .unwrap();
    openssl(
        dir,
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 2 -extfile server.ext",
    );
}

#[tokio::test]
async fn tls_connects_to_a_server_whose_authority_is_trusted_and_to_no_other() {
    let dir = tempfile::tempdir().unwrap();
    certificates(dir.path());
    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (ca, cert, key) = (file("ca.pem"), file("server.pem"), file("server.key"));
    let options = ["--port", "0", "--tls-port", "{port}", "--tls-auth-clients", "no"];
    let files = ["--tls-cert-file", &cert, "--tls-key-file", &key, "--tls-ca-cert-file", &ca];
    let server =
        RedisServer::start_with(&[&options[..], &files[..]].concat(), &["--tls", "--cacert", &ca]);

    let trusting = connector(server.addr()).param("tls", true).param("tls_ca", ca.clone());
    assert_saves_and_loads(&link(trusting.clone()).await.unwrap(), 1_000).await;
    conformance::storage(&connect(trusting).await.unwrap()).await;
    // The authority of another server: it is trusted, and this server is not of it.
    let other = tempfile::tempdir().unwrap();
    certificates(other.path());
    let strange = other.path().join("ca.pem").to_str().unwrap().to_owned();
    let said =
        refusal(connector(server.addr()).param("tls", true).param("tls_ca", strange), SECONDS)
            .await;
    assert!(
        said.starts_with(&format!("the certificate of {} is not trusted", server.addr())),
        "{said}"
    );
    let plain = connector(server.addr()).param("connect_timeout_ms", 1_000);
    refusal(plain, SECONDS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_keeps_the_rules_of_storage_with_records_on_every_node() {
    let nodes: Vec<RedisServer> =
        (0..3).map(|_| RedisServer::start(&["--cluster-enabled", "yes"])).collect();
    let addrs: Vec<String> = nodes.iter().map(RedisServer::addr).collect();
    let mut create = vec!["--cluster", "create"];
    create.extend(addrs.iter().map(String::as_str));
    create.push("--cluster-yes");
    let made = nodes[0].cli(&create);
    for node in &nodes {
        node.until(&["CLUSTER", "INFO"], |info| {
            info.contains("cluster_state:ok") && info.contains("cluster_slots_ok:16384")
        });
        assert!(made.contains("All 16384 slots covered"), "{made}");
    }

    // Several addresses are a cluster; with one it is for the conf to say.
    conformance::storage(&connect(connector(addrs.join(","))).await.unwrap()).await;
    let flows = link(connector(&addrs[1]).param("mode", "cluster")).await.unwrap();
    assert_saves_and_loads(&flows, 3_000).await;
    let records: Vec<usize> =
        nodes.iter().map(|node| node.cli(&["DBSIZE"]).parse().unwrap()).collect();
    assert_eq!(records.iter().sum::<usize>(), 3_000, "{records:?}");
    assert!(records.iter().all(|count| *count > 500), "{records:?}");

    // A node that is taken for a single server sends its client elsewhere.
    let lost = save(&link(connector(&addrs[0])).await.unwrap(), 100).await.unwrap_err();
    assert!(chain(&lost).contains("set `mode: cluster`"), "{}", chain(&lost));
    // A batch that fails on one node names the key.
    let key = "stu_1";
    nodes[0].cli(&["-c", "DEL", key]);
    nodes[0].cli(&["-c", "SET", key, "text"]);
    assert!(
        chain(&load(&flows, 100).await.unwrap_err())
            .contains("key stu_1: HGETALL failed: WRONGTYPE")
    );
}

#[tokio::test]
async fn a_single_server_is_no_cluster() {
    let server = RedisServer::start(&[]);
    let said = refusal(connector(server.addr()).param("mode", "cluster"), SECONDS).await;
    assert_eq!(said, format!("{} is no node of a cluster; set `mode: single`", server.addr()));
}

#[tokio::test]
async fn sentinels_lead_to_the_master() {
    let master = RedisServer::start(&["--requirepass", "open sesame"]);
    let dir = tempfile::tempdir().unwrap();
    let watched = format!(
        "sentinel monitor scores 127.0.0.1 {} 1\nsentinel auth-pass scores \"open sesame\"\n",
        master.port()
    );
    let file = dir.path().join("sentinel.conf");
    fs::write(&file, watched).unwrap();
    let sentinel = RedisServer::start_sentinel(&file);
    let conf = |service: &str| {
        connector(sentinel.addr())
            .param("mode", "sentinel")
            .param("service", service)
            .param("password", "open sesame")
    };
    let redis = connect(conf("scores")).await.unwrap();
    conformance::storage(&redis).await;
    redis.put(vec![Record::new("stu_1", vec![("a".into(), Some("1".into()))])]).await.unwrap();
    assert!(poll(|| Command::new("redis-cli")
        .args([
            "-p",
            &master.port().to_string(),
            "-a",
            "open sesame",
            "--no-auth-warning",
            "HGET",
            "stu_1",
            "a"
        ])
        .output()
        .is_ok_and(|output| output.stdout.starts_with(b"1"))));
    let said = refusal(conf("marks"), SECONDS).await;
    assert!(
        said.starts_with(&format!("the sentinels at {} lead to no master", sentinel.addr())),
        "{said}"
    );
}

#[tokio::test]
async fn addresses_and_params_that_cannot_be_right_are_problems_of_the_conf() {
    for (conf, part) in [
        (connector("localhost"), "connector `scores`: addrs: "),
        (connector("127.0.0.1:1").param("mode", "sentinel"), "connector `scores`: params: "),
    ] {
        let error = link(conf).await.unwrap_err();
        assert!(error.is_conf(), "{error}");
        assert!(error.to_string().starts_with(part), "{error}");
    }
}
