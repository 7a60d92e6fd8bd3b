//! The edges of a flow: whether the fields that a function needs can arrive from the one before it.
//!
//! A field is reported only where no row that may come this way can have it. What a type hides is
//! not guessed at.

use std::{any::TypeId, collections::BTreeSet};

use serde::Serialize;

use super::row_type::short;
use crate::{
    conf::{Conf, FlowConf, Mode, MustCheck, Problem, RawParams, RowDefaults},
    connector::{FieldUse, unattended_fields},
    function::{Emits, Place},
    link::Linker,
    row::Fields,
};

/// A way that rows may go from one function of a flow to another.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Edge {
    /// The flow.
    pub flow: String,
    /// The function that rows come from, by where it stands in the chain.
    pub from: usize,
    /// The function that they go to.
    pub to: usize,
    /// Whether it is a jump (`option.jump`) that leaves functions out.
    pub jump: bool,
    /// Whether the fields that are needed arrive.
    pub verdict: Verdict,
}

/// Whether the fields that a function needs arrive.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// All of them can.
    Arrives,
    /// These cannot: a problem of the conf.
    Missing(Vec<String>),
    /// These cannot, and the function gets rows without them (`must: warn`): a note on the conf.
    PassedWithout(Vec<String>),
    /// It is unknown, with the reason.
    NotChecked(String),
}

/// A function at its place in a flow.
struct Step {
    name: String,
    place: Option<Place>,
    /// What it reads its rows as.
    reads: Option<Fields>,
    /// The fields that a row must have here.
    needs: BTreeSet<String>,
    /// The fields that a row should have here: the function gets rows without them (`must: warn`).
    wants: BTreeSet<String>,
    /// Whether what is missing has a value (`row_defaults: go`).
    lenient: bool,
    emits: Sends,
}

/// What a step hands on.
enum Sends {
    By(Emits),
    /// What it was given, and these fields, for certain or not; `None`: no telling which.
    Adds {
        fields: Option<Vec<String>>,
        certain: bool,
    },
}

/// Rows that may come along an edge.
#[derive(Clone)]
struct Rows {
    /// What made them, for messages.
    maker: String,
    type_id: Option<TypeId>,
    /// Every field that they may have; `None`: no telling.
    may_have: Option<BTreeSet<String>>,
    /// Fields that they have for certain, because a function that needs them let them pass.
    have: BTreeSet<String>,
}

/// The edges of a flow. Fields that cannot arrive are problems; notes if the function gets rows
/// without them.
pub(super) fn of_flow(
    linker: &Linker,
    conf: &Conf,
    flow: &FlowConf,
    problems: &mut Vec<Problem>,
    notes: &mut Vec<Problem>,
) -> Vec<Edge> {
    let defaults = flow.row_defaults.unwrap_or(conf.global.row_defaults);
    let step = |step| Step::new(linker, conf, step, defaults);
    let steps: Vec<Step> = flow.flows.iter().map(step).collect();
    let mut sent: Vec<Vec<Rows>> = Vec::new();
    let mut edges = Vec::new();
    let returns = jumps_back(conf, flow);
    for (to, step) in steps.iter().enumerate() {
        let mut arriving = Vec::new();
        if to == 0 {
            arriving.push(Rows::hidden("what the flow is fed with hides its fields".to_owned()));
        }
        for from in ways_to(conf, flow, to) {
            let mut rows = sent.get(from).cloned().unwrap_or_default();
            if from + 1 != to && returns {
                // In a later round, what the target's predecessor made in an earlier one.
                merge(&mut rows, sent.get(to - 1).cloned().unwrap_or_default());
            }
            // No function follows one that hands on nothing.
            if let (Some(verdict), Some(before)) = (step.verdict(&rows), steps.get(from)) {
                let jump = from + 1 != to;
                let of_flow = |message: String| {
                    let subject = format!("flow `{}`", flow.flow_name);
                    flow.origin.problem(subject, &format!("flows[{to}].fname"), message)
                };
                match &verdict {
                    Verdict::Missing(fields) => {
                        problems.push(of_flow(missing(before, step, fields, &rows, jump)));
                    }
                    Verdict::PassedWithout(fields) => {
                        let missing = missing(before, step, fields, &rows, jump);
                        notes.push(of_flow(format!(
                            "{missing}; with `must: warn` it gets rows without them"
                        )));
                    }
                    _ => {}
                }
                edges.push(Edge { flow: flow.flow_name.clone(), from, to, jump, verdict });
            }
            merge(&mut arriving, rows);
        }
        sent.push(step.send(arriving));
    }
    edges
}

/// How many kinds of rows may reach one place before the check gives up.
const KINDS: usize = 64;

/// Adds rows to others: what was made by the same function is of one kind, whichever way it came.
fn merge(arriving: &mut Vec<Rows>, rows: Vec<Rows>) {
    for rows in rows {
        let same = |known: &&mut Rows| {
            (&known.maker, known.type_id, &known.may_have)
                == (&rows.maker, rows.type_id, &rows.may_have)
        };
        match arriving.iter_mut().find(same) {
            // Certain is only what they have on every way.
            Some(known) => known.have.retain(|field| rows.have.contains(field)),
            None => arriving.push(rows),
        }
    }
    if arriving.len() > KINDS {
        *arriving = vec![Rows::hidden("rows come in too many ways to look at each".to_owned())];
    }
}

/// The places from which rows reach the one at `to`. A jump back takes what the target's
/// predecessor made, so only jumps ahead are separate edges. (If a jump ahead has skipped that
/// predecessor, the rows of the function that jumps arrive; this is not checked.)
fn ways_to(conf: &Conf, flow: &FlowConf, to: usize) -> Vec<usize> {
    let Some(target) = flow.flows.get(to) else { return Vec::new() };
    let last = flow.flows.iter().rposition(|step| step.fname == target.fname);
    let jumps = |step: &crate::StepConf| {
        conf.functions
            .get(&step.fname)
            .is_some_and(|function| function.option.jump.contains(&target.fname))
    };
    let ahead = flow.flows.iter().take(to.saturating_sub(1)).enumerate();
    // A jump goes to the last function of its name.
    let ahead = ahead.filter(|(_, step)| last == Some(to) && jumps(step)).map(|(from, _)| from);
    to.checked_sub(1).into_iter().chain(ahead).collect()
}

/// Whether a function of the flow may jump to one that has been before it.
fn jumps_back(conf: &Conf, flow: &FlowConf) -> bool {
    let place = |fname: &String| flow.flows.iter().rposition(|step| step.fname == *fname);
    flow.flows.iter().enumerate().any(|(at, step)| {
        let function = conf.functions.get(&step.fname);
        let mut targets = function.into_iter().flat_map(|function| &function.option.jump);
        targets.any(|target| place(target).is_some_and(|target| target <= at))
    })
}

impl Step {
    fn new(linker: &Linker, conf: &Conf, step: &crate::StepConf, defaults: RowDefaults) -> Self {
        let def = linker.registry.functions.iter().find(|def| def.name == step.fname);
        let function = conf.functions.get(&step.fname);
        let must = function.map(|function| function.source.must.clone()).unwrap_or_default();
        let check = function.and_then(|function| function.option.must).unwrap_or(conf.global.must);
        let (mut needs, mut wants) = match check {
            MustCheck::Reject => (BTreeSet::from_iter(must), BTreeSet::new()),
            MustCheck::Warn => (BTreeSet::new(), BTreeSet::from_iter(must)),
            MustCheck::Off => (BTreeSet::new(), BTreeSet::new()),
        };
        let reads = def.and_then(|def| (def.reads)());
        let required = reads.iter().flat_map(|fields| &fields.required);
        needs.extend(required.map(|field| (*field).to_owned()));
        let lenient = defaults == RowDefaults::Go;
        if lenient {
            // Whatever is missing has a value, and a key may have other letters.
            needs.clear();
            wants.clear();
        }
        // A row without its key has no state.
        needs.extend(function.iter().flat_map(|function| function.option.key.iter().cloned()));
        let emits = match (def, function) {
            (Some(def), _) => Sends::By((def.emits)()),
            (None, Some(function)) => {
                let mut params: RawParams = function.option.default_params.clone();
                params.extend(step.params.clone());
                let FieldUse { id, fields, may_miss } = unattended_fields(&params);
                needs.extend(id);
                match function.fmode {
                    Mode::Save => {
                        needs.extend(fields.unwrap_or_default());
                        Sends::By(Emits::Passed)
                    }
                    _ => Sends::Adds { fields, certain: !may_miss },
                }
            }
            // It has been reported.
            (None, None) => Sends::By(Emits::Unsaid),
        };
        Self {
            name: step.fname.clone(),
            place: def.map(|def| def.place),
            reads,
            needs,
            wants,
            lenient,
            emits,
        }
    }

    /// Whether what is needed here arrives with `rows`; `None` when no rows do.
    fn verdict(&self, rows: &[Rows]) -> Option<Verdict> {
        if rows.is_empty() {
            return None;
        }
        let lacks = |field: &&String| !rows.iter().any(|rows| self.gets(field, rows));
        let lacked = |fields: &BTreeSet<String>| fields.iter().filter(lacks).cloned().collect();
        let (missing, warned): (Vec<String>, Vec<String>) =
            (lacked(&self.needs), lacked(&self.wants));
        let hidden = rows.iter().find(|rows| rows.may_have.is_none());
        Some(match (missing.is_empty() && warned.is_empty(), hidden) {
            (false, Some(hidden)) => Verdict::NotChecked(hidden.maker.clone()),
            (false, None) if missing.is_empty() => Verdict::PassedWithout(warned),
            (false, None) => Verdict::Missing(missing),
            (true, _) => match self.unsaid(rows) {
                Some(why) => Verdict::NotChecked(why),
                None => Verdict::Arrives,
            },
        })
    }

    /// Whether rows may have a field that is needed here.
    fn gets(&self, field: &String, rows: &Rows) -> bool {
        // Rows of the very type that is read need no names to be handed over.
        let required = |read: &Fields| rows.is(read) && read.required.contains(&field.as_str());
        rows.have.contains(field)
            || rows.may_have.iter().flatten().any(|had| had == field)
            || self.reads.as_ref().is_some_and(required)
    }

    /// Why there may be more that is needed here than anybody knows.
    fn unsaid(&self, rows: &[Rows]) -> Option<String> {
        let name = &self.name;
        match &self.reads {
            _ if self.lenient => None,
            Some(read) if read.says_what_it_needs() || rows.iter().all(|rows| rows.is(read)) => {
                None
            }
            Some(read) => {
                let read = short(read.type_name);
                Some(format!("`{name}` reads `{read}`, which does not say what it needs"))
            }
            None if self.place.is_some() => {
                Some(format!("`{name}` is written by hand, and does not say what it needs"))
            }
            None => None,
        }
    }

    /// The rows that leave this place.
    fn send(&self, mut given: Vec<Rows>) -> Vec<Rows> {
        for rows in &mut given {
            rows.have.extend(self.needs.iter().cloned());
        }
        match &self.emits {
            Sends::By(Emits::Nothing) => Vec::new(),
            Sends::By(Emits::Passed) => given,
            Sends::By(Emits::Rows(fields)) => vec![self.made(fields)],
            Sends::By(Emits::Either(fields)) => {
                given.push(self.made(fields));
                given
            }
            Sends::By(Emits::Unsaid) => {
                vec![Rows::hidden(format!("the result of `{}` does not say its fields", self.name))]
            }
            Sends::Adds { fields, certain } => {
                for rows in &mut given {
                    // Rows with other fields are rows of another type.
                    rows.type_id = None;
                    match fields {
                        Some(fields) => {
                            if *certain {
                                rows.have.extend(fields.iter().cloned());
                            }
                            rows.may_have.iter_mut().for_each(|had| had.extend(fields.clone()));
                        }
                        None => {
                            rows.may_have = None;
                            rows.maker = format!("`{}` adds every field of its records", self.name);
                        }
                    }
                }
                given
            }
        }
    }

    fn made(&self, fields: &Fields) -> Rows {
        let name = short(fields.type_name);
        let maker = match &fields.written {
            Some(written) => {
                format!("{} hands on `{name}` with {}", self.cite(), written.join(", "))
            }
            None => format!("`{}` hands on `{name}`, which hides its fields", self.name),
        };
        let may_have = fields.written.clone().map(BTreeSet::from_iter);
        let type_id = fields.type_id;
        Rows { maker, type_id, may_have, have: BTreeSet::new() }
    }

    /// `` `AvgStuScore` (src/main.rs:24)``.
    fn cite(&self) -> String {
        match self.place {
            Some(place) => format!("`{}` ({place})", self.name),
            None => format!("`{}`", self.name),
        }
    }
}

impl Rows {
    /// Whether they are of the very type that is read.
    fn is(&self, read: &Fields) -> bool {
        self.type_id.is_some() && self.type_id == read.type_id
    }

    fn hidden(maker: String) -> Self {
        Self { maker, type_id: None, may_have: None, have: BTreeSet::new() }
    }
}

fn missing(before: &Step, step: &Step, fields: &[String], rows: &[Rows], jump: bool) -> String {
    let fields: Vec<String> = fields.iter().map(|field| format!("`{field}`")).collect();
    let way = match jump {
        true => format!("by the jump of {}", before.cite()),
        false => format!("from {}", before.cite()),
    };
    let makers: BTreeSet<&str> = rows.iter().map(|rows| rows.maker.as_str()).collect();
    format!(
        "{} needs {}, which cannot arrive {way}: {}",
        step.cite(),
        fields.join(", "),
        Vec::from_iter(makers).join("; ")
    )
}
