//! Runs one test: what came of it, as plain values.

use std::collections::BTreeMap;

use kisflow_core::{
    Action, Batch, Flows, RawParam, Reject, Report, RunError, RunOutcome, TestConf, error_chain,
};
use serde::Serialize;

use super::{
    compare::compare,
    diff::Difference,
    prepare::{THIS, flow_name},
    value::Json,
};
use crate::given::unused;

/// What came of a test.
pub(super) struct Came {
    /// The rows that came out, or why they cannot be shown.
    pub(super) rows: Result<Vec<Json>, String>,
    pub(super) outcome: &'static str,
    /// What the last function asked of its flow.
    pub(super) action: Option<Action>,
    pub(super) calls: Vec<String>,
    pub(super) rejected: Vec<Rejected>,
    /// Why the run failed, if it did.
    pub(super) error: Option<String>,
    /// The records that the test asks about, as far as they are there.
    pub(super) records: BTreeMap<String, BTreeMap<String, Option<Fields>>>,
}

/// A record's fields, as text.
pub(super) type Fields = BTreeMap<String, String>;

/// A row that was rejected.
#[derive(Serialize)]
pub(super) struct Rejected {
    pub(super) row: usize,
    pub(super) function: String,
    pub(super) cause: String,
}

impl Rejected {
    fn new(reject: &Reject) -> Self {
        let cause = error_chain(reject.cause());
        let cause = match reject.field() {
            Some(field) => format!("field `{field}`: {cause}"),
            None => cause.to_string(),
        };
        Self { row: reject.index(), function: reject.function().to_owned(), cause }
    }
}

/// Runs a test that has been prepared, and tells in what it is not as expected.
pub(super) async fn run(flows: &Flows, test: &TestConf) -> Vec<Difference> {
    let at = |key: &str, message: String| vec![Difference::new(test.place(key), message)];
    let flow = match flows.get(flow_name(test)) {
        Ok(flow) => flow,
        Err(unknown) => return at("flow", unknown.to_string()),
    };
    let rows = test.given.rows.iter().map(RawParam::to_json_text);
    let rows = Batch::json(rows.chain(test.given.raw.iter().cloned()));
    let mut came = match flow.trace(rows).await {
        Ok(report) => Came::new(&report, None, test),
        Err(error) => Came::new(error.report(), Some(&error), test),
    };
    match records(flows, test).await {
        Ok(records) => came.records = records,
        Err((cname, message)) => return at(&format!("expect.records.{cname}"), message),
    }
    compare(test, &came)
}

impl Came {
    fn new(report: &Report, error: Option<&RunError>, test: &TestConf) -> Self {
        let last = report.visits().last();
        let action = last.and_then(|visit| visit.action.clone());
        // The flow of a function alone has nothing to jump to.
        let jumped = test.function.is_some() && error.is_some_and(RunError::is_jump);
        let error = error.filter(|_| !(jumped && jumps(&action) == 1));
        let output = match (&test.function, last) {
            (Some(_), Some(visit)) => visit.handed_on.clone().unwrap_or_default(),
            _ => report.output(),
        };
        Self {
            rows: json_rows(&output),
            outcome: match report.outcome() {
                _ if error.is_some() => "failed",
                RunOutcome::Aborted => "aborted",
                _ => "completed",
            },
            action,
            calls: report.visits().iter().map(|visit| visit.function.to_string()).collect(),
            rejected: report.rejected().iter().map(Rejected::new).collect(),
            error: error.map(|error| error_chain(error).to_string()),
            records: BTreeMap::new(),
        }
    }
}

/// To how many places an action jumps.
fn jumps(action: &Option<Action>) -> usize {
    action.as_ref().map_or(0, |action| action.to_string().matches("Jump(").count())
}

/// Each row as JSON; one that is none, as its text.
fn json_rows(batch: &Batch) -> Result<Vec<Json>, String> {
    let text = batch.to_ndjson().map_err(|error| error_chain(&*error).to_string())?;
    let row = |line: &str| Json::parse(line).unwrap_or_else(|_| Json::Text(line.to_owned()));
    Ok(text.lines().map(row).collect())
}

/// The records that the test asks about; an error names the connector.
async fn records(
    flows: &Flows,
    test: &TestConf,
) -> Result<BTreeMap<String, BTreeMap<String, Option<Fields>>>, (String, String)> {
    let mut found = BTreeMap::new();
    for (cname, expected) in &test.expect.records {
        let failed = |message: String| (cname.clone(), message);
        let store = flows.store(cname).ok_or_else(|| failed(unused(THIS, cname)))?;
        let read = store.get::<Fields>(expected.keys()).await;
        let read = read.map_err(|error| failed(error_chain(&*error).to_string()))?;
        let read = expected.keys().cloned().zip(read.into_iter().map(Result::ok)).collect();
        found.insert(cname.clone(), read);
    }
    Ok(found)
}
