//! Single cases: what is left of deliveries that end early, of stores that fail, and of other processes.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::timeout;

use super::{count, counter};
use crate::{
    durable::{Durable, Faulty},
    metrics::RoundMetrics,
    round::{Facts, Rounds, Settlement},
    source::Positions,
};

#[tokio::test(start_paused = true)]
async fn a_delivery_that_dies_alone_in_its_closed_round_leaves_nothing() {
    let store = Arc::new(Faulty::default());
    let rounds = Rounds::new("F", RoundMetrics::new("F"), store.clone());
    let entrance = rounds.entrance(Positions::new(store.clone(), "s", "F"));
    let mut dies = entrance.ticket(0);
    let states = dies.enter().await.unwrap();
    count(&states, "a", None).await;
    // Nobody waits, so that its round is closed.
    dies.leave();
    drop(dies);
    assert!(entrance.ended().is_cancelled() && !entrance.is_moved());
    let mut ticket = rounds.ticket();
    let states = timeout(Duration::from_secs(1), ticket.enter()).await.expect("stuck").unwrap();
    assert_eq!(states.read(&[counter("a")]).await.unwrap(), [None]);
    count(&states, "a", None).await;
    assert_eq!(ticket.settle(Facts::default(), |_| {}).await, Settlement::Committed);
    let found = store.read(&[counter("a")]).await.unwrap().remove(0).unwrap();
    assert_eq!(found.value, "1");
}

#[tokio::test(start_paused = true)]
async fn a_round_waits_for_its_store_and_says_why() {
    let store = Arc::new(Faulty::default());
    store.is_full.store(true, Ordering::SeqCst);
    let rounds = Rounds::new("F", RoundMetrics::new("F"), store.clone());
    let mut ticket = rounds.ticket();
    let states = ticket.enter().await.unwrap();
    count(&states, "a", None).await;
    let mut told = Vec::new();
    let settled = ticket.settle(Facts::default(), |why| {
        told.push(why.map(str::to_owned));
        store.is_full.store(false, Ordering::SeqCst);
    });
    let settled = timeout(Duration::from_secs(60), settled).await.expect("stuck");
    assert_eq!(settled, Settlement::Committed);
    let why = "states cannot be written; see to their store: disk full".to_owned();
    assert_eq!(told, [Some(why), None]);
}

#[tokio::test(start_paused = true)]
async fn a_round_that_is_too_large_is_made_smaller_and_a_run_that_is_fails() {
    let store = Arc::new(Faulty::new(4));
    let rounds = Rounds::new("F", RoundMetrics::new("F"), store.clone());
    let run = async |keys: u64| {
        let mut ticket = rounds.ticket();
        loop {
            let states = ticket.enter().await.unwrap();
            for key in 0..keys {
                count(&states, &key.to_string(), None).await;
            }
            // Others enter meanwhile.
            let settled = ticket.settle(Facts::default(), |_| {}).await;
            if settled != Settlement::Again {
                return settled;
            }
        }
    };
    let all = futures_util::future::join_all([3, 4, 3].map(run)).await;
    assert_eq!(all, [Settlement::Committed, Settlement::Committed, Settlement::Committed]);
    let Settlement::Failed(why) = run(5).await else { panic!("it was committed") };
    assert!(why.contains("too large: 5 keys (at most 4)"), "{why}");
}

fn rounds(store: &Arc<Faulty>) -> Rounds {
    Rounds::new("F", RoundMetrics::new("F"), store.clone())
}

#[test]
fn a_round_whose_runtime_ends_holds_up_no_other() {
    let store = Arc::new(Faulty::default());
    let rounds = rounds(&store);
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let (mut through, mut inside) = (rounds.ticket(), rounds.ticket());
    first.block_on(async {
        let states = through.enter().await.unwrap();
        count(&states, "a", None).await;
        let mut settling = std::pin::pin!(through.settle(Facts::default(), |_| {}));
        assert!(futures_util::poll!(&mut settling).is_pending());
        let states = inside.enter().await.unwrap();
        count(&states, "b", None).await;
    });
    drop(first);
    // Nobody is inside any more: the first round is closed, and there is no runtime to commit it.
    drop(inside);
    drop(through);
    runtime().block_on(async {
        let mut ticket = rounds.ticket();
        let states = timeout(Duration::from_secs(5), ticket.enter()).await.expect("stuck").unwrap();
        count(&states, "b", None).await;
        assert_eq!(ticket.settle(Facts::default(), |_| {}).await, Settlement::Committed);
    });
}

#[tokio::test(start_paused = true)]
async fn deliveries_that_are_given_up_leave_nothing_in_the_round() {
    let store = Arc::new(Faulty::new(10));
    let rounds = rounds(&store);
    for run in 0..100 {
        let mut ticket = rounds.ticket();
        let states = ticket.enter().await.unwrap();
        count(&states, &format!("given up {run}"), None).await;
        ticket.give_up();
        assert!(rounds.shared.state().is_empty());
    }
    let mut ticket = rounds.ticket();
    let states = ticket.enter().await.unwrap();
    for key in 0..10 {
        count(&states, &key.to_string(), None).await;
    }
    assert_eq!(ticket.settle(Facts::default(), |_| {}).await, Settlement::Committed);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_cancelled_before_its_commit_is_not_committed() {
    let store = Arc::new(Faulty::default());
    let rounds = rounds(&store);
    let (mut first, mut second) = (rounds.ticket(), rounds.ticket());
    // The first of all is a round of its own.
    let mut alone = rounds.ticket();
    count(&alone.enter().await.unwrap(), "a", None).await;
    assert_eq!(alone.settle_unless(std::future::pending()).await, Some(Settlement::Committed));
    count(&first.enter().await.unwrap(), "a", None).await;
    // The second waits, so that the round stays open when the first is through.
    let mut entering = Box::pin(second.enter());
    assert!(futures_util::poll!(&mut entering).is_pending());
    assert_eq!(first.settle_unless(std::future::ready(())).await, None);
    let states = entering.await.unwrap();
    count(&states, "b", None).await;
    while second.settle_unless(std::future::pending()).await == Some(Settlement::Again) {
        count(&second.enter().await.unwrap(), "b", None).await;
    }
    let found = store.read(&[counter("a"), counter("b")]).await.unwrap();
    let values: Vec<_> = found.into_iter().map(|entry| entry.unwrap().value).collect();
    assert_eq!(values, ["1", "1"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_cancelled_when_it_is_committed_is_committed() {
    let store = Arc::new(Faulty::default());
    let rounds = rounds(&store);
    let mut ticket = rounds.ticket();
    count(&ticket.enter().await.unwrap(), "a", None).await;
    // The token is cancelled when the round is committed, and the outcome is not yet heard of.
    let committed = async {
        while store.store.read(&[counter("a")]).await.unwrap() == [None] {
            tokio::task::yield_now().await;
        }
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    };
    let mut cancelled = std::pin::pin!(committed);
    let polled = std::future::poll_fn(|context| cancelled.as_mut().poll(context));
    assert_eq!(ticket.settle_unless(polled).await, Some(Settlement::Committed));
    assert!(!rounds.shared.change(|state| state.withdraw(ticket.id())), "it is settled");
}

#[tokio::test(start_paused = true)]
async fn what_another_process_has_changed_is_seen_by_runs_that_change_nothing() {
    let store = Arc::new(Faulty::default());
    let (one, other) = (rounds(&store), rounds(&store));
    /// Reads a state, as often as it takes.
    async fn read(rounds: &Rounds) -> Option<Bytes> {
        let mut ticket = rounds.ticket();
        loop {
            let states = ticket.enter().await.unwrap();
            let found = states.read(&[counter("a")]).await.unwrap().remove(0);
            match ticket.settle(Facts::default(), |_| {}).await {
                Settlement::Committed => return found,
                settled => assert_eq!(settled, Settlement::Again),
            }
        }
    }
    assert_eq!(read(&one).await, None);
    for value in ["1", "2"] {
        let mut ticket = other.ticket();
        count(&ticket.enter().await.unwrap(), "a", None).await;
        assert_eq!(ticket.settle(Facts::default(), |_| {}).await, Settlement::Committed);
        assert_eq!(read(&one).await, Some(value.into()));
    }
    // One that relies on there being none conflicts with one that puts it.
    let (mut relies, mut puts) = (one.ticket(), other.ticket());
    let states = relies.enter().await.unwrap();
    assert_eq!(states.read(&[counter("b")]).await.unwrap(), [None]);
    count(&states, "c", None).await;
    count(&puts.enter().await.unwrap(), "b", None).await;
    assert_eq!(puts.settle(Facts::default(), |_| {}).await, Settlement::Committed);
    assert_eq!(relies.settle(Facts::default(), |_| {}).await, Settlement::Again);
}
