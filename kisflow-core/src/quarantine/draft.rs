//! [`Draft`]: changes of rows, with everything that has to change in the same commit.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    Quarantined,
    layout::{Quota, Spaces, Stored, bytes},
};
use crate::durable::{Commit, Entry};

/// Changes of rows, and of what belongs to them.
#[derive(Default)]
pub(crate) struct Draft {
    commit: Commit,
    /// How the rows and bytes of flows change.
    sums: BTreeMap<(Spaces, String), [i64; 2]>,
}

impl Draft {
    /// Puts a row where none is (`old` is `None`), replaces it, or removes it (`new` is `None`). The
    /// row must be as it was read.
    pub(crate) fn set(
        mut self,
        spaces: Spaces,
        old: Option<&Stored>,
        new: Option<&Quarantined>,
    ) -> Self {
        // Only texts and numbers: a row always has a JSON form.
        let new = new.map(|row| (row, Bytes::from(serde_json::to_vec(row).unwrap_or_default())));
        let entry = old.map(|old| Entry { value: Bytes::new(), version: old.version });
        let Some(id) = new.as_ref().map(|(row, _)| &row.id).or(old.map(|old| &old.row.id)) else {
            return self;
        };
        let key = spaces.row(id);
        if let Some(old) = old {
            self.count(spaces, &old.row.flow, [-1, -signed(old.bytes)]);
        }
        if let Some((row, value)) = &new {
            self.count(spaces, &row.flow, [1, signed(bytes(id, value))]);
        }
        let before = old.map(|old| (spaces.place(&old.row), old.bytes));
        let after = new.as_ref().map(|(row, value)| (spaces.place(row), bytes(id, value)));
        let mut commit = match (&entry, new) {
            (entry, Some((_, value))) => self.commit.replace(key, entry.as_ref(), value),
            (Some(entry), None) => self.commit.remove_unchanged(key, entry),
            (None, None) => self.commit,
        };
        if before != after {
            // The later change of a place wins.
            commit = before.into_iter().fold(commit, |commit, (place, _)| commit.remove(place));
            commit = after
                .into_iter()
                .fold(commit, |commit, (place, bytes)| commit.put(place, bytes.to_string()));
        }
        Self { commit, ..self }
    }

    fn count(&mut self, spaces: Spaces, flow: &str, more: [i64; 2]) {
        let sums = self.sums.entry((spaces, flow.to_owned())).or_default();
        for (sum, more) in sums.iter_mut().zip(more) {
            *sum = sum.saturating_add(more);
        }
    }

    /// The commit. With `most`, it fails if a flow would have more than that.
    pub(crate) fn commit(self, most: Option<Quota>) -> Commit {
        let quota = most.map(|quota| [quota.rows, quota.bytes].map(signed));
        let quota = quota.unwrap_or([i64::MAX; 2]);
        let mut commit = self.commit;
        for ((spaces, flow), sums) in self.sums {
            let counters = spaces.counters(&flow).into_iter().zip(sums).zip(quota);
            for ((counter, by), most) in counters.filter(|((_, by), _)| *by != 0) {
                // What becomes less is within any quota. Always with a maximum: an engine may spread a
                // counter that is added to without one, and would have to sum it up each time.
                commit = commit.add_up_to(counter, by, if by < 0 { i64::MAX } else { most });
            }
        }
        commit
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
