//! [`Flow::append`]: a function that is added while the flow runs.

use super::{Chain, Flow};
use crate::{
    conf::{ConfError, StepConf},
    link::{Linker, LoadError, Prepared},
};

impl Flow {
    /// Adds a function to the end of the chain while the flow runs. Runs in progress keep the old
    /// chain, later runs take the new one; no run waits.
    ///
    /// # Errors
    ///
    /// When the function does not link, or its connector does not connect; the chain is then
    /// unchanged.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the chain unchanged.
    pub async fn append(&self, step: impl Into<StepConf>) -> Result<(), LoadError> {
        let step = step.into();
        let linked = &self.inner.linked;
        let appended = |chain: &Chain| {
            let mut conf = chain.conf.clone();
            conf.flows.push(step.clone());
            conf
        };
        let conf = appended(&self.inner.chain.load());
        let mut problems = Vec::new();
        let prepared = linked.linker.step(&conf, conf.flows.len() - 1, &mut problems);
        let is_keyed = prepared.as_ref().is_some_and(|prepared| prepared.is_keyed);
        let jumps = |prepared: &Prepared| !prepared.conf.option.jump.is_empty();
        if is_keyed || self.keyed().is_some() && prepared.as_ref().is_some_and(jumps) {
            let message = match is_keyed {
                true => {
                    "a function that keeps state cannot be appended while the flow runs; add it to the flow's conf"
                }
                false => {
                    "a function that jumps cannot be appended to a flow whose functions keep state"
                }
            };
            let path = format!("flows[{}].fname", conf.flows.len() - 1);
            let subject = format!("flow `{}`", conf.flow_name);
            problems.push(conf.origin.problem(subject, &path, message));
        }
        ConfError::check(problems)?;
        let Some(prepared) = prepared else { return Ok(()) };
        linked.health.add_connectors(&Linker::connect(&prepared.connectors).await?);
        let node = linked.node(&conf.flow_name, prepared);
        // Other calls may append at the same time: each adds to the chain of that moment.
        self.inner.chain.rcu(|chain| {
            let nodes = chain.nodes.iter().cloned().chain([node.clone()]).collect();
            Chain::new(appended(chain), nodes)
        });
        Ok(())
    }
}
