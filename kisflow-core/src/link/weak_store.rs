//! Stores that may lose what they have confirmed, of flows that are to be exact.

use super::{Linker, elsewhere::store};
use crate::{
    conf::{Conf, FlowConf, Guarantee, Status},
    error::Result,
    registry::Registry,
};

impl Registry {
    /// Why flows with `guarantee: exactly_once` may not be exact: the settings of their store's server
    /// allow it to lose what it has confirmed. `check --connect` reports them, and
    /// [`Flows::serve`](crate::Flows::serve) warns.
    ///
    /// # Errors
    ///
    /// When the store cannot connect or be asked.
    pub async fn weak_stores(&self, conf: &Conf) -> Result<Vec<String>> {
        Linker::new(self.clone(), conf, &mut Vec::new()).weak_stores(conf).await
    }
}

impl Linker {
    pub(crate) async fn weak_stores(&self, conf: &Conf) -> Result<Vec<String>> {
        let is_exact = |flow: &&FlowConf| {
            flow.status == Status::Enabled && flow.guarantee == Guarantee::ExactlyOnce
        };
        let exact: Vec<&str> =
            conf.flows.values().filter(is_exact).map(|flow| &*flow.flow_name).collect();
        let slot = self.durable.as_ref().filter(|_| !self.registry.stubs && !exact.is_empty());
        let Some(slot) = slot else { return Ok(Vec::new()) };
        let Some(why) = store(slot).await?.may_lose().await? else { return Ok(Vec::new()) };
        let problem = |flow: &str| {
            let cname = &slot.conf.cname;
            format!(
                "flow `{flow}` has `guarantee: exactly_once`, and its store `{cname}` may lose what it has confirmed: {why}"
            )
        };
        Ok(exact.into_iter().map(problem).collect())
    }
}
