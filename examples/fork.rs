//! Forks: copies of one flow, each with a cache, metadata and params of its own, running at once.
//! And what needs no fork: a thousand runs of the flow itself.
//!
//! Run it: `cargo run --example fork`
//!
//! ```text
//! north: 300 cents
//! south: 350 cents, at half the price
//! the flow itself: 500500 cents, in 1000 runs
//! ```

use std::sync::atomic::{AtomicU64, Ordering};

use kisflow::{Result, prelude::*};
use tokio::task::JoinSet;

#[derive(Serialize, Deserialize)]
struct Order {
    cents: u64,
}

#[derive(Deserialize)]
struct Price {
    percent: u64,
}

/// Adds orders to the total in the metadata of the flow that it runs in: the flow or a fork of it.
#[faas("AddUp")]
fn add_up(orders: &[Order], price: Params<'_, Price>, cx: Cx<'_>) -> Result<()> {
    let total = cx.metadata().get::<AtomicU64>("total").ok_or("the flow keeps no total")?;
    let cents: u64 = orders.iter().map(|order| order.cents * price.percent / 100).sum();
    total.fetch_add(cents, Ordering::Relaxed);
    Ok(())
}

fn orders(cents: impl IntoIterator<Item = u64>) -> Vec<Order> {
    cents.into_iter().map(|cents| Order { cents }).collect()
}

fn total(flow: &Flow) -> u64 {
    let total = flow.metadata().get::<AtomicU64>("total");
    total.map_or(0, |total| total.load(Ordering::Relaxed))
}

#[tokio::main]
async fn main() -> Result<()> {
    let at_full_price = StepConf::of::<add_up>().param("percent", 100);
    let flows = Registry::linked().link(FlowConf::new("Revenue").then_named(at_full_price)).await?;
    let flow = flows.get("Revenue")?;

    // Forks share the linked functions and the connections; `with_params` makes one, too.
    let north = flow.fork();
    let south = flow.with_params(StepConf::of::<add_up>().param("percent", 50))?;
    for flow in [&flow, &north, &south] {
        flow.metadata().set("total", AtomicU64::new(0));
    }

    let mut tasks = JoinSet::new();
    tasks.spawn(north.run(orders([100, 200])));
    tasks.spawn(south.run(orders([300, 400])));
    // `run` borrows nothing and blocks nobody: one flow serves any number of tasks.
    for cents in 1..=1_000 {
        tasks.spawn(flow.run(orders([cents])));
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }

    println!("north: {} cents", total(&north));
    println!("south: {} cents, at half the price", total(&south));
    println!("the flow itself: {} cents, in 1000 runs", total(&flow));
    Ok(())
}
