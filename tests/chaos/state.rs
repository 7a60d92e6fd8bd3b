//! Functions that keep state, over kills of their process and of their store: the states are those of
//! each row once, in order.

use std::{collections::BTreeMap, fs};

use kisflow::{ConnConf, durable::key_parts};

use crate::{
    feed::{self, GROUPS},
    postgres_server::PostgresServer,
    process::{ROWS, Stage, Worker, any_instant, entries, number, random},
};

/// A file of rows, whose groups are counted in states. What is behind them counts each row in Redis.
fn stage(global: &str) -> Stage {
    let stage = Stage::new("");
    stage.conf(
        "flow.yml",
        "kistype: flow\nflow_name: Numbers\nsource: numbers\nflows:\n  - fname: Tally\n  - fname: CountInRedis\n",
    );
    stage
        .conf("tally.yml", "kistype: func\nfname: Tally\nfmode: Calculate\noption: {key: group}\n");
    stage.conf("global.yml", &format!("kistype: global\ngrace_ms: 10000\n{global}"));
    source(&stage, "conf", "numbers", 0..ROWS);
    stage
}

/// A source of some rows, in a file of its own.
fn source(stage: &Stage, dir: &str, name: &str, rows: std::ops::Range<u64>) {
    let path = stage.path(&format!("{name}.ndjson"));
    feed::file(&path, rows);
    let conf = format!(
        "kistype: source\nsname: {name}\ntype: file\nkey: {}\nbatch: {{rows: 300, wait_ms: 5}}\nparams: {{follow: true, poll_ms: 5}}\n",
        path.display()
    );
    fs::write(stage.path(dir).join("source.yml"), conf).unwrap();
}

/// What dies.
#[derive(Clone, Copy)]
enum Dies<'d> {
    Worker,
    /// The worker and its store, in turn.
    Both(&'d dyn Fn(&mut Stage)),
}

/// Lets rows go through these directories of conf, a worker each, while something dies again and
/// again. Then each row is in the states once.
fn check(what: &str, stage: &mut Stage, dirs: &[&str], dies: Dies<'_>, store: &ConnConf) {
    let name = |dir: &str, deaths: u64| format!("{dir}-{deaths}");
    let mut workers: Vec<Worker> =
        dirs.iter().map(|dir| stage.worker_of(dir, &name(dir, 0), &[])).collect();
    workers.iter().for_each(Worker::until_open);
    let (mut deaths, mut next) = (0, 0);
    loop {
        next = (next + 1_000 + random(9_000)).min(ROWS);
        stage.until_delivered(next, &mut workers.iter_mut().collect::<Vec<_>>());
        if next == ROWS {
            break;
        }
        any_instant(10);
        deaths += 1;
        match dies {
            Dies::Both(kill) if deaths % 2 == 0 => kill(stage),
            _ => {
                let dead = usize::try_from(random(dirs.len() as u64)).unwrap();
                let worker = stage.worker_of(dirs[dead], &name(dirs[dead], deaths), &[]);
                // The old one is killed while the new one starts.
                std::mem::replace(&mut workers[dead], worker).kill();
                // One that cannot connect at its start ends.
                workers[dead].until_open();
            }
        }
    }
    workers.into_iter().for_each(Worker::kill);
    // Rows that have come through may not be committed. A file without `follow` has an end, and its
    // flow ends when each row is done.
    for dir in dirs {
        let path = stage.path(dir).join("source.yml");
        let conf = fs::read_to_string(&path).unwrap().replace("follow: true, ", "");
        fs::write(path, conf).unwrap();
        let printed = stage.worker_of(dir, &format!("{dir}-last"), &[]).wait();
        assert_eq!(number(&printed, "quarantined"), 0, "{printed}");
    }
    let repeats = stage.repeats(0..ROWS);
    println!(
        "{what}: {ROWS} rows, {deaths} deaths, none lost, none twice in the states, {repeats} repeats behind them"
    );
    assert!(deaths >= 9, "it was to die more often than {deaths} times");
    assert_eq!(assert_exact(store, ROWS), 0, "rows out of order");
}

/// The states of these rows' groups are those of each row once. Returns how many rows came out of
/// order.
pub(crate) fn assert_exact(store: &ConnConf, rows: u64) -> u64 {
    let mut expected = BTreeMap::<u64, (u64, u64)>::new();
    for id in 0..rows {
        let (rows, sum) = expected.entry(id % GROUPS).or_default();
        (*rows, *sum) = (*rows + 1, *sum + id);
    }
    let (mut found, mut out_of_order) = (BTreeMap::new(), 0);
    for (key, entry) in entries(store, "state") {
        let group = key_parts(&key).last().unwrap().unwrap().as_number().unwrap();
        let state: serde_json::Value = serde_json::from_slice(&entry.value).unwrap();
        let number = |field: &str| state[field].as_u64().unwrap();
        out_of_order += number("out_of_order");
        found.insert(group, (number("rows"), number("sum")));
    }
    assert_eq!(found, expected);
    out_of_order
}

#[test]
fn states_in_the_embedded_store_are_exact_over_every_death_of_the_worker() {
    let mut stage = stage("quarantine: {cname: kept}\n");
    let store = stage.redb();
    // The embedded store belongs to one process at a time: the new one waits for it.
    check("file, states in redb", &mut stage, &["conf"], Dies::Worker, &store);
}

#[test]
fn states_in_redis_are_exact_over_every_death_of_two_workers_and_of_redis() {
    let mut stage = stage("quarantine: {cname: counts}\n");
    let store = ConnConf::new("counts", "redis").addrs(stage.redis.addr());
    two_files(&stage);
    let dies = Dies::Both(&|stage| stage.redis.restart());
    check("files, states in redis", &mut stage, &["conf", "others"], dies, &store);
}

#[test]
fn states_in_postgres_are_exact_over_every_death_of_two_workers_and_of_postgres() {
    let server = std::cell::RefCell::new(PostgresServer::start_with(&[]));
    let store = ConnConf::new("facts", "postgres").addrs(server.borrow().url());
    let mut stage = stage("quarantine: {cname: facts}\n");
    stage.conf(
        "facts.yml",
        &format!("kistype: conn\ncname: facts\ntype: postgres\naddrs: {}\n", store.addrs),
    );
    two_files(&stage);
    let dies = Dies::Both(&|_| server.borrow_mut().restart());
    check("files, states in postgres", &mut stage, &["conf", "others"], dies, &store);
}

/// Half of the rows is in a file of another worker, which has the same states.
fn two_files(stage: &Stage) {
    fs::create_dir(stage.path("others")).unwrap();
    for file in fs::read_dir(stage.path("conf")).unwrap() {
        let path = file.unwrap().path();
        let conf = fs::read_to_string(&path).unwrap().replace("source: numbers", "source: others");
        fs::write(stage.path("others").join(path.file_name().unwrap()), conf).unwrap();
    }
    fs::remove_file(stage.path("numbers.ndjson")).unwrap();
    source(stage, "conf", "numbers", 0..ROWS / 2);
    source(stage, "others", "others", ROWS / 2..ROWS);
}
