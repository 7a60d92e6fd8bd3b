//! Commits whose keys meet in any order.

use std::sync::Arc;

use kisflow_core::durable::{Check, Commit, CommitError, Durable, Entry, Key};
use tokio::task::JoinSet;
use tokio_postgres::NoTls;

use super::{
    postgres_server::PostgresServer,
    world::{Turns, connect, durable, execute},
};

const TASKS: u64 = 12;
const ROUNDS: u64 = 60;
const KEYS: usize = 6;

fn key(at: usize) -> Key {
    Key::raw("meeting", format!("{at}"))
}

async fn read(store: &dyn Durable, key: &Key) -> Option<Entry> {
    store.read(std::slice::from_ref(key)).await.unwrap().remove(0)
}

/// Puts, checks, removes, adds and appends, with few keys and through two connectors.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_that_meet_in_any_order_all_get_a_result() {
    let server = PostgresServer::start();
    let store = Arc::new(Turns::of(&[connect(&server).await, connect(&server).await]));
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let store = store.clone();
        tasks.spawn(async move {
            let mut random = fastrand::Rng::with_seed(task);
            let (mut added, mut appended) = (0, 0);
            for round in 0..ROUNDS {
                let mark = Key::new("marks").number(task).number(round);
                let mut commit = Commit::new().put_new(mark, "");
                let mut keys: Vec<usize> = (0..KEYS).collect();
                random.shuffle(&mut keys);
                for at in keys.into_iter().take(3) {
                    commit = match random.u8(..4) {
                        0 => commit.put(key(at), format!("{task}")),
                        1 => commit.remove(key(at)),
                        2 => commit.put_new(key(at), ""),
                        _ => commit.check(key(at), Check::Below("9".into())),
                    };
                }
                commit = commit.add(Key::new("sum"), 1);
                commit = commit.add_up_to(Key::new("limited"), 1, i64::MAX);
                commit = commit.append(Key::new("group"), "x");
                match store.commit(&commit).await {
                    Ok(()) => (added, appended) = (added + 1, appended + 1),
                    Err(CommitError::Conflict(_)) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
            (added, appended)
        });
    }
    let sums = tasks.join_all().await;
    let added: i64 = sums.iter().map(|(added, _)| added).sum();
    for name in ["sum", "limited", "group"] {
        let counter = read(&*store, &Key::new(name)).await.unwrap();
        assert_eq!(counter.count(), added, "{name}");
    }
    let last = Key::new("group").numbered(added);
    assert!(read(&*store, &last).await.is_some());
    let rows = "select (select sum(entries) from kisflow.usage) = count(*) \
        and (select sum(bytes) from kisflow.usage) = sum(length(key) + length(value)) \
        from kisflow.entries where value is not null";
    assert_eq!(execute(&server.url(), rows).await.as_deref(), Some("t"), "usage is exact");
}

/// Two commits, each of which puts what the other one must not find: only one order is possible.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_is_locked_as_well() {
    let server = PostgresServer::start();
    let store = Arc::new(Turns::of(&[connect(&server).await, connect(&server).await]));
    for round in 0..100 {
        let keys = [0, 1].map(|at| Key::new("skew").number(round).number(at));
        let mut tasks = JoinSet::new();
        for task in 0..2 {
            let (store, mine, other) = (store.clone(), keys[task].clone(), keys[1 - task].clone());
            tasks.spawn(async move {
                let commit =
                    Commit::new().put_new(mine, "5").check(other, Check::Below("3".into()));
                store.commit(&commit).await.is_ok()
            });
        }
        let won = tasks.join_all().await.into_iter().filter(|won| *won).count();
        assert_eq!(won, 1, "round {round}");
        let keys = [2, 3].map(|at| Key::new("skew").number(round).number(at));
        let mut tasks = JoinSet::new();
        for task in 0..2 {
            let (store, mine, other) = (store.clone(), keys[task].clone(), keys[1 - task].clone());
            tasks.spawn(
                async move { store.commit(&Commit::new().put(mine, "").remove(other)).await },
            );
        }
        for result in tasks.join_all().await {
            result.unwrap();
        }
        let found = store.read(&keys).await.unwrap();
        assert_eq!(found.iter().flatten().count(), 1, "round {round}");
    }
}

/// A wait finds the deadlock only some time after its begin, so the commit has to be the last to
/// wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_loses_a_deadlock_is_repeated() {
    let server = PostgresServer::start_with(&["--deadlock_timeout=20ms", "--fsync=off"]);
    let (store, url) = (durable(&connect(&server).await), server.url());
    let keys = [key(1), key(2), key(3)];
    let commit = |value: &'static str| {
        keys.iter().fold(Commit::new(), |commit, key| commit.put(key.clone(), value))
    };
    store.commit(&commit("0")).await.unwrap();
    let update = |key| format!("update kisflow.entries set value = 'other' where key = '{key}'");
    let waiting = async |count: &str| {
        let waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'";
        while execute(&url, waiting).await.as_deref() != Some(count) {}
    };
    let (holder, holding) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    let (other, waits) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    let connections = [tokio::spawn(holding), tokio::spawn(waits)];
    holder.batch_execute(&format!("begin; {}", update(2))).await.unwrap();
    let patient = format!("set deadlock_timeout = '1h'; begin; {}", update(3));
    other.batch_execute(&patient).await.unwrap();
    // It holds 1 and waits for 2.
    let committed = tokio::spawn({
        let (store, commit) = (store.clone(), commit("1"));
        async move { store.commit(&commit).await }
    });
    waiting("1").await;
    let behind = format!("{}; commit", update(1));
    let other = tokio::spawn(async move { other.batch_execute(&behind).await });
    waiting("2").await;
    holder.batch_execute("rollback").await.unwrap();
    committed.await.unwrap().unwrap();
    other.await.unwrap().unwrap();
    let deadlocks = "select pg_stat_force_next_flush(); select deadlocks > 0 from pg_stat_database \
        where datname = 'postgres'";
    while execute(&url, deadlocks).await.as_deref() != Some("t") {}
    for entry in store.read(&keys).await.unwrap() {
        assert_eq!(&*entry.unwrap().value, b"1");
    }
    drop(holder);
    for connection in connections {
        connection.await.unwrap().unwrap();
    }
}
