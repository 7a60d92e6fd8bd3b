//! `kistype: test`: a unit test of a flow or of one function. Linking checks nothing of it; the
//! command line does, which runs the tests.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    Origin, Problem, RawParam, RawParams, is_default,
    node::{Kind, Node},
    section::{Section, raw},
};

/// `kistype: test`: rows that are given to a flow or to one function, and what is expected of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TestConf {
    /// The test's name.
    pub tname: String,
    /// The flow that is tested; or else:
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow: Option<String>,
    /// The function that is tested alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// Params of the function, over its `default_params`.
    #[serde(skip_serializing_if = "RawParams::is_empty")]
    pub params: RawParams,
    /// What is there.
    pub given: GivenConf,
    /// What has to come of it.
    pub expect: ExpectConf,
    #[serde(skip)]
    pub(crate) origin: Origin,
}

/// The records of connectors: by connector, then by id. Numbers have the digits of the file.
pub type TestRecords = BTreeMap<String, BTreeMap<String, RawParams>>;

/// `given` of a test.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GivenConf {
    /// The rows, any JSON values, whose numbers have the digits of the file; a row that is to be no
    /// JSON is given as a text under `raw`.
    pub rows: Vec<RawParam>,
    /// Rows as their bytes would come, behind `rows`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub raw: Vec<String>,
    /// Records that the connectors hold already.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub records: TestRecords,
}

/// `expect` of a test. What it does not mention may be anything, but a run that fails, or that
/// rejects rows, without being expected to, fails the test.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ExpectConf {
    /// The rows that come out, in their order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<Vec<RawParam>>,
    /// `completed`, `aborted` or `failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// What the function asks of its flow: `Reuse`, `Force`, `Abort`, `Jump(AvgStuScore)`, several
    /// with `|`. For a test of one function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The functions that are called, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<Vec<String>>,
    /// The rows that are rejected, in order.
    #[serde(skip_serializing_if = "is_default")]
    pub rejected: Vec<RejectedConf>,
    /// A part of the error that the run fails with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Records that the connectors hold afterwards, with at least these fields.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub records: TestRecords,
}

/// A row that a test expects to be rejected.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RejectedConf {
    /// Its position in what the function was given, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
    /// The function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// A part of the cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

impl TestConf {
    /// A problem with a key of it; the line is that of the nearest key around it.
    pub fn problem(&self, key: &str, message: impl Into<String>) -> Problem {
        self.origin.problem(format!("test `{}`", self.tname), key, message)
    }

    /// `file:line` of a key, for messages; the line is that of the nearest key around it.
    #[must_use]
    pub fn place(&self, key: &str) -> String {
        self.origin.cite(key)
    }
}

pub(super) fn test(section: &mut Section<'_>) -> Option<TestConf> {
    let tname = section.name("tname");
    let flow = section.text("flow");
    let function = section.text("function");
    if flow.is_some() == function.is_some() {
        let line = section.line();
        section.problem(
            "flow",
            line,
            "a test has either a `flow` or a `function`, which it is a test of",
        );
    }
    let params = section.params("params");
    let given = section.section("given", given);
    let expect = section.section("expect", |expect| {
        let rows = values(expect, "rows");
        let calls = expect.take("calls").is_some().then(|| expect.texts("calls"));
        let rejected = expect.sections("rejected", |rejected| {
            Some(RejectedConf {
                row: rejected.number("row"),
                function: rejected.text("function"),
                cause: rejected.text("cause"),
            })
        });
        ExpectConf {
            rows,
            outcome: expect.text("outcome"),
            action: expect.text("action"),
            calls,
            rejected,
            error: expect.text("error"),
            records: records(expect, "records"),
        }
    });
    Some(TestConf { tname: tname?, flow, function, params, given, expect, origin: Origin::Code })
}

/// `given`, wherever it stands.
pub(super) fn given(section: &mut Section<'_>) -> GivenConf {
    GivenConf {
        rows: values(section, "rows").unwrap_or_default(),
        raw: section.texts("raw"),
        records: records(section, "records"),
    }
}

/// A list of any values.
fn values(section: &mut Section<'_>, key: &'static str) -> Option<Vec<RawParam>> {
    let node = section.take(key)?;
    let Kind::List(items) = &node.kind else {
        section.problem(key, node.line, format!("expected a list, found {}", node.describe()));
        return None;
    };
    Some(items.iter().map(raw).collect())
}

/// Reads records by connector and id.
fn records(section: &mut Section<'_>, key: &'static str) -> TestRecords {
    let Some(node) = section.take(key) else { return TestRecords::new() };
    let mut records = TestRecords::new();
    for (cname, node) in entries(section, key, node, "a map of connectors") {
        let path = format!("{key}.{cname}");
        let by_id = records.entry(cname.clone()).or_default();
        for (id, node) in entries(section, &path, node, "records by id") {
            let path = format!("{path}.{id}");
            let fields = entries(section, &path, node, "the fields of a record");
            let fields = fields.iter().map(|(name, node)| (name.clone(), raw(node)));
            by_id.insert(id.clone(), fields.collect());
        }
    }
    records
}

/// The entries of a map; a problem, and none, where something else is `expected`.
fn entries<'a>(
    section: &mut Section<'_>,
    path: &str,
    node: &'a Node,
    expected: &str,
) -> &'a [(String, Node)] {
    let Kind::Map(fields) = &node.kind else {
        section.problem(path, node.line, format!("expected {expected}, found {}", node.describe()));
        return &[];
    };
    fields
}
