//! Rows in quarantine: looked at, mended, sent on, discarded; and what happens when it is full.

use std::{
    future::pending,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use kisflow::{QuarantineConf, QuarantineFilter, Quarantined, RetryFrom, WhenFull};

use super::{
    Scene, World,
    tape::{Tape, edited},
};

fn all() -> QuarantineFilter {
    QuarantineFilter::new()
}

#[tokio::test]
async fn a_row_is_sent_on_from_where_it_failed_and_is_out_when_it_gets_through() {
    Tape::new("retry", 100);
    let scene = Scene::poisoned([41, 43]);
    let world = World::new(&scene, "retry", &["Sift", "Deliver"], |source| source);
    let (flows, _) = world.serve().await;
    let quarantine = flows.quarantine().unwrap();
    let id = quarantine
        .list(&all(), 10)
        .await
        .unwrap()
        .into_iter()
        .find(|row| row.position == "41")
        .unwrap()
        .id;

    let report = quarantine.retry(&id, RetryFrom::Function).await.unwrap();
    assert_eq!((report.delivered, report.failed), (0, 1), "nothing has been mended");
    let row = quarantine.show(&id).await.unwrap();
    assert_eq!((row.attempt, row.at), (2, 1));

    scene.0.poison.lock().unwrap().clear();
    let report = quarantine.retry(&id, RetryFrom::Function).await.unwrap();
    assert_eq!((report.delivered, report.failed), (1, 0));
    assert_eq!(scene.seen()[&41], 1);
    assert!(quarantine.show(&id).await.unwrap_err().is_unknown());

    let report =
        quarantine.retry_all(&all().flow("Orders"), RetryFrom::Start, |_| {}).await.unwrap();
    assert_eq!((report.delivered, report.failed), (1, 0));
    assert_eq!(scene.seen()[&43], 1);
    assert_eq!(quarantine.usage().await.unwrap(), kisflow::Usage::default());
}

#[tokio::test]
async fn a_row_is_mended_and_sent_on() {
    Tape::new("edit", 10);
    let scene = Scene::poisoned([4, 5]);
    let world = World::new(&scene, "edit", &["Sift", "Deliver"], |source| source);
    let (flows, _) = world.serve().await;
    let quarantine = flows.quarantine().unwrap();
    let rows = quarantine.list(&all(), 10).await.unwrap();
    let id = |position: &str| rows.iter().find(|row| row.position == position).unwrap().id.clone();

    let report = quarantine.edit(&id("4"), "{\"id\":1000}", RetryFrom::Function).await.unwrap();
    assert_eq!(report.delivered, 1);
    assert_eq!(scene.seen()[&1000], 1);

    let report = quarantine.edit(&id("5"), "{\"id\":\"five\"}", RetryFrom::Start).await.unwrap();
    assert_eq!(report.failed, 1);
    let row = quarantine.show(&id("5")).await.unwrap();
    assert_eq!(
        (row.row.to_string(), &*row.function, row.at),
        ("{\"id\":\"five\"}".to_owned(), "Sift", 0)
    );
    assert_eq!(row.field.as_deref(), Some("id"));
    let report = quarantine.edit(&id("5"), "{\"id\":1001}", RetryFrom::Start).await.unwrap();
    assert_eq!(report.delivered, 1);
}

#[tokio::test]
async fn a_row_is_discarded_with_a_reason_and_remembered() {
    Tape::new("discard", 10);
    let world = World::new(&Scene::poisoned([3]), "discard", &["Deliver"], |source| source);
    let (flows, _) = world.serve().await;
    let quarantine = flows.quarantine().unwrap();
    let id = quarantine.list(&all(), 10).await.unwrap()[0].id.clone();
    quarantine.discard(&id, "a test order").await.unwrap();
    assert!(quarantine.list(&all(), 10).await.unwrap().is_empty());
    let gone = quarantine.discarded().list(&all(), 10).await.unwrap();
    assert_eq!(gone[0].discarded.as_deref(), Some("a test order"));
    let error = quarantine.discard(&id, "twice").await.unwrap_err();
    assert_eq!(error.to_string(), format!("no row in quarantine has the id \"{id}\""));
}

#[tokio::test]
async fn rows_are_found_by_what_they_are_and_counted_by_cause() {
    Tape::new("stats", 200);
    let scene = Scene::poisoned([10, 11, 12, 150]);
    let world = World::new(&scene, "stats", &["Judge", "Deliver"], |source| source);
    let (flows, _) = world.serve().await;
    let quarantine = flows.quarantine().unwrap();
    let stats = quarantine.stats(&all()).await.unwrap();
    let found: Vec<_> =
        stats.iter().map(|count| (&*count.function, &*count.cause, count.rows)).collect();
    assert_eq!(found, [("Judge", "order # is refused", 4)]);
    let count = async |filter: QuarantineFilter| quarantine.list(&filter, 100).await.unwrap().len();
    assert_eq!(count(all().cause("order 15")).await, 1);
    assert_eq!(count(all().function("Deliver")).await, 0);
    assert_eq!(count(all().flow("Orders").source("orders").function("Judge")).await, 4);
    assert_eq!(count(all().until(UNIX_EPOCH + Duration::from_millis(1))).await, 0);
    assert_eq!(quarantine.list(&all(), 3).await.unwrap().len(), 3);

    let ids = quarantine.ids(&all()).await.unwrap();
    assert_eq!(ids.len(), 4);
    assert!(ids.is_sorted());
    quarantine.discard(&ids[0], "a test order").await.unwrap();
    assert_eq!(quarantine.ids(&all()).await.unwrap(), ids[1..]);
    assert_eq!(quarantine.discarded().ids(&all().function("Judge")).await.unwrap(), ids[..1]);
    assert!(quarantine.ids(&all().cause("nothing of the kind")).await.unwrap().is_empty());
}

/// Serves until rows are in quarantine whose batch cannot be acknowledged, and is killed then.
async fn killed_before_it_acknowledges(world: &World, name: &str, rows: usize) -> Vec<Quarantined> {
    Tape::new(name, 10).broken(0, 0, u32::MAX, 0);
    let serving = world.start().await;
    let quarantine = serving.flows.quarantine().unwrap();
    let kept = loop {
        let kept = quarantine.list(&all(), 10).await.unwrap();
        if kept.len() == rows {
            break kept;
        }
        tokio::task::yield_now().await;
    };
    serving.task.abort();
    serving.task.await.unwrap_err();
    kept
}

#[tokio::test]
async fn a_row_that_comes_again_unacknowledged_is_the_same_one_and_stays_as_it_was_edited() {
    let scene = Scene::poisoned([3]);
    let name = "again";
    let world = World::new(&scene, name, &["Deliver"], |source| source);
    let first = killed_before_it_acknowledges(&world, name, 1).await;
    let flows = world.flows().await;
    let edited = flows.quarantine().unwrap();
    edited.edit(&first[0].id, "{\"id\":\"mended\"}", RetryFrom::Function).await.unwrap();
    drop((flows, edited));
    Tape::new(name, 10);
    let (flows, ledger) = world.serve().await;
    assert_eq!(ledger.quarantined, 1);
    let kept = flows.quarantine().unwrap().list(&all(), 10).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].since, first[0].since, "it has been here since then");
    assert_eq!(kept[0].row.to_string(), "{\"id\":\"mended\"}");
}

#[tokio::test]
async fn the_same_text_at_the_same_place_of_a_source_that_was_made_anew_is_another_row() {
    let scene = Scene::poisoned([3]);
    let name = "anew";
    let world = World::new(&scene, name, &["Deliver"], |source| source);
    for rows in 1..=3 {
        Tape::new(name, 10).generation(rows);
        let (flows, _) = world.serve().await;
        let kept = flows.quarantine().unwrap().list(&all(), 10).await.unwrap();
        assert_eq!(kept.len(), rows);
    }
}

#[tokio::test]
async fn a_delivery_with_more_bad_rows_than_there_is_room_for_goes_on_as_room_is_made() {
    let tape = Tape::new("many", 10);
    let scene = Scene::poisoned(0..7);
    let world = World::new(&scene, "many", &["Deliver"], |source| source);
    let world = limited(world, 3, WhenFull::Stop);
    let serving = world.start().await;
    let quarantine = serving.flows.quarantine().unwrap();
    let mut seen = Vec::new();
    while seen.len() < 7 {
        for row in quarantine.list(&all(), 10).await.unwrap() {
            quarantine.discard(&row.id, "room").await.unwrap();
            seen.push(row.position);
        }
        tokio::task::yield_now().await;
    }
    let served = serving.served().await;
    assert!(served.is_complete(), "{served}");
    assert_eq!(tape.done().len(), 10);
    // Those of one batch have one time.
    seen.sort_unstable();
    assert_eq!(seen, ["0", "1", "2", "3", "4", "5", "6"]);
}

/// Waits for the clock.
fn wait_until(time: SystemTime) {
    while SystemTime::now() < time {
        std::hint::spin_loop();
    }
}

fn limited(world: World, rows: u64, when_full: WhenFull) -> World {
    world.with(|conf| {
        let quarantine = QuarantineConf::on("kept").limit(rows, 1 << 20).when_full(when_full);
        let global = conf.global.clone().quarantine(quarantine);
        conf.global(global)
    })
}

#[tokio::test]
async fn when_it_is_full_the_batch_waits_until_there_is_room() {
    let tape = Tape::new("full", 300);
    let scene = Scene::poisoned([1, 101, 201]);
    let world = World::new(&scene, "full", &["Deliver"], |source| source.in_flight(1));
    let world = limited(world, 2, WhenFull::Stop);
    let serving = world.start().await;
    let flows = serving.flows.clone();
    let problem = loop {
        let problems = flows.health().problems();
        if let Some(problem) = problems.into_iter().find(|problem| problem.contains("full")) {
            break problem;
        }
        tokio::task::yield_now().await;
    };
    assert!(
        problem.starts_with("flow `Orders`: the quarantine is full (2 of 2 rows of this flow, "),
        "{problem}"
    );
    assert_eq!(tape.done().len(), 200, "what cannot be kept is not acknowledged");
    let quarantine = flows.quarantine().unwrap();
    let id = quarantine.list(&all(), 1).await.unwrap()[0].id.clone();
    quarantine.discard(&id, "room").await.unwrap();
    let served = serving.served().await;
    assert!(served.is_complete(), "{served}");
    assert_eq!(quarantine.list(&all(), 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn when_it_is_full_and_the_conf_says_so_the_oldest_make_room() {
    Tape::new("oldest", 300);
    let scene = Scene::poisoned([1, 101, 201]);
    let world = World::new(&scene, "oldest", &["Deliver"], |source| source.in_flight(1));
    let world = limited(world, 2, WhenFull::DropOldest);
    let (flows, ledger) = world.serve().await;
    assert_eq!(ledger.quarantined, 3);
    let kept = flows.quarantine().unwrap().list(&all(), 10).await.unwrap();
    let positions: Vec<_> = kept.iter().map(|row| &*row.position).collect();
    assert_eq!(positions, ["101", "201"]);
}

#[tokio::test]
async fn what_was_kept_is_there_when_the_program_is_started_again() {
    Tape::new("restart", 10);
    let scene = Scene::poisoned([3]);
    let world = World::new(&scene, "restart", &["Deliver"], |source| source);
    let (flows, _) = world.serve().await;
    drop(flows);
    scene.0.poison.lock().unwrap().clear();
    let flows = world.flows().await;
    let quarantine = flows.quarantine().unwrap();
    let report = quarantine.retry_all(&all(), RetryFrom::Function, |_| {}).await.unwrap();
    assert_eq!(report.delivered, 1);
    assert_eq!(scene.seen()[&3], 1);
    assert!(world.dir.path().join("kept.redb").exists());
}

#[tokio::test]
async fn another_row_at_the_same_place_of_the_source_is_another_entry() {
    let scene = Scene::poisoned([3]);
    let name = "rotated";
    Tape::new(name, 10);
    let world = World::new(&scene, name, &["Judge", "Deliver"], |source| source);
    let (flows, _) = world.serve().await;
    drop(flows);
    Tape::new(name, 10).edition(1);
    let (flows, _) = world.serve().await;
    let kept = flows.quarantine().unwrap().list(&all(), 10).await.unwrap();
    let mut rows: Vec<_> = kept.iter().map(|row| row.row.to_string()).collect();
    rows.sort_unstable();
    assert_eq!(rows, [edited(3, 1), edited(3, 0)]);
}

#[tokio::test]
async fn rows_that_come_again_need_no_more_room_and_push_nobody_out() {
    for (name, when_full) in [("no room", WhenFull::Stop), ("no push", WhenFull::DropOldest)] {
        let scene = Scene::poisoned([1, 2]);
        let world = World::new(&scene, name, &["Deliver"], |source| source);
        let world = limited(world, 2, when_full);
        killed_before_it_acknowledges(&world, name, 2).await;
        Tape::new(name, 10);
        let (flows, ledger) = world.serve().await;
        assert_eq!(ledger.quarantined, 2);
        let kept = flows.quarantine().unwrap().list(&all(), 10).await.unwrap();
        assert_eq!(kept.len(), 2);
    }
}

#[tokio::test]
async fn rows_that_are_older_than_the_conf_allows_make_way() {
    let scene = Scene::poisoned([1]);
    Tape::new("old", 10);
    let aged = |conf: kisflow::Conf| {
        let quarantine = QuarantineConf::on("kept").max_age(Duration::from_millis(1));
        let global = conf.global.clone().quarantine(quarantine);
        conf.global(global)
    };
    let world = World::new(&scene, "old", &["Deliver"], |source| source).with(aged);
    let (flows, _) = world.serve().await;
    let first = flows.quarantine().unwrap().list(&all(), 10).await.unwrap();
    assert_eq!(first[0].position, "1");
    drop(flows);
    *scene.0.poison.lock().unwrap() = vec![2];
    Tape::new("old", 10);
    wait_until(first[0].since + Duration::from_millis(3));
    let (flows, _) = world.serve().await;
    let kept = flows.quarantine().unwrap().list(&all(), 10).await.unwrap();
    let positions: Vec<_> = kept.iter().map(|row| &*row.position).collect();
    assert_eq!(positions, ["2"]);
}

#[tokio::test]
async fn a_row_that_is_no_text_is_kept_byte_by_byte() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rows.ndjson");
    let rows: &[u8] = b"{\"id\":1}\n{\"id\":\"\xff\xfe\"}\n{\"id\":3}\n";
    std::fs::write(&path, rows).unwrap();
    let world = World::new(&Scene::default(), "unused", &["Deliver"], |_| {
        kisflow::SourceConf::new("orders", "file").key(path.display().to_string())
    });
    let registry = kisflow::Registry::linked()
        .source::<kisflow::File>()
        .connector::<kisflow::Redb>()
        .state(world.scene.clone());
    let flows = registry.link(world.conf.clone()).await.unwrap();
    let ledger = flows.serve(pending()).await.unwrap().flows["Orders"].ledger;
    assert_eq!((ledger.delivered, ledger.quarantined), (2, 1), "{ledger}");
    let kept = flows.quarantine().unwrap().list(&all(), 10).await.unwrap();
    assert_eq!(&kept[0].row.bytes()[..], b"{\"id\":\"\xff\xfe\"}");
}

#[tokio::test]
async fn a_line_that_its_source_could_not_read_stays_as_it_is_until_it_is_edited() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rows.csv");
    std::fs::write(&path, "id,note\n1,a\n2\n\"3\"x,c\n4,d\nfive,e\n6,\"f").unwrap();
    let world = World::new(&Scene::default(), "unused", &["Deliver"], |_| {
        kisflow::SourceConf::new("orders", "file").key(path.display().to_string())
    });
    let registry = kisflow::Registry::linked()
        .source::<kisflow::File>()
        .connector::<kisflow::Redb>()
        .state(world.scene.clone());
    let flows = registry.link(world.conf.clone()).await.unwrap();
    let ledger = flows.serve(pending()).await.unwrap().flows["Orders"].ledger;
    assert_eq!((ledger.delivered, ledger.quarantined), (2, 4), "{ledger}");
    let quarantine = flows.quarantine().unwrap();
    let mut kept = quarantine.list(&all(), 10).await.unwrap();
    kept.sort_by_key(|row| row.position.clone());
    let told: Vec<_> = kept
        .iter()
        .map(|row| {
            let offset = row.position.rsplit(':').next().unwrap();
            let fields = row.csv.as_ref().unwrap().fields.join(",");
            assert_eq!((&*row.function, row.at, &*fields), ("Deliver", 0, "id,note"));
            (offset, row.row.to_string(), row.unreadable, &*row.cause)
        })
        .collect();
    assert_eq!(told[0], ("12", "2".to_owned(), true, "1 field, the header has 2"));
    assert_eq!(told[1], ("14", "\"3\"x,c".to_owned(), true, "text behind a closing quote"));
    assert_eq!((told[2].0, told[2].2), ("25", false), "{told:?}");
    assert_eq!(told[3], ("32", "6,\"f".to_owned(), true, "a quote is not closed"));

    let id = &kept[0].id;
    for from in [RetryFrom::Function, RetryFrom::Start] {
        assert_eq!(quarantine.retry(id, from).await.unwrap().failed, 1);
    }
    let row = quarantine.show(id).await.unwrap();
    assert_eq!((row.attempt, row.cause, row.unreadable), (3, kept[0].cause.clone(), true));
    let report = quarantine.edit(id, r#"{"id":"two"}"#, RetryFrom::Function).await.unwrap();
    assert_eq!(report.failed, 1);
    let row = quarantine.show(id).await.unwrap();
    assert!(!row.unreadable && row.cause.contains("invalid type"), "{row:?}");
    let report = quarantine.edit(id, r#"{"id":2}"#, RetryFrom::Function).await.unwrap();
    assert_eq!(report.delivered, 1);
    let causes = quarantine.stats(&all()).await.unwrap();
    assert!(causes.iter().any(|count| count.cause == "text behind a closing quote"), "{causes:?}");
}
