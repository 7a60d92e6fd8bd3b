//! The function, the type of its name, and the two ways to register it.

use kisflow::{Function, prelude::*};

use super::{output, problem, run_conf};

#[faas("Names.Double")]
fn double(row: &u32) -> u32 {
    row * 2
}

#[faas]
fn named_by_itself(row: &u32) -> u32 {
    row + 1
}

#[test]
fn the_function_stays_a_function() {
    assert_eq!(double(&21), 42);
    assert_eq!([1, 2].iter().map(double).collect::<Vec<_>>(), [2, 4]);
}

#[test]
fn the_type_beside_it_has_the_name_of_the_attribute_or_of_the_function() {
    assert_eq!(double::NAME, "Names.Double");
    assert_eq!(named_by_itself::NAME, "named_by_itself");
}

#[test]
fn the_type_knows_the_line_of_its_function() {
    assert_eq!(double::PLACE.file, file!());
    let source = include_str!("names.rs").lines().nth(double::PLACE.line as usize - 1);
    assert_eq!(source, Some("fn double(row: &u32) -> u32 {"));
}

#[test]
fn linked_finds_what_the_program_wrote() {
    let names: Vec<_> = Registry::linked().function_names().collect();
    assert!(names.contains(&"Names.Double") && names.contains(&"named_by_itself"), "{names:?}");
}

#[tokio::test]
async fn a_function_by_type_is_the_function_that_linked_finds_by_name() {
    let conf = || FlowConf::new("Flow").then::<double>().then_named("named_by_itself");
    let by_type = Registry::new().function::<double>().function::<named_by_itself>();
    for registry in [by_type, Registry::linked()] {
        assert_eq!(output(&run_conf(registry, conf(), &["1", "2"]).await), ["3", "5"]);
    }
}

#[tokio::test]
async fn registering_both_ways_is_no_duplicate() {
    let registry = Registry::linked().function::<double>().function::<double>();
    assert_eq!(registry.function_names().filter(|name| *name == "Names.Double").count(), 1);
    run_conf(registry, FlowConf::new("Flow").then::<double>(), &["1"]).await;
}

#[faas("Names.Double", crate = crate::unlisted)]
fn double_again(row: &u32) -> u32 {
    row + row
}

#[tokio::test]
async fn a_duplicate_name_is_a_link_error_that_cites_both_places() {
    let registry = Registry::new().function::<double>().function::<double_again>();
    let problem = problem(registry, FlowConf::new("Flow").then::<double>()).await;
    for place in [double::PLACE, double_again::PLACE] {
        assert!(problem.contains(&format!("{}:{}", place.file, place.line)), "{problem}");
    }
}

mod renamed {
    pub(super) use ::kisflow as rows_and_flows;
}

#[faas("Names.Renamed", crate = renamed::rows_and_flows)]
fn of_a_renamed_crate(rows: &[u32]) -> Vec<u32> {
    rows.iter().rev().copied().collect()
}

#[tokio::test]
async fn crate_names_kisflow_where_it_has_another_name() {
    let report = super::run::<of_a_renamed_crate>(&["1", "2"]).await;
    assert_eq!(output(&report), ["2", "1"]);
}

// Each name is one that the macro uses itself.
#[faas("Names.Call")]
async fn call(rows: &[u32], cx: Cx<'_>) -> Vec<u32> {
    rows.iter().map(|row| row + cx.attempt()).collect()
}

#[faas("Names.Link")]
fn link(row: &u32) -> u32 {
    *row
}

#[tokio::test]
async fn a_function_may_have_a_name_that_the_macro_uses() {
    let registry = Registry::new().function::<call>().function::<link>();
    let conf = FlowConf::new("Flow").then::<call>().then::<link>();
    assert_eq!(output(&run_conf(registry, conf, &["1"]).await), ["2"]);
}
