//! Workers are killed, and the servers that they read from and write to.

use crate::{
    feed,
    nats_server::NatsServer,
    process::{ROWS, Stage, any_instant, number, random},
    server::free_port,
};

/// What dies.
#[derive(Clone, Copy, PartialEq)]
enum Dies {
    /// The worker, by SIGKILL.
    Worker,
    /// The server that the rows are counted in.
    Sink,
    /// Every connection to it.
    Connections,
}

/// Lets rows go through while something dies again and again; then every row is there.
fn check(what: &str, stage: &mut Stage, dies: Dies) -> String {
    let mut worker = stage.worker("worker-0");
    let (mut deaths, mut next) = (0, 0);
    loop {
        next = (next + 1_000 + random(9_000)).min(ROWS);
        stage.until_delivered(next, &mut [&mut worker]);
        if next == ROWS {
            break;
        }
        any_instant(10);
        deaths += 1;
        match dies {
            Dies::Worker => {
                worker.kill();
                worker = stage.worker(&format!("worker-{deaths}"));
            }
            Dies::Sink => stage.redis.restart(),
            Dies::Connections => {
                drop(stage.redis.cli(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]))
            }
        }
    }
    let printed = worker.stop();
    assert_eq!(
        number(&printed, "quarantined"),
        0,
        "an outage is no reason for quarantine: {printed}"
    );
    let repeats = stage.repeats(0..ROWS);
    println!("{what}: {ROWS} rows, {deaths} deaths, none lost, {repeats} repeats");
    assert!(deaths >= 9, "it was to die more often than {deaths} times");
    printed
}

fn file_stage() -> Stage {
    let stage = Stage::new("");
    let path = stage.path("numbers.ndjson");
    stage.conf("source.yml", &format!(
        "kistype: source\nsname: numbers\ntype: file\nkey: {}\nbatch: {{rows: 500, wait_ms: 5}}\nparams: {{follow: true, poll_ms: 5}}\n",
        path.display()
    ));
    feed::file(&path, 0..ROWS);
    stage
}

fn stream_stage() -> Stage {
    let mut stage = Stage::new("");
    let addr = stage.redis.addr();
    stage.conf("source.yml", &format!(
        "kistype: source\nsname: numbers\ntype: redis_stream\naddrs: {addr}\nkey: numbers\nbatch: {{rows: 500, wait_ms: 5}}\nparams: {{lease_ms: 300}}\n"
    ));
    feed::redis_stream(&stage.redis, "numbers", ROWS);
    stage.redis.restart();
    stage
}

fn nats_stage(server: &NatsServer) -> Stage {
    let stage = Stage::new("");
    stage.conf("source.yml", &format!(
        "kistype: source\nsname: numbers\ntype: nats\naddrs: {}\nkey: numbers\nbatch: {{rows: 500, wait_ms: 5}}\nparams: {{stream: NUMBERS, lease_ms: 500}}\n",
        server.addr()
    ));
    feed::nats(&server.addr(), "NUMBERS", "numbers", ROWS);
    stage
}

fn http_stage() -> (Stage, String) {
    let stage = Stage::new("");
    let addr = format!("127.0.0.1:{}", free_port());
    stage.conf("source.yml", &format!(
        "kistype: source\nsname: numbers\ntype: http\naddrs: {addr}\nkey: /numbers\nbatch: {{rows: 500, wait_ms: 5}}\n"
    ));
    (stage, addr)
}

/// The rows of a key stay in order, over every death of the worker: the last one wins.
fn check_order(what: &str, stage: &mut Stage) {
    let source = std::fs::read_to_string(stage.path("conf/source.yml")).unwrap();
    let source = source.replace("rows: 500", "rows: 20");
    stage.conf("source.yml", &format!("{source}ordered: {{key: key}}\nin_flight: 8\n"));
    stage.conf(
        "flow.yml",
        "kistype: flow\nflow_name: Numbers\nsource: numbers\nflows:\n  - fname: KeepLastInRedis\n",
    );
    stage.conf(
        "func.yml",
        "kistype: func\nfname: KeepLastInRedis\nfmode: Save\noption: {cname: counts}\n",
    );
    check(what, stage, Dies::Worker);
    stage.assert_last_rows(feed::PER_KEY);
}

#[test]
fn the_last_row_of_a_key_of_a_file_wins_over_every_death() {
    check_order("file, order", &mut file_stage());
}

#[test]
fn the_last_row_of_a_key_of_a_redis_stream_wins_over_every_death() {
    check_order("redis_stream, order", &mut stream_stage());
}

#[test]
fn the_last_row_of_a_key_of_nats_wins_over_every_death() {
    let server = NatsServer::start();
    check_order("nats, order", &mut nats_stage(&server));
}

#[test]
fn a_worker_that_reads_a_file_is_killed() {
    let mut stage = file_stage();
    // Some rows leave their batches and wait in the store, while others go on.
    stage.conf(
        "flow.yml",
        "kistype: flow\nflow_name: Numbers\nsource: numbers\nflows:\n  - fname: Doubt\n  - fname: CountInRedis\n",
    );
    stage.conf("doubt.yml", "kistype: func\nfname: Doubt\nfmode: Verify\n");
    stage.conf(
        "global.yml",
        "kistype: global\nquarantine: {cname: kept}\ngrace_ms: 10000\nwaiting: {hold_ms: 1}\n",
    );
    let printed = check("file, worker killed, rows wait", &mut stage, Dies::Worker);
    // Of the rows that were redelivered some may wait still. A file without `follow` has ended, and
    // its flow ends when none waits.
    let source = std::fs::read_to_string(stage.path("conf/source.yml")).unwrap();
    stage.conf("source.yml", &source.replace("follow: true, ", ""));
    let last = stage.worker("worker-last").wait();
    // Those that were killed have printed nothing.
    let moved = stage.logs().matches("rows wait in the store").count();
    assert!(moved > 0, "no row waited in the store: {printed}{last}");
    stage.assert_none_waits();
}

#[test]
fn a_worker_that_reads_a_redis_stream_is_killed() {
    check("redis_stream, worker killed", &mut stream_stage(), Dies::Worker);
}

#[test]
fn a_worker_that_reads_nats_is_killed() {
    let server = NatsServer::start();
    check("nats, worker killed", &mut nats_stage(&server), Dies::Worker);
}

#[test]
fn a_worker_that_rows_are_posted_to_is_killed() {
    let (mut stage, addr) = http_stage();
    let client = feed::http(addr, "/numbers", ROWS);
    check("http, worker killed", &mut stage, Dies::Worker);
    assert!(client.join().unwrap() > 0, "posts were refused while the worker was dead");
}

#[test]
fn redis_is_killed_under_a_flow_that_reads_and_writes_it() {
    check("redis_stream, redis killed", &mut stream_stage(), Dies::Sink);
}

#[test]
fn redis_is_killed_under_a_flow_that_reads_a_file() {
    check("file, redis killed", &mut file_stage(), Dies::Sink);
}

#[test]
fn connections_to_redis_are_cut() {
    check("redis_stream, connections cut", &mut stream_stage(), Dies::Connections);
}

#[test]
fn nats_is_killed_under_a_flow_that_reads_it() {
    let mut server = NatsServer::start();
    let stage = nats_stage(&server);
    let mut worker = stage.worker("worker");
    let (mut deaths, mut next) = (0, 0);
    while next < ROWS {
        next = (next + 1_000 + random(9_000)).min(ROWS);
        stage.until_delivered(next, &mut [&mut worker]);
        any_instant(10);
        server.restart();
        deaths += 1;
    }
    let printed = worker.stop();
    assert_eq!(number(&printed, "quarantined"), 0, "{printed}");
    println!(
        "nats, nats killed: {ROWS} rows, {deaths} deaths, none lost, {} repeats",
        stage.repeats(0..ROWS)
    );
}
