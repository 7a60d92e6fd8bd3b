//! [`States`]: the states of a flow's functions, as a delivery sees them.

use std::{collections::HashMap, fmt, sync::Arc};

use bytes::Bytes;

use super::Shared;
use crate::{
    durable::{CommitId, Entry, Key},
    error::Result,
    keyed::StateChange,
};

/// The states that the deliveries of a round have read and changed.
pub(super) type Cells = HashMap<Key, Cell>;

/// A state in a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) value: Option<Bytes>,
    pub(super) version: Version,
    /// Whether the round has changed it.
    pub(super) is_changed: bool,
}

/// What the store must have when the round is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// What this commit wrote; nothing if it is `None`.
    Stored(Option<CommitId>),
    /// What the round before writes.
    Before,
}

/// The states of a flow's functions, as a delivery that is inside sees them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct States {
    pub(super) shared: Arc<Shared>,
    pub(super) member: u64,
    /// The attempt: of one that was given up, nothing counts.
    pub(super) attempt: u64,
}

impl States {
    /// The most bytes of a key.
    pub(crate) fn key_bytes(&self) -> usize {
        self.shared.store.limits().key_bytes
    }

    /// Reads states, as JSON, each as the deliveries before have left it.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub(crate) async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Bytes>>> {
        let (mut found, unknown) = {
            let mut state = self.shared.state();
            let mut unknown = Vec::new();
            let found: Vec<_> = keys
                .iter()
                .map(|key| {
                    let found = state.find(key);
                    if found.is_none() {
                        unknown.push(key.clone());
                    }
                    found
                })
                .collect();
            (found, unknown)
        };
        if !unknown.is_empty() {
            let entries = self.shared.store.read(&unknown).await?;
            let mut read = unknown.iter().zip(&entries);
            for found in found.iter_mut().filter(|found| found.is_none()) {
                let entry = read.next().and_then(|(_, entry)| entry.as_ref());
                *found = Some(entry.map(|entry| entry.value.clone()));
            }
            self.shared.state().learn(self.attempt, unknown, entries);
        }
        Ok(found.into_iter().map(Option::flatten).collect())
    }

    /// Drops these states, so that they are read from the store the next time. One that the round has
    /// changed stays.
    pub(crate) fn forget(&self, keys: &[Key]) {
        self.shared.state().forget(self.attempt, keys);
    }

    /// How many changes were made, to [undo](Self::undo) the later ones.
    pub(crate) fn changes(&self) -> usize {
        self.shared.state().changes(self.member)
    }

    /// Takes back all changes but the first ones.
    pub(crate) fn undo(&self, keep: usize) {
        self.shared.state().undo(self.member, self.attempt, keep);
    }

    /// Changes states that were read.
    pub(crate) fn write(&self, changes: Vec<StateChange>) {
        self.shared.state().write(self.member, self.attempt, changes);
    }
}

impl Cell {
    /// What is in the store.
    pub(super) fn stored(entry: Option<Entry>) -> Self {
        let version = Version::Stored(entry.as_ref().map(|entry| entry.version));
        Self { value: entry.map(|entry| entry.value), version, is_changed: false }
    }

    /// The same state, in the round behind the one that has it. That there is none is asked of the
    /// store once a round: it has no version by which it could be recognised.
    pub(super) fn in_next_round(&self) -> Option<Self> {
        let version = match (self.is_changed, self.version) {
            (true, _) => Version::Before,
            (false, Version::Stored(None)) => return None,
            (false, version) => version,
        };
        Some(Self { value: self.value.clone(), version, is_changed: false })
    }
}

impl fmt::Debug for States {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("States").field("member", &self.member).finish_non_exhaustive()
    }
}
