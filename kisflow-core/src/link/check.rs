//! What can be said of a conf before any function is bound: whether its names stand for something.

use std::collections::{HashMap, HashSet};

use super::ConnectorNames;
use crate::{
    conf::{
        Conf, ConnConf, FunctionConf, InUse, Mode, MustCheck, Origin, Problem, name_fault, suggest,
    },
    connector::no_private,
    registry::Registry,
    row::MUST_LIMIT,
};

/// The connector of each function, by `fname`; every name that stands for nothing is a problem.
pub(crate) fn check(
    registry: &Registry,
    conf: &Conf,
    problems: &mut Vec<Problem>,
) -> HashMap<String, ConnectorNames> {
    problems.extend(conf.repeated.iter().cloned());
    twice(registry, problems);
    names(conf, problems);
    let in_use = conf.in_use();
    for conn in conf.connectors.values() {
        engine(registry, conn, in_use.has_connector(&conn.cname), problems);
    }
    let connectors = connectors(conf, &in_use, problems);
    for function in conf.functions.values() {
        let must: HashSet<&String> = function.source.must.iter().collect();
        let check = function.option.must.unwrap_or(conf.global.must);
        if must.len() > MUST_LIMIT && check != MustCheck::Off {
            let message = format!("{} fields; the limit is {MUST_LIMIT}", must.len());
            problems.push(of_function(function, "source.must", message));
        }
        let mode = function.fmode;
        let stores = matches!(mode, Mode::Save | Mode::Load) && !in_use.is_idle(&function.fname);
        if stores && !connectors.contains_key(&function.fname) {
            let message = format!(
                "a function with `fmode: {}` needs a connector: set `option.cname`, or name the function in the connector's `{}` list",
                mode.as_str(),
                mode.as_str().to_lowercase()
            );
            problems.push(of_function(function, "option.cname", message));
        }
    }
    global(registry, conf, problems);
    connectors
}

/// Names that look like others, of what was built in code; those of files have been reported.
fn names(conf: &Conf, problems: &mut Vec<Problem>) {
    let flows = conf.flows.values().map(|flow| (&flow.origin, "flow_name", &flow.flow_name));
    let functions = conf.functions.values().map(|func| (&func.origin, "fname", &func.fname));
    let connectors = conf.connectors.values().map(|conn| (&conn.origin, "cname", &conn.cname));
    let sources = conf.sources.values().map(|source| (&source.origin, "sname", &source.sname));
    for (origin, key, name) in flows.chain(functions).chain(connectors).chain(sources) {
        if let (Origin::Code, Some(fault)) = (origin, name_fault(name)) {
            problems.push(origin.problem("conf", key, fault));
        }
    }
}

/// One name for two functions, or two `#[caas]` for one place: both are cited.
fn twice(registry: &Registry, problems: &mut Vec<Problem>) {
    for (index, def) in registry.functions.iter().enumerate() {
        if let Some(first) =
            registry.functions.iter().take(index).find(|first| first.name == def.name)
        {
            let message = format!(
                "two functions are named \"{}\": at {} and at {}; rename one",
                def.name, first.place, def.place
            );
            problems.push(Origin::Code.problem("registry", "function", message));
        }
    }
    for (index, def) in registry.caas.iter().enumerate() {
        let same = |first: &&crate::caas::CaasDef| {
            first.connector == def.connector && first.function == def.function
        };
        if let Some(first) = registry.caas.iter().take(index).find(same) {
            let message = format!(
                "two `#[caas]` serve connector \"{}\" and function \"{}\": at {} and at {}",
                def.connector, def.function, first.place, def.place
            );
            problems.push(Origin::Code.problem("registry", "caas", message));
        }
    }
}

/// An unregistered type is no problem of an unused connector.
fn engine(registry: &Registry, conn: &ConnConf, used: bool, problems: &mut Vec<Problem>) {
    match registry.connectors.iter().find(|def| def.engine == conn.engine) {
        Some(def) => {
            problems.extend(
                (def.check)(conn)
                    .into_iter()
                    .map(|(path, message)| of_connector(conn, &path, message)),
            );
            if conn.test.is_some() && def.private.is_none() {
                let message = format!(
                    "{}; leave `test` out, and a memory takes the connector's place",
                    no_private(&conn.engine)
                );
                problems.push(of_connector(conn, "test", message));
            }
        }
        None if !used => {}
        None if conn.engine.is_empty() => {
            let types: Vec<&str> = registry.connectors.iter().map(|def| def.engine).collect();
            let message = format!("this key is required: one of {}", types.join(", "));
            problems.push(of_connector(conn, "type", message));
        }
        None => {
            let known = suggest(&conn.engine, registry.connectors.iter().map(|def| def.engine));
            let message = format!(
                "no connector of type \"{}\" is registered{known}; register it with `.connector::<…>()`",
                conn.engine
            );
            problems.push(of_connector(conn, "type", message));
        }
    }
}

/// The connector of each function: its own `cname`, or the connector whose lists name it.
fn connectors(
    conf: &Conf,
    in_use: &InUse<'_>,
    problems: &mut Vec<Problem>,
) -> HashMap<String, ConnectorNames> {
    let mut connectors: HashMap<String, ConnectorNames> = HashMap::new();
    for function in conf.functions.values() {
        let option = &function.option;
        if option.cname.is_some() && !option.cnames.is_empty() {
            let message =
                "the function has one connector, and several by name; keep one of the two";
            problems.push(of_function(function, "option.cname", message));
        }
        let named = option.cnames.iter();
        let named = named.map(|(name, cname)| (format!("option.cname.{name}"), cname));
        let one = option.cname.iter().map(|cname| ("option.cname".to_owned(), cname));
        for (path, cname) in one.chain(named) {
            if !conf.connectors.contains_key(cname) && !in_use.is_idle(&function.fname) {
                let hint = suggest(cname, conf.connectors.keys().map(String::as_str));
                let message = format!("no connector is named \"{cname}\"{hint}");
                problems.push(of_function(function, &path, message));
            }
        }
        // It has a connector, if a wrong one: one mistake, one message.
        let names = ConnectorNames { one: option.cname.clone(), named: option.cnames.clone() };
        if !names.is_empty() {
            connectors.insert(function.fname.clone(), names);
        }
    }
    for conn in conf.connectors.values() {
        for (list, mode, fnames) in
            [("load", Mode::Load, &conn.load), ("save", Mode::Save, &conn.save)]
        {
            for (index, fname) in fnames.iter().enumerate() {
                let path = format!("{list}[{index}]");
                let Some(function) = conf.functions.get(fname) else {
                    let hint = suggest(fname, conf.functions.keys().map(String::as_str));
                    problems.push(of_connector(
                        conn,
                        &path,
                        format!("no function is named \"{fname}\"{hint}"),
                    ));
                    continue;
                };
                if function.fmode != mode {
                    let message = format!(
                        "function `{fname}` has `fmode: {}` ({}) and stands in the `{list}` list",
                        function.fmode.as_str(),
                        function.origin.cite("fmode")
                    );
                    problems.push(of_connector(conn, &path, message));
                }
                match connectors.get(fname) {
                    Some(others) if !others.distinct().contains(&conn.cname.as_str()) => {
                        let others = others.distinct().join("`, `");
                        let message = format!(
                            "function `{fname}` uses connector `{others}`, not this one; drop it from the list"
                        );
                        problems.push(of_connector(conn, &path, message));
                    }
                    Some(_) => {}
                    None => {
                        connectors.insert(fname.clone(), ConnectorNames::one(&conn.cname));
                    }
                }
            }
        }
    }
    connectors
}

fn global(registry: &Registry, conf: &Conf, problems: &mut Vec<Problem>) {
    let global = &conf.global;
    if !global.prometheus_enable {
        return;
    }
    if registry.exporter.is_none() {
        let message = "nothing here keeps metrics for Prometheus; give the registry an exporter: `.exporter(Prometheus::new())`";
        problems.push(global.origin.problem("global", "prometheus_enable", message));
    }
    let is_name = |host: &str| !host.contains(|c: char| c.is_whitespace() || c == '*' || c == '/');
    let address = global.prometheus_serve.rsplit_once(':');
    let is_address =
        address.is_some_and(|(host, port)| is_name(host) && port.parse::<u16>().is_ok());
    if global.prometheus_listen && !is_address {
        let message = format!(
            "\"{}\" is no address to listen on; expected host:port, such as 0.0.0.0:20004",
            global.prometheus_serve
        );
        problems.push(global.origin.problem("global", "prometheus_serve", message));
    }
}

fn of_function(function: &FunctionConf, path: &str, message: impl Into<String>) -> Problem {
    function.origin.problem(format!("function `{}`", function.fname), path, message)
}

fn of_connector(conn: &ConnConf, path: &str, message: impl Into<String>) -> Problem {
    conn.origin.problem(format!("connector `{}`", conn.cname), path, message)
}
