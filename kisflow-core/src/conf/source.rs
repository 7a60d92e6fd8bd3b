//! `kistype: source`, and the keys of `kistype: global` for serving: the structs, their builders,
//! and how they are read.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::millis;

use super::{
    Origin, RawParam, RawParams,
    node::{Kind, Node},
    read::word,
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

/// `quarantine` of the global conf: the store of rows that cannot be processed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct QuarantineConf {
    /// The connector that keeps it (default: an embedded one, if the registry has such a type).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cname: Option<String>,
    /// The most rows of one flow that it keeps (default 100,000). An empty quarantine takes any row.
    pub max_rows: u64,
    /// The most bytes of one flow that it keeps (default 1 GiB).
    pub max_bytes: u64,
    /// How long a row is kept (default: until it is sent on or discarded). An older row is dropped,
    /// counted, and logged with its text. The key is `max_age_ms`.
    #[serde(
        rename = "max_age_ms",
        with = "millis::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub max_age: Option<Duration>,
    /// What happens when it is full (default `stop`).
    pub when_full: WhenFull,
}

impl Default for QuarantineConf {
    fn default() -> Self {
        Self {
            cname: None,
            max_rows: 100_000,
            max_bytes: 1 << 30,
            max_age: None,
            when_full: WhenFull::Stop,
        }
    }
}

/// What a full quarantine does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WhenFull {
    /// `stop`: the batch waits, unacknowledged, until there is room; its flow stops reading
    /// meanwhile.
    #[default]
    Stop,
    /// `drop_oldest`: the oldest rows are dropped; each is counted, and logged with its text.
    DropOldest,
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

impl QuarantineConf {
    /// A quarantine in a connector of the conf.
    pub fn on(cname: impl Into<String>) -> Self {
        Self { cname: Some(cname.into()), ..Self::default() }
    }

    /// Sets the most rows and bytes that it keeps.
    #[must_use]
    pub fn limit(mut self, rows: u64, bytes: u64) -> Self {
        (self.max_rows, self.max_bytes) = (rows, bytes);
        self
    }

    /// Sets how long a row is kept.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Sets what happens when it is full.
    #[must_use]
    pub fn when_full(mut self, when_full: WhenFull) -> Self {
        self.when_full = when_full;
        self
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

pub(super) fn quarantine(section: &mut Section<'_>) -> QuarantineConf {
    section.section("quarantine", |section| {
        let default = QuarantineConf::default();
        let words = [("stop", WhenFull::Stop), ("drop_oldest", WhenFull::DropOldest)];
        QuarantineConf {
            cname: section.text("cname").filter(|name| !name.is_empty()),
            max_rows: section.number("max_rows").unwrap_or(default.max_rows),
            max_bytes: section.number("max_bytes").unwrap_or(default.max_bytes),
            max_age: section.duration("max_age_ms"),
            when_full: word(section, "when_full", words).unwrap_or_default(),
        }
    })
}

/// Defaults are left out of the global conf.
pub(super) fn is_default_grace(grace: &Duration) -> bool {
    *grace == super::GRACE
}
