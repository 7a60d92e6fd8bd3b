//! Sources that redeliver rows, in a flow with `guarantee: exactly_once`: over kills of workers and
//! servers each row is in the states once, as an independent sum says.

use kisflow::ConnConf;

use crate::{
    feed,
    nats_server::NatsServer,
    postgres_server::PostgresServer,
    process::{Stage, Worker, any_instant, number, random},
    server::{free_port, poll},
    state::assert_exact,
};

/// The rows of one test; more of them if `CHAOS_ROWS` says so.
fn rows() -> u64 {
    std::env::var("CHAOS_ROWS").map_or(25_000, |rows| rows.parse().expect("CHAOS_ROWS: a number"))
}

/// Where states and positions are.
enum Store {
    Redb,
    /// The Redis of the stage.
    Redis,
    Postgres(PostgresServer),
}

/// Where rows come from.
enum Source {
    RedisStream,
    Nats(NatsServer),
    Http(String),
}

impl Store {
    fn postgres() -> Self {
        Self::Postgres(PostgresServer::start_with(&[]))
    }

    fn conn(&self, stage: &Stage) -> ConnConf {
        match self {
            Self::Redb => stage.redb(),
            Self::Redis => ConnConf::new("counts", "redis").addrs(stage.redis.addr()),
            Self::Postgres(server) => ConnConf::new("facts", "postgres").addrs(server.url()),
        }
    }

    /// Kills the server of the store, if it has one.
    fn restart(&mut self, stage: &mut Stage) {
        match self {
            Self::Redb => {}
            Self::Redis => stage.redis.restart(),
            Self::Postgres(server) => server.restart(),
        }
    }
}

impl Source {
    fn nats() -> Self {
        Self::Nats(NatsServer::start())
    }

    fn http() -> Self {
        Self::Http(format!("127.0.0.1:{}", free_port()))
    }

    fn conf(&self, stage: &Stage) -> String {
        let rest = match self {
            Self::RedisStream => format!(
                "type: redis_stream\naddrs: {}\nkey: numbers\nparams: {{lease_ms: 300}}\n",
                stage.redis.addr()
            ),
            Self::Nats(server) => format!(
                "type: nats\naddrs: {}\nkey: numbers\nparams: {{stream: NUMBERS, lease_ms: 500}}\n",
                server.addr()
            ),
            Self::Http(addr) => format!("type: http\naddrs: {addr}\nkey: /numbers\n"),
        };
        format!("kistype: source\nsname: numbers\nbatch: {{rows: 100, wait_ms: 5}}\n{rest}")
    }

    /// Whether each row is acknowledged.
    fn is_quiet(&self, stage: &Stage) -> bool {
        match self {
            Self::RedisStream => {
                stage.redis.cli(&["XPENDING", "numbers", "Numbers"]).lines().next() == Some("0")
            }
            Self::Nats(server) => feed::unacknowledged(&server.addr(), "NUMBERS") == 0,
            // Its client waits for the answers.
            Self::Http(_) => true,
        }
    }
}

/// Lets rows go through one worker, or two at once, while workers and the store die in turn. Then
/// each row is in the states once.
fn check(mut source: Source, mut store: Store, workers: usize) {
    let rows = rows();
    let mut stage = Stage::new("");
    stage.conf(
        "flow.yml",
        "kistype: flow\nflow_name: Numbers\nsource: numbers\nguarantee: exactly_once\nflows:\n  - fname: Tally\n  - fname: CountInRedis\n",
    );
    stage
        .conf("tally.yml", "kistype: func\nfname: Tally\nfmode: Calculate\noption: {key: group}\n");
    let conn = store.conn(&stage);
    if let Store::Postgres(_) = store {
        let conf = format!("kistype: conn\ncname: facts\ntype: postgres\naddrs: {}\n", conn.addrs);
        stage.conf("facts.yml", &conf);
    }
    stage.conf(
        "global.yml",
        &format!("kistype: global\ngrace_ms: 10000\nquarantine: {{cname: {}}}\n", conn.cname),
    );
    stage.conf("source.yml", &source.conf(&stage));
    let mut client = None;
    match &source {
        Source::RedisStream => feed::redis_stream(&stage.redis, "numbers", rows),
        Source::Nats(server) => feed::nats(&server.addr(), "NUMBERS", "numbers", rows),
        Source::Http(addr) => client = Some(feed::http(addr.clone(), "/numbers", rows)),
    }
    let mut running: Vec<Worker> =
        (0..workers).map(|worker| stage.worker(&format!("worker-0-{worker}"))).collect();
    running.iter().for_each(Worker::until_open);
    let (mut deaths, mut next) = (0, 0);
    loop {
        next = (next + 500 + random(3_500)).min(rows);
        stage.until_delivered(next, &mut running.iter_mut().collect::<Vec<_>>());
        if next == rows {
            break;
        }
        any_instant(10);
        deaths += 1;
        match (&mut source, &store) {
            (_, Store::Redis | Store::Postgres(_)) if deaths % 3 == 1 => store.restart(&mut stage),
            // It forgets acknowledgements that it has not written.
            (Source::Nats(server), _) if deaths % 3 == 2 => server.restart(),
            // The other worker takes its rows over, and then it goes on.
            _ if workers > 1 && deaths % 6 == 3 => {
                let still = running.swap_remove(usize::try_from(random(workers as u64)).unwrap());
                still.signal("STOP");
                any_instant(1_500);
                if random(2) == 0 {
                    // The other one has read on, and is gone.
                    running.remove(0).kill();
                    let other = stage.worker(&format!("worker-{deaths}"));
                    other.until_open();
                    running.push(other);
                }
                still.signal("CONT");
                running.push(still);
            }
            _ => {
                let dead = usize::try_from(random(workers as u64)).unwrap();
                let old = running.swap_remove(dead);
                let name = format!("worker-{deaths}");
                if let Source::Http(_) = &source {
                    // It has the port.
                    old.kill();
                    running.push(stage.worker(&name));
                } else {
                    // The old one is killed while the new one starts.
                    running.push(stage.worker(&name));
                    old.kill();
                }
                // One that cannot connect at its start ends.
                running[workers - 1].until_open();
            }
        }
    }
    if let Some(client) = client {
        client.join().unwrap();
    }
    // Rows that have come through may not be committed.
    assert!(poll(|| source.is_quiet(&stage)), "rows stay pending:\n{}", stage.logs());
    for worker in running {
        let printed = worker.stop();
        assert_eq!(number(&printed, "quarantined"), 0, "{printed}");
    }
    let repeats = stage.repeats(0..rows);
    let out_of_order = assert_exact(&conn, rows);
    println!(
        "{} over {}, {workers} workers: {rows} rows, {deaths} deaths, none lost, none twice in the states, {repeats} repeats behind them, {out_of_order} out of order",
        source.conf(&stage).split_once("\ntype: ").unwrap().1.lines().next().unwrap(),
        conn.engine,
    );
    assert!(deaths >= 5, "it was to die more often than {deaths} times");
}

#[test]
fn a_redis_stream_is_in_redb_exactly_once() {
    check(Source::RedisStream, Store::Redb, 1);
}

#[test]
fn a_redis_stream_is_in_redis_exactly_once() {
    check(Source::RedisStream, Store::Redis, 2);
}

#[test]
fn a_redis_stream_is_in_postgres_exactly_once() {
    check(Source::RedisStream, Store::postgres(), 2);
}

#[test]
fn nats_is_in_redb_exactly_once() {
    check(Source::nats(), Store::Redb, 1);
}

#[test]
fn nats_is_in_redis_exactly_once() {
    check(Source::nats(), Store::Redis, 2);
}

#[test]
fn nats_is_in_postgres_exactly_once() {
    check(Source::nats(), Store::postgres(), 2);
}

#[test]
fn posts_are_in_redb_exactly_once() {
    check(Source::http(), Store::Redb, 1);
}

#[test]
fn posts_are_in_redis_exactly_once() {
    check(Source::http(), Store::Redis, 1);
}

#[test]
fn posts_are_in_postgres_exactly_once() {
    check(Source::http(), Store::postgres(), 1);
}
