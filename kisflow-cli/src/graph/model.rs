//! [`Picture`]: what is drawn of a flow, whatever the format.

use std::collections::{BTreeMap, BTreeSet};

use kisflow_core::{Conf, FlowConf, Mode, Status};
use serde::Serialize;

/// What is drawn of a flow. `--output json` prints it.
#[derive(Debug, Serialize)]
pub(crate) struct Picture<'a> {
    pub(crate) flow: &'a str,
    /// A disabled flow is drawn in grey.
    pub(crate) enabled: bool,
    /// The source if there is one, the chain, the connectors.
    pub(crate) nodes: Vec<Node<'a>>,
    pub(crate) edges: Vec<Edge>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Node<'a> {
    /// Its place in `nodes`, which edges name.
    pub(crate) id: usize,
    pub(crate) name: &'a str,
    #[serde(flatten)]
    pub(crate) kind: Kind<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Kind<'a> {
    Source {
        #[serde(rename = "type")]
        engine: &'a str,
    },
    Function {
        mode: Mode,
    },
    Connector {
        #[serde(rename = "type")]
        engine: &'a str,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Edge {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) kind: Way,
}

/// What goes along an edge.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Way {
    /// Rows, to the next of the chain.
    Next,
    /// Rows, to the function that is jumped to.
    Jump,
    /// Rows that a Save function writes to its connector.
    Save,
    /// Records that a Load function reads from its connector.
    Load,
    /// Whatever another function does with its connector.
    Use,
}

impl<'a> Picture<'a> {
    pub(crate) fn new(
        conf: &'a Conf,
        connectors_of: &'a BTreeMap<String, Vec<String>>,
        flow: &'a FlowConf,
    ) -> Self {
        let enabled = flow.status == Status::Enabled;
        let mut picture =
            Self { flow: &flow.flow_name, enabled, nodes: Vec::new(), edges: Vec::new() };
        if let Some(sname) = &flow.source {
            let engine = conf.sources.get(sname).map_or("", |source| &source.engine);
            picture.add(sname, Kind::Source { engine });
        }
        let first = picture.nodes.len();
        for step in &flow.flows {
            let function = conf.functions.get(&step.fname);
            let mode = function.map_or(Mode::default(), |function| function.fmode);
            picture.add(&step.fname, Kind::Function { mode });
        }
        picture.chain();
        picture.jumps(conf, flow, first);
        picture.connectors(conf, connectors_of);
        picture
    }

    /// The source and the chain, in their order.
    pub(crate) fn column(&self) -> impl Iterator<Item = &Node<'a>> {
        self.nodes.iter().filter(|node| !node.is_connector())
    }

    /// The functions that use a connector, from above.
    pub(crate) fn users(&self, connector: usize) -> impl Iterator<Item = usize> {
        self.edges.iter().filter_map(move |edge| match edge.kind {
            Way::Save | Way::Use if edge.to == connector => Some(edge.from),
            Way::Load if edge.from == connector => Some(edge.to),
            _ => None,
        })
    }

    fn add(&mut self, name: &'a str, kind: Kind<'a>) -> usize {
        let id = self.nodes.len();
        self.nodes.push(Node { id, name, kind });
        id
    }

    fn link(&mut self, from: usize, to: usize, kind: Way) {
        self.edges.push(Edge { from, to, kind });
    }

    fn chain(&mut self) {
        for to in 1..self.nodes.len() {
            self.link(to - 1, to, Way::Next);
        }
    }

    /// The chain begins at the node `first`.
    fn jumps(&mut self, conf: &Conf, flow: &FlowConf, first: usize) {
        for (from, step) in flow.flows.iter().enumerate() {
            let Some(function) = conf.functions.get(&step.fname) else { continue };
            let targets: BTreeSet<&String> = function.option.jump.iter().collect();
            for target in targets {
                // A jump goes to the last function of its name.
                let to = flow.flows.iter().rposition(|step| step.fname == *target);
                if let Some(to) = to {
                    self.link(first + from, first + to, Way::Jump);
                }
            }
        }
    }

    /// One node for each connector, whoever shares it.
    fn connectors(&mut self, conf: &'a Conf, connectors_of: &'a BTreeMap<String, Vec<String>>) {
        let mut known: BTreeMap<&str, usize> = BTreeMap::new();
        for function in 0..self.nodes.len() {
            let Some(Node { name, kind: Kind::Function { mode }, .. }) = self.nodes.get(function)
            else {
                continue;
            };
            let mode = *mode;
            for cname in connectors_of.get(*name).into_iter().flatten() {
                let connector = known.get(cname.as_str()).copied().unwrap_or_else(|| {
                    let engine = conf.connectors.get(cname).map_or("", |conn| &conn.engine);
                    self.add(cname, Kind::Connector { engine })
                });
                known.insert(cname, connector);
                match mode {
                    Mode::Save => self.link(function, connector, Way::Save),
                    Mode::Load => self.link(connector, function, Way::Load),
                    _ => self.link(function, connector, Way::Use),
                }
            }
        }
    }
}

impl<'a> Node<'a> {
    pub(crate) fn is_connector(&self) -> bool {
        matches!(self.kind, Kind::Connector { .. })
    }

    /// The type of what the conf connects to; a function has none.
    pub(crate) fn engine(&self) -> Option<&'a str> {
        match self.kind {
            Kind::Source { engine } | Kind::Connector { engine } => Some(engine),
            Kind::Function { .. } => None,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use kisflow_core::{Conf, ConnConf, FlowConf, FunctionConf, Mode, SourceConf, Status};

    use super::{Picture, Way};

    /// A flow with everything that is drawn: a source, every mode, a function that stands twice, a
    /// connector that two share, and jumps ahead, back and in place.
    pub(in crate::graph) fn rich(flow_name: &str) -> (Conf, BTreeMap<String, Vec<String>>) {
        let function = |fname: &str, mode| FunctionConf::new(fname, mode);
        let steps = ["Check", "Save", "Load", "Twice", "Send", "Twice"];
        let flow = FlowConf::new(flow_name).source("orders").status(Status::Disabled);
        let conf = Conf::new()
            .flow(steps.into_iter().fold(flow, FlowConf::then_named))
            .source(SourceConf::new("orders", "file"))
            .connector(ConnConf::new("Cache", "memory"))
            .connector(ConnConf::new("Mail", "smtp"))
            .function(function("Check", Mode::Verify).jump("Twice").jump("Twice"))
            .function(function("Save", Mode::Save))
            .function(function("Load", Mode::Load).jump("Load"))
            .function(function("Twice", Mode::Calculate))
            .function(function("Send", Mode::Expand).jump("Check"));
        let connectors = [("Save", "Cache"), ("Load", "Cache"), ("Send", "Mail")];
        (conf, connectors.map(|(name, to)| (name.to_owned(), vec![to.to_owned()])).into())
    }

    fn edges(kind: Way) -> Vec<(usize, usize)> {
        let (conf, connectors_of) = rich("Rich");
        let picture = Picture::new(&conf, &connectors_of, &conf.flows["Rich"]);
        let edges = picture.edges.iter().filter(|edge| edge.kind == kind);
        edges.map(|edge| (edge.from, edge.to)).collect()
    }

    #[test]
    fn the_nodes_are_the_source_the_chain_and_each_connector_once() {
        let (conf, connectors_of) = rich("Rich");
        let picture = Picture::new(&conf, &connectors_of, &conf.flows["Rich"]);
        let names: Vec<&str> = picture.nodes.iter().map(|node| node.name).collect();
        let chain = ["orders", "Check", "Save", "Load", "Twice", "Send", "Twice"];
        assert_eq!(names, [chain.as_slice(), &["Cache", "Mail"]].concat());
        assert!(!picture.enabled);
    }

    #[test]
    fn the_chain_leads_from_the_source_through_every_function() {
        assert_eq!(edges(Way::Next), [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6)]);
    }

    #[test]
    fn a_jump_leads_to_the_last_function_of_its_name_and_is_drawn_once() {
        assert_eq!(edges(Way::Jump), [(1, 6), (3, 3), (5, 1)]);
    }

    #[test]
    fn save_leads_to_its_connector_and_load_away_from_it() {
        assert_eq!(edges(Way::Save), [(2, 7)]);
        assert_eq!(edges(Way::Load), [(7, 3)]);
        assert_eq!(edges(Way::Use), [(5, 8)]);
    }

    #[test]
    fn json_has_the_kind_of_each_node_and_edge() {
        let (conf, connectors_of) = rich("Rich");
        let picture = Picture::new(&conf, &connectors_of, &conf.flows["Rich"]);
        let json = serde_json::to_value(&picture).unwrap();
        let node = |id: usize| json["nodes"][id].to_string();
        assert_eq!(node(0), r#"{"id":0,"kind":"source","name":"orders","type":"file"}"#);
        assert_eq!(node(1), r#"{"id":1,"kind":"function","mode":"Verify","name":"Check"}"#);
        assert_eq!(node(7), r#"{"id":7,"kind":"connector","name":"Cache","type":"memory"}"#);
        assert_eq!(json["edges"][0].to_string(), r#"{"from":0,"kind":"next","to":1}"#);
    }
}
