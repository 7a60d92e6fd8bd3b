//! The flow that a test runs: of the conf, no more than the test needs.

use std::{collections::BTreeMap, time::Duration};

use kisflow_core::{
    Conf, FlowConf, Flows, GlobalConf, OnReject, RawParams, Registry, Status, StepConf, TestConf,
    error_chain,
};
use serde_json::value::RawValue;

use super::diff::Difference;
use crate::conf::how_to_keep;

/// Links what a test needs, with a memory or a private engine in the place of each connector, and
/// puts the records there that are given.
pub(super) async fn prepare(
    registry: Registry,
    conf: Conf,
    test: &TestConf,
) -> Result<Flows, Vec<Difference>> {
    let at = |key: &str, message: String| vec![Difference::new(test.place(key), message)];
    let known = (registry.clone(), conf.clone());
    let subject = if test.flow.is_some() { "flow" } else { "function" };
    let flows = registry.stub_connectors().link(reduced(conf, test)).await;
    let flows =
        flows.map_err(|error| at(subject, format!("it does not link: {}", error_chain(&error))))?;
    if let Some((_, function)) = flows.left_out().first() {
        let how = how_to_keep(&known.0, &known.1, function);
        let message = format!(
            "function `{function}` talks to its engine itself, and a memory is in the engine's place; {how}"
        );
        return Err(at(subject, message));
    }
    for (cname, records) in &test.given.records {
        let key = format!("given.records.{cname}");
        let Some(store) = flows.store(cname) else { return Err(at(&key, unused(cname))) };
        let records = records.iter().map(|(id, fields)| (id, record(fields)));
        let put = store.put(records).await;
        put.map_err(|error| at(&key, format!("the records do not fit: {}", error_chain(&*error))))?;
    }
    Ok(flows)
}

/// Returns the fields of a record, whose numbers keep the digits of the conf.
fn record(fields: &RawParams) -> BTreeMap<&String, Box<RawValue>> {
    let value = |text| RawValue::from_string(text).ok();
    let fields = fields.iter();
    fields.filter_map(|(name, field)| Some((name, value(field.to_json_text())?))).collect()
}

/// That no function which the test runs has anything to do with a connector.
pub(super) fn unused(cname: &str) -> String {
    format!("no function of this test uses connector `{cname}`")
}

/// The name of the flow that is run.
pub(super) fn flow_name(test: &TestConf) -> &str {
    test.flow.as_deref().or(test.function.as_deref()).unwrap_or_default()
}

/// Nothing that feeds, keeps or serves; and whoever tries again does not wait.
fn reduced(mut conf: Conf, test: &TestConf) -> Conf {
    let name = flow_name(test);
    let flow = match &test.function {
        // Nothing is there to jump to: the action tells where it would have gone.
        Some(function) => FlowConf::new(name).then_named(step(function, test)).jump_limit(0),
        None => conf.flows.remove(name).unwrap_or_else(|| FlowConf::new(name)),
    };
    let mut flow = flow.on_reject(OnReject::Quarantine).status(Status::Enabled);
    flow.source = None;
    conf.flows = [(name.to_owned(), flow)].into();
    conf.sources.clear();
    conf.tests.clear();
    conf.global = GlobalConf::default();
    for function in conf.functions.values_mut() {
        function.option.retry_duration = Some(Duration::ZERO);
        if test.function.is_some() {
            function.option.jump.clear();
        }
    }
    conf
}

fn step(function: &str, test: &TestConf) -> StepConf {
    let mut step = StepConf::from(function);
    step.params = test.params.clone();
    step
}
