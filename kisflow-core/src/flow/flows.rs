//! [`Flows`]: the linked flows of a registry and a conf.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

use super::{Flow, Linked, UnknownFlow};
use crate::{
    conf::{Conf, ConfError, FlowConf, FunctionConf, Mode, Problem, SourceConf, Status},
    durable::{Durable, MemoryStore},
    error::BoxError,
    health::{Health, SourceState},
    link::{Linker, LoadError, Prepared, check_batch},
    metrics::{QuarantineMetrics, build_info, describe, with_recorder},
    parameter::Store,
    quarantine::{Quarantine, QuarantineError},
    registry::Registry,
    serve::{Books, Ledger},
    source::SourceDef,
};

/// The linked flows of a conf, by name. Cheap to clone.
#[derive(Clone)]
pub struct Flows {
    inner: Arc<Inner>,
}

struct Inner {
    flows: BTreeMap<String, Flow>,
    conf: Conf,
    linked: Arc<Linked>,
    health: Health,
    quarantine: Option<(Arc<dyn Durable>, Quarantine)>,
    /// The ledgers of the flows that are or were served, by name.
    books: Mutex<BTreeMap<String, Arc<Books>>>,
    /// Held while they are served.
    serving: AtomicBool,
    /// Pings the connectors.
    watch: Mutex<AbortOnDropHandle<()>>,
    /// Flow and function.
    left_out: Vec<(String, String)>,
}

/// Held while flows are served: by one `serve` at a time.
pub(crate) struct Serving(Flows);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.inner.serving.store(false, Ordering::Release);
    }
}

impl Flows {
    pub(crate) async fn link(
        registry: Registry,
        conf: Conf,
        mut problems: Vec<Problem>,
    ) -> Result<Self, LoadError> {
        let linker = Linker::new(registry, &conf, &mut problems);
        let mut notes = Vec::new();
        let prepared: Vec<_> = conf
            .flows
            .values()
            .map(|flow| (flow, linker.flow_or_note(flow, &mut problems, &mut notes)))
            .collect();
        if !linker.registry.stubs {
            problems.extend(linker.unset(&conf));
        }
        ConfError::check(problems)?;
        let health = Health::default();
        // Before `/readyz` can be asked: while a flow is not served yet, it must not say "ready".
        let is_fed = |flow: &&FlowConf| flow.source.is_some() && flow.status == Status::Enabled;
        for flow in conf.flows.values().filter(is_fed) {
            health.source(&flow.flow_name, SourceState::Waiting);
        }
        let recorder = match &linker.registry.exporter {
            Some(exporter) if conf.global.prometheus_enable => {
                Some(exporter.start(&conf.global, health.clone()).map_err(LoadError::exporter)?)
            }
            _ => None,
        };
        with_recorder(&recorder, || {
            describe();
            build_info(linker.registry.version.as_deref());
        });
        let running = prepared.iter().filter(|(flow, _)| flow.status == Status::Enabled);
        let used = running.flat_map(|(_, functions)| functions).flat_map(|used| &used.connectors);
        health.connectors(Linker::connect(used.chain(&linker.durable)).await?);
        let prepared: Vec<_> =
            prepared.into_iter().map(|(flow, functions)| (flow.clone(), functions)).collect();
        let left_out: Vec<_> = prepared.iter().flat_map(left_out).collect();
        for (flow, function) in &left_out {
            warn!(
                flow,
                function, "the function talks to an engine that is only a stub: it is left out"
            );
        }
        let linked = Arc::new(Linked { linker, recorder, health: health.clone() });
        let durable = linked.linker.durable.as_ref();
        let durable = durable.and_then(|slot| slot.connected().ok()?.durable());
        if let Some(durable) = &durable {
            let keyed =
                |functions: &[Prepared]| functions.iter().filter(|one| one.is_keyed).count();
            let running = prepared.iter().filter(|(flow, _)| flow.status == Status::Enabled);
            let problems = running.filter_map(|(flow, functions)| {
                check_batch(flow, &conf, keyed(functions), durable.limits())
            });
            ConfError::check(problems.collect())?;
        }
        let store = match linked.linker.registry.stubs {
            // A run with stubs changes nothing that lasts.
            true => Some(Arc::new(MemoryStore::default()) as Arc<dyn Durable>),
            false => durable.clone(),
        };
        let flow = |(conf, functions): (FlowConf, _)| {
            (conf.flow_name.clone(), Flow::new(conf, functions, linked.clone(), store.clone()))
        };
        let flows: BTreeMap<String, Flow> = prepared.into_iter().map(flow).collect();
        let quarantine = durable.map(|durable| {
            let metrics = linked.with_recorder(QuarantineMetrics::new);
            let kept = Quarantine::new(
                durable.clone(),
                conf.global.quarantine.clone(),
                conf.global.waiting.clone(),
                flows.clone(),
                metrics,
                linked.linker.registry.log_rows,
            );
            (durable, kept)
        });
        let watch = health.watch();
        Ok(Self {
            inner: Arc::new(Inner {
                flows,
                conf,
                linked,
                health,
                quarantine,
                books: Mutex::default(),
                serving: AtomicBool::new(false),
                watch: Mutex::new(watch),
                left_out,
            }),
        })
    }

    /// Returns the flow with this name.
    ///
    /// # Errors
    ///
    /// When there is none; the error suggests a similar name.
    pub fn get(&self, name: &str) -> Result<Flow, UnknownFlow> {
        let flow = self.inner.flows.get(name).cloned();
        flow.ok_or_else(|| UnknownFlow::new(name, self.names()))
    }

    /// Returns the names of the flows, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.inner.flows.keys().map(String::as_str)
    }

    /// Returns the flows, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &Flow> {
        self.inner.flows.values()
    }

    /// Returns the current conf, with the functions that were appended to flows.
    #[must_use]
    pub fn conf(&self) -> Conf {
        let mut conf = self.inner.conf.clone();
        conf.flows = self.iter().map(|flow| (flow.name().to_owned(), flow.conf())).collect();
        // Defaults are written out, so that the conf can be written to a file.
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

    /// Returns the ledger of each flow that is or was [served](Self::serve), by name.
    #[must_use]
    pub fn ledgers(&self) -> BTreeMap<String, Ledger> {
        self.books().iter().map(|(flow, books)| (flow.clone(), books.ledger())).collect()
    }

    /// Returns how many rows each flow that is or was [served](Self::serve) still had to read, by
    /// name. The sources are asked about once a second. `None` if the source does not know.
    #[must_use]
    pub fn lags(&self) -> BTreeMap<String, Option<u64>> {
        self.books().iter().map(|(flow, books)| (flow.clone(), books.lag())).collect()
    }

    /// Returns how many bytes each flow that is or was [served](Self::serve) still had to read, by
    /// name. `None` if the source counts rows, or does not know.
    #[must_use]
    pub fn lags_bytes(&self) -> BTreeMap<String, Option<u64>> {
        self.books().iter().map(|(flow, books)| (flow.clone(), books.lag_bytes())).collect()
    }

    /// `None` while they are being served already.
    pub(crate) fn begin_serving(&self) -> Option<Serving> {
        let was = self.inner.serving.swap(true, Ordering::Acquire);
        let mut watch = self.inner.watch.lock().unwrap_or_else(PoisonError::into_inner);
        // They may have been linked on a runtime that is gone.
        if watch.is_finished() {
            *watch = self.health().watch();
        }
        (!was).then(|| Serving(self.clone()))
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Books>>> {
        self.inner.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the records of a connector, as functions see them, for tests and tools. `None` if
    /// there is no such connector, no enabled flow uses it, or it keeps no records.
    #[must_use]
    pub fn store(&self, cname: &str) -> Option<Store<'_>> {
        let slot = self.inner.linked.linker.slots.get(cname)?;
        Some(Store::new(slot.connected().ok()?.storage()?, &slot.conf.key, Duration::ZERO))
    }

    /// Returns each flow and function that is left out because it talks to its engine itself, if
    /// connectors are [stubs](Registry::stub_connectors).
    #[must_use]
    pub fn left_out(&self) -> &[(String, String)] {
        &self.inner.left_out
    }

    /// Returns the quarantine: the rows that could not be processed.
    ///
    /// # Errors
    ///
    /// When there is none: no flow has a source, and the global conf names no connector.
    pub fn quarantine(&self) -> Result<Quarantine, QuarantineError> {
        let kept = self.inner.quarantine.as_ref().map(|(_, quarantine)| quarantine.clone());
        kept.ok_or_else(QuarantineError::none)
    }

    /// The flows that would start from the beginning although another store has their positions.
    pub(crate) async fn positions_elsewhere(&self) -> Result<Vec<String>, BoxError> {
        self.inner.linked.linker.positions_elsewhere(&self.inner.conf).await
    }

    /// Why flows may not be exact that are to be.
    pub(crate) async fn weak_stores(&self) -> Result<Vec<String>, BoxError> {
        self.inner.linked.linker.weak_stores(&self.inner.conf).await
    }

    pub(crate) fn durable(&self) -> Option<Arc<dyn Durable>> {
        self.inner.quarantine.as_ref().map(|(durable, _)| durable.clone())
    }

    /// The source of a flow, and its type.
    pub(crate) fn source_of(&self, flow: &Flow) -> Option<(SourceConf, SourceDef)> {
        let conf = self.inner.conf.sources.get(flow.conf().source.as_ref()?)?;
        let known = &self.inner.linked.linker.registry.sources;
        Some((conf.clone(), *known.iter().find(|def| def.engine == conf.engine)?))
    }

    pub(crate) fn grace(&self) -> Duration {
        self.inner.conf.global.grace
    }

    pub(crate) fn with_recorder<T>(&self, make: impl FnOnce() -> T) -> T {
        self.inner.linked.with_recorder(make)
    }

    /// Returns whether the flows are ready to work, for a program that answers `/readyz` itself.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.inner.health
    }

    /// Returns all metrics in the exposition format if `prometheus_enable` started an exporter, for
    /// a program that serves them itself (`prometheus_listen: false`).
    #[must_use]
    pub fn render_metrics(&self) -> Option<String> {
        self.inner.linked.recorder.as_ref()?;
        self.inner.linked.linker.registry.exporter.as_ref().map(|exporter| exporter.render())
    }
}

fn left_out((flow, functions): &(FlowConf, Vec<Prepared>)) -> Vec<(String, String)> {
    let left_out = functions.iter().filter(|prepared| prepared.left_out);
    left_out.map(|prepared| (flow.flow_name.clone(), prepared.conf.fname.clone())).collect()
}

impl fmt::Debug for Flows {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.inner.flows.values()).finish()
    }
}
