//! The commit of a round, until it is known what became of it.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Weak},
};

use bytes::Bytes;
use tokio::time::sleep;
use tracing::{debug, warn};

use super::{
    Shared,
    layers::{Cell, Version},
};
use crate::{
    backoff::Backoff,
    durable::{Check, Commit, CommitError, CommitId, Durable, Key},
    error::error_chain,
    keyed,
    quarantine::{Keeping, Quarantine, Quarantined},
    source::{PositionChange, Positions},
};

/// What a round commits.
#[derive(Default)]
pub(super) struct RoundCommit {
    pub(super) cells: Vec<(Key, Cell)>,
    pub(super) members: usize,
    /// Whether a source can read the rows of a member again.
    pub(super) has_readers: bool,
    positions: BTreeMap<u64, (Positions, Vec<PositionChange>)>,
    bad: BTreeMap<String, Quarantined>,
    quarantine: Option<Quarantine>,
}

/// A round is not committed.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    /// The states that others have changed; `None` if it is unknown which.
    pub(super) keys: Option<Vec<Key>>,
    /// The readers whose positions others have changed.
    pub(super) readers: Vec<u64>,
    /// Its deliveries must not enter again, and why.
    pub(super) why: Option<Arc<str>>,
    /// One commit does not take so many deliveries.
    pub(super) is_too_large: bool,
}

/// Why a commit was not made.
enum NotCommitted {
    Refused(Refusal),
    /// It is tried again.
    Trouble(String),
}

impl RoundCommit {
    /// Adds positions behind a delivery of a reader; the later ones count.
    pub(super) fn moves(&mut self, reader: u64, positions: &Positions, to: &[PositionChange]) {
        let (_, changes) =
            self.positions.entry(reader).or_insert_with(|| (positions.clone(), Vec::new()));
        for (part, position) in to {
            match changes.iter_mut().find(|(known, _)| known == part) {
                Some((_, known)) => known.clone_from(position),
                None => changes.push((part.clone(), position.clone())),
            }
        }
    }

    /// Adds rows that cannot be processed.
    pub(super) fn keeps(&mut self, quarantine: &Quarantine, rows: &[Quarantined]) {
        self.quarantine.get_or_insert_with(|| quarantine.clone());
        self.bad.extend(rows.iter().map(|row| (row.id.clone(), row.clone())));
    }

    fn keeping(&self) -> Option<Keeping> {
        let quarantine = self.quarantine.as_ref()?;
        Some(quarantine.keeping(self.bad.values().cloned().collect()))
    }
}

/// Commits a round, however long the store fails, and tells its members.
pub(super) fn commit(
    shared: &Arc<Shared>,
    group: RoundCommit,
) -> impl Future<Output = ()> + Send + use<> {
    // Also if the task is dropped before it begins.
    let unsettled = Unsettled(Arc::downgrade(shared));
    let store = shared.store.clone();
    async move { commit_until_settled(unsettled, store, group).await }
}

async fn commit_until_settled(
    mut unsettled: Unsettled,
    store: Arc<dyn Durable>,
    group: RoundCommit,
) {
    // The task ends with the flow.
    let weak = unsettled.0.clone();
    let keeping = group.keeping();
    let mut committing = Committing { group, keeping, is_bounded: true, refusals: 0, sent: None };
    let mut backoff = Backoff::default();
    loop {
        let committed = committing.commit(&*store).await;
        let Some(shared) = weak.upgrade() else { return };
        let refusal = match committed {
            Ok(id) => {
                unsettled.0 = Weak::new();
                shared.metrics.committed.increment(u64::from(id.is_some()));
                shared.trouble.send_if_modified(|why| why.take().is_some());
                return shared.change(|state| state.committed(id));
            }
            Err(NotCommitted::Refused(refusal)) => refusal,
            Err(NotCommitted::Trouble(why)) => {
                if backoff.is_told() {
                    warn!(
                        flow = &*shared.flow,
                        why, "a round cannot be committed, and is tried again"
                    );
                }
                shared.trouble.send_replace(Some(why.into()));
                drop(shared);
                sleep(backoff.next()).await;
                continue;
            }
        };
        unsettled.0 = Weak::new();
        shared.metrics.refused.increment(1);
        debug!(flow = &*shared.flow, ?refusal, "a round was refused, and runs again");
        shared.trouble.send_if_modified(|why| why.take().is_some());
        return shared.change(|state| state.refused(refusal));
    }
}

/// A round whose commit is dropped with its task: it is unknown what became of it.
struct Unsettled(Weak<Shared>);

impl Drop for Unsettled {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade() {
            let why = "the task that commits states has ended".into();
            shared.change(|state| state.refused(Refusal { why: Some(why), ..Refusal::default() }));
        }
    }
}

/// A round whose outcome is not known.
struct Committing {
    group: RoundCommit,
    keeping: Option<Keeping>,
    /// Whether the bad rows are kept within the bounds of the quarantine.
    is_bounded: bool,
    /// How often there was no room for them in succession.
    refusals: u32,
    /// A commit without an answer.
    sent: Option<Commit>,
}

impl Committing {
    /// Returns the id of the commit, unless nothing had to be committed.
    async fn commit(&mut self, store: &dyn Durable) -> Result<Option<CommitId>, NotCommitted> {
        loop {
            let commit = match self.sent.take() {
                // Nothing may take its place before its outcome is known.
                Some(commit) => commit.sent_again(),
                None => self.build().await?,
            };
            if commit.changes().len() == 0 {
                // There is nothing to commit, but what was relied on may be out of date.
                return self.check_unchanged(store).await.map(|()| None);
            }
            let error = match store.commit(&commit).await {
                Ok(()) => {
                    for (positions, changes) in self.group.positions.values() {
                        positions.applied(commit.id(), changes.iter());
                    }
                    if let Some(keeping) = &self.keeping {
                        keeping.look().await;
                    }
                    return Ok(Some(commit.id()));
                }
                Err(error) => error,
            };
            match error {
                CommitError::Outage(error) => {
                    self.sent = Some(commit);
                    let error = error_chain(&*error);
                    return Err(NotCommitted::Trouble(format!(
                        "states cannot be written; see to their store: {error}"
                    )));
                }
                CommitError::Conflict(keys) => {
                    if let Some(refusal) = self.conflict(&keys) {
                        return Err(NotCommitted::Refused(refusal));
                    }
                }
                CommitError::Exceeded(_) => self.make_room().await?,
                CommitError::TooLarge { .. } if self.group.members > 1 => {
                    return Err(NotCommitted::Refused(Refusal {
                        is_too_large: true,
                        keys: Some(Vec::new()),
                        ..Refusal::default()
                    }));
                }
                CommitError::TooLarge { .. } if self.keeping.is_some() => self.keep_bad().await?,
                error @ CommitError::TooLarge { .. } if self.group.has_readers => {
                    return Err(NotCommitted::Trouble(format!(
                        "the states of one batch are more than the store takes at once: {error}; make `batch.rows` of the source smaller"
                    )));
                }
                CommitError::Lost => {
                    let why = "it is unknown whether the states of this run were written: the store did not answer, and others have changed them since";
                    return Err(NotCommitted::Refused(Refusal {
                        why: Some(why.into()),
                        ..Refusal::default()
                    }));
                }
                error if self.group.has_readers => {
                    return Err(NotCommitted::Trouble(format!(
                        "states cannot be written: {error}"
                    )));
                }
                error => {
                    let why = format!("states cannot be written: {error}").into();
                    return Err(NotCommitted::Refused(Refusal {
                        why: Some(why),
                        ..Refusal::default()
                    }));
                }
            }
        }
    }

    /// All that the round changes, and what it relies on.
    async fn build(&self) -> Result<Commit, NotCommitted> {
        let mut commit = Commit::new();
        for (key, Cell { value, version, is_changed }) in &self.group.cells {
            let version = match version {
                Version::Stored(version) => *version,
                // The round before has been committed, so that each version is known. What is not
                // must not be committed.
                Version::Before => {
                    return Err(NotCommitted::Refused(Refusal {
                        keys: Some(vec![key.clone()]),
                        ..Refusal::default()
                    }));
                }
            };
            let key = key.clone();
            commit = match (version, value.as_ref().filter(|_| *is_changed)) {
                (Some(version), Some(value)) => {
                    commit.check(key.clone(), Check::Version(version)).put(key, value.clone())
                }
                (None, Some(value)) => commit.put_new(key, value.clone()),
                (Some(version), None) => {
                    let commit = commit.check(key.clone(), Check::Version(version));
                    if *is_changed { commit.remove(key) } else { commit }
                }
                // Nothing is below the empty value.
                (None, None) => commit.check(key, Check::Below(Bytes::new())),
            };
        }
        for (positions, changes) in self.group.positions.values() {
            let added = positions.add_to(commit, changes.iter()).await;
            commit = added.map_err(|error| {
                let error = error_chain(&*error);
                NotCommitted::Trouble(format!("the position of the source cannot be read: {error}"))
            })?;
        }
        if let Some(keeping) = &self.keeping {
            let rows = keeping.draft(self.is_bounded).await;
            commit = commit.and(rows.map_err(|error| trouble_of(keeping, &error))?);
        }
        Ok(commit)
    }

    /// Checks that all states are as they were read.
    async fn check_unchanged(&self, store: &dyn Durable) -> Result<(), NotCommitted> {
        let cells = &self.group.cells;
        let keys: Vec<Key> = cells.iter().map(|(key, _)| key.clone()).collect();
        let found = store.read(&keys).await.map_err(|error| {
            let error = error_chain(&*error);
            NotCommitted::Trouble(format!("states cannot be read; see to their store: {error}"))
        })?;
        let versions = found.iter().map(|entry| entry.as_ref().map(|entry| entry.version));
        let changed = cells
            .iter()
            .zip(versions)
            .filter(|((_, cell), version)| cell.version != Version::Stored(*version));
        let changed: Vec<Key> = changed.map(|((key, _), _)| key.clone()).collect();
        match changed.is_empty() {
            true => Ok(()),
            false => {
                Err(NotCommitted::Refused(Refusal { keys: Some(changed), ..Refusal::default() }))
            }
        }
    }

    /// What follows from a conflict; `None` if only rows in quarantine have changed, which are read
    /// again.
    fn conflict(&self, keys: &[Key]) -> Option<Refusal> {
        let states: Vec<Key> =
            keys.iter().filter(|key| key.space() == keyed::SPACE).cloned().collect();
        let is_moved =
            |(positions, _): &(Positions, _)| keys.iter().any(|key| positions.has_key(key));
        let moved = self.group.positions.iter().filter(|(_, positions)| is_moved(positions));
        let readers: Vec<u64> = moved.map(|(reader, _)| *reader).collect();
        let is_refused = !states.is_empty() || !readers.is_empty();
        is_refused.then(|| Refusal { keys: Some(states), readers, ..Refusal::default() })
    }

    /// Keeps the bad rows in commits of their own, because there are too many of them for one.
    async fn keep_bad(&mut self) -> Result<(), NotCommitted> {
        if let Some(keeping) = &mut self.keeping {
            let kept = keeping.keep().await;
            kept.map_err(|error| trouble_of(keeping, &error))?;
        }
        self.keeping = None;
        Ok(())
    }

    /// The quarantine has no room for the bad rows.
    async fn make_room(&mut self) -> Result<(), NotCommitted> {
        self.refusals += 1;
        let Some(keeping) = &self.keeping else { return Ok(()) };
        let is_bounded = keeping.make_room_for_all(self.refusals).await;
        self.is_bounded = is_bounded.map_err(|error| trouble_of(keeping, &error))?;
        Ok(())
    }
}

fn trouble_of(keeping: &Keeping, error: &(dyn std::error::Error + 'static)) -> NotCommitted {
    NotCommitted::Trouble(format!("{}: {}", keeping.failure(), error_chain(error)))
}
