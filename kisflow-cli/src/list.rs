//! `functions`, `flows`, `connectors`: what is registered, and what is linked.

use kisflow_core::{FunctionInfo, Inspection, Registry, Status, error_chain};
use serde::Serialize;

use crate::{
    args::{Common, ConnectorsArgs, Output},
    conf,
    failure::Failure,
    table::{self, Column},
    terminal,
};

/// A function of the program, and what the conf makes of it.
#[derive(Serialize)]
struct ListedFunction<'a> {
    #[serde(flatten)]
    function: &'a FunctionInfo,
    mode: Option<&'static str>,
    connector: Option<&'a str>,
    flows: Vec<&'a str>,
}

/// Needs no conf: without one the functions are listed as the program has them.
pub(crate) fn functions(registry: Registry, common: &Common) -> Result<(), Failure> {
    let inspection = registry.inspect(&common.conf);
    let listed: Vec<ListedFunction<'_>> =
        inspection.functions.iter().map(|function| listed(&inspection, function)).collect();
    if common.output == Output::Json {
        return terminal::print_json(&listed);
    }
    let columns =
        ["FUNCTION", "MODE", "READS", "HANDS ON", "FLOWS", "WRITTEN AT"].map(Column::Text);
    let rows = listed.iter().map(|listed| {
        let function = listed.function;
        let reads = function.reads.as_ref().map_or("-".to_owned(), ToString::to_string);
        vec![
            function.name.to_owned(),
            listed.mode.unwrap_or("-").to_owned(),
            reads,
            function.hands_on.to_string(),
            listed.flows.join(", "),
            function.place.to_string(),
        ]
    });
    table::print(&columns, rows, "no function is linked; annotate one with `#[faas]`")
}

fn listed<'a>(inspection: &'a Inspection, function: &'a FunctionInfo) -> ListedFunction<'a> {
    let conf = &inspection.conf;
    let flows = conf.flows.values();
    let flows = flows.filter(|flow| flow.flows.iter().any(|step| step.fname == function.name));
    ListedFunction {
        function,
        mode: conf.functions.get(function.name).map(|conf| conf.fmode.as_str()),
        connector: inspection.connector_of.get(function.name).map(String::as_str),
        flows: flows.map(|flow| flow.flow_name.as_str()).collect(),
    }
}

/// A flow of the conf.
#[derive(Serialize)]
struct ListedFlow<'a> {
    flow: &'a str,
    enabled: bool,
    source: Option<&'a str>,
    functions: Vec<&'a str>,
}

pub(crate) fn flows(registry: Registry, common: &Common) -> Result<(), Failure> {
    let inspection = conf::inspect(registry, &common.conf)?;
    let listed: Vec<ListedFlow<'_>> = inspection
        .conf
        .flows
        .values()
        .map(|flow| ListedFlow {
            flow: &flow.flow_name,
            enabled: flow.status == Status::Enabled,
            source: flow.source.as_deref(),
            functions: flow.flows.iter().map(|step| step.fname.as_str()).collect(),
        })
        .collect();
    if common.output == Output::Json {
        return terminal::print_json(&listed);
    }
    let columns = ["FLOW", "STATUS", "SOURCE", "FUNCTIONS"].map(Column::Text);
    let rows = listed.iter().map(|flow| {
        vec![
            flow.flow.to_owned(),
            if flow.enabled { "runs" } else { "disabled" }.to_owned(),
            flow.source.unwrap_or("-").to_owned(),
            flow.functions.join(" → "),
        ]
    });
    table::print(&columns, rows, "the conf has no flow")
}

/// A connector of the conf.
#[derive(Serialize)]
struct ListedConnector<'a> {
    connector: &'a str,
    #[serde(rename = "type")]
    engine: &'a str,
    addrs: &'a str,
    key: &'a str,
    functions: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answers: Option<bool>,
}

pub(crate) async fn connectors(
    registry: Registry,
    common: &Common,
    args: ConnectorsArgs,
) -> Result<(), Failure> {
    let inspection = conf::inspect(registry.clone(), &common.conf)?;
    let mut listed: Vec<ListedConnector<'_>> = inspection
        .conf
        .connectors
        .values()
        .map(|conn| ListedConnector {
            connector: &conn.cname,
            engine: &conn.engine,
            addrs: &conn.addrs,
            key: &conn.key,
            functions: users(&inspection, &conn.cname),
            answers: None,
        })
        .collect();
    let mut silent = Vec::new();
    if args.ping {
        for (connector, conn) in listed.iter_mut().zip(inspection.conf.connectors.values()) {
            let answer = registry.ping(conn).await;
            connector.answers = Some(answer.is_ok());
            silent
                .extend(answer.err().map(|why| format!("{}: {}", conn.cname, error_chain(&*why))));
        }
    }
    if common.output == Output::Json {
        terminal::print_json(&listed)?;
    } else {
        let columns =
            ["CONNECTOR", "TYPE", "ADDRESS", "KEY", "USED BY", "ANSWERS"].map(Column::Text);
        let columns = columns.get(..if args.ping { 6 } else { 5 }).unwrap_or_default();
        let dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        let rows = listed.iter().map(|listed| {
            let mut row = vec![
                listed.connector.to_owned(),
                listed.engine.to_owned(),
                dash(listed.addrs),
                dash(listed.key),
                dash(&listed.functions.join(", ")),
            ];
            row.extend(listed.answers.map(|yes| if yes { "yes" } else { "no" }.to_owned()));
            row
        });
        table::print(columns, rows, "the conf has no connector")?;
    }
    if silent.is_empty() { Ok(()) } else { Err(Failure::no(silent.join("\n"))) }
}

fn users<'a>(inspection: &'a Inspection, cname: &str) -> Vec<&'a str> {
    let users = inspection.connector_of.iter().filter(|(_, connector)| *connector == cname);
    users.map(|(function, _)| function.as_str()).collect()
}
