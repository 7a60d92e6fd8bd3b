//! What `#[faas]` and `#[caas]` promise when they succeed; `ui/fail` has what they refuse.

#![allow(missing_docs, reason = "a test program has no readers of docs")]
#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod caas;
mod names;
mod parameters;
mod results;

use kisflow::{Function, LoadError, prelude::*};

/// kisflow, but for the list that `Registry::linked()` reads: functions with `crate = crate::unlisted`
/// may have the same names as others.
mod unlisted {
    pub(crate) use kisflow::*;

    macro_rules! submit_nothing {
        ($definition:expr) => {};
    }
    pub(crate) use submit_nothing as __submit;
}

/// Runs a flow of one function over rows of JSON.
async fn run<F: Function>(rows: &[&str]) -> Report {
    run_conf(Registry::new().function::<F>(), FlowConf::new("Flow").then::<F>(), rows).await
}

/// Runs the flow `Flow` of a conf, all rows accounted for.
async fn run_conf(registry: Registry, conf: impl Into<Conf>, rows: &[&str]) -> Report {
    let flows = registry.link(conf).await.unwrap();
    let report = flows.get("Flow").unwrap().run(Batch::json(rows.iter().copied())).await.unwrap();
    report.assert_balanced();
    report
}

/// What the flow handed on, one row a line.
fn output(report: &Report) -> Vec<String> {
    report.output().to_ndjson().unwrap().lines().map(str::to_owned).collect()
}

/// The one problem of a conf that does not link.
async fn problem(registry: Registry, conf: impl Into<Conf>) -> String {
    let error: LoadError = registry.link(conf).await.unwrap_err();
    assert!(error.is_conf());
    assert_eq!(error.problems().len(), 1, "{error}");
    error.to_string()
}
