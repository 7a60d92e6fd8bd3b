//! `quarantine` and `waiting` of `kistype: global`: rows that cannot be processed, or not now, in the
//! store of the program.

use std::time::Duration;

use serde::Serialize;

use crate::millis;

use super::{read::word, section::Section};

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

/// `waiting` of the global conf: rows for which a function says that something is
/// [`Unavailable`](crate::Unavailable), in the store of the quarantine until it is back.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WaitingConf {
    /// How long such a row waits in its batch before it is moved to the store and its batch is done
    /// without it (default 5 s). The key is `hold_ms`.
    #[serde(rename = "hold_ms", with = "millis")]
    pub hold: Duration,
    /// After how long in the store it goes to quarantine, if its function works for other rows then
    /// (default 15 min). It counts anew at each function.
    /// The key is `max_wait_ms`.
    #[serde(rename = "max_wait_ms", with = "millis")]
    pub max_wait: Duration,
    /// The most rows of one flow in the store (default 10,000). Further ones wait in their batches,
    /// and the flow stops reading. With 0 all do.
    pub max_rows: u64,
    /// The most bytes of one flow in the store (default 64 MiB).
    pub max_bytes: u64,
}

impl Default for WaitingConf {
    fn default() -> Self {
        Self {
            hold: Duration::from_secs(5),
            max_wait: Duration::from_secs(15 * 60),
            max_rows: 10_000,
            max_bytes: 64 << 20,
        }
    }
}

impl WaitingConf {
    /// Sets how long a row waits in its batch.
    #[must_use]
    pub fn hold(mut self, hold: Duration) -> Self {
        self.hold = hold;
        self
    }

    /// Sets after how long a row goes to quarantine, if the function works for other rows.
    #[must_use]
    pub fn max_wait(mut self, max_wait: Duration) -> Self {
        self.max_wait = max_wait;
        self
    }

    /// Sets the most rows and bytes of one flow in the store.
    #[must_use]
    pub fn limit(mut self, rows: u64, bytes: u64) -> Self {
        (self.max_rows, self.max_bytes) = (rows, bytes);
        self
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

pub(super) fn waiting(section: &mut Section<'_>) -> WaitingConf {
    section.section("waiting", |section| {
        let default = WaitingConf::default();
        WaitingConf {
            hold: section.duration("hold_ms").unwrap_or(default.hold),
            max_wait: section.duration("max_wait_ms").unwrap_or(default.max_wait),
            max_rows: section.number("max_rows").unwrap_or(default.max_rows),
            max_bytes: section.number("max_bytes").unwrap_or(default.max_bytes),
        }
    })
}
