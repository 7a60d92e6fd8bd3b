//! [`Outcome`]: what became of a commit, and what to do about it.

use std::collections::BTreeMap;

use bytes::Bytes;
use kisflow_core::durable::{Commit, CommitError, CommitId, Decision, Entry, Key};
use tokio_postgres::{Error as DriverError, Row};

use super::{request::Request, version::Version};

/// What became of a commit.
pub(super) enum Outcome {
    /// It took effect, now or earlier.
    Done,
    Refused(CommitError),
    /// These keys have no row that it could lock.
    Missing(Vec<Key>),
    /// The sum of a counter has to be exact, and others may add to it meanwhile.
    Inexact,
}

/// What `decide.sql` found at a key.
struct Found {
    is_row: bool,
    is_spread: bool,
    entry: Option<Entry>,
}

impl Outcome {
    /// Reads the answer of `decide.sql`.
    pub(super) fn read(
        commit: &Commit,
        request: &Request<'_>,
        rows: &[Row],
    ) -> Result<Self, DriverError> {
        if let Some(row) = rows.first()
            && row.try_get::<_, bool>(0)?
        {
            return Ok(Self::Done);
        }
        let keys: Vec<&Key> = request.keys().collect();
        let mut found: BTreeMap<&Key, Found> = BTreeMap::new();
        for row in rows {
            let at: i64 = row.try_get(1)?;
            if let Some(key) = usize::try_from(at - 1).ok().and_then(|at| keys.get(at)) {
                found.insert(key, Found::read(row)?);
            }
        }
        Ok(Self::of(commit, request, &found))
    }

    fn of(commit: &Commit, request: &Request<'_>, found: &BTreeMap<&Key, Found>) -> Self {
        let entry = |key: &Key| found.get(key).and_then(|found| found.entry.clone());
        let read = |key: &Key| Ok::<_, std::convert::Infallible>(entry(key));
        let Ok(decision) = commit.decide(read);
        let is_inexact = found.iter().any(|(key, found)| found.is_spread && request.counts(key));
        match decision {
            Decision::Done => return Self::Done,
            // The sum of a spread counter is not exact here.
            Decision::Refused(CommitError::Exceeded(_)) if is_inexact => return Self::Inexact,
            Decision::Refused(error) => return Self::Refused(error),
            Decision::Apply => {}
        }
        let missing = found.iter().filter(|(key, found)| !found.is_row && request.needs_row(key));
        let missing: Vec<Key> = missing.map(|(key, _)| (*key).clone()).collect();
        if missing.is_empty() { Self::Inexact } else { Self::Missing(missing) }
    }
}

impl Found {
    fn read(row: &Row) -> Result<Self, DriverError> {
        let total: Option<&str> = row.try_get(4)?;
        let value: Option<&[u8]> = row.try_get(5)?;
        let version: Option<Version> = row.try_get(6)?;
        let entry = match (total, row.try_get(3)?) {
            (Some(total), _) => Some((total.as_bytes(), CommitId::NONE)),
            (None, true) => version.map(|Version(id)| (value.unwrap_or_default(), id)),
            (None, false) => None,
        };
        Ok(Self {
            is_row: row.try_get(2)?,
            is_spread: row.try_get::<_, Option<bool>>(7)?.unwrap_or_default(),
            entry: entry
                .map(|(value, version)| Entry { value: Bytes::copy_from_slice(value), version }),
        })
    }
}
