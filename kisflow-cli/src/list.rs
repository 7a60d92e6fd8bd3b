//! `functions`, `flows`, `connectors`: what is registered, and what is linked.

use std::{collections::BTreeMap, path::Path};

use kisflow_core::{
    FunctionConf, FunctionInfo, HandsOn, Inspection, Place, Registry, RowType, Status,
};
use serde::Serialize;

use crate::{
    args::{CONF, Common, ConnectorsArgs, Output},
    conf,
    failure::Failure,
    table::{self, Column},
    terminal,
};

/// A function of the program, and what the conf makes of it; or one that only the conf has, as a Save
/// without code.
#[derive(Serialize)]
struct ListedFunction<'a> {
    name: &'a str,
    /// Where its code is.
    place: Option<Place>,
    is_async: Option<bool>,
    reads: Option<&'a RowType>,
    hands_on: Option<&'a HandsOn>,
    mode: Option<&'static str>,
    connectors: &'a [String],
    flows: Vec<&'a str>,
    /// Where the conf has it.
    conf: Option<String>,
}

/// Where there is no default conf the functions are listed as the program has them.
pub(crate) fn functions(registry: Registry, common: &Common) -> Result<(), Failure> {
    let inspection = match common.conf == [Path::new(CONF)] && !Path::new(CONF).exists() {
        true => {
            terminal::say(&format!(
                "there is no directory `{CONF}`: without conf no flow is known\n"
            ));
            registry.inspect_all(&common.conf)
        }
        false => conf::inspect(registry, &common.conf)?,
    };
    let listed = listed(&inspection);
    if common.output == Output::Json {
        return terminal::print_json(&listed);
    }
    let columns = [
        Column::Whole("FUNCTION"),
        Column::Whole("MODE"),
        Column::Text("READS"),
        Column::Text("HANDS ON"),
        Column::Text("FLOWS"),
        Column::Whole("WRITTEN AT"),
    ];
    let none = "no function is linked; annotate one with `#[faas]`";
    table::print(&columns, listed.iter().map(ListedFunction::row), none)
}

/// Sorted by name.
fn listed(inspection: &Inspection) -> Vec<ListedFunction<'_>> {
    let with_code: BTreeMap<&str, &FunctionInfo> =
        inspection.functions.iter().map(|function| (function.name, function)).collect();
    let in_conf = inspection.conf.functions.keys().map(String::as_str);
    let mut names: Vec<&str> = with_code.keys().copied().chain(in_conf).collect();
    names.sort_unstable();
    names.dedup();
    let listed = |name| ListedFunction::new(inspection, name, with_code.get(name).copied());
    names.into_iter().map(listed).collect()
}

impl<'a> ListedFunction<'a> {
    fn new(inspection: &'a Inspection, name: &'a str, code: Option<&'a FunctionInfo>) -> Self {
        let conf = inspection.conf.functions.get(name);
        let flows = inspection.conf.flows.values();
        let flows = flows.filter(|flow| flow.flows.iter().any(|step| step.fname == name));
        Self {
            name,
            place: code.map(|code| code.place),
            is_async: code.map(|code| code.is_async),
            reads: code.and_then(|code| code.reads.as_ref()),
            hands_on: code.map(|code| &code.hands_on),
            mode: conf.map(|conf| conf.fmode.as_str()),
            connectors: inspection.connectors_of.get(name).map(Vec::as_slice).unwrap_or_default(),
            flows: flows.map(|flow| flow.flow_name.as_str()).collect(),
            conf: conf.map(FunctionConf::place),
        }
    }

    fn row(&self) -> Vec<String> {
        let place = self.place.map(|place| place.to_string());
        vec![
            self.name.to_owned(),
            dash(self.mode.unwrap_or_default()),
            dash(&self.reads.map(ToString::to_string).unwrap_or_default()),
            dash(&self.hands_on.map(ToString::to_string).unwrap_or_default()),
            dash(&self.flows.join(", ")),
            place.or(self.conf.clone()).unwrap_or_default(),
        ]
    }
}

/// A cell that is not empty.
fn dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

/// A flow of the conf.
#[derive(Serialize)]
struct ListedFlow<'a> {
    flow: &'a str,
    enabled: bool,
    source: Option<&'a str>,
    functions: Vec<&'a str>,
    /// Where the conf has it.
    conf: String,
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
            conf: flow.place(),
        })
        .collect();
    if common.output == Output::Json {
        return terminal::print_json(&listed);
    }
    let columns = [
        Column::Whole("FLOW"),
        Column::Whole("STATUS"),
        Column::Whole("SOURCE"),
        Column::Text("FUNCTIONS"),
        Column::Whole("WRITTEN AT"),
    ];
    let rows = listed.iter().map(|flow| {
        vec![
            flow.flow.to_owned(),
            if flow.enabled { "runs" } else { "disabled" }.to_owned(),
            dash(flow.source.unwrap_or_default()),
            flow.functions.join(" → "),
            flow.conf.clone(),
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
    /// Where the conf has it.
    conf: String,
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
            conf: conn.place(),
            answers: None,
        })
        .collect();
    let mut silent = BTreeMap::new();
    if args.ping {
        silent = conf::away(&registry, &inspection.conf).await;
        for connector in &mut listed {
            connector.answers = Some(!silent.contains_key(connector.connector));
        }
    }
    if common.output == Output::Json {
        terminal::print_json(&listed)?;
    } else {
        let columns = [
            Column::Whole("CONNECTOR"),
            Column::Whole("TYPE"),
            Column::Whole("ADDRESS"),
            Column::Whole("KEY"),
            Column::Text("USED BY"),
            Column::Whole("WRITTEN AT"),
            Column::Whole("ANSWERS"),
        ];
        let columns = columns.get(..if args.ping { 7 } else { 6 }).unwrap_or_default();
        let rows = listed.iter().map(|listed| {
            let mut row = vec![
                listed.connector.to_owned(),
                listed.engine.to_owned(),
                dash(listed.addrs),
                dash(listed.key),
                dash(&listed.functions.join(", ")),
                listed.conf.clone(),
            ];
            row.extend(listed.answers.map(|yes| if yes { "yes" } else { "no" }.to_owned()));
            row
        });
        table::print(columns, rows, "the conf has no connector")?;
    }
    if silent.is_empty() {
        return Ok(());
    }
    Err(Failure::no(Vec::from_iter(silent.into_values()).join("\n")))
}

fn users<'a>(inspection: &'a Inspection, cname: &str) -> Vec<&'a str> {
    let uses = |connectors: &Vec<String>| connectors.iter().any(|connector| connector == cname);
    let users = inspection.connectors_of.iter().filter(|(_, connectors)| uses(connectors));
    users.map(|(function, _)| function.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use kisflow_core::Registry;

    use super::{functions, listed};
    use crate::{args::Common, failure::Failure};

    /// A Save without code; to have it twice is a mistake.
    const SAVE: &str = "kistype: func\nfname: Keep\nfmode: Save\n";

    fn check(conf: &[&str], expected: Option<&[&str]>) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("conf.yml");
        fs::write(&file, conf.join("---\n")).unwrap();
        let common = Common::of(dir.path().to_owned());
        match expected {
            None => assert!(matches!(functions(Registry::new(), &common), Err(Failure::Usage(_)))),
            Some(expected) => {
                let inspection = Registry::new().inspect(dir.path());
                let [keep] = listed(&inspection).try_into().ok().unwrap();
                let place = format!("{}:2", file.display());
                assert_eq!(keep.row(), [expected, &[place.as_str()]].concat());
            }
        }
    }

    #[test]
    fn a_function_that_only_the_conf_has_is_listed() {
        check(&[SAVE], Some(&["Keep", "Save", "-", "-", "-"]));
    }

    #[test]
    fn a_conf_with_problems_lists_nothing() {
        check(&[SAVE, SAVE], None);
        let conf = Path::new("no/such/directory").to_owned();
        let common = Common::of(conf);
        assert!(matches!(functions(Registry::new(), &common), Err(Failure::Usage(_))));
    }
}
