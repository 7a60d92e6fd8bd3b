//! Servers that are killed in the middle of commits, and connections that break.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use kisflow_core::{
    Connector, Record, Storage,
    durable::{Commit, CommitError, Durable, Key},
};
use kisflow_postgres::PostgresError;
use tokio::{task::JoinSet, time::timeout};

use super::{
    postgres_server::PostgresServer,
    server::PATIENCE,
    world::{connect_with, durable, execute},
};

const TASKS: u64 = 8;
const KILLS: usize = 4;

/// Sends a commit until it has an answer; whether it had to be sent again.
async fn insist(store: &dyn Durable, mut commit: Commit) -> bool {
    let mut is_again = false;
    loop {
        match store.commit(&commit).await {
            Ok(()) => return is_again,
            Err(CommitError::Outage(error)) => {
                let error = error.downcast_ref::<PostgresError>().unwrap();
                assert!(error.is_outage() || error.is_connect(), "{error:?}");
                (commit, is_again) = (commit.sent_again(), true);
                tokio::task::yield_now().await;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_sent_again_after_a_kill_has_one_effect() {
    let mut server = PostgresServer::start_with(&[]);
    let postgres = connect_with(&server, |params| params.command_timeout = PATIENCE).await;
    let store = durable(&postgres);
    let (sent, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (store, sent, is_over) = (store.clone(), sent.clone(), is_over.clone());
        tasks.spawn(async move {
            let (mut round, mut again) = (0, 0);
            while !is_over.load(Ordering::SeqCst) {
                let commit = Commit::new()
                    .put_new(Key::new("marks").number(task).number(round), "")
                    .add(Key::new("sum"), 1)
                    .add_up_to(Key::new("limited"), 1, i64::MAX)
                    .append(Key::new("group"), "x");
                again += u64::from(insist(&*store, commit).await);
                sent.fetch_add(1, Ordering::SeqCst);
                round += 1;
            }
            again
        });
    }
    let mut random = fastrand::Rng::new();
    for _ in 0..KILLS {
        let next = sent.load(Ordering::SeqCst) + random.u64(50..150);
        while sent.load(Ordering::SeqCst) < next {
            tokio::task::yield_now().await;
        }
        tokio::task::block_in_place(|| server.restart());
    }
    is_over.store(true, Ordering::SeqCst);
    let again: u64 = tasks.join_all().await.into_iter().sum();
    assert!(again > 0, "no kill cut a commit off");
    let sent = sent.load(Ordering::SeqCst) as i64;
    for name in ["sum", "limited", "group"] {
        let counter = store.read(&[Key::new(name)]).await.unwrap().remove(0).unwrap();
        assert_eq!(counter.count(), sent, "{name}");
    }
    assert_eq!(store.usage("group").await.unwrap().entries, sent as u64);
    assert_eq!(store.usage("marks").await.unwrap().entries, sent as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_reported_and_ends_when_the_server_is_back() {
    let mut server = PostgresServer::start_with(&[]);
    let postgres = connect_with(&server, |_| {}).await;
    let store = durable(&postgres);
    let commit = Commit::new().put_new(Key::new("a"), "1");
    store.commit(&commit).await.unwrap();
    postgres.ping().await.unwrap();
    server.kill();
    let place = format!("127.0.0.1:{}/postgres", server.port());
    let away = format!("nothing listens at {place} (connection refused)");
    // The processes of connections outlive the server for a moment.
    while postgres.ping().await.err().is_none_or(|error| error.to_string() != away) {}
    let error = store.read(&[Key::new("a")]).await.unwrap_err().to_string();
    assert_eq!(error, away);
    assert!(matches!(store.commit(&commit).await, Err(CommitError::Outage(_))));
    let record = Record::new("1", vec![("a".into(), Some("1".to_owned()))]);
    assert!(postgres.put(vec![record]).await.is_err());
    server.restart();
    store.commit(&commit.sent_again()).await.unwrap();
    assert_eq!(&*store.read(&[Key::new("a")]).await.unwrap()[0].as_ref().unwrap().value, b"1");
    postgres.ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_an_outage_within_the_time_limit() {
    let server = PostgresServer::start();
    let limit = Duration::from_millis(300);
    let postgres = connect_with(&server, |params| {
        (params.command_timeout, params.connect_timeout) = (limit, limit);
    })
    .await;
    let store = durable(&postgres);
    store.commit(&Commit::new().put(Key::new("a"), "1")).await.unwrap();
    let (client, connection) =
        tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute("begin; select from kisflow.entries for update").await.unwrap();
    let late = Commit::new().put(Key::new("a"), "2");
    let Err(CommitError::Outage(error)) = store.commit(&late).await else { panic!() };
    let silent =
        format!("postgres at 127.0.0.1:{}/postgres did not answer within 300ms", server.port());
    assert_eq!(error.to_string(), silent);
    client.batch_execute("rollback").await.unwrap();
    timeout(PATIENCE, async { while store.commit(&late).await.is_err() {} }).await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
}

/// A call that is dropped leaves no connection in the middle of a transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_commit_takes_effect_as_a_whole_or_not_at_all() {
    let server = PostgresServer::start();
    let postgres = connect_with(&server, |params| params.pool = 2).await;
    let store = durable(&postgres);
    for round in 0..200_u64 {
        let commit = Commit::new()
            .put_new(Key::new("one").number(round), "")
            .put(Key::new("other").number(round), "")
            .append(Key::new("group"), "");
        let patience = Duration::from_micros(fastrand::u64(0..3_000));
        drop(timeout(patience, store.commit(&commit)).await);
    }
    let idle = "select count(*) from pg_stat_activity where state like 'idle in transaction%'";
    while execute(&server.url(), "select count(*) from pg_stat_activity where state = 'active' and application_name = 'kisflow:store'").await.as_deref() != Some("0") {}
    assert_eq!(execute(&server.url(), idle).await.as_deref(), Some("0"));
    let count = async |space: &str| store.usage(space).await.unwrap().entries;
    let (one, other, group) = (count("one").await, count("other").await, count("group").await);
    assert!(one == other && other == group, "{one} {other} {group}");
}
