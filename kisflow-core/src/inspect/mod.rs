//! [`Inspection`]: findings about a registry and a conf, before anything connects.

mod edges;
mod notes;
mod row_type;

use std::{collections::BTreeMap, path::Path};

use serde::Serialize;

pub use self::edges::{Edge, Verdict};
pub use self::row_type::{HandsOn, RowType};
use crate::{
    conf::{Conf, ConfError, FlowConf, Problem, Status, in_order},
    flow::UnknownFlow,
    function::{FunctionDef, Place},
    link::{ConnectorNames, Linker},
    registry::Registry,
};

/// Findings about a registry and a conf, before anything connects: every problem, every function
/// with its row types, and for each edge of each flow whether the required fields arrive.
///
/// ```
/// use kisflow_core::Registry;
///
/// let inspection = Registry::new().inspect("no/such/directory");
/// let [problem] = inspection.problems.as_slice() else { panic!("one problem") };
/// assert!(problem.message.starts_with("the directory cannot be read"));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Inspection {
    /// The conf, as far as it can be read.
    pub conf: Conf,
    /// Every problem that prevents linking, and every field that cannot arrive, in the order of
    /// files and lines.
    pub problems: Vec<Problem>,
    /// Findings that do not prevent linking, such as secrets that are not set or stand in a file.
    pub notes: Vec<Problem>,
    /// The functions of the registry, sorted by name.
    pub functions: Vec<FunctionInfo>,
    /// The connectors of each function of the conf, by its name; each once, sorted.
    pub connectors_of: BTreeMap<String, Vec<String>>,
    /// The types of connectors that are registered.
    pub connector_types: Vec<&'static str>,
    /// The types of sources that are registered.
    pub source_types: Vec<&'static str>,
    /// The edges from function to function, flow by flow.
    pub edges: Vec<Edge>,
}

impl Inspection {
    /// Returns the conf of the flow with this name.
    ///
    /// ```
    /// use kisflow_core::{FlowConf, Registry};
    ///
    /// let mut inspection = Registry::new().inspect("no/such/directory");
    /// inspection.conf = FlowConf::new("Invoices").into();
    /// assert!(inspection.flow("Invoices").is_ok());
    /// let unknown = inspection.flow("Invoics").unwrap_err();
    /// assert_eq!(unknown.to_string(), "no flow is named \"Invoics\"; did you mean \"Invoices\"?");
    /// ```
    ///
    /// # Errors
    ///
    /// When there is none; the error suggests a similar name.
    pub fn flow(&self, name: &str) -> Result<&FlowConf, UnknownFlow> {
        let flows = &self.conf.flows;
        flows.get(name).ok_or_else(|| UnknownFlow::new(name, flows.keys().map(String::as_str)))
    }
}

/// A function of a registry.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct FunctionInfo {
    /// The name in conf.
    pub name: &'static str,
    /// Where it is written.
    pub place: Place,
    /// Whether it is an `async fn`.
    pub is_async: bool,
    /// The row type that it reads; `None` for a function without `#[faas]`.
    pub reads: Option<RowType>,
    /// What it hands on.
    pub hands_on: HandsOn,
}

impl FunctionInfo {
    fn new(def: &FunctionDef) -> Self {
        Self {
            name: def.name,
            place: def.place,
            is_async: def.is_async,
            reads: (def.reads)().map(|fields| RowType::read(&fields)),
            hands_on: HandsOn::new(&(def.emits)()),
        }
    }
}

fn by_name((fname, names): (&String, &ConnectorNames)) -> (String, Vec<String>) {
    (fname.clone(), names.distinct().into_iter().map(str::to_owned).collect())
}

impl Registry {
    /// Inspects a directory of conf, or one file of it, without connecting to anything.
    pub fn inspect(self, dir: impl AsRef<Path>) -> Inspection {
        self.inspect_all([dir])
    }

    /// Inspects several directories of conf, or files, as one conf, without connecting to anything.
    pub fn inspect_all<D: AsRef<Path>>(self, dirs: impl IntoIterator<Item = D>) -> Inspection {
        let dirs: Vec<D> = dirs.into_iter().collect();
        let paths = dirs.iter().map(AsRef::as_ref);
        let (conf, mut problems) = Conf::read_all(paths, &|name| self.lookup(name));
        let mut notes = notes::of(&self, &conf);
        let linker = Linker::new(self, &conf, &mut problems);
        let mut edges = Vec::new();
        for flow in conf.flows.values() {
            linker.flow_or_note(flow, &mut problems, &mut notes);
            let mut passed = Vec::new();
            let told = match flow.status {
                Status::Enabled => &mut problems,
                Status::Disabled => &mut notes,
            };
            linker.slips(flow, told);
            edges.extend(edges::of_flow(&linker, &conf, flow, told, &mut passed));
            notes.extend(passed);
        }
        let registry = &linker.registry;
        let mut functions: Vec<_> = registry.functions.iter().map(FunctionInfo::new).collect();
        functions.sort_by_key(|function| function.name);
        Inspection {
            problems: in_order(problems),
            functions,
            connectors_of: linker.connectors_of.iter().map(by_name).collect(),
            connector_types: registry.connectors.iter().map(|def| def.engine).collect(),
            source_types: registry.sources.iter().map(|def| def.engine).collect(),
            edges,
            notes: in_order(notes),
            conf,
        }
    }

    /// Checks that a directory of conf links and that every field that a function needs can arrive.
    /// Connects to nothing. For the tests of your own project.
    ///
    /// # Errors
    ///
    /// All problems of all files.
    pub fn check(self, dir: impl AsRef<Path>) -> Result<Conf, ConfError> {
        let Inspection { conf, problems, .. } = self.inspect(dir);
        ConfError::check(problems)?;
        Ok(conf)
    }
}
