//! Where rows in quarantine are: their keys, and the counters of what a flow has there.
//!
//! | space | key | value |
//! |---|---|---|
//! | `quarantine` | the row's id | the row, as JSON |
//! | `quarantine_by_time` | flow, time in milliseconds, id | the bytes of the row |
//! | `quarantine_usage` | flow, `rows` or `bytes` | a counter of the rows above |
//! | `discarded`, `discarded_by_time`, `discarded_usage` | the same for discarded rows | |
//! | `waiting`, `waiting_by_time`, `waiting_usage` | the same for rows that wait for what is unavailable | |
//! | `waiting_lease` | flow | the lease of the process that tries its waiting rows |
//! | `waiting_marker` | flow, a random id | when a task last moved rows to the waiting ones, in milliseconds |
//!
//! A row, its place in time and the counters change in one commit.

use crate::{
    conf::{QuarantineConf, WaitingConf},
    durable::{CommitId, Entry, Key, KeyPart, key_parts},
    error::Result,
    millis::since_epoch,
};

use super::{QuarantineError, Quarantined};

/// The spaces of rows and of what belongs to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spaces {
    pub(crate) rows: &'static str,
    pub(super) by_time: &'static str,
    pub(super) usage: &'static str,
}

/// Rows that wait in quarantine.
pub(crate) const KEPT: Spaces =
    Spaces { rows: "quarantine", by_time: "quarantine_by_time", usage: "quarantine_usage" };
/// Rows that were discarded, with the reason.
pub(crate) const DISCARDED: Spaces =
    Spaces { rows: "discarded", by_time: "discarded_by_time", usage: "discarded_usage" };
/// Rows that wait for what is unavailable.
pub(crate) const WAITING: Spaces =
    Spaces { rows: "waiting", by_time: "waiting_by_time", usage: "waiting_usage" };

/// The lease of the process that tries the waiting rows of a flow.
pub(crate) fn waiting_lease(flow: &str) -> Key {
    Key::new("waiting_lease").text(flow)
}

/// What the markers of those that move rows of a flow begin with.
pub(super) fn waiting_marker(flow: &str) -> Key {
    Key::new(MARKERS).text(flow)
}

/// The space of markers.
pub(super) const MARKERS: &str = "waiting_marker";

/// The most that a flow may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quota {
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

impl From<&QuarantineConf> for Quota {
    fn from(conf: &QuarantineConf) -> Self {
        Self { rows: conf.max_rows, bytes: conf.max_bytes }
    }
}

impl From<&WaitingConf> for Quota {
    fn from(conf: &WaitingConf) -> Self {
        Self { rows: conf.max_rows, bytes: conf.max_bytes }
    }
}

impl Spaces {
    pub(super) fn row(self, id: &str) -> Key {
        Key::raw(self.rows, id)
    }

    pub(super) fn place(self, row: &Quarantined) -> Key {
        self.flow(&row.flow).number(since_epoch::of(row.since)).text(&row.id)
    }

    /// What the places of a flow's rows begin with.
    pub(super) fn flow(self, flow: &str) -> Key {
        Key::new(self.by_time).text(flow)
    }

    /// The counters of a flow's rows, and of their bytes.
    pub(super) fn counters(self, flow: &str) -> [Key; 2] {
        ["rows", "bytes"].map(|counted| Key::new(self.usage).text(flow).text(counted))
    }
}

/// A row's place in the order of time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TimeKey {
    pub(super) since_ms: u64,
    pub(super) id: String,
}

impl TimeKey {
    /// The place of a [cursor](Quarantined::cursor), if the text is one.
    pub(super) fn of(cursor: &str) -> Option<Self> {
        let (since_ms, id) = cursor.split_once('-')?;
        Some(Self { since_ms: since_ms.parse().ok()?, id: id.to_owned() })
    }
}

/// The flow and the place in a key of the space `by_time`.
pub(super) fn flow_and_place(key: &[u8]) -> Option<(String, TimeKey)> {
    let mut parts = key_parts(key);
    let flow = parts.next()?.ok()?.as_text()?.to_owned();
    let KeyPart::Number(since_ms) = parts.next()?.ok()? else { return None };
    let id = parts.next()?.ok()?.as_text()?.to_owned();
    Some((flow, TimeKey { since_ms, id }))
}

/// A row as it is in the store.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) row: Quarantined,
    pub(super) version: CommitId,
    pub(super) bytes: u64,
}

impl Stored {
    /// # Errors
    ///
    /// When the entry is no row.
    pub(super) fn new(id: &str, entry: &Entry) -> Result<Self, QuarantineError> {
        let row = serde_json::from_slice(&entry.value).map_err(|error| {
            let text = format!("entry {id} is not what this version of kisflow writes: {error}");
            QuarantineError::storage("read")(text.into())
        })?;
        Ok(Self { row, version: entry.version, bytes: bytes(id, &entry.value) })
    }
}

/// What a row counts for.
pub(super) fn bytes(id: &str, value: &[u8]) -> u64 {
    (id.len() + value.len()) as u64
}
