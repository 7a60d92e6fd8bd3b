//! Several processes share the rows of one stream.

use crate::{
    feed,
    nats_server::NatsServer,
    process::{ROWS, Stage, number},
};

/// Three workers share a stream, one is killed: its rows are taken over, and the books of all three
/// add up.
fn check(what: &str, stage: &Stage) {
    // Each has an embedded store of its own; the workers' conf is the same otherwise.
    let mut workers: Vec<_> = ["one", "two", "three"]
        .map(|name| {
            let kept = stage.path(&format!("{name}.redb"));
            stage.conf(
                "kept.yml",
                &format!("kistype: conn\ncname: kept\ntype: redb\naddrs: {}\n", kept.display()),
            );
            let worker = stage.worker_with(name, &["2"]);
            // It has read its conf when its store is there.
            assert!(crate::server::poll(|| kept.exists()), "{}", worker.log());
            worker
        })
        .into();
    let all = |workers: &mut Vec<_>, ids| {
        stage.until_delivered(ids, &mut workers.iter_mut().collect::<Vec<_>>());
    };
    all(&mut workers, ROWS / 4);
    let three = workers.remove(2);
    assert!(
        crate::server::poll(|| stage.by_worker().len() == 3),
        "all three have a share: {:?}",
        stage.by_worker()
    );
    three.kill();
    all(&mut workers, ROWS);
    for worker in workers.drain(..) {
        worker.stop();
    }
    let repeats = stage.repeats(0..ROWS);
    let by_worker = stage.by_worker();
    assert_eq!(by_worker.values().sum::<u64>(), ROWS + repeats, "{by_worker:?}");
    println!("{what}: {ROWS} rows, {by_worker:?}, one killed, none lost, {repeats} repeats");
}

#[test]
fn three_processes_share_a_redis_stream_and_one_is_killed() {
    let stage = Stage::new("");
    stage.conf("source.yml", &format!(
        "kistype: source\nsname: numbers\ntype: redis_stream\naddrs: {}\nkey: numbers\nbatch: {{rows: 200, wait_ms: 5}}\nparams: {{lease_ms: 500}}\n",
        stage.redis.addr()
    ));
    feed::redis_stream(&stage.redis, "numbers", ROWS);
    check("redis_stream, shared", &stage);
}

#[test]
fn three_processes_share_a_nats_consumer_and_one_is_killed() {
    let server = NatsServer::start();
    let stage = Stage::new("");
    stage.conf("source.yml", &format!(
        "kistype: source\nsname: numbers\ntype: nats\naddrs: {}\nkey: numbers\nbatch: {{rows: 200, wait_ms: 5}}\nparams: {{stream: NUMBERS, lease_ms: 500}}\n",
        server.addr()
    ));
    feed::nats(&server.addr(), "NUMBERS", "numbers", ROWS);
    check("nats, shared", &stage);
}

#[test]
fn what_each_process_says_that_it_delivered_is_what_arrived() {
    let stage = Stage::new("");
    stage.conf("source.yml", &format!(
        "kistype: source\nsname: numbers\ntype: redis_stream\naddrs: {}\nkey: numbers\nbatch: {{rows: 200, wait_ms: 5}}\n",
        stage.redis.addr()
    ));
    feed::redis_stream(&stage.redis, "numbers", ROWS);
    let kept = stage.path("second.redb");
    let mut first = stage.worker("first");
    stage.until_delivered(1, &mut [&mut first]);
    stage.conf(
        "kept.yml",
        &format!("kistype: conn\ncname: kept\ntype: redb\naddrs: {}\n", kept.display()),
    );
    let mut second = stage.worker("second");
    stage.until_delivered(ROWS, &mut [&mut first, &mut second]);
    let printed = [first.stop(), second.stop()].map(|printed| number(&printed, "delivered"));
    let by_worker = stage.by_worker();
    let counted = ["first", "second"].map(|name| by_worker.get(name).copied().unwrap_or_default());
    assert_eq!(printed, counted);
    assert_eq!(printed.iter().sum::<u64>(), ROWS);
}
