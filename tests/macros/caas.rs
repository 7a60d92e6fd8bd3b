//! `#[caas]`: storage logic that a function finds by the connector of its conf.

use kisflow::{Result, StorageLogic, prelude::*};

use super::{output, problem, run_conf};

#[faas("Caas.Total")]
async fn total(rows: &[u32], caas: Caas<'_, [u32], u64>) -> Result<Vec<u64>> {
    Ok(vec![caas.call(rows).await?])
}

#[caas(connector = "sums", function = "Caas.Total")]
async fn sum(rows: &[u32], cx: Cx<'_>) -> Result<u64> {
    assert_eq!(cx.connector(), Some("sums"));
    Ok(rows.iter().copied().map(u64::from).sum())
}

#[caas(connector = "counts", function = "Caas.Total")]
fn count(rows: &[u32]) -> u64 {
    rows.len() as u64
}

#[caas(connector = "wrong", function = "Caas.Total")]
async fn reply_of_another_type(rows: &[u32]) -> Result<String> {
    Ok(rows.len().to_string())
}

#[caas(connector = "failing", function = "Caas.Total")]
async fn fail(_: &[u32]) -> std::io::Result<u64> {
    Err(std::io::Error::other("the engine is full"))
}

fn conf(connector: &str) -> Conf {
    Conf::new()
        .connector(ConnConf::new(connector, "memory"))
        .function(FunctionConf::of::<total>(Mode::Calculate).connector(connector))
        .flow(FlowConf::new("Flow").then::<total>())
}

#[tokio::test]
async fn one_function_serves_two_engines_chosen_by_the_conf_alone() {
    for (connector, expected) in [("sums", "30"), ("counts", "2")] {
        let report = run_conf(Registry::linked(), conf(connector), &["10", "20"]).await;
        assert_eq!(output(&report), [expected]);
    }
}

#[tokio::test]
async fn storage_logic_by_type_is_the_one_that_linked_finds() {
    let registries = [
        Registry::new().function::<total>().caas::<sum>(),
        Registry::linked().caas::<sum>().caas::<sum>(),
    ];
    for registry in registries {
        assert_eq!(output(&run_conf(registry, conf("sums"), &["1", "2"]).await), ["3"]);
    }
}

/// Several at one place of the program.
macro_rules! constants {
    ($($name:ident = $reply:literal at $connector:literal;)*) => {
        $(#[caas(connector = $connector, function = "Caas.Total")]
        async fn $name(_: &[u32]) -> Result<u64> {
            Ok($reply)
        })*
    };
}

constants! { seven = 7 at "sevens"; eight = 8 at "eights"; }

#[tokio::test]
async fn storage_logic_that_a_macro_writes_is_registered_each_by_each() {
    for (connector, expected) in [("sevens", "7"), ("eights", "8")] {
        let report = run_conf(Registry::linked(), conf(connector), &["1"]).await;
        assert_eq!(output(&report), [expected]);
    }
}

#[tokio::test]
async fn storage_logic_stays_a_function() {
    assert_eq!(count(&[1, 2, 3]), 3);
    assert!(fail(&[]).await.is_err());
}

#[tokio::test]
async fn a_reply_of_another_type_is_a_link_error_that_names_both_and_the_place() {
    let problem = problem(Registry::linked(), conf("wrong")).await;
    let place = reply_of_another_type::PLACE;
    assert!(problem.contains("`&[u32] -> u64`"), "{problem}");
    assert!(problem.contains("`&[u32] -> alloc::string::String`"), "{problem}");
    assert!(problem.contains(&format!("{}:{}", place.file, place.line)), "{problem}");
}

#[tokio::test]
async fn a_connector_without_storage_logic_is_a_link_error_that_names_those_with_it() {
    let problem = problem(Registry::linked(), conf("sum")).await;
    assert!(problem.contains("did you mean \"sums\"?"), "{problem}");
}

#[tokio::test]
async fn an_error_of_storage_logic_is_the_callers() {
    let flows = Registry::linked().link(conf("failing")).await.unwrap();
    let error = flows.get("Flow").unwrap().run(Batch::json(["1"])).await.unwrap_err();
    error.report().assert_balanced();
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the engine is full");
}
