//! [`Chain`]: the functions of a flow.

use std::{ops::Range, sync::Arc};

use super::Node;
use crate::conf::FlowConf;

/// The functions of a flow at one time.
pub(crate) struct Chain {
    pub(crate) conf: FlowConf,
    pub(crate) nodes: Vec<Arc<Node>>,
    /// From the first function that keeps state to behind the last one.
    pub(crate) keyed: Option<Range<usize>>,
}

impl Chain {
    pub(super) fn new(conf: FlowConf, nodes: Vec<Arc<Node>>) -> Self {
        let is_keyed = |node: &Arc<Node>| node.keyed.is_some();
        let first = nodes.iter().position(is_keyed);
        let last = nodes.iter().rposition(is_keyed);
        let keyed = first.zip(last).map(|(first, last)| first..last + 1);
        Self { conf, nodes, keyed }
    }
}
