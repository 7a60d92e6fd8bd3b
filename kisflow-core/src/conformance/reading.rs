//! What the suite of sources does with a reader: it asks for rows and acknowledges them, with the
//! patience that an outage needs.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::{sleep, timeout};

use super::done;
use crate::{
    error::error_chain,
    source::{Delivery, Settled, Source},
};

/// Longer than anything here takes, unless something waits for what never comes.
pub(super) const LONG: Duration = Duration::from_secs(60);

pub(super) fn texts(rows: std::ops::Range<usize>) -> Vec<String> {
    rows.map(|id| format!("{{\"id\":{id}}}")).collect()
}

pub(super) fn rows_of(delivery: &Delivery) -> Vec<String> {
    let text = done("the text of rows", delivery.batch().to_ndjson());
    text.lines().map(str::to_owned).collect()
}

/// Each row with its position.
pub(super) fn placed(delivery: &Delivery) -> Vec<(String, String)> {
    let position = |(index, row)| (delivery.receipt().position(index), row);
    rows_of(delivery).into_iter().enumerate().map(position).collect()
}

/// Reads so many rows, and acknowledges them.
pub(super) async fn read_all<S: Source>(reader: &mut S, rows: usize) -> BTreeSet<(String, String)> {
    let mut seen = BTreeSet::new();
    while seen.len() < rows {
        let delivery = next(reader).await;
        seen.extend(placed(&delivery));
        acknowledge(&delivery).await;
    }
    seen
}

/// The next delivery; an error is allowed for a while, as in an outage, and tried again.
pub(super) async fn next<S: Source>(reader: &mut S) -> Delivery {
    next_by(reader, "rows that are there come").await
}

/// The next delivery, which this rule demands.
pub(super) async fn next_by<S: Source>(reader: &mut S, rule: &str) -> Delivery {
    let mut last = String::new();
    let read = async {
        loop {
            match reader.next().await {
                Ok(Some(delivery)) if delivery.batch().is_empty() => {}
                Ok(Some(delivery)) => return delivery,
                Ok(None) => ended(),
                Err(error) => last = error_chain(&*error).to_string(),
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    match timeout(LONG, read).await {
        Ok(delivery) => delivery,
        Err(_) => panic!("broken rule: {rule}; nothing came for {LONG:?} ({last})"),
    }
}

pub(super) fn ended() -> ! {
    panic!("broken rule: a source does not end before its rows do")
}

/// Acknowledges; an error is allowed for a while, as in an outage, and tried again.
pub(super) async fn acknowledge(delivery: &Delivery) {
    acknowledge_by(delivery, "rows that are done can be acknowledged").await;
}

/// Acknowledges, which this rule demands to succeed.
pub(super) async fn acknowledge_by(delivery: &Delivery, rule: &str) {
    let settled = Settled::new(delivery.batch().len(), 0);
    let mut last = None;
    let told = async {
        while let Err(error) = delivery.receipt().done(&settled).await {
            last = Some(error_chain(&*error).to_string());
            sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(timeout(LONG, told).await.is_ok(), "broken rule: {rule}: {last:?}");
}
