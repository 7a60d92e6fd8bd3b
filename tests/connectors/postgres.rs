//! A flow that keeps its position and its quarantine in PostgreSQL.

use std::{fs, time::Duration};

use kisflow::{
    Conf, ConnConf, FlowConf, QuarantineConf, QuarantineFilter, Quarantined, Registry, RetryFrom,
    SourceConf, WhenFull,
};

use crate::{positions::even, postgres_server::PostgresServer};

/// The numbers that are in quarantine, the oldest first.
fn numbers(rows: &[Quarantined]) -> Vec<String> {
    rows.iter().map(|row| row.row.field("n").unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_keeps_its_position_and_its_quarantine_in_postgres() {
    let server = PostgresServer::start();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rows");
    let rows: String = (1..=10).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    fs::write(&path, rows).unwrap();
    let source = SourceConf::new("rows", "file").key(path.to_str().unwrap());
    // One by one: rows of a batch have one time.
    let source = source.batch(1, Duration::from_millis(10)).in_flight(1);
    let mut conf = Conf::new()
        .connector(ConnConf::new("store", "postgres").addrs(server.url()))
        .source(source)
        .flow(FlowConf::new("Numbers").source("rows").then::<even>());
    conf.global.quarantine =
        QuarantineConf::on("store").limit(3, 1 << 20).when_full(WhenFull::DropOldest);
    let link = async || {
        let registry = Registry::new().function::<even>().connector::<kisflow::Postgres>();
        registry.source::<kisflow::File>().link(conf.clone()).await.unwrap()
    };
    let all = QuarantineFilter::new();

    let flows = link().await;
    let served = flows.serve(std::future::pending()).await.unwrap();
    let ledger = served.flows["Numbers"].ledger;
    assert_eq!((ledger.delivered, ledger.quarantined, ledger.unaccounted()), (5, 5, 0), "{ledger}");
    drop(flows);

    let flows = link().await;
    let served = flows.serve(std::future::pending()).await.unwrap();
    assert_eq!(served.flows["Numbers"].ledger.read, 0, "it goes on at its position");
    let quarantine = flows.quarantine().unwrap();
    let kept = quarantine.list(&all, 10).await.unwrap();
    assert_eq!(numbers(&kept), ["5", "7", "9"]);
    let [first, second, third] = kept.try_into().unwrap();
    quarantine.discard(&first.id, "a test").await.unwrap();
    let report = quarantine.retry(&second.id, RetryFrom::Start).await.unwrap();
    assert_eq!((report.delivered, report.failed), (0, 1));
    let report = quarantine.edit(&third.id, "{\"n\":8}", RetryFrom::Start).await.unwrap();
    assert_eq!((report.delivered, report.failed), (1, 0));
    assert_eq!(numbers(&quarantine.list(&all, 10).await.unwrap()), ["7"]);
    assert_eq!(numbers(&quarantine.discarded().list(&all, 10).await.unwrap()), ["5"]);
    assert_eq!(quarantine.usage().await.unwrap().entries, 1);

    // There is room for two.
    fs::write(&path, (1..=16).map(|n| format!("{{\"n\":{n}}}\n")).collect::<String>()).unwrap();
    let served = flows.serve(std::future::pending()).await.unwrap();
    assert_eq!(served.flows["Numbers"].ledger.quarantined, 3);
    assert_eq!(numbers(&quarantine.list(&all, 10).await.unwrap()), ["11", "13", "15"]);
}
