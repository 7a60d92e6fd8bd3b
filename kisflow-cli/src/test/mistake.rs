//! What is wrong with a test itself, before it is run.

use kisflow_core::{Conf, ExpectConf, Problem, Registry, TestConf, suggest};

use super::action;
use crate::given;

/// The ways for a run to end that a test may expect.
pub(super) const OUTCOMES: [&str; 3] = ["completed", "aborted", "failed"];

/// Every mistake of a test.
pub(super) fn all(registry: &Registry, conf: &Conf, test: &TestConf) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut at = |key: &str, message: String| found.push(test.problem(key, message));
    if test.expect == ExpectConf::default() {
        let message = "the test expects nothing; write what has to come of it: `expect.rows`, `outcome`, `rejected`, `action`, `calls`, `error` or `records`";
        at("expect", message.to_owned());
    }
    if let Some(flow) = &test.flow
        && !conf.flows.contains_key(flow)
    {
        at("flow", unknown("flow", flow, conf.flows.keys()));
    }
    if let Some(function) = &test.function {
        let known: Vec<String> = registry.function_names().map(str::to_owned).collect();
        let known: Vec<&String> = known.iter().chain(conf.functions.keys()).collect();
        if !known.contains(&function) {
            at("function", unknown("function", function, known));
        }
    }
    if test.flow.is_some() && !test.params.is_empty() {
        at("params", "only a test of one function has params; a flow has its own".to_owned());
    }
    for (key, records) in
        [("given.records", &test.given.records), ("expect.records", &test.expect.records)]
    {
        for (cname, message) in given::unknown(conf, records) {
            at(&format!("{key}.{cname}"), message);
        }
    }
    if let Some(outcome) = &test.expect.outcome
        && !OUTCOMES.contains(&outcome.as_str())
    {
        at("expect.outcome", format!("\"{outcome}\" is no outcome{}", suggest(outcome, OUTCOMES)));
    }
    if let Some(text) = &test.expect.action {
        if test.flow.is_some() {
            let message = "only a test of one function has an `action`; for a flow say which functions it calls (`calls`)";
            at("expect.action", message.to_owned());
        }
        if let Err(message) = action::parse(text) {
            at("expect.action", message);
        }
    }
    found
}

fn unknown<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a String>) -> String {
    let hint = suggest(name, known.into_iter().map(String::as_str));
    format!("no {what} is named \"{name}\"{hint}")
}
