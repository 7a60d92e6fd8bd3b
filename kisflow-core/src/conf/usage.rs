//! Which pieces of a conf are used by others that run.

use super::{Conf, FlowConf, Status};

impl Conf {
    /// Returns whether the quarantine uses a connector of this name, or a function that is not idle.
    pub(crate) fn uses(&self, cname: &str) -> bool {
        let named = |name: &Option<String>| name.as_deref() == Some(cname);
        let listed = self.connectors.get(cname).is_some_and(|conn| {
            conn.load.iter().chain(&conn.save).any(|fname| !self.is_idle(fname))
        });
        let by_function = || {
            self.functions.values().any(|function| {
                let option = &function.option;
                let names =
                    named(&option.cname) || option.cnames.values().any(|name| name == cname);
                names && !self.is_idle(&function.fname)
            })
        };
        listed || named(&self.global.quarantine.cname) || by_function()
    }

    /// Returns whether a function is in flows of which none runs. A function that is in no flow is not
    /// idle: it may be appended to one.
    pub(crate) fn is_idle(&self, fname: &str) -> bool {
        let has = |flow: &&FlowConf| flow.flows.iter().any(|step| step.fname == fname);
        let mut flows = self.flows.values().filter(has).peekable();
        flows.peek().is_some() && flows.all(|flow| flow.status == Status::Disabled)
    }
}
