//! A connector of the conf, built in code.

use super::{ConnConf, Origin, Problem, RawParam, RawParams};

impl ConnConf {
    /// A connector to an engine: `memory`, `redis`, …
    pub fn new(cname: impl Into<String>, engine: impl Into<String>) -> Self {
        Self {
            cname: cname.into(),
            engine: engine.into(),
            addrs: String::new(),
            key: String::new(),
            params: RawParams::new(),
            load: Vec::new(),
            save: Vec::new(),
            test: None,
            origin: Origin::Code,
        }
    }

    /// The secrets that are not set.
    pub(crate) fn unset_secrets(&self) -> &[Problem] {
        self.origin.unset()
    }

    /// Sets the engine's address.
    #[must_use]
    pub fn addrs(mut self, addrs: impl Into<String>) -> Self {
        self.addrs = addrs.into();
        self
    }

    /// Sets the prefix of the id of every record.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = key.into();
        self
    }

    /// Adds a param for the engine.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<RawParam>) -> Self {
        self.params.insert(name, value);
        self
    }

    /// Adds a Load function that uses it.
    #[must_use]
    pub fn load(mut self, fname: impl Into<String>) -> Self {
        self.load.push(fname.into());
        self
    }

    /// Adds a Save function that uses it.
    #[must_use]
    pub fn save(mut self, fname: impl Into<String>) -> Self {
        self.save.push(fname.into());
        self
    }

    /// Lets each test start a private engine in its place, instead of a memory.
    #[must_use]
    pub fn private_in_tests(mut self) -> Self {
        self.test = Some(self.engine.clone());
        self
    }

    /// Returns `file:line` of its name, for messages; "the code" if it was built in code.
    ///
    /// ```
    /// use kisflow_core::ConnConf;
    ///
    /// assert_eq!(ConnConf::new("Invoices", "memory").place(), "the code");
    /// ```
    #[must_use]
    pub fn place(&self) -> String {
        self.origin.cite("cname")
    }
}
