//! What a [`Committer`] keeps while deliveries are done in any order and the store fails.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use tokio::{
    sync::Semaphore,
    task::{JoinSet, yield_now},
    time::timeout,
};

use super::{Committer, PendingCommit, StoredPosition, committer::NotKept};
use crate::{
    Delivery, Positions,
    durable::Faulty,
    error::{BoxError, error_chain},
};

/// Longer than anything here takes, also by a clock that stands still and jumps from one pause of an
/// outage to the next.
const LONG: Duration = Duration::from_secs(3_600);

fn positions(store: &Arc<Faulty>) -> Positions {
    Positions::new(store.clone(), "lines", "flow")
}

fn start(positions: Positions) -> Arc<Committer> {
    Committer::start(positions, Duration::ZERO, Box::new(|_| {}))
}

/// What a new reader finds.
async fn kept(store: &Arc<Faulty>) -> BTreeMap<String, u64> {
    let all = positions(store).all().await.unwrap().into_iter();
    all.map(|(part, at)| (part, String::from_utf8_lossy(&at).parse().unwrap())).collect()
}

fn delivery(part: &str, position: u64) -> Delivery {
    Delivery::progress().keep(part, position.to_string())
}

fn begin(committer: &Arc<Committer>, mut delivery: Delivery) -> Arc<PendingCommit> {
    Arc::new(committer.begin(&mut delivery).unwrap())
}

async fn done(place: &PendingCommit) -> std::result::Result<(), NotKept> {
    timeout(LONG, place.done()).await.expect("it is not kept")
}

#[tokio::test]
async fn a_position_is_kept_up_to_the_first_delivery_that_is_not_done() {
    let store = Arc::new(Faulty::new(100));
    let committer = start(positions(&store));
    assert!(committer.begin(&mut Delivery::progress()).is_none());
    let [first, second, third] =
        [1, 2, 3].map(|position| begin(&committer, delivery("a", position)));
    let other = begin(&committer, delivery("b", 7).partition(1));
    assert!(!third.mark() && !second.mark());
    done(&other).await.unwrap();
    assert_eq!(kept(&store).await, [("b".to_owned(), 7)].into());
    let waits = tokio::spawn({
        let second = second.clone();
        async move { done(&second).await }
    });
    yield_now().await;
    assert!(!waits.is_finished());
    done(&first).await.unwrap();
    waits.await.unwrap().unwrap();
    assert_eq!(kept(&store).await["a"], 3);
    assert_eq!(store.commits.load(Ordering::SeqCst), 2);
    done(&third).await.unwrap();
    done(&third).await.unwrap();
    assert_eq!(store.commits.load(Ordering::SeqCst), 2, "done twice writes nothing");
    done(&begin(&committer, Delivery::progress().forget("b").keep("c", "9"))).await.unwrap();
    assert_eq!(kept(&store).await, [("a".to_owned(), 3), ("c".to_owned(), 9)].into());
}

#[tokio::test]
async fn what_is_done_during_a_commit_needs_one_more() {
    let store = Arc::new(Faulty { gate: Some(Semaphore::new(0)), ..Faulty::new(100) });
    let committer = start(positions(&store));
    let mut waiting = JoinSet::new();
    for position in 1..=100 {
        let place = begin(&committer, delivery("a", position));
        assert!(place.mark());
        waiting.spawn(async move { done(&place).await });
        // The first commit begins, and waits at the gate.
        yield_now().await;
    }
    assert!(waiting.try_join_next().is_none(), "done before it is durable");
    store.gate.as_ref().unwrap().add_permits(100);
    while let Some(done) = waiting.join_next().await {
        done.unwrap().unwrap();
    }
    assert_eq!(store.commits.load(Ordering::SeqCst), 2);
    assert_eq!(kept(&store).await["a"], 100);
}

#[tokio::test]
async fn no_more_is_read_while_many_rows_wait_for_the_store() {
    let store = Arc::new(Faulty { gate: Some(Semaphore::new(0)), ..Faulty::new(100) });
    let committer = start(positions(&store));
    let rows = |rows: usize| {
        let batch = crate::Batch::json((0..rows).map(|id| id.to_string()));
        begin(&committer, Delivery { batch, ..delivery("a", rows as u64) })
    };
    let places = [rows(49_999), rows(1)];
    assert!(places[0].mark());
    assert!(!committer.is_behind());
    assert!(places[1].mark());
    assert!(committer.is_behind());
    store.gate.as_ref().unwrap().add_permits(100);
    done(&places[1]).await.unwrap();
    assert!(!committer.is_behind());
}

#[tokio::test(start_paused = true)]
async fn a_position_that_cannot_be_kept_is_tried_again_and_that_is_told() {
    let store = Arc::new(Faulty::new(100));
    let told: Arc<Mutex<Vec<Option<String>>>> = Arc::default();
    let tells = told.clone();
    let tell = move |error: Option<&BoxError>| {
        tells.lock().unwrap().push(error.map(|error| error_chain(&**error).to_string()));
    };
    let committer = Committer::start(positions(&store), Duration::ZERO, Box::new(tell));
    store.is_full.store(true, Ordering::SeqCst);
    let [first, second] = [1, 2].map(|position| begin(&committer, delivery("a", position)));
    assert!(first.mark());
    while told.lock().unwrap().len() < 3 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // One that comes meanwhile is not forgotten.
    assert!(second.mark());
    store.is_full.store(false, Ordering::SeqCst);
    done(&second).await.unwrap();
    done(&first).await.unwrap();
    assert_eq!(kept(&store).await["a"], 2);
    let told = told.lock().unwrap();
    let (failed, [None]) = told.split_at(told.len() - 1) else { panic!("{told:?}") };
    assert!(failed.iter().all(|told| told.as_deref() == Some("disk full")), "{told:?}");
}

#[tokio::test]
async fn nobody_waits_behind_a_delivery_that_is_gone_or_for_a_writer_that_is() {
    let store = Arc::new(Faulty::new(100));
    let committer = start(positions(&store));
    let [before, gone, behind] =
        [1, 2, 3].map(|position| begin(&committer, delivery("a", position)));
    drop(gone);
    let waits = tokio::spawn(async move { done(&behind).await });
    yield_now().await;
    committer.leave_gap();
    assert_eq!(waits.await.unwrap(), Err(NotKept::Gone));
    done(&before).await.unwrap();
    assert_eq!(kept(&store).await["a"], 1);

    store.panics.store(true, Ordering::SeqCst);
    let committer = start(positions(&store));
    assert_eq!(done(&begin(&committer, delivery("a", 2))).await, Err(NotKept::Gone));
    assert!(committer.ended().is_cancelled() && !committer.is_moved());
}

#[tokio::test(start_paused = true)]
async fn a_commit_whose_answer_is_lost_is_recognised() {
    let store = Arc::new(Faulty::new(100));
    let committer = start(positions(&store));
    for position in 1..5 {
        store.silent.store(3, Ordering::SeqCst);
        done(&begin(&committer, delivery("a", position))).await.unwrap();
    }
    assert!(!committer.is_moved());
    assert_eq!(kept(&store).await["a"], 4);
}

#[tokio::test]
async fn a_position_that_others_have_changed_is_left_as_it_is() {
    for is_there in [false, true] {
        let store = Arc::new(Faulty::new(100));
        if is_there {
            done(&begin(&start(positions(&store)), delivery("a", 1))).await.unwrap();
        }
        let [mine, others] = [positions(&store), positions(&store)];
        for positions in [&mine, &others] {
            assert_eq!(positions.load("a").await.unwrap().is_some(), is_there);
        }
        let [mine, others] = [mine, others].map(start);
        done(&begin(&others, delivery("a", 5))).await.unwrap();
        let [first, second] = [2, 3].map(|position| begin(&mine, delivery("a", position)));
        assert_eq!(done(&first).await, Err(NotKept::Moved));
        // Nothing is kept any more.
        assert_eq!(done(&second).await, Err(NotKept::Moved));
        assert!(mine.is_moved() && !others.is_moved());
        assert!(mine.ended().is_cancelled() && !others.ended().is_cancelled());
        assert_eq!(kept(&store).await["a"], 5);
        done(&begin(&others, delivery("a", 6))).await.unwrap();
    }
}

#[tokio::test]
async fn a_position_that_a_command_has_set_or_removed_is_left_as_it_is() {
    let set = StoredPosition::new("lines", "flow", "a", "77");
    for (old, new) in [(vec![], vec![set.clone()]), (vec![set], vec![])] {
        let store = Arc::new(Faulty::new(100));
        let committer = start(positions(&store));
        done(&begin(&committer, delivery("a", 1))).await.unwrap();
        StoredPosition::replace(&*store, &old, &new).await.unwrap();
        let place = begin(&committer, delivery("a", 2));
        assert_eq!(done(&place).await, Err(NotKept::Moved));
        assert_eq!(kept(&store).await.get("a"), new.first().map(|_| &77));
    }
}

/// Parts with several partitions: deliveries are begun in order and done in any, the store fails,
/// and processes die. What is kept never lies behind a delivery that is not done, and what is said
/// to be durable is.
#[tokio::test(start_paused = true)]
async fn random_deliveries_are_kept_as_far_as_all_before_them_are_done() {
    let seed = std::env::var("KISFLOW_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("KISFLOW_SEED={seed}");
    fastrand::seed(seed);
    for _ in 0..30 {
        let store = Arc::new(Faulty::new(fastrand::usize(2..9)));
        // How far each part is durable, as it was said.
        let said: Arc<Mutex<HashMap<String, u64>>> = Arc::default();
        for _process in 0..4 {
            life(&store, &said).await;
        }
    }
}

/// A process, until it dies.
async fn life(store: &Arc<Faulty>, said: &Arc<Mutex<HashMap<String, u64>>>) {
    let opened = positions(store);
    let from: BTreeMap<String, u64> = kept(store).await;
    if fastrand::bool() {
        opened.all().await.unwrap();
    }
    for (part, position) in &*said.lock().unwrap() {
        assert!(from[part] >= *position, "{part} was durable up to {position}: {from:?}");
    }
    let committer = start(opened);
    store.refuses.store(fastrand::u64(..6), Ordering::SeqCst);
    store.silent.store(fastrand::u64(..4), Ordering::SeqCst);
    // The next position of each part, of a partition each; and which are done.
    let mut next: [BTreeMap<String, u64>; 2] = Default::default();
    let done_up_to: Arc<Mutex<HashMap<String, Vec<bool>>>> = Arc::default();
    let mut open = Vec::new();
    let mut waiting = JoinSet::new();
    for _ in 0..fastrand::usize(..120) {
        if fastrand::bool() {
            let partition = fastrand::usize(..2);
            let part = format!("{partition}{}", fastrand::char('a'..='e'));
            let begins = from.get(&part).copied().unwrap_or(0);
            let position = next[partition].entry(part.clone()).or_insert(begins);
            *position += 1;
            let place = begin(&committer, delivery(&part, *position).partition(partition as u64));
            let marks = &mut *done_up_to.lock().unwrap();
            let marks = marks.entry(part.clone()).or_default();
            marks.push(false);
            open.push((part, *position, marks.len() - 1, place));
        } else if !open.is_empty() {
            let (part, position, index, place) = open.swap_remove(fastrand::usize(..open.len()));
            let (said, done_up_to) = (said.clone(), done_up_to.clone());
            done_up_to.lock().unwrap().get_mut(&part).unwrap()[index] = true;
            waiting.spawn(async move {
                done(&place).await.unwrap();
                let mut said = said.lock().unwrap();
                let last = said.entry(part).or_default();
                *last = position.max(*last);
            });
        }
        for _ in 0..fastrand::usize(..4) {
            yield_now().await;
        }
        // What has no gap before it, of each part.
        let reached: HashMap<String, u64> = {
            let marks = done_up_to.lock().unwrap();
            let all = |marks: &Vec<bool>| marks.iter().take_while(|done| **done).count() as u64;
            marks.iter().map(|(part, marks)| (part.clone(), all(marks))).collect()
        };
        for (part, position) in kept(store).await {
            let begins = from.get(&part).copied().unwrap_or(0);
            let most = begins + reached.get(&part).copied().unwrap_or(0);
            assert!(position <= most, "{part} is kept up to {position}, and done up to {most}");
        }
    }
    if fastrand::bool() {
        // It ends in order: everything is done.
        for (part, _, _, place) in open.drain(..) {
            done_up_to.lock().unwrap().remove(&part);
            waiting.spawn(async move { done(&place).await.unwrap() });
        }
        while let Some(done) = waiting.join_next().await {
            done.unwrap();
        }
        let kept = kept(store).await;
        for (part, position) in next.into_iter().flatten() {
            assert_eq!(kept[&part], position);
        }
        return;
    }
    waiting.shutdown().await;
}

#[tokio::test]
async fn a_position_whose_commit_had_no_answer_can_be_kept_again() {
    let store = Arc::new(Faulty::new(100));
    let positions = positions(&store);
    positions.all().await.unwrap();
    store.silent.store(1, Ordering::SeqCst);
    assert!(positions.keep("a", Some("1".into())).await.is_err());
    assert_eq!(kept(&store).await, BTreeMap::from([("a".to_owned(), 1)]));
    positions.keep("a", Some("2".into())).await.unwrap();
    assert_eq!(kept(&store).await, BTreeMap::from([("a".to_owned(), 2)]));
}

#[tokio::test]
async fn a_position_that_another_reader_has_changed_is_not_kept() {
    let store = Arc::new(Faulty::new(100));
    let (one, other) = (positions(&store), positions(&store));
    one.keep("a", Some("1".into())).await.unwrap();
    // Also if it is the same text.
    other.keep("a", Some("1".into())).await.unwrap();
    assert!(one.keep("a", Some("2".into())).await.is_err());
    assert_eq!(kept(&store).await, BTreeMap::from([("a".to_owned(), 1)]));
}

#[tokio::test]
async fn old_positions_are_removed_as_they_were_looked_at() {
    let store = Arc::new(Faulty::new(100));
    let positions = positions(&store);
    for (part, position) in [("a", "1"), ("b", "2"), ("c", "3")] {
        positions.keep(part, Some(position.into())).await.unwrap();
    }
    let parts = ["a", "b", "c", "d"].map(Arc::from);
    let is_old = |part: &str, position: &[u8]| part != "b" && position != b"3";
    assert!(positions.forget_old(&parts, |part, position| is_old(part, position)).await.unwrap());
    let left = BTreeMap::from([("b".to_owned(), 2), ("c".to_owned(), 3)]);
    assert_eq!(kept(&store).await, left);
    positions.keep("a", Some("4".into())).await.unwrap();
}
