//! The confs that pages of the documentation quote: they have no problems, and their tests pass.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

/// The function that docs/streams.md quotes.
#[path = "../examples/keyed_state.rs"]
#[allow(dead_code, reason = "only its functions are called")]
mod keyed_state;

use std::process::Command;

use kisflow::{File, Result, prelude::*};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
    article: String,
    count: u32,
}

#[derive(Serialize, Deserialize)]
struct Invoice {
    id: u32,
    total: f64,
}

#[faas("Total")]
fn total(row: &Order) -> Result<Invoice> {
    match row.count {
        0 => Err("nothing is ordered".into()),
        count => Ok(Invoice { id: row.id, total: 15.0 * f64::from(count) }),
    }
}

#[faas("CountOrders")]
async fn count_orders(rows: &[Order], redis: Conn<'_, Redis>) -> Result<Action> {
    use kisflow_redis::fred::prelude::*;

    for row in rows {
        let () = redis.client().hincrby("orders", &*row.article, i64::from(row.count)).await?;
    }
    Ok(Action::Reuse)
}

/// Set in the process that is the program with these flows: its arguments, with spaces between.
const PROGRAM: &str = "KISFLOW_TEST_IS_THE_PROGRAM";

/// A command prints each of these lines, at least their beginnings.
#[track_caller]
fn check(command: &str, conf: &str, lines: &[&str]) {
    let conf = format!("{}/../docs/conf/{conf}", env!("CARGO_MANIFEST_DIR"));
    let program = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_program_of_the_pages", "--nocapture"])
        .env(PROGRAM, format!("program {command} {conf}"))
        .envs(["ORDERS_TOKEN", "REDIS_PASSWORD", "NATS_TOKEN"].map(|name| (name, "secret")))
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (said, mistakes) = (text(&program.stdout), text(&program.stderr));
    for line in lines {
        assert!(said.lines().any(|found| found.starts_with(line)), "{line}\n{said}\n{mistakes}");
    }
}

#[test]
fn every_source_of_the_page_on_sources_is_right() {
    check("check", "sources.yml", &["no problems: 0 flows, 0 functions, 0 connectors, 8 sources"]);
}

#[test]
fn the_tests_of_the_page_on_testing_pass() {
    let tests = [
        "ok      an order of two cups costs 30, and one of nothing is rejected",
        "ok      an invoice of 7 is found, and one of 8 is not",
        "ok      orders are counted in a redis of their own",
        "3 tests: ok",
    ];
    check("test", "testing.yml", &tests);
}

#[test]
fn the_test_of_the_page_on_streams_passes() {
    let tests = ["ok      the fourth payment with a card is suspicious", "1 test: ok"];
    check("test", "streams.yml", &tests);
    check("check", "streams.yml", &["no problems: 1 flow, 1 function, 0 connectors, 1 source"]);
}

/// By itself it does nothing: the tests above run it in a process of its own.
#[tokio::test]
async fn the_program_of_the_pages() {
    let Ok(arguments) = std::env::var(PROGRAM) else { return };
    let registry = Registry::linked().connector::<Redis>().source::<File>().source::<Stdin>();
    let registry = registry.source::<Http>().source::<RedisStream>().source::<Nats>();
    let registry = registry.connector::<Redb>();
    // What it prints is what the tests above look at.
    let _ = kisflow::cli_with(registry, arguments.split(' ').map(Into::into)).await;
}
