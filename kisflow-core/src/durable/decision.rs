//! [`Decision`]: what a commit does to entries as they are.

use std::collections::BTreeMap;

use super::{Change, Check, Commit, CommitError, Entry, Key};

/// What a commit does to entries as they are.
#[derive(Debug)]
pub enum Decision {
    /// Its checks hold: make its changes.
    Apply,
    /// It took effect before.
    Done,
    /// It has no effect.
    Refused(CommitError),
}

impl Commit {
    /// What a commit does to entries as they are: engines that work on one entry at a time call this
    /// within their transaction. `read` returns the current entry of a key.
    ///
    /// # Errors
    ///
    /// Those of `read`.
    pub fn decide<E>(
        &self,
        mut read: impl FnMut(&Key) -> Result<Option<Entry>, E>,
    ) -> Result<Decision, E> {
        for key in self.marks() {
            if read(key)?.is_some_and(|entry| entry.version == self.id()) {
                return Ok(Decision::Done);
            }
        }
        let (mut conflicts, mut exceeded) = (Vec::new(), Vec::new());
        for (key, check) in self.checks() {
            let found = read(key)?;
            let holds = match check {
                Check::Absent => found.is_none(),
                Check::Version(version) => found.is_some_and(|entry| entry.version == *version),
                Check::Below(bytes) => found.is_none_or(|entry| entry.value < *bytes),
            };
            if !holds {
                conflicts.push(key.clone());
            }
        }
        for (key, change) in self.changes() {
            let Change::Add { by, max } = change else { continue };
            let sum = read(key)?.map_or(0, |entry| entry.count()).checked_add(*by);
            if sum.is_none_or(|sum| max.is_some_and(|max| sum > max)) {
                exceeded.push(key.clone());
            }
        }
        let mut appended: BTreeMap<&Key, i64> = BTreeMap::new();
        for (group, _) in self.appends() {
            *appended.entry(group).or_default() += 1;
        }
        for (group, count) in appended {
            if read(group)?.map_or(0, |entry| entry.count()).checked_add(count).is_none() {
                exceeded.push(group.clone());
            }
        }
        Ok(match (conflicts.is_empty(), exceeded.is_empty()) {
            (false, _) => Decision::Refused(self.refused(conflicts)),
            (true, false) => Decision::Refused(CommitError::Exceeded(exceeded)),
            (true, true) => Decision::Apply,
        })
    }
}
