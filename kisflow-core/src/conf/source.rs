//! `kistype: source`: the structs, their builders, and how they are read.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::millis;

use super::{
    Origin, RawParam, RawParams,
    node::{Kind, Node},
    scalar::boolean,
    section::Section,
};

/// `kistype: source`: where flows that run by themselves get their rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SourceConf {
    /// The source's name; a flow refers to it with `source: <sname>`.
    pub sname: String,
    /// The type: `redis_stream`, `nats`, `file`, …
    #[serde(rename = "type")]
    pub engine: String,
    /// The address of its server, or at which to listen: `host:port`, several with commas.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub addrs: String,
    /// What to read there: a stream, a subject, a path.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// The readers that share the rows (default: the flow's name, so that each flow reads all of
    /// them). Processes with the same conf share them.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The size of a batch.
    pub batch: BatchConf,
    /// The most batches in progress at once, at least 1 (default 4). While so many are, the source
    /// is not read.
    pub in_flight: u32,
    /// The most bytes of rows in progress at once, as they arrived, at least 1 (default 64 MiB). While
    /// there are so many, the source is not read; one batch may be larger.
    pub in_flight_bytes: u64,
    /// Where a new group begins (default `earliest`).
    pub start: Start,
    /// Which order is kept (default none).
    pub ordered: Ordered,
    /// Whether a failed batch is split until the rows that cannot be processed are isolated
    /// (default true); otherwise the whole batch goes to quarantine.
    pub isolate: bool,
    /// How often an isolated row that fails is tried again before it goes to quarantine (default
    /// 2).
    pub retry_times: u32,
    /// The pause before the first repetition (default 100 ms); it doubles each time.
    #[serde(with = "millis")]
    pub retry_duration: Duration,
    /// The source's params.
    #[serde(skip_serializing_if = "RawParams::is_empty")]
    pub params: RawParams,
    #[serde(skip)]
    pub(crate) origin: Origin,
}

/// `batch` of a source.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BatchConf {
    /// The most rows of a batch, at least 1 (default 500).
    pub rows: u32,
    /// How long a batch that is not full waits for more rows (default 50 ms). The key is `wait_ms`.
    #[serde(rename = "wait_ms", with = "millis")]
    pub wait: Duration,
}

impl Default for BatchConf {
    fn default() -> Self {
        Self { rows: 500, wait: Duration::from_millis(50) }
    }
}

/// Where a new group begins to read. Not `#[non_exhaustive]`: a source has to know all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// `earliest`: at the first existing row.
    #[default]
    Earliest,
    /// `latest`: at the first row that arrives from now on.
    Latest,
    /// Behind a position, in the source's own form.
    After(String),
}

impl Serialize for Start {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Earliest => "earliest",
            Self::Latest => "latest",
            Self::After(position) => position,
        })
    }
}

/// Which order is kept between rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ordered {
    /// `ordered: false`: batches overtake each other. Within a batch rows keep their order.
    #[default]
    No,
    /// `ordered: true`: the batches of one partition run one after the other.
    Partition,
    /// `ordered: {key: field}`: rows with the same value in this field run one after the other.
    Key(String),
}

impl Serialize for Ordered {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::No => serializer.serialize_bool(false),
            Self::Partition => serializer.serialize_bool(true),
            Self::Key(field) => serializer.collect_map([("key", field)]),
        }
    }
}

impl SourceConf {
    /// A source of a type: `redis_stream`, `nats`, `file`, …
    pub fn new(sname: impl Into<String>, engine: impl Into<String>) -> Self {
        Self {
            sname: sname.into(),
            engine: engine.into(),
            addrs: String::new(),
            key: String::new(),
            group: String::new(),
            batch: BatchConf::default(),
            in_flight: 4,
            in_flight_bytes: 64 << 20,
            start: Start::Earliest,
            ordered: Ordered::No,
            isolate: true,
            retry_times: 2,
            retry_duration: super::RETRY_PAUSE,
            params: RawParams::new(),
            origin: Origin::Code,
        }
    }

    /// Sets the address.
    #[must_use]
    pub fn addrs(mut self, addrs: impl Into<String>) -> Self {
        self.addrs = addrs.into();
        self
    }

    /// Sets the stream, subject or path.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = key.into();
        self
    }

    /// Sets the group of readers that share the rows.
    #[must_use]
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = group.into();
        self
    }

    /// Sets the most rows of a batch, and how long a batch waits to be full.
    #[must_use]
    pub fn batch(mut self, rows: u32, wait: Duration) -> Self {
        self.batch = BatchConf { rows, wait };
        self
    }

    /// Sets the most batches in progress at once.
    #[must_use]
    pub fn in_flight(mut self, batches: u32) -> Self {
        self.in_flight = batches;
        self
    }

    /// Sets the most bytes of rows in progress at once.
    #[must_use]
    pub fn in_flight_bytes(mut self, bytes: u64) -> Self {
        self.in_flight_bytes = bytes;
        self
    }

    /// Sets where a new group begins.
    #[must_use]
    pub fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Sets which order is kept.
    #[must_use]
    pub fn ordered(mut self, ordered: Ordered) -> Self {
        self.ordered = ordered;
        self
    }

    /// Sets whether a failed batch is split.
    #[must_use]
    pub fn isolate(mut self, isolate: bool) -> Self {
        self.isolate = isolate;
        self
    }

    /// Sets how often an isolated row that fails is tried again, first after `pause`.
    #[must_use]
    pub fn retry(mut self, times: u32, pause: Duration) -> Self {
        (self.retry_times, self.retry_duration) = (times, pause);
        self
    }

    /// Adds a param for the source.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<RawParam>) -> Self {
        self.params.insert(name, value);
        self
    }

    /// Returns `file:line` of its name, for messages; "the code" if it was built in code.
    ///
    /// ```
    /// use kisflow_core::SourceConf;
    ///
    /// assert_eq!(SourceConf::new("orders", "file").place(), "the code");
    /// ```
    #[must_use]
    pub fn place(&self) -> String {
        self.origin.cite("sname")
    }
}

pub(super) fn source(section: &mut Section<'_>) -> Option<SourceConf> {
    let name = section.name("sname");
    let engine = section.name("type");
    let mut conf = SourceConf::new(name.unwrap_or_default(), engine.unwrap_or_default());
    conf.addrs = section.text("addrs").unwrap_or_default();
    conf.key = section.text("key").unwrap_or_default();
    conf.group = section.text("group").unwrap_or_default();
    conf.batch = section.section("batch", |batch| BatchConf {
        rows: positive(batch, "rows").unwrap_or(conf.batch.rows),
        wait: batch.duration("wait_ms").unwrap_or(conf.batch.wait),
    });
    conf.in_flight = positive(section, "in_flight").unwrap_or(conf.in_flight);
    conf.in_flight_bytes = section.number("in_flight_bytes").unwrap_or(conf.in_flight_bytes);
    conf.start = match section.text("start").as_deref() {
        None | Some("earliest") => Start::Earliest,
        Some("latest") => Start::Latest,
        Some(position) => Start::After(position.to_owned()),
    };
    conf.ordered = ordered(section);
    conf.isolate = section.boolean("isolate").unwrap_or(conf.isolate);
    conf.retry_times = section.small("retry_times").unwrap_or(conf.retry_times);
    conf.retry_duration = section.duration("retry_duration").unwrap_or(conf.retry_duration);
    conf.params = section.params("params");
    (!conf.sname.is_empty() && !conf.engine.is_empty()).then_some(conf)
}

/// A whole number from 1.
fn positive(section: &mut Section<'_>, key: &'static str) -> Option<u32> {
    let number = section.small(key)?;
    if number == 0
        && let Some(Node { line, .. }) = section.take(key)
    {
        section.problem(key, *line, "expected a whole number from 1, found `0`");
        return None;
    }
    Some(number)
}

fn ordered(section: &mut Section<'_>) -> Ordered {
    let expected = "expected true, false, or a map with the `key` whose rows keep their order";
    match section.take("ordered") {
        None => Ordered::No,
        Some(Node { kind: Kind::Map(_), .. }) => section
            .section("ordered", |ordered| ordered.name("key").map_or(Ordered::No, Ordered::Key)),
        Some(node) => match node.as_text().and_then(boolean) {
            Some(true) => Ordered::Partition,
            Some(false) => Ordered::No,
            None => {
                let found = node.describe();
                section.problem("ordered", node.line, format!("{expected}; found {found}"));
                Ordered::No
            }
        },
    }
}

/// Defaults are left out of the global conf.
pub(super) fn is_default_grace(grace: &Duration) -> bool {
    *grace == super::GRACE
}
