//! Rounds of several processes over one store, with deliveries that end, fail and are killed at
//! random.

mod cases;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    task::{JoinSet, yield_now},
    time::timeout,
};

use super::{Facts, Rounds, Settlement, States, Ticket};
use crate::{
    durable::{Durable, Faulty, Key, Scan, key_parts},
    keyed::StateChange,
    metrics::RoundMetrics,
    source::Positions,
};

const PARTITIONS: u64 = 2;
/// The deliveries of each partition.
const DELIVERIES: u64 = 30;

fn counter(name: &str) -> Key {
    Key::new("state").text(name)
}

async fn pause() {
    for _ in 0..fastrand::u32(0..8) {
        yield_now().await;
    }
}

/// Adds 1 to a counter, and takes note of the delivery of a lane, which should follow the one before.
async fn count(states: &States, name: &str, lane: Option<(&str, u64)>) {
    let keys: Vec<Key> =
        [Some(counter(name)), lane.map(|(lane, _)| counter(lane))].into_iter().flatten().collect();
    let read = states.read(&keys).await.unwrap();
    pause().await;
    let number = |text: &Option<Bytes>| {
        text.as_ref().map_or(0, |text| std::str::from_utf8(text).unwrap().parse::<u64>().unwrap())
    };
    let mut values = vec![number(&read[0]) + 1];
    if let Some((_, delivery)) = lane {
        // One that is out of order is seen at the end.
        let is_next = number(&read[1]) == delivery;
        values.push(delivery + 1 + if is_next { 0 } else { 1_000_000 });
    }
    let changes = keys.into_iter().zip(values);
    states.write(
        changes
            .map(|(key, value)| StateChange { key, state: Some(value.to_string().into()) })
            .collect(),
    );
}

/// What all have done.
#[derive(Default)]
struct Tally {
    again: AtomicU64,
    /// Deliveries without a reader that were committed, or may have been.
    direct: AtomicU64,
    /// Of so many deliveries three die.
    one_of_dies: AtomicU32,
    unknown: AtomicU64,
}

async fn deliver(mut ticket: Ticket, part: String, delivery: u64, tally: Arc<Tally>) -> bool {
    pause().await;
    let name = ["a", "b", "c"][fastrand::usize(0..3)];
    // Some die: before they enter, inside, or behind.
    let dies = fastrand::u32(0..tally.one_of_dies.load(Ordering::SeqCst));
    loop {
        if dies == 1 {
            return false;
        }
        let Some(states) = ticket.enter().await else { return false };
        count(&states, name, Some((&part, delivery))).await;
        if dies == 2 {
            return false;
        }
        ticket.leave();
        pause().await;
        if dies == 3 {
            return false;
        }
        let position = Some(Bytes::from((delivery + 1).to_string()));
        let facts = Facts { positions: vec![(part.as_str().into(), position)], ..Facts::default() };
        match ticket.settle(facts, |_| {}).await {
            Settlement::Committed => return true,
            Settlement::Again => tally.again.fetch_add(1, Ordering::SeqCst),
            Settlement::Gone | Settlement::Failed(_) => return false,
        };
    }
}

/// Rows that no source reads; they fail now and then.
async fn direct(mut ticket: Ticket, tally: Arc<Tally>) -> bool {
    pause().await;
    loop {
        let Some(states) = ticket.enter().await else { return false };
        count(&states, "a", None).await;
        count(&states, "direct", None).await;
        pause().await;
        if fastrand::u32(0..4) == 0 {
            ticket.give_up();
            return true;
        }
        match ticket.settle(Facts::default(), |_| {}).await {
            Settlement::Committed => tally.direct.fetch_add(1, Ordering::SeqCst),
            Settlement::Again => {
                tally.again.fetch_add(1, Ordering::SeqCst);
                continue;
            }
            Settlement::Gone | Settlement::Failed(_) => {
                tally.unknown.fetch_add(1, Ordering::SeqCst)
            }
        };
        return true;
    }
}

/// A process: reads from where it was, and begins anew after each of so many kills.
async fn process(store: Arc<Faulty>, name: &str, kills: u32, tally: Arc<Tally>) {
    for left in (0..=kills).rev() {
        let rounds = Rounds::new("F", RoundMetrics::new("F"), store.clone());
        loop {
            let positions = Positions::new(store.clone(), name, "F");
            let begin = positions.all().await.unwrap();
            let entrance = rounds.entrance(positions);
            let mut tasks = JoinSet::new();
            let from = |partition: u64| {
                let part = format!("{name}-{partition}");
                let from = begin
                    .get(&part)
                    .map_or(0, |text| std::str::from_utf8(text).unwrap().parse::<u64>().unwrap());
                (partition, part, from)
            };
            for (partition, part, from) in (0..PARTITIONS).map(from) {
                for delivery in from..DELIVERIES {
                    let ticket = entrance.ticket(partition);
                    tasks.spawn(deliver(ticket, part.clone(), delivery, tally.clone()));
                    if left == 0 && fastrand::u32(0..4) == 0 {
                        tasks.spawn(direct(rounds.ticket(), tally.clone()));
                    }
                }
            }
            if left > 0 {
                for _ in 0..fastrand::u32(0..400) {
                    yield_now().await;
                }
                // What it has sent may still take effect.
                tasks.abort_all();
                break;
            }
            let ended = tasks.join_all().await;
            if ended.iter().all(|is_done| *is_done) {
                return;
            }
        }
    }
}

/// Runs the processes to their end, and checks what the store has.
async fn run(processes: &[&str], kills: u32, one_of_dies: u32, store: Faulty) -> Arc<Tally> {
    let (store, tally) = (Arc::new(store), Arc::<Tally>::default());
    tally.one_of_dies.store(one_of_dies, Ordering::SeqCst);
    let all = processes.iter().map(|name| process(store.clone(), name, kills, tally.clone()));
    let all = futures_util::future::join_all(all);
    timeout(Duration::from_secs(120), all).await.expect("it does not come to its end");
    // Nothing is on its way any more.
    store.refuses.store(0, Ordering::SeqCst);
    let entries = store.scan(&Scan::of("state").limit(1_000)).await.unwrap();
    let states: BTreeMap<String, u64> = entries
        .into_iter()
        .map(|(key, entry)| {
            let name = key_parts(&key).next().unwrap().unwrap().as_text().unwrap().to_owned();
            (name, std::str::from_utf8(&entry.value).unwrap().parse().unwrap())
        })
        .collect();
    for name in processes {
        for partition in 0..PARTITIONS {
            assert_eq!(states[&format!("{name}-{partition}")], DELIVERIES, "{states:?}");
        }
    }
    let state = |name: &str| states.get(name).copied().unwrap_or(0);
    let delivered = processes.len() as u64 * PARTITIONS * DELIVERIES;
    assert_eq!(state("a") + state("b") + state("c"), delivered + state("direct"), "{states:?}");
    let committed = tally.direct.load(Ordering::SeqCst);
    let most = committed + tally.unknown.load(Ordering::SeqCst);
    assert!((committed..=most).contains(&state("direct")), "{states:?}, {committed} to {most}");
    tally
}

fn seeded() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    fastrand::seed(seed);
}

#[tokio::test(start_paused = true)]
async fn states_are_exact_whatever_the_store_and_the_processes_do() {
    for _ in 0..40 {
        seeded();
        let store = Faulty::new(fastrand::usize(8..100));
        store.refuses.store(fastrand::u64(0..4), Ordering::SeqCst);
        store.silent.store(fastrand::u64(0..20), Ordering::SeqCst);
        run(&["one", "two", "three"], fastrand::u32(0..3), 150, store).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_alone_runs_nothing_again() {
    for _ in 0..20 {
        seeded();
        // Small rounds, so that one is worked on while another is committed.
        let tally = run(&["one"], 0, 1, Faulty::new(fastrand::usize(20..100))).await;
        assert_eq!(tally.again.load(Ordering::SeqCst), 0);
        assert_eq!(tally.unknown.load(Ordering::SeqCst), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn deliveries_that_come_during_a_commit_need_one_more() {
    let store = Arc::new(Faulty::default());
    let rounds = Rounds::new("F", RoundMetrics::new("F"), store.clone());
    let entrance = rounds.entrance(Positions::new(store.clone(), "s", "F"));
    let tally = Arc::<Tally>::default();
    tally.one_of_dies.store(1, Ordering::SeqCst);
    let mut tasks = JoinSet::new();
    for delivery in 0..100 {
        tasks.spawn(deliver(entrance.ticket(0), "s-0".to_owned(), delivery, tally.clone()));
    }
    assert!(tasks.join_all().await.into_iter().all(|is_done| is_done));
    let commits = store.commits.load(Ordering::SeqCst);
    assert!(commits < 40, "{commits} commits for 100 deliveries");
}
