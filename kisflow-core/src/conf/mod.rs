//! Conf: KisFlow's YAML files as plain structs that are also builders.
//!
//! [`Conf::read`] reads a directory into the structs below, [`Conf::write`] writes them to one.
//! Their fields have KisFlow's names.

mod address;
mod builder;
mod conn;
mod duration;
mod given;
mod node;
mod params;
mod parse;
mod private;
mod problem;
mod quarantine;
mod read;
mod scalar;
mod section;
mod source;
mod test;
mod usage;
mod variables;
mod write;

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use crate::millis;

pub use self::address::{Address, AddressError};
pub use self::given::GivenFile;
pub(crate) use self::params::is_secret;
pub use self::params::{ParamError, RawParam, RawParams, redact_secrets};
pub use self::problem::{ConfError, Problem, suggest};
pub(crate) use self::problem::{Origin, in_order, nearest};
pub use self::quarantine::{QuarantineConf, WaitingConf, WhenFull};
pub(crate) use self::section::name_fault;
pub use self::source::{BatchConf, Ordered, SourceConf, Start};
pub use self::test::{ExpectConf, GivenConf, RejectedConf, TestConf, TestRecords};
pub(crate) use self::usage::InUse;

/// Everything in a directory of conf.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Conf {
    /// `kistype: flow`, by `flow_name`.
    pub flows: BTreeMap<String, FlowConf>,
    /// `kistype: func`, by `fname`.
    pub functions: BTreeMap<String, FunctionConf>,
    /// `kistype: conn`, by `cname`.
    pub connectors: BTreeMap<String, ConnConf>,
    /// `kistype: source`, by `sname`.
    pub sources: BTreeMap<String, SourceConf>,
    /// `kistype: test`, by `tname`.
    pub tests: BTreeMap<String, TestConf>,
    /// `kistype: global`.
    pub global: GlobalConf,
    /// Duplicate names; a problem when the conf is linked.
    pub(crate) repeated: Vec<Problem>,
}

/// `kistype: flow`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FlowConf {
    /// The flow's name.
    pub flow_name: String,
    /// `1` runs, `0` does not (default 1).
    #[serde(serialize_with = "write::status")]
    pub status: Status,
    /// What happens to rows that a function cannot use (default `fail`).
    pub on_reject: OnReject,
    /// Which rows of a batch that a source read end with it when a function aborts (default: `row`
    /// for Verify functions, `batch` for others).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort: Option<AbortScope>,
    /// What holds for a row after a crash (default `at_least_once`).
    #[serde(skip_serializing_if = "Guarantee::is_default")]
    pub guarantee: Guarantee,
    /// The values of fields that a row lacks (default: as in the global conf).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row_defaults: Option<RowDefaults>,
    /// The most jumps that one run may make (default 1,000).
    pub jump_limit: u32,
    /// The source of the flow's rows when it runs by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The functions in the order of the chain.
    pub flows: Vec<StepConf>,
    #[serde(skip)]
    pub(crate) origin: Origin,
}

/// Whether a flow runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// `status: 1`.
    #[default]
    Enabled,
    /// `status: 0`: a run hands its rows back unchanged.
    Disabled,
}

/// What a flow does with rows that a function cannot use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum OnReject {
    /// The run fails with every rejected row in its error; no later function runs.
    #[default]
    Fail,
    /// The good rows go on; the rejected ones are in the report, each with its cause.
    Quarantine,
}

/// Which rows of a batch that a source read end when a function returns
/// [`Action::Abort`](crate::Action::Abort).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum AbortScope {
    /// `row`: the rows for which it aborts when it is called with each alone. It is called again
    /// with parts of the batch, so it should have no effects of its own.
    #[serde(rename = "row")]
    EachRow,
    /// `batch`: all of them.
    #[serde(rename = "batch")]
    WholeBatch,
}

/// What holds for a row of a source after a crash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Guarantee {
    /// `at_least_once`: a row that is redelivered is worked on again, and counts again in states.
    #[default]
    AtLeastOnce,
    /// `exactly_once`: each row is in the states of the flow once. For flows whose functions keep
    /// state, of sources whose redelivered rows can be recognized.
    ExactlyOnce,
}

impl Guarantee {
    const WORDS: [(&'static str, Self); 2] =
        [("at_least_once", Self::AtLeastOnce), ("exactly_once", Self::ExactlyOnce)];

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The values of fields of a function's row type that a row lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RowDefaults {
    /// `require`: as the row type says. Without `Option` or `#[serde(default)]` the row is
    /// rejected.
    #[default]
    Require,
    /// `go`: as in Go's `encoding/json`. A field that is missing or `null` is the zero value of its
    /// type, and keys ignore case if none matches exactly. Such rows are read more slowly.
    Go,
}

impl RowDefaults {
    const WORDS: [(&'static str, Self); 2] = [("require", Self::Require), ("go", Self::Go)];
}

/// What happens to rows that lack a field of a function's `source.must`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum MustCheck {
    /// `reject`: the row is rejected, with the field.
    #[default]
    Reject,
    /// `warn`: the function gets the row. A warning has the number of such rows; it is logged at
    /// most every ten seconds for each field. A metric counts them as well.
    Warn,
    /// `off`: the function gets the row, as in KisFlow; no row is checked.
    Off,
}

impl MustCheck {
    const WORDS: [(&'static str, Self); 3] =
        [("reject", Self::Reject), ("warn", Self::Warn), ("off", Self::Off)];
}

/// One function of a flow's chain.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct StepConf {
    /// The function's name.
    pub fname: String,
    /// Params of this place in the chain; they overlay the function's `default_params`.
    #[serde(skip_serializing_if = "RawParams::is_empty")]
    pub params: RawParams,
}

/// `kistype: func`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FunctionConf {
    /// The function's name, that of its `#[faas]`.
    pub fname: String,
    /// What kind of work it does.
    pub fmode: Mode,
    /// A description of its rows, and the fields that they must have.
    #[serde(skip_serializing_if = "is_default")]
    pub source: FunctionSourceConf,
    /// How it is called.
    #[serde(skip_serializing_if = "is_default")]
    pub option: OptionConf,
    #[serde(skip)]
    pub(crate) origin: Origin,
}

/// A function's mode: Verify, Save, Load, Calculate or Expand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub enum Mode {
    /// Checks rows and filters them.
    Verify,
    /// Writes rows to its connector.
    Save,
    /// Reads from its connector.
    Load,
    /// Computes.
    #[default]
    Calculate,
    /// Anything else: notifies, prints, publishes.
    Expand,
}

impl Mode {
    pub(crate) const ALL: [Self; 5] =
        [Self::Verify, Self::Save, Self::Load, Self::Calculate, Self::Expand];

    /// Returns the name in conf and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verify => "Verify",
            Self::Save => "Save",
            Self::Load => "Load",
            Self::Calculate => "Calculate",
            Self::Expand => "Expand",
        }
    }
}

/// `source` of a function.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FunctionSourceConf {
    /// A description of the rows.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Fields that each JSON object row must have (present; `null` counts) when it reaches the
    /// function. At most 64.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub must: Vec<String>,
}

/// `option` of a function.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct OptionConf {
    /// What happens to rows that lack a field of `source.must` (default: that of the global conf).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub must: Option<MustCheck>,
    /// The connector that it saves to or loads from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cname: Option<String>,
    /// The fields by which rows have the same state, for a function that keeps state (`&mut S`). Conf
    /// has one key for both: `key: card`, or `key: [origin, hour]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
    /// Several connectors, each by the name of the parameter that takes it. Conf has one key for
    /// both: `cname: Orders`, or `cname: {orders: Orders, log: Audit}`.
    #[serde(rename = "cname", skip_serializing_if = "BTreeMap::is_empty")]
    pub cnames: BTreeMap<String, String>,
    /// How often a failed call is repeated (default 0).
    #[serde(skip_serializing_if = "is_default")]
    pub retry_times: u32,
    /// The pause before the first repetition (default 100 ms); it doubles each time, up to a
    /// minute, and is jittered. KisFlow spells it `return_duration`.
    #[serde(with = "millis::option", skip_serializing_if = "Option::is_none")]
    pub retry_duration: Option<Duration>,
    /// How long one call may take (default: no limit).
    #[serde(with = "millis::option", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// The functions that this one may jump to. Linking checks the jumps that are declared here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub jump: Vec<String>,
    /// Params, unless the flow has others.
    #[serde(skip_serializing_if = "RawParams::is_empty")]
    pub default_params: RawParams,
}

/// `kistype: conn`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ConnConf {
    /// The connector's name.
    pub cname: String,
    /// The engine: `memory`, `redis`, …; empty if the file has none, which is allowed for an unused
    /// connector.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub engine: String,
    /// Where it listens: `host:port`, several with commas; for an embedded engine its file.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub addrs: String,
    /// The prefix of the id of every record.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// The engine's params.
    #[serde(skip_serializing_if = "RawParams::is_empty")]
    pub params: RawParams,
    /// Load functions that use it, if they name no connector themselves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub load: Vec<String>,
    /// Save functions that use it, if they name no connector themselves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub save: Vec<String>,
    /// The type of the private engine that each test starts in its place; in the file
    /// `test: {redis: private}` (default: tests use a memory).
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "private::write")]
    pub test: Option<String>,
    #[serde(skip)]
    pub(crate) origin: Origin,
}

/// `kistype: global`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GlobalConf {
    /// Whether metrics are kept for Prometheus.
    pub prometheus_enable: bool,
    /// Whether kisflow itself serves them over HTTP.
    pub prometheus_listen: bool,
    /// The address to serve them at: `0.0.0.0:20004`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub prometheus_serve: String,
    /// The values of fields that a row lacks, in every flow without a setting of its own (default
    /// `require`).
    #[serde(skip_serializing_if = "is_default")]
    pub row_defaults: RowDefaults,
    /// What happens to rows that lack a field of `source.must`, in every function without a setting
    /// of its own (default `reject`).
    #[serde(skip_serializing_if = "is_default")]
    pub must: MustCheck,
    /// How long a flow that is asked to stop may work on what it has read (default 30 s); what is
    /// not done then is given back to its source. The key is `grace_ms`.
    #[serde(
        rename = "grace_ms",
        with = "millis",
        skip_serializing_if = "source::is_default_grace"
    )]
    pub grace: Duration,
    /// The store of rows that cannot be processed.
    #[serde(skip_serializing_if = "is_default")]
    pub quarantine: QuarantineConf,
    /// Rows that wait there for what is unavailable.
    #[serde(skip_serializing_if = "is_default")]
    pub waiting: WaitingConf,
    #[serde(skip)]
    pub(crate) origin: Origin,
}

/// The default of `retry_duration`, of functions and of sources.
pub(crate) const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// The default of `grace_ms`.
const GRACE: Duration = Duration::from_secs(30);

impl Default for GlobalConf {
    fn default() -> Self {
        Self {
            prometheus_enable: false,
            prometheus_listen: false,
            prometheus_serve: String::new(),
            row_defaults: RowDefaults::Require,
            must: MustCheck::Reject,
            grace: GRACE,
            quarantine: QuarantineConf::default(),
            waiting: WaitingConf::default(),
            origin: Origin::Code,
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
