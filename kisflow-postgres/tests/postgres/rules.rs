//! The rules that every engine keeps.

use std::net::TcpStream;

use kisflow_core::{
    Private, conformance,
    durable::{Check, Commit, Entry, Key},
};
use kisflow_postgres::Postgres;

use super::{
    postgres_server::PostgresServer,
    server::poll,
    world::{Turns, conf, connect, durable},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_keep_the_rules_of_durable() {
    let server = PostgresServer::start();
    let open = async || Turns::of(&[connect(&server).await]);
    conformance::durable(open().await, async |_| open().await, fastrand::u64(..)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_keep_the_rules_of_durable_through_two_connectors() {
    let server = PostgresServer::start();
    let open = async || Turns::of(&[connect(&server).await, connect(&server).await]);
    conformance::durable(open().await, async |_| open().await, fastrand::u64(..)).await;
}

/// Its check still holds after it took effect.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_is_recognised_by_an_entry_that_it_keeps_below_a_bound() {
    let server = PostgresServer::start();
    let store = durable(&connect(&server).await);
    let (key, count) = (Key::new("s").text("low"), Key::new("s").text("count"));
    let commit = Commit::new().check(key.clone(), Check::Below("9".into())).put(key, "5");
    let commit = commit.add(count.clone(), 1);
    store.commit(&commit).await.unwrap();
    store.commit(&commit.sent_again()).await.unwrap();
    assert_eq!(store.read(&[count]).await.unwrap()[0].as_ref().unwrap().count(), 1);
}

/// An index compresses what it can of a key: nothing of these.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_random_bytes_may_be_as_long_as_the_limit() {
    let server = PostgresServer::start();
    let store = durable(&connect(&server).await);
    let mut random = fastrand::Rng::new();
    let space: String = (0..255).map(|_| random.alphanumeric()).collect();
    let mut key = || {
        let bytes: Vec<u8> = (0..store.limits().key_bytes).map(|_| random.u8(..)).collect();
        Key::raw(space.as_str(), bytes)
    };
    let (value, counter, group) = (key(), key(), key());
    let commit = Commit::new().put_new(value.clone(), "1").put(key(), "2");
    let commit = commit.check(key(), Check::Below("3".into())).add_up_to(key(), 4, 4);
    let commit = commit.add(counter.clone(), 5).append(group.clone(), "6");
    store.commit(&commit).await.unwrap();
    let found = store.read(&[value, counter, group.numbered(1)]).await.unwrap();
    let found: Vec<_> = found.iter().flatten().map(|entry| &*entry.value).collect();
    assert_eq!(found, [b"1", b"5", b"6"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_may_be_larger_than_a_commit_of_several_keys() {
    let server = PostgresServer::start();
    let store = durable(&connect(&server).await);
    let large: Vec<u8> = vec![7; store.limits().bytes + 1];
    let commits = ["a", "b"].map(|key| Commit::new().put(Key::new(key), large.clone()));
    assert!(store.commit_each(&commits).await.iter().all(Result::is_ok));
    let found = store.read(&[Key::new("b")]).await.unwrap().remove(0).unwrap();
    assert!(found.value == large);
}

/// Plans that work for a few keys must do for many.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_of_any_kind_may_be_as_large_as_the_limits() {
    let server = PostgresServer::start();
    let store = durable(&connect(&server).await);
    let keys = store.limits().keys as u64 - 1;
    let key = |at: u64| Key::new("s").number(at);
    let mark = |at: u64| Commit::new().put_new(Key::new("mark").number(at), "");
    let all = |first: Commit, change: &dyn Fn(Commit, u64) -> Commit| (0..keys).fold(first, change);
    let commit = async |commit: Commit| store.commit(&commit).await.unwrap();
    commit(all(mark(0), &|commit, at| commit.put_new(key(at), "x"))).await;
    commit(all(mark(1), &|commit, at| commit.put(key(at), "y"))).await;
    commit(all(mark(2), &|commit, at| commit.check(key(at), Check::Below("z".into())))).await;
    commit(all(mark(3), &|commit, at| commit.remove(key(at)))).await;
    commit(all(mark(4), &|commit, at| commit.add(key(at), 1))).await;
    commit(all(mark(5), &|commit, at| commit.add_up_to(key(at), 1, 9))).await;
    commit(all(mark(6), &|commit, at| commit.append(Key::new("group").number(at % 99), ""))).await;
    let all: Vec<Commit> = (10..500).map(mark).collect();
    assert!(store.commit_each(&all).await.iter().all(Result::is_ok));
    let (first, last) = (key(0), key(keys - 1));
    let found = store.read(&[first, last, Key::new("group").number(0)]).await.unwrap();
    let counts: Vec<i64> = found.iter().flatten().map(Entry::count).collect();
    assert_eq!(counts, [2, 2, keys.div_ceil(99) as i64]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_keep_the_rules_of_storage() {
    let server = PostgresServer::start();
    conformance::storage(&connect(&server).await).await;
}

#[tokio::test]
async fn a_private_server_keeps_records_and_ends_with_what_holds_it() {
    let postgres = Private::<Postgres>::start(&conf("")).await.unwrap();
    conformance::storage(&*postgres).await;
    let place = format!("{:?}", *postgres);
    let port: u16 = place
        .split_once("127.0.0.1:")
        .and_then(|(_, rest)| rest.split(|letter: char| !letter.is_ascii_digit()).next())
        .unwrap()
        .parse()
        .unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
    drop(postgres);
    assert!(poll(|| TcpStream::connect(("127.0.0.1", port)).is_err()));
}
