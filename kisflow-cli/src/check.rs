//! `check`: every mistake in the conf, and whether the fields that each function needs arrive.

use kisflow_core::{Edge, Inspection, Problem, Registry, Verdict};
use serde::Serialize;

use crate::{
    args::{CheckArgs, Common, Output},
    conf,
    failure::Failure,
    problem, terminal, test,
    text::{counted, harmless, one_line},
};

/// What `--output json` prints.
#[derive(Serialize)]
struct Checked<'a> {
    flows: usize,
    functions: usize,
    connectors: usize,
    sources: usize,
    tests: usize,
    problems: &'a [Problem],
    /// What keeps nothing from running, and should be known.
    notes: &'a [Problem],
    edges: &'a [Edge],
    /// Why connectors cannot be connected; nothing unless that was asked for.
    away: Option<&'a [String]>,
}

pub(crate) async fn run(
    registry: Registry,
    common: &Common,
    args: CheckArgs,
) -> Result<(), Failure> {
    let mut inspection = registry.clone().inspect_all(common.dir(&args.dir));
    inspection.problems.extend(test::mistakes(&registry, &inspection.conf));
    let sound = inspection.problems.is_empty();
    let away: Option<Vec<String>> = match args.connect && sound {
        true => Some(conf::away(&registry, &inspection.conf).await.into_values().collect()),
        false => None,
    };
    if away.as_ref().is_some_and(Vec::is_empty) {
        let registry = registry.attach_connectors();
        let elsewhere = registry.positions_elsewhere(&inspection.conf).await;
        let mut found = elsewhere.map_err(|error| Failure::because(&*error))?;
        let weak = registry.weak_stores(&inspection.conf).await;
        found.extend(weak.map_err(|error| Failure::because(&*error))?);
        if !found.is_empty() {
            return Err(Failure::Usage(harmless(&found.join("\n"))));
        }
    }
    match common.output {
        Output::Json => terminal::print_json(&checked(&inspection, away.as_deref()))?,
        Output::Table if sound => terminal::print(&summary(&inspection, away.as_deref()))?,
        Output::Table => {}
    }
    match (common.output, away) {
        (Output::Json, _) if !sound => Err(Failure::Usage(problem::count(&inspection.problems))),
        (Output::Table, _) if !sound => {
            Err(Failure::Usage(problem::render_all(&inspection.problems)))
        }
        (_, Some(away)) if !away.is_empty() => Err(Failure::no(away.join("\n"))),
        _ => Ok(()),
    }
}

fn checked<'a>(inspection: &'a Inspection, away: Option<&'a [String]>) -> Checked<'a> {
    let conf = &inspection.conf;
    Checked {
        flows: conf.flows.len(),
        functions: conf.functions.len(),
        connectors: conf.connectors.len(),
        sources: conf.sources.len(),
        tests: conf.tests.len(),
        problems: &inspection.problems,
        notes: &inspection.notes,
        edges: &inspection.edges,
        away,
    }
}

/// What was looked at, and what could not be.
fn summary(inspection: &Inspection, away: Option<&[String]>) -> String {
    let conf = &inspection.conf;
    let mut text = format!(
        "no problems: {}, {}, {}, {}, {}\n",
        counted(conf.flows.len(), "flow"),
        counted(conf.functions.len(), "function"),
        counted(conf.connectors.len(), "connector"),
        counted(conf.sources.len(), "source"),
        counted(conf.tests.len(), "test")
    );
    let checked = inspection.edges.iter().filter(|edge| edge.verdict == Verdict::Arrives).count();
    let edges = inspection.edges.len();
    if edges > 0 {
        text += &format!("fields arrive: {checked} of {} checked\n", counted(edges, "edge"));
    }
    for edge in &inspection.edges {
        if let Verdict::NotChecked(why) = &edge.verdict {
            text += &format!("  not checked: {}: {why}\n", name(inspection, edge));
        }
    }
    for note in &inspection.notes {
        text += &format!("note: {}\n", one_line(&note.to_string()));
    }
    if let Some(away) = away {
        let connectors = conf.connectors.len();
        let connected = connectors - away.len();
        text += &format!("connected: {connected} of {}\n", counted(connectors, "connector"));
    }
    text
}

/// `CalStuAvgScore: AvgStuScore → PrintStuAvgScore`.
fn name(inspection: &Inspection, edge: &Edge) -> String {
    let steps = inspection.conf.flows.get(&edge.flow).map(|flow| flow.flows.as_slice());
    let function =
        |at: usize| steps.and_then(|steps| steps.get(at)).map_or("?", |step| step.fname.as_str());
    let arrow = if edge.jump { "⇢" } else { "→" };
    format!("{}: {} {arrow} {}", edge.flow, function(edge.from), function(edge.to))
}
