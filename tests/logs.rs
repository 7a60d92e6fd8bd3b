//! A log line has a bounded part of a row, and nothing in it that a terminal would obey.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail loudly")]

#[path = "support/log.rs"]
mod log;

use std::fs;

use kisflow::{Result, prelude::*};
use kisflow_core::{Conf, ConnConf, FlowConf, QuarantineConf, SourceConf, is_obeyed};
use log::Log;

#[derive(Deserialize)]
struct Text {
    text: String,
}

/// Cannot process anything, and says so with the whole row.
#[faas("Fail")]
fn fail(rows: &[Text]) -> Result<Vec<u32>> {
    Err(format!("cannot use {}", rows[0].text).into())
}

/// How many `x` of a row's text stand together in the log of a service, at most.
async fn longest(registry: Registry, row: &str) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let rows = dir.path().join("rows");
    fs::write(&rows, format!("{}\n", serde_json::json!({ "text": row }))).unwrap();
    let redb = dir.path().join("kisflow.redb");
    let mut conf = Conf::new()
        .connector(ConnConf::new("store", "redb").addrs(redb.to_str().unwrap()))
        .source(SourceConf::new("rows", "file").key(rows.to_str().unwrap()))
        .flow(FlowConf::new("Fails").source("rows").then::<fail>());
    conf.global.quarantine = QuarantineConf::on("store");
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE);
    let subscriber = subscriber.with_writer(log.clone()).with_ansi(false).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let registry =
        registry.function::<fail>().connector::<kisflow::Redb>().source::<kisflow::File>();
    let flows = registry.link(conf).await.unwrap();
    let served = flows.serve(std::future::pending()).await.unwrap();
    assert_eq!(served.flows["Fails"].ledger.quarantined, 1);
    let text = log.text();
    assert!(text.contains("goes to quarantine"), "{text}");
    assert!(!text.chars().any(|shown| is_obeyed(shown) && shown != '\n'), "{text:?}");
    text.split(|character| character != 'x').map(str::len).max().unwrap_or_default()
}

#[tokio::test]
async fn a_log_line_has_no_more_of_a_row_than_it_may() {
    let row = format!("\u{202e}\u{1b}[2J\u{2028}{}", "x".repeat(1 << 18));
    let most = longest(Registry::new(), &row).await;
    assert!((50..=120).contains(&most), "{most}");
    let most = longest(Registry::new().log_rows(1_000), &row).await;
    assert!((500..=1_000).contains(&most), "{most}");
    assert!(longest(Registry::new().log_rows(0), &row).await <= 1);
}
