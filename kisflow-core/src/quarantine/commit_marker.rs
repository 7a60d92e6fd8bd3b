//! [`CommitMarker`]: whether a commit that moved rows took effect, although the rows may be gone again.

use bytes::Bytes;

use super::layout::waiting_marker;
use crate::{
    durable::{Commit, CommitError, CommitId, Entry, Key},
    millis::since_epoch,
};

/// An entry that each commit of rows to the waiting ones replaces. Such a row may have been tried and
/// removed before its commit, which got no answer, is sent again: only this entry tells then that it
/// took effect. Each task that moves rows has a marker of its own, so no other replaces it.
pub(crate) struct CommitMarker {
    key: Key,
    entry: Option<Entry>,
}

impl CommitMarker {
    pub(crate) fn new(flow: &str) -> Self {
        Self { key: waiting_marker(flow).text(&CommitId::new().to_string()), entry: None }
    }

    /// Adds the marker to a commit. If that takes effect, the entry is this one.
    pub(super) fn guard(&self, commit: Commit) -> (Commit, Entry) {
        let value = Bytes::from(since_epoch::of(since_epoch::now()).to_string());
        let version = commit.id();
        let commit = commit.replace(self.key.clone(), self.entry.as_ref(), value.clone());
        (commit, Entry { value, version })
    }

    /// Whether a commit was refused because somebody has changed the marker: its rows are not there.
    pub(super) fn is_changed(&self, error: &CommitError) -> bool {
        match error {
            CommitError::Conflict(keys) => keys.contains(&self.key),
            CommitError::Lost => true,
            _ => false,
        }
    }

    /// Its commit took effect.
    pub(super) fn passed(&mut self, entry: Entry) {
        self.entry = Some(entry);
    }

    /// The commit that removes it, if there is anything to remove.
    pub(crate) fn removal(&self) -> Option<Commit> {
        let entry = self.entry.as_ref()?;
        Some(Commit::new().remove_unchanged(self.key.clone(), entry))
    }
}
