//! [`Committer`]: keeps the positions of deliveries that are done.

use std::{
    collections::{BTreeMap, HashMap},
    error::Error,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{Notify, watch},
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    Delivery, Positions,
    positions::Change,
    prefix::{Prefix, Ticket},
};
use crate::{
    backoff::Backoff,
    durable::{Commit, CommitError},
    error::BoxError,
};

/// How many rows may be done whose positions are being kept.
const MOST_BEHIND: usize = 50_000;
/// The pause between two commits while rows come: a commit costs as much for one row as for many.
pub(crate) const PAUSE: Duration = Duration::from_millis(5);

/// Keeps the positions of deliveries that are done, in the order of their source. One task writes,
/// always the newest positions: all deliveries that are done during a commit need only one more.
///
/// Each commit requires that the positions are as this reader read or kept them. If another process
/// or a command has changed one, nothing is kept any more, and the source has to be opened anew.
pub(crate) struct Committer {
    shared: Arc<Shared>,
    _writer: AbortOnDropHandle<()>,
}

/// Is told each failure to keep positions, which is tried again, and `None` when it works again.
pub(crate) type Tell = Box<dyn FnMut(Option<&BoxError>) + Send>;

/// The commit of a delivery's positions.
pub(crate) struct PendingCommit {
    partition: u64,
    ticket: Ticket,
    slot: Arc<Slot>,
    committer: Arc<Committer>,
}

/// Why a position is not kept, and never will be by this reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotKept {
    /// Others have changed positions of the source.
    Moved,
    /// The task that writes is gone, or a delivery before this one is.
    Gone,
}

struct Shared {
    positions: Positions,
    state: Mutex<State>,
    /// There is something to write.
    wanted: Notify,
    /// How many commits there were.
    commits: watch::Sender<u64>,
    /// Others have changed positions.
    is_moved: AtomicBool,
    /// The task that writes has ended.
    ended: CancellationToken,
    /// A delivery will never be done.
    has_gap: CancellationToken,
}

#[derive(Default)]
struct State {
    partitions: HashMap<u64, Prefix<Open>>,
    /// What is to be kept, the newest of each part.
    reached: BTreeMap<Arc<str>, Option<Bytes>>,
    /// The deliveries that end there.
    slots: Vec<Arc<Slot>>,
    /// The rows of deliveries that are reached and not kept.
    behind: usize,
}

/// A delivery that is not reached, and what is kept then.
struct Open {
    changes: Vec<Change>,
    slot: Arc<Slot>,
}

/// How far a delivery is.
struct Slot {
    rows: usize,
    stage: AtomicU8,
    is_marked: AtomicBool,
}

/// It is not done, or one before it is not.
const OPEN: u8 = 0;
/// It is done, as all before it.
const REACHED: u8 = 1;
/// Its positions are durable.
const KEPT: u8 = 2;

impl Committer {
    /// Starts the task that writes, with a pause between two commits; it ends when this and all pending
    /// commits are dropped.
    pub(crate) fn start(positions: Positions, pause: Duration, tell: Tell) -> Arc<Self> {
        let shared = Arc::new(Shared {
            positions,
            state: Mutex::default(),
            wanted: Notify::new(),
            commits: watch::channel(0).0,
            is_moved: AtomicBool::new(false),
            ended: CancellationToken::new(),
            has_gap: CancellationToken::new(),
        });
        let writer = AbortOnDropHandle::new(tokio::spawn(write(shared.clone(), pause, tell)));
        Arc::new(Self { shared, _writer: writer })
    }

    /// Records a delivery, in the order of the source; `None` if it has no position.
    pub(crate) fn begin(self: &Arc<Self>, delivery: &mut Delivery) -> Option<PendingCommit> {
        let changes = std::mem::take(&mut delivery.positions);
        if changes.is_empty() {
            return None;
        }
        let partition = delivery.partition;
        let slot = Arc::new(Slot {
            rows: delivery.batch.len(),
            stage: AtomicU8::new(OPEN),
            is_marked: AtomicBool::new(false),
        });
        let mut state = self.shared.state();
        let prefix = state.partitions.entry(partition).or_default();
        let ticket = prefix.begin(Open { changes, slot: slot.clone() });
        drop(state);
        Some(PendingCommit { partition, ticket, slot, committer: self.clone() })
    }

    #[cfg(feature = "conformance")]
    pub(crate) fn positions(&self) -> &Positions {
        &self.shared.positions
    }

    /// Whether so many rows wait for the store that no more should be read.
    pub(crate) fn is_behind(&self) -> bool {
        self.shared.state().behind >= MOST_BEHIND
    }

    /// Cancelled when nothing is kept any more: the source has to be opened anew.
    pub(crate) fn ended(&self) -> &CancellationToken {
        &self.shared.ended
    }

    /// Whether it ended because others have changed positions of the source.
    pub(crate) fn is_moved(&self) -> bool {
        self.shared.is_moved.load(Ordering::Acquire)
    }

    /// A delivery will never be done: those behind it need not wait.
    pub(crate) fn leave_gap(&self) {
        self.shared.has_gap.cancel();
    }
}

impl PendingCommit {
    /// Marks the delivery as done. Returns when that is durable, however long the store fails.
    ///
    /// # Errors
    ///
    /// When it will not be kept: the delivery is not done.
    ///
    /// # Cancel safety
    ///
    /// The delivery is marked by the first poll.
    pub(crate) async fn done(&self) -> Result<(), NotKept> {
        let shared = &self.committer.shared;
        let mut commits = shared.commits.subscribe();
        self.mark();
        loop {
            let has_gap = match self.slot.stage() {
                KEPT => return Ok(()),
                OPEN => shared.has_gap.is_cancelled(),
                _ => false,
            };
            if has_gap || shared.ended.is_cancelled() {
                return Err(match self.committer.is_moved() {
                    true => NotKept::Moved,
                    false => NotKept::Gone,
                });
            }
            tokio::select! {
                _ = commits.changed() => {}
                () = shared.ended.cancelled() => {}
                () = shared.has_gap.cancelled(), if self.slot.stage() == OPEN => {}
            }
        }
    }

    /// Marks the delivery as done. Returns whether all before it are done as well. Calling it twice
    /// is harmless.
    pub(crate) fn mark(&self) -> bool {
        let shared = &self.committer.shared;
        if !self.slot.is_marked.swap(true, Ordering::AcqRel) {
            let mut guard = shared.state();
            let state = &mut *guard;
            let Some(prefix) = state.partitions.get_mut(&self.partition) else { return false };
            for Open { changes, slot } in prefix.done(self.ticket) {
                slot.stage.store(REACHED, Ordering::Release);
                state.reached.extend(changes);
                state.behind += slot.rows;
                state.slots.push(slot);
            }
            if prefix.is_empty() {
                // A source may have ever new partitions.
                state.partitions.remove(&self.partition);
            }
            shared.wanted.notify_one();
        }
        self.slot.stage() != OPEN
    }
}

impl Slot {
    fn stage(&self) -> u8 {
        self.stage.load(Ordering::Acquire)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why positions were not kept.
enum CommitFailure {
    Moved,
    /// It is tried again.
    Outage(BoxError),
}

/// Positions that are kept together.
struct Group {
    /// What is not kept yet, in the order in which it is.
    changes: Vec<Change>,
    /// The deliveries that end there.
    slots: Vec<Arc<Slot>>,
    /// A commit without an answer, and for how many changes it is.
    sent: Option<(Commit, usize)>,
}

impl Group {
    /// What is reached, if anything is.
    fn take(shared: &Shared) -> Option<Self> {
        let mut state = shared.state();
        let (reached, slots) =
            (std::mem::take(&mut state.reached), std::mem::take(&mut state.slots));
        drop(state);
        let mut changes: Vec<Change> = reached.into_iter().collect();
        // What is new comes first: a process that dies in between finds too much.
        changes.sort_by_key(|(_, position)| position.is_none());
        (!slots.is_empty()).then_some(Self { changes, slots, sent: None })
    }

    /// Keeps what is not kept yet.
    async fn keep(&mut self, positions: &Positions) -> Result<(), CommitFailure> {
        while !self.changes.is_empty() {
            let (commit, count) = match self.sent.take() {
                // Nothing may take its place before its outcome is known.
                Some((commit, count)) => (commit.sent_again(), count),
                None => {
                    positions.commit(self.changes.iter()).await.map_err(CommitFailure::Outage)?
                }
            };
            let (commit, _) = self.sent.insert((commit, count));
            let kept = positions.apply(commit, self.changes.iter().take(count)).await;
            match kept {
                Ok(()) => {}
                Err(CommitError::Outage(error)) => return Err(CommitFailure::Outage(error)),
                Err(error) => {
                    self.sent = None;
                    return Err(match error {
                        CommitError::Conflict(_) | CommitError::Lost => CommitFailure::Moved,
                        error => CommitFailure::Outage(error.into()),
                    });
                }
            }
            self.sent = None;
            self.changes.drain(..count);
        }
        Ok(())
    }
}

async fn write(shared: Arc<Shared>, pause: Duration, mut tell: Tell) {
    // Also if it panics: no delivery waits for a writer that has ended.
    let _ended = shared.ended.clone().drop_guard();
    loop {
        shared.wanted.notified().await;
        let Some(mut group) = Group::take(&shared) else { continue };
        let (mut backoff, mut has_failed) = (Backoff::default(), false);
        let mut left = group.changes.len();
        while let Err(failure) = group.keep(&shared.positions).await {
            match failure {
                CommitFailure::Moved => return shared.is_moved.store(true, Ordering::Release),
                CommitFailure::Outage(error) => tell(Some(&error)),
            }
            has_failed = true;
            if group.changes.len() < left {
                left = group.changes.len();
                backoff.reset();
            }
            sleep(backoff.next()).await;
        }
        if has_failed {
            tell(None);
        }
        let rows: usize = group.slots.iter().map(|slot| slot.rows).sum();
        shared.state().behind -= rows;
        for slot in &group.slots {
            slot.stage.store(KEPT, Ordering::Release);
        }
        shared.commits.send_modify(|commits| *commits += 1);
        if !pause.is_zero() {
            sleep(pause).await;
        }
    }
}

impl fmt::Debug for Committer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Committer({:?})", self.shared.positions)
    }
}

impl fmt::Display for NotKept {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Moved => {
                "the positions of the source were changed by another process or by a command"
            }
            Self::Gone => "the position is not kept any more: the source has to be opened anew",
        })
    }
}

impl Error for NotKept {}
