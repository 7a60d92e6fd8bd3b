//! Reading and linking the conf, for commands.

use std::path::Path;

use kisflow_core::{Conf, Flows, Inspection, LoadError, Registry};

use crate::{failure::Failure, problem};

/// Looks at the conf, and fails with every problem that it has.
pub(crate) fn inspect(registry: Registry, dir: &Path) -> Result<Inspection, Failure> {
    let inspection = registry.inspect(dir);
    match inspection.problems.as_slice() {
        [] => Ok(inspection),
        problems => Err(Failure::Usage(problem::render_all(problems))),
    }
}

/// The conf for a command that is not the service itself: it must not take the service's port.
pub(crate) fn aside(mut conf: Conf) -> Conf {
    conf.global.prometheus_enable = false;
    conf
}

/// Links and connects.
pub(crate) async fn link(registry: Registry, conf: Conf) -> Result<Flows, Failure> {
    registry.link(conf).await.map_err(|error: LoadError| Failure::because(&error))
}
