//! `check`: every mistake in the conf, and whether the fields that each function needs arrive.

use kisflow_core::{Edge, Inspection, Problem, Registry, Verdict};
use serde::Serialize;

use crate::{
    args::{CheckArgs, Common, Output},
    conf,
    failure::Failure,
    problem, terminal,
    text::counted,
};

/// What `--output json` prints.
#[derive(Serialize)]
struct Checked<'a> {
    flows: usize,
    functions: usize,
    connectors: usize,
    sources: usize,
    problems: &'a [Problem],
    edges: &'a [Edge],
}

pub(crate) async fn run(
    registry: Registry,
    common: &Common,
    args: CheckArgs,
) -> Result<(), Failure> {
    let inspection = registry.clone().inspect(common.dir(&args.dir));
    let sound = inspection.problems.is_empty();
    match common.output {
        Output::Json => terminal::print_json(&checked(&inspection))?,
        Output::Table if sound => terminal::print(&summary(&inspection))?,
        Output::Table => {}
    }
    if !sound {
        return Err(match common.output {
            Output::Json => Failure::Usage(problem::count(&inspection.problems)),
            Output::Table => Failure::Usage(problem::render_all(&inspection.problems)),
        });
    }
    if args.connect {
        let connectors = inspection.conf.connectors.len();
        conf::link(registry, conf::aside(inspection.conf)).await?;
        if common.output == Output::Table {
            terminal::print(&format!("connected: {connectors} of {connectors} connectors\n"))?;
        }
    }
    Ok(())
}

fn checked(inspection: &Inspection) -> Checked<'_> {
    let conf = &inspection.conf;
    Checked {
        flows: conf.flows.len(),
        functions: conf.functions.len(),
        connectors: conf.connectors.len(),
        sources: conf.sources.len(),
        problems: &inspection.problems,
        edges: &inspection.edges,
    }
}

/// What was looked at, and what could not be.
fn summary(inspection: &Inspection) -> String {
    let conf = &inspection.conf;
    let mut text = format!(
        "no problems: {}, {}, {}, {}\n",
        counted(conf.flows.len(), "flow"),
        counted(conf.functions.len(), "function"),
        counted(conf.connectors.len(), "connector"),
        counted(conf.sources.len(), "source")
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
