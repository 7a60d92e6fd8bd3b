//! Rows in quarantine against a store that fails, and by many at once.

mod fixture;

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use self::fixture::Fixture;
pub(crate) use self::fixture::row;
use super::{
    CommitMarker, KEPT, QuarantineFilter, Quarantined, by_time::ByTime, draft::Draft,
    layout::flow_and_place,
};
use crate::{
    conf::{QuarantineConf, WhenFull},
    durable::{Commit, Durable, Key},
    millis::since_epoch,
};

fn limited(rows: u64, when_full: WhenFull) -> QuarantineConf {
    QuarantineConf::default().limit(rows, 1 << 20).when_full(when_full)
}

#[tokio::test]
async fn a_row_of_a_delivery_that_comes_again_is_the_same_one_and_stays_as_an_operator_left_it() {
    let it = Fixture::new(QuarantineConf::default(), 100);
    it.keep(vec![row("A", "1", 1), row("A", "2", 1)]).await.unwrap();
    let stored = it.quarantine.stored(KEPT, "1").await.unwrap();
    let edited = Quarantined { row: "edited".into(), ..stored.row.clone() };
    let edit = Draft::default().set(KEPT, Some(&stored), Some(&edited));
    it.quarantine.commit(&edit.commit(None)).await.unwrap();
    it.keep(vec![row("A", "0", 9), row("A", "1", 9), row("A", "2", 9)]).await.unwrap();
    assert_eq!(it.ids().await, ["0", "1", "2"]);
    assert_eq!(it.quarantine.show("1").await.unwrap(), edited);
}

/// A row behind the first function, which may make another text of the same row each time.
fn made(id: &str, text: &'static str, since_ms: u64) -> Quarantined {
    Quarantined { at: 1, row: text.into(), origin: Some("{}".into()), ..row("A", id, since_ms) }
}

#[tokio::test]
async fn of_a_row_whose_text_is_another_each_time_the_later_one_is_kept_unless_somebody_touched_it()
{
    let it = Fixture::new(QuarantineConf::default(), 100);
    it.keep(vec![made("1", "one", 1)]).await.unwrap();
    it.keep(vec![made("1", "two", 2)]).await.unwrap();
    let kept = it.quarantine.show("1").await.unwrap();
    assert_eq!((kept.row.to_string(), since_epoch::of(kept.since)), ("two".to_owned(), 1));
    // Sent on and failed again.
    let stored = it.quarantine.stored(KEPT, "1").await.unwrap();
    let touched = Quarantined { tried: since_epoch::time(9), ..stored.row.clone() };
    let touch = Draft::default().set(KEPT, Some(&stored), Some(&touched));
    it.quarantine.commit(&touch.commit(None)).await.unwrap();
    it.keep(vec![made("1", "two", 3)]).await.unwrap();
    assert_eq!(it.ids().await, ["1"]);
    // Not lost, whichever of the rows that the row of the source became it is.
    it.keep(vec![made("1", "three", 4)]).await.unwrap();
    assert_eq!(it.ids().await.len(), 2);
}

#[test]
fn the_own_id_of_a_row_is_the_same_on_every_machine_and_differs_by_generation() {
    let row = Quarantined { position: "/var/log/shop:17".to_owned(), ..row("A", "", 1) };
    assert_eq!(row.own_id("", "", true, 0), "dbca1a3ee57ef3025eb86721e7bf40c2");
    let ids = [("", true, 0), ("", true, 1), ("2", true, 0), ("3", true, 0)];
    let ids: BTreeSet<String> = ids
        .into_iter()
        .map(|(generation, exact, times)| row.own_id("", generation, exact, times))
        .collect();
    assert_eq!(ids.len(), 4);
}

#[tokio::test]
async fn what_becomes_of_a_row_may_be_more_than_a_commit_holds() {
    let it = Fixture::new(QuarantineConf::default(), 20);
    it.keep(vec![row("A", "1", 1)]).await.unwrap();
    let stored = it.quarantine.stored(KEPT, "1").await.unwrap();
    let made: Vec<_> = (10..60).map(|id| row("A", &id.to_string(), 2)).collect();
    it.quarantine.become_these(&stored, None, &made).await.unwrap();
    assert_eq!(it.ids().await, (10..60).map(|id| id.to_string()).collect::<Vec<_>>());
    // Somebody else was faster.
    let error = it.quarantine.become_these(&stored, None, &made[..0]).await.unwrap_err();
    assert!(error.to_string().contains("somebody else"), "{error}");
}

#[tokio::test]
async fn discarded_rows_make_room_for_the_reason_of_the_next() {
    let it = Fixture::new(QuarantineConf::default().limit(9, 600), 100);
    for id in ["1", "2", "3", "4"] {
        it.keep(vec![row("A", id, id.parse().unwrap())]).await.unwrap();
        it.quarantine.discard(id, "x".repeat(200)).await.unwrap();
    }
    let left = it.quarantine.discarded().ids(&QuarantineFilter::new()).await.unwrap();
    assert_eq!(left, ["4"]);
    it.audit().await;
}

#[tokio::test]
async fn a_row_that_an_operator_took_out_before_its_delivery_comes_again_is_not_lost() {
    let it = Fixture::new(QuarantineConf::default(), 100);
    it.keep(vec![row("A", "1", 1)]).await.unwrap();
    it.quarantine.discard("1", "a test").await.unwrap();
    assert!(it.ids().await.is_empty());
    it.keep(vec![row("A", "1", 2)]).await.unwrap();
    assert_eq!(it.ids().await, ["1"]);
    it.quarantine.discard("1", "twice").await.unwrap();
    let discarded = it.quarantine.discarded().list(&QuarantineFilter::new(), 9).await.unwrap();
    assert_eq!(discarded.len(), 1);
    assert_eq!(discarded[0].discarded.as_deref(), Some("twice"));
    it.audit().await;
}

#[tokio::test]
async fn of_more_rows_than_there_is_room_for_those_that_fit_are_kept() {
    let it = Fixture::new(limited(5, WhenFull::Stop), 20);
    let ids: Vec<String> = (10..23).map(|id| id.to_string()).collect();
    let mut keeping = it.quarantine.keeping(ids.iter().map(|id| row("A", id, 1)).collect());
    let mut out = Vec::new();
    for left in [8, 3] {
        let error = keeping.keep().await.unwrap_err();
        let told = "the quarantine is full (5 of 5 rows of this flow, ";
        assert!(error.is_full() && error.to_string().starts_with(told), "{error}");
        assert!(error.to_string().contains(&format!("and {left} rows of ")), "{error}");
        // Another flow has a quota of its own.
        it.keep(vec![row("B", &format!("other {left}"), 1)]).await.unwrap();
        for id in it.quarantine.ids(&QuarantineFilter::new().flow("A")).await.unwrap() {
            it.quarantine.discard(&id, "room").await.unwrap();
            out.push(id);
        }
    }
    keeping.keep().await.unwrap();
    out.extend(it.quarantine.ids(&QuarantineFilter::new().flow("A")).await.unwrap());
    assert_eq!(out, ids);
    it.audit().await;
}

#[tokio::test]
async fn the_oldest_rows_of_a_flow_make_room_for_its_own_alone() {
    let it = Fixture::new(limited(4, WhenFull::DropOldest), 20);
    it.keep(vec![row("B", "b", 0)]).await.unwrap();
    for first in [10, 20] {
        let ids = first..first + 7;
        it.keep(ids.map(|id| row("A", &id.to_string(), id)).collect()).await.unwrap();
    }
    assert_eq!(it.ids().await, ["23", "24", "25", "26", "b"]);
    assert_eq!(it.dropped.load(Ordering::SeqCst), 10);
}

#[tokio::test]
async fn a_row_that_is_larger_than_the_whole_quarantine_is_kept_in_an_empty_one() {
    for when_full in [WhenFull::Stop, WhenFull::DropOldest] {
        let it = Fixture::new(QuarantineConf::default().limit(9, 100).when_full(when_full), 20);
        let large = Quarantined { row: vec![b'x'; 1 << 14].into(), ..row("A", "1", 1) };
        it.keep(vec![large.clone()]).await.unwrap();
        let next = it.keep(vec![Quarantined { id: "2".to_owned(), ..large }]).await;
        match when_full {
            WhenFull::Stop => assert!(next.unwrap_err().is_full()),
            WhenFull::DropOldest => assert_eq!(it.ids().await, ["2"]),
        }
    }
}

#[tokio::test]
async fn commits_whose_answers_are_lost_keep_each_row_once() {
    let it = Fixture::new(QuarantineConf::default(), 20);
    let rows: Vec<_> = (10..30).map(|id| row("A", &id.to_string(), id)).collect();
    let mut keeping = it.quarantine.keeping(rows.clone());
    for _ in 0..3 {
        it.store.silent.store(1, Ordering::SeqCst);
        keeping.keep().await.unwrap_err();
    }
    // The process dies, and the batch is redelivered.
    drop(keeping);
    it.keep(rows).await.unwrap();
    assert_eq!(it.ids().await.len(), 20);
    assert_eq!(it.quarantine.list(&QuarantineFilter::new(), 99).await.unwrap().len(), 20);
}

#[tokio::test]
async fn a_row_that_could_not_be_dropped_is_not_counted() {
    let it = Fixture::new(limited(1, WhenFull::DropOldest), 20);
    it.keep(vec![row("A", "a", 1)]).await.unwrap();
    it.store.removes_nothing.store(true, Ordering::SeqCst);
    let mut keeping = it.quarantine.keeping(vec![row("A", "b", 2)]);
    keeping.keep().await.unwrap_err();
    assert_eq!((it.ids().await, it.dropped.load(Ordering::SeqCst)), (vec!["a".to_owned()], 0));
    it.store.removes_nothing.store(false, Ordering::SeqCst);
    keeping.keep().await.unwrap();
    assert_eq!((it.ids().await, it.dropped.load(Ordering::SeqCst)), (vec!["b".to_owned()], 1));
}

#[tokio::test]
async fn rows_that_are_too_old_and_cannot_be_dropped_hold_up_nobody() {
    let it = Fixture::new(QuarantineConf::default().max_age(Duration::from_millis(1)), 20);
    it.keep(vec![row("A", "a", 1)]).await.unwrap();
    it.store.removes_nothing.store(true, Ordering::SeqCst);
    let search = || *it.quarantine.inner.expired.lock().unwrap() = None;
    search();
    it.keep(vec![row("B", "b", u64::MAX / 2)]).await.unwrap();
    assert_eq!((it.ids().await.len(), it.dropped.load(Ordering::SeqCst)), (2, 0));
    it.store.removes_nothing.store(false, Ordering::SeqCst);
    search();
    it.keep(vec![row("B", "c", u64::MAX / 2)]).await.unwrap();
    assert_eq!(it.ids().await, ["b", "c"]);
    assert_eq!(it.dropped.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn rows_of_several_flows_are_listed_by_time_page_by_page() {
    let it = Fixture::new(QuarantineConf::default(), 1_000);
    let mut times: Vec<u64> = (0..1_700).collect();
    fastrand::Rng::with_seed(7).shuffle(&mut times);
    for (flow, times) in ["A", "B", "C"].into_iter().zip(times.chunks(600)) {
        let id = |time: &u64| format!("{:04}", 9_999 - time);
        it.keep(times.iter().map(|time| row(flow, &id(time), *time)).collect()).await.unwrap();
    }
    let all = QuarantineFilter::new();
    let list = async |filter: &QuarantineFilter, cursor: &str, limit: usize| {
        let rows = it.quarantine.list_after(filter, cursor, limit).await.unwrap();
        let cursor = rows.last().map(Quarantined::cursor).unwrap_or_default();
        (rows.iter().map(|row| since_epoch::of(row.since)).collect::<Vec<_>>(), cursor)
    };
    let (first, cursor) = list(&all, "", 650).await;
    assert_eq!(first, (0..650).collect::<Vec<_>>());
    assert_eq!(list(&all, &cursor, 9_999).await.0, (650..1_700).collect::<Vec<_>>());
    assert_eq!(it.quarantine.count_after(&all, &cursor).await.unwrap(), 1_050);
    let error = it.quarantine.list_after(&all, "tomorrow", 9).await.unwrap_err();
    assert!(error.to_string().starts_with("\"tomorrow\" is no cursor"), "{error}");
    let some = all.since(since_epoch::time(10)).until(since_epoch::time(20));
    assert_eq!(list(&some, "", 9_999).await.0, (10..20).collect::<Vec<_>>());
    let of_b = list(&some.flow("B"), "", 9_999).await.0;
    assert!(of_b.is_sorted() && of_b.len() < 10, "{of_b:?}");
}

#[tokio::test]
async fn large_rows_are_read_few_at_a_time() {
    let it = Fixture::new(QuarantineConf::default(), 1_000);
    for id in 0..9 {
        let large = vec![b'x'; 3 << 20].into();
        it.keep(vec![Quarantined { row: large, ..row("A", &id.to_string(), id) }]).await.unwrap();
    }
    let mut order = ByTime::open(&*it.store, KEPT, &QuarantineFilter::new(), None).await.unwrap();
    assert_eq!(order.next().await.unwrap(), ["0", "1"]);
    assert_eq!(it.quarantine.list(&QuarantineFilter::new(), 9).await.unwrap().len(), 9);
}

#[tokio::test]
async fn what_is_there_now_may_be_dated_later_than_what_comes() {
    let it = Fixture::new(QuarantineConf::default(), 100);
    it.keep(vec![row("A", "1", 5), row("A", "2", u64::MAX / 2)]).await.unwrap();
    let all = QuarantineFilter::new();
    let order = ByTime::open(&*it.store, KEPT, &all, None).await.unwrap();
    let mut order = order.up_to_now().await.unwrap();
    it.keep(vec![row("A", "3", u64::MAX / 2 + 1)]).await.unwrap();
    assert_eq!(order.next().await.unwrap(), ["1", "2"]);
    assert!(order.next().await.unwrap().is_empty());
}

/// Deliveries, operators, and rows that make room, all at once.
async fn act(it: Arc<Fixture>, seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    for _ in 0..120 {
        let flow = ["A", "B", "C"][rng.usize(..3)];
        // Each row of a delivery has an id of its own.
        let ids = (0..rng.usize(1..6)).map(|_| format!("{flow}{}", rng.u8(..30)));
        let ids: BTreeSet<String> = ids.collect();
        let rows = ids.iter().map(|id| row(flow, id, rng.u64(..50))).collect();
        match rng.u8(..4) {
            0 | 1 => it.keep(rows).await.unwrap(),
            _ => {
                let there = it.quarantine.list(&QuarantineFilter::new().flow(flow), 5).await;
                let there = there.unwrap();
                let Some(row) = rng.choice(&there) else { continue };
                // Somebody else may have been faster.
                it.quarantine.discard(&row.id, "a test").await.ok();
            }
        }
    }
}

#[tokio::test]
async fn counters_and_places_are_right_whoever_works_at_the_same_time() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let it = Arc::new(Fixture::new(limited(20, WhenFull::DropOldest), 30));
    let tasks = (0..4).map(|task| tokio::spawn(act(it.clone(), seed.wrapping_add(task))));
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    it.audit().await;
    let places = it.entries(KEPT.by_time).await;
    let of_a = places.iter().filter(|(key, _)| flow_and_place(key).unwrap().0 == "A").count();
    assert!((1..=20).contains(&of_a), "{of_a}");
}

#[tokio::test]
async fn rows_that_wait_are_moved_although_somebody_has_changed_the_marker_of_their_commits() {
    let it = Fixture::new(QuarantineConf::default(), 20);
    let mut marker = Some(CommitMarker::new("A"));
    for (round, id) in ["1", "2", "3"].into_iter().enumerate() {
        let rows = vec![row("A", id, 1)];
        let mut keeping = it.quarantine.keeping_waiting(rows, false, marker.take().unwrap());
        let kept = tokio::time::timeout(Duration::from_secs(10), keeping.keep()).await;
        kept.expect("it tries again without end").unwrap();
        marker = keeping.into_marker();
        let (key, entry) = it.entries("waiting_marker").await.pop().unwrap();
        let key = Key::raw("waiting_marker", key);
        let commit = match round {
            0 => Commit::new().put(key, "0"),
            _ => Commit::new().remove_unchanged(key, &entry),
        };
        it.store.store.commit(&commit).await.unwrap();
    }
    it.audit().await;
    let waiting = it.quarantine.waiting();
    assert_eq!(waiting.ids(&QuarantineFilter::new()).await.unwrap(), ["1", "2", "3"]);
}

#[tokio::test]
async fn markers_of_processes_that_are_gone_are_removed_after_a_week() {
    let it = Fixture::new(QuarantineConf::default(), 20);
    let rows = vec![row("A", "1", 1)];
    let mut keeping = it.quarantine.keeping_waiting(rows, false, CommitMarker::new("A"));
    keeping.keep().await.unwrap();
    let old = Commit::new().put(Key::raw("waiting_marker", "old"), "1700000000000");
    it.store.store.commit(&old).await.unwrap();
    it.quarantine.remove_old_markers().await.unwrap();
    assert_eq!(it.entries("waiting_marker").await.len(), 1);
    it.quarantine.remove_marker(&keeping.into_marker().unwrap()).await;
    assert!(it.entries("waiting_marker").await.is_empty());
}
