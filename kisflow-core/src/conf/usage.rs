//! Which pieces of a conf are used by others that run.

use std::collections::HashSet;

use super::{Conf, Status};

/// The connectors that something uses, and the functions that no running flow uses.
pub(crate) struct InUse<'c> {
    connectors: HashSet<&'c str>,
    idle: HashSet<&'c str>,
}

impl Conf {
    /// Goes through the conf once.
    pub(crate) fn in_use(&self) -> InUse<'_> {
        let of = |status: Status| {
            let flows = self.flows.values().filter(move |flow| flow.status == status);
            flows.flat_map(|flow| &flow.flows).map(|step| step.fname.as_str())
        };
        let runs: HashSet<&str> = of(Status::Enabled).collect();
        let idle: HashSet<&str> =
            of(Status::Disabled).filter(|fname| !runs.contains(fname)).collect();
        let mut connectors: HashSet<&str> =
            self.global.quarantine.cname.as_deref().into_iter().collect();
        for function in self.functions.values().filter(|it| !idle.contains(it.fname.as_str())) {
            let option = &function.option;
            connectors
                .extend(option.cname.iter().chain(option.cnames.values()).map(String::as_str));
        }
        for conn in self.connectors.values() {
            if conn.load.iter().chain(&conn.save).any(|fname| !idle.contains(fname.as_str())) {
                connectors.insert(&conn.cname);
            }
        }
        InUse { connectors, idle }
    }
}

impl<'c> InUse<'c> {
    /// Whether the quarantine or a function that is not idle uses a connector.
    pub(crate) fn has_connector(&self, cname: &str) -> bool {
        self.connectors.contains(cname)
    }

    /// Whether a function is in flows of which none runs. A function that is in no flow is not idle:
    /// it may be appended to one.
    pub(crate) fn is_idle(&self, fname: &str) -> bool {
        self.idle.contains(fname)
    }

    /// The functions that are idle.
    pub(crate) fn idle(self) -> HashSet<&'c str> {
        self.idle
    }
}
