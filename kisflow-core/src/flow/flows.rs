//! [`Flows`]: what a registry and a conf make together.

use std::{collections::BTreeMap, fmt, io, path::Path, sync::Arc};

use super::{Flow, Linked, UnknownFlow};
use crate::{
    conf::{Conf, ConfError, FunctionConf, Mode, Problem, suggest},
    link::{Linker, LoadError},
    metrics::{describe, with_recorder},
    registry::Registry,
};

/// The linked flows of a conf, by name; cheap to clone.
#[derive(Clone)]
pub struct Flows {
    inner: Arc<Inner>,
}

struct Inner {
    flows: BTreeMap<String, Flow>,
    conf: Conf,
    linked: Arc<Linked>,
}

impl Flows {
    pub(crate) async fn link(
        registry: Registry,
        conf: Conf,
        mut problems: Vec<Problem>,
    ) -> Result<Self, LoadError> {
        let linker = Linker::new(registry, &conf, &mut problems);
        let prepared: Vec<_> =
            conf.flows.values().map(|flow| (flow, linker.flow(flow, &mut problems))).collect();
        ConfError::check(problems)?;
        let recorder = match &linker.registry.exporter {
            Some(exporter) if conf.global.prometheus_enable => {
                Some(exporter.start(&conf.global).map_err(LoadError::exporter)?)
            }
            _ => None,
        };
        with_recorder(&recorder, describe);
        let running =
            prepared.iter().filter(|(flow, _)| flow.status == crate::conf::Status::Enabled);
        Linker::connect(running.flat_map(|(_, functions)| functions)).await?;
        let prepared: Vec<_> =
            prepared.into_iter().map(|(flow, functions)| (flow.clone(), functions)).collect();
        let linked = Arc::new(Linked { linker, recorder });
        let flow = |(conf, functions): (crate::FlowConf, _)| {
            (conf.flow_name.clone(), Flow::new(conf, functions, linked.clone()))
        };
        let flows = prepared.into_iter().map(flow).collect();
        Ok(Self { inner: Arc::new(Inner { flows, conf, linked }) })
    }

    /// The flow of this name.
    ///
    /// # Errors
    ///
    /// When there is none; the error suggests one.
    pub fn get(&self, name: &str) -> Result<Flow, UnknownFlow> {
        self.inner.flows.get(name).cloned().ok_or_else(|| UnknownFlow {
            message: format!("no flow is named \"{name}\"{}", suggest(name, self.names())),
        })
    }

    /// The names of the flows, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.inner.flows.keys().map(String::as_str)
    }

    /// The flows, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &Flow> {
        self.inner.flows.values()
    }

    /// The conf as it is now, with what has been appended to flows.
    pub fn conf(&self) -> Conf {
        let mut conf = self.inner.conf.clone();
        conf.flows = self.iter().map(|flow| (flow.name().to_owned(), flow.conf())).collect();
        // What was left to its defaults is said, so that it can be written to a file.
        for step in conf.flows.values().flat_map(|flow| &flow.flows) {
            let default = || FunctionConf::new(&step.fname, Mode::default());
            conf.functions.entry(step.fname.clone()).or_insert_with(default);
        }
        conf
    }

    /// Writes the conf as files that load back to the same flows; see [`Conf::write`].
    ///
    /// # Errors
    ///
    /// When a file cannot be written; the error names it.
    pub fn export(&self, dir: impl AsRef<Path>) -> io::Result<()> {
        self.conf().write(dir)
    }

    /// All metrics in the exposition format, when `prometheus_enable` started an exporter: for a
    /// program that serves them itself (`prometheus_listen: false`).
    pub fn render_metrics(&self) -> Option<String> {
        self.inner.linked.recorder.as_ref()?;
        self.inner.linked.linker.registry.exporter.as_ref().map(|exporter| exporter.render())
    }
}

impl fmt::Debug for Flows {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.inner.flows.values()).finish()
    }
}
