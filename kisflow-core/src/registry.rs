//! [`Registry`]: what the code offers; linked with a conf it gives [`Flows`].

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    env, fmt,
    path::Path,
    sync::Arc,
};

use crate::{
    caas::{CaasDef, StorageLogic},
    conf::{Conf, ConnConf},
    connector::{Connector, ConnectorDef, ConnectorSlot, Memory},
    durable::Durable,
    error::{Result, error_chain},
    flow::Flows,
    function::{Function, FunctionDef},
    link::LoadError,
    metrics::Exporter,
    source::{Source, SourceDef},
};

/// What the code offers: functions, types of connectors, storage logic, state. A clone shares the
/// state and the exporter.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use kisflow_core::{Action, Answer, Batch, Call, FlowConf, Function, Link, Place, Registry};
///
/// # struct Pass;
/// # impl Function for Pass {
/// #     const NAME: &'static str = "Pass";
/// #     const PLACE: Place = Place { file: file!(), line: line!() };
/// #     type Bound = ();
/// #     fn bind(_: &mut Link<'_>) -> Option<()> { Some(()) }
/// #     fn call<'a>(_: &'a (), call: Call<'a>) -> Answer<'a> { Answer::action(call, Action::Reuse) }
/// # }
/// let flows = Registry::new().function::<Pass>().link(FlowConf::new("Through").then::<Pass>()).await?;
/// let report = flows.get("Through")?.run(Batch::json(["{}"])).await?;
/// assert_eq!(report.rows_out(), 1);
/// # Ok::<(), kisflow_core::BoxError>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Registry {
    pub(crate) functions: Vec<FunctionDef>,
    pub(crate) caas: Vec<CaasDef>,
    pub(crate) connectors: Vec<ConnectorDef>,
    pub(crate) sources: Vec<SourceDef>,
    pub(crate) state: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
    pub(crate) exporter: Option<Arc<dyn Exporter>>,
    /// Whether connectors are only stubs.
    pub(crate) stubs: bool,
    /// The program's version.
    pub(crate) version: Option<String>,
    /// The most characters of a row in a log line.
    pub(crate) log_rows: usize,
    /// Variables of conf files, which have precedence over the environment of the process.
    pub(crate) variables: HashMap<String, String>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Registry")
            .field("functions", &self.functions)
            .field("caas", &self.caas)
            .field("connectors", &self.connectors.iter().map(|def| def.engine).collect::<Vec<_>>())
            .field("sources", &self.sources.iter().map(|def| def.engine).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// The default of [`Registry::log_rows`]: how many characters of a row a log line has.
pub(crate) const LOG_ROWS: usize = 120;

impl Registry {
    /// A registry with `type: memory` and nothing else.
    #[must_use]
    pub fn new() -> Self {
        let registry = Self {
            functions: Vec::new(),
            caas: Vec::new(),
            connectors: Vec::new(),
            sources: Vec::new(),
            state: HashMap::new(),
            exporter: None,
            stubs: false,
            version: None,
            log_rows: LOG_ROWS,
            variables: HashMap::new(),
        };
        registry.connector::<Memory>()
    }

    /// A registry with every `#[faas]` and `#[caas]` of the program.
    ///
    /// Those of a library are in the program only if the program mentions the library:
    /// `use my_functions as _;` is enough.
    #[cfg(feature = "auto")]
    #[must_use]
    pub fn linked() -> Self {
        let mut registry = Self::new();
        inventory::iter::<FunctionDef>.into_iter().for_each(|def| registry.add_function(*def));
        inventory::iter::<CaasDef>.into_iter().for_each(|def| registry.add_caas(*def));
        // The linker determines the order of the list; messages should not depend on it.
        registry.functions.sort_by_key(|def| (def.name, def.place.file, def.place.line));
        registry
            .caas
            .sort_by_key(|def| (def.connector, def.function, def.place.file, def.place.line));
        registry
    }

    /// Adds a function, by the type that `#[faas]` defines for it.
    #[must_use]
    pub fn function<F: Function>(mut self) -> Self {
        self.add_function(FunctionDef::of::<F>());
        self
    }

    /// Adds storage logic, by the type that `#[caas]` defines for it.
    #[must_use]
    pub fn caas<C: StorageLogic>(mut self) -> Self {
        self.add_caas(CaasDef::of::<C>());
        self
    }

    /// Adds a type of connector.
    #[must_use]
    pub fn connector<C: Connector>(mut self) -> Self {
        let def = ConnectorDef::of::<C>();
        self.connectors.retain(|known| known.engine != def.engine);
        self.connectors.push(def);
        self
    }

    /// Adds a type of source.
    #[must_use]
    pub fn source<S: Source>(mut self) -> Self {
        let def = SourceDef::of::<S>();
        self.sources.retain(|known| known.engine != def.engine);
        self.sources.push(def);
        self
    }

    /// Adds a value for functions with a `State<'_, T>` of its type; a second value of the same
    /// type replaces the first.
    #[must_use]
    pub fn state<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.state.insert(TypeId::of::<T>(), Arc::new(value));
        self
    }

    /// Adds the exporter that `prometheus_enable` of the global conf starts.
    #[must_use]
    pub fn exporter(mut self, exporter: impl Exporter) -> Self {
        self.exporter = Some(Arc::new(exporter));
        self
    }

    /// Sets the version of the program, which `--version` prints and the metric
    /// `kisflow_build_info` shows.
    ///
    /// ```
    /// use kisflow_core::Registry;
    ///
    /// let registry = Registry::new().version(env!("CARGO_PKG_VERSION"));
    /// ```
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Returns the version of the program.
    #[must_use]
    pub fn program_version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Replaces every connector of the conf by an empty `type: memory`, or by a
    /// [`Private`](crate::Private) engine if the connector's conf asks for one
    /// ([`ConnConf::test`]): a dry run. A function that talks to its engine itself (`Conn`, or
    /// storage logic that does) and gets a memory is left out of its flows, and the rows pass; a
    /// warning names it.
    #[must_use]
    pub fn stub_connectors(mut self) -> Self {
        self.stubs = true;
        self
    }

    /// Connects as a command beside a service: something that only the service's process can open,
    /// such as the file of an embedded store, is reached through that process.
    #[must_use]
    pub fn attach_connectors(mut self) -> Self {
        for def in &mut self.connectors {
            *def = def.attached();
        }
        self
    }

    /// Sets how many characters of a row, and of each error that may quote one, a log line has
    /// (default 120). Characters that a terminal would interpret are escaped.
    #[must_use]
    pub fn log_rows(mut self, characters: usize) -> Self {
        self.log_rows = characters;
        self
    }

    /// Adds a value for `${NAME}` in conf files, which has precedence over an environment variable
    /// of this name.
    ///
    /// ```
    /// use kisflow_core::Registry;
    ///
    /// let registry = Registry::new().variable("REDIS", "127.0.0.1:6379");
    /// ```
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// Returns the value of a variable of conf files.
    pub(crate) fn lookup(&self, name: &str) -> Result<String, env::VarError> {
        self.variables.get(name).cloned().map_or_else(|| env::var(name), Ok)
    }

    /// Reads a directory of conf, links it and connects it.
    ///
    /// # Errors
    ///
    /// All problems of all files at once; without problems, the connectors that cannot connect, or
    /// an endpoint that cannot start.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes all connections.
    pub async fn load(self, dir: impl AsRef<Path>) -> Result<Flows, LoadError> {
        let (conf, problems) = Conf::read_all([dir.as_ref()], &|name| self.lookup(name));
        Flows::link(self, conf, problems).await
    }

    /// Links a conf that was built in code, or read before, and connects it.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub async fn link(self, conf: impl Into<Conf>) -> Result<Flows, LoadError> {
        Flows::link(self, conf.into(), Vec::new()).await
    }

    /// Connects a connector of a conf, pings it, and closes it.
    ///
    /// # Errors
    ///
    /// When no connector of its type is registered, when it cannot connect, and when it does not
    /// answer; the error names the connector.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub async fn ping(&self, conn: &ConnConf) -> Result<()> {
        if let Some(unset) = conn.unset_secrets().first() {
            return Err(format!("connector `{}`: {unset}", conn.cname).into());
        }
        let Some(def) = self.connectors.iter().find(|def| def.engine == conn.engine) else {
            let (cname, engine) = (&conn.cname, &conn.engine);
            let message = format!("connector `{cname}`: no type \"{engine}\" is registered");
            return Err(message.into());
        };
        let slot = ConnectorSlot::new(conn.clone(), *def);
        if let Err(cause) = slot.connect().await {
            return Err(format!("connector `{}`: {}", conn.cname, error_chain(&*cause)).into());
        }
        slot.away().await.map_or(Ok(()), |why| Err(why.into()))
    }

    /// Connects a connector of a conf that keeps durable entries, and nothing else. For tools that
    /// read positions, or copy a store to another.
    ///
    /// # Errors
    ///
    /// When no connector of its type is registered, when it keeps no durable entries, and when it
    /// cannot connect; the error names the connector.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub async fn durable(&self, conn: &ConnConf) -> Result<Arc<dyn Durable>> {
        let (cname, engine) = (&conn.cname, &conn.engine);
        let Some(def) = self.connectors.iter().find(|def| def.engine == conn.engine) else {
            return Err(format!("connector `{cname}`: no type \"{engine}\" is registered").into());
        };
        let keeps =
            format!("connector `{cname}` has `type: {engine}`, which does not outlive the process");
        if !def.endures {
            return Err(keeps.into());
        }
        let slot = ConnectorSlot::new(conn.clone(), *def);
        if let Err(cause) = slot.connect().await {
            return Err(format!("connector `{cname}`: {}", error_chain(&*cause)).into());
        }
        slot.connected()?.durable().ok_or_else(|| keeps.into())
    }

    /// Returns the connectors of a conf that keep durable entries: where positions and quarantine
    /// are, or may have been before.
    #[must_use]
    pub fn durable_conns(&self, conf: &Conf) -> Vec<ConnConf> {
        let endures = |conn: &&ConnConf| {
            self.connectors.iter().any(|def| def.engine == conn.engine && def.endures)
        };
        conf.connectors.values().filter(endures).cloned().collect()
    }

    /// Returns whether connectors of a type can start an engine for one test, as
    /// `test: {redis: private}` of a conf asks.
    #[must_use]
    pub fn has_private(&self, engine: &str) -> bool {
        self.connectors.iter().any(|def| def.engine == engine && def.private.is_some())
    }

    /// Returns the names of the functions.
    pub fn function_names(&self) -> impl Iterator<Item = &'static str> {
        self.functions.iter().map(|def| def.name)
    }

    /// The same function added twice counts once: `linked()` may have found what the program names.
    fn add_function(&mut self, def: FunctionDef) {
        if !self
            .functions
            .iter()
            .any(|known| (known.type_name)() == (def.type_name)() && known.place == def.place)
        {
            self.functions.push(def);
        }
    }

    fn add_caas(&mut self, def: CaasDef) {
        // A `macro_rules!` may define several at one place.
        if !self
            .caas
            .iter()
            .any(|known| (known.type_name)() == (def.type_name)() && known.place == def.place)
        {
            self.caas.push(def);
        }
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}
