//! [`Committer`]: keeps the positions of deliveries that are done.

use std::{
    collections::{BTreeMap, HashMap},
    error::Error,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
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

/// A delivery on its way.
pub(crate) struct Place {
    partition: u64,
    ticket: Ticket,
    slot: Arc<Slot>,
    committer: Arc<Committer>,
}

/// Why a position is not kept.
#[derive(Clone, Debug)]
pub(crate) enum NotKept {
    /// Others have changed positions of the source.
    Moved,
    /// The store fails.
    Outage(Arc<dyn Error + Send + Sync>),
}

struct Shared {
    positions: Positions,
    state: Mutex<State>,
    /// There is something to write.
    wanted: Notify,
    /// The end of each attempt to write.
    attempts: watch::Sender<Option<NotKept>>,
    moved: CancellationToken,
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
}

/// It is not done, or one before it is not.
const OPEN: u8 = 0;
/// It is done, as all before it.
const REACHED: u8 = 1;
/// Its positions are durable.
const KEPT: u8 = 2;

impl Committer {
    /// Starts the task that writes, with a pause between two commits; it ends when this and all places
    /// are dropped.
    pub(crate) fn start(positions: Positions, pause: Duration) -> Arc<Self> {
        let shared = Arc::new(Shared {
            positions,
            state: Mutex::default(),
            wanted: Notify::new(),
            attempts: watch::channel(None).0,
            moved: CancellationToken::new(),
        });
        let writer = AbortOnDropHandle::new(tokio::spawn(write(shared.clone(), pause)));
        Arc::new(Self { shared, _writer: writer })
    }

    /// Records a delivery, in the order of the source; `None` if it has no position.
    pub(crate) fn begin(self: &Arc<Self>, delivery: &mut Delivery) -> Option<Place> {
        let changes = std::mem::take(&mut delivery.positions);
        if changes.is_empty() {
            return None;
        }
        let partition = delivery.partition;
        let slot = Arc::new(Slot { rows: delivery.batch.len(), stage: AtomicU8::new(OPEN) });
        let mut state = self.shared.state();
        let prefix = state.partitions.entry(partition).or_default();
        let ticket = prefix.begin(Open { changes, slot: slot.clone() });
        drop(state);
        Some(Place { partition, ticket, slot, committer: self.clone() })
    }

    /// Whether so many rows wait for the store that no more should be read.
    pub(crate) fn is_behind(&self) -> bool {
        self.shared.state().behind >= MOST_BEHIND
    }

    /// Cancelled when others have changed positions of the source.
    pub(crate) fn moved(&self) -> &CancellationToken {
        &self.shared.moved
    }
}

impl Place {
    /// Marks the delivery as done. Returns when that is durable.
    ///
    /// # Errors
    ///
    /// When the store fails: call it again. When the positions were moved: the delivery is not done.
    ///
    /// # Cancel safety
    ///
    /// The delivery is marked by the first poll.
    pub(crate) async fn done(&self) -> Result<(), NotKept> {
        let shared = &self.committer.shared;
        let mut attempts = shared.attempts.subscribe();
        self.mark();
        loop {
            if self.slot.stage() == KEPT {
                return Ok(());
            }
            if shared.moved.is_cancelled() {
                return Err(NotKept::Moved);
            }
            // The sender is in the committer.
            attempts.changed().await.ok();
            if let Some(failed) = &*attempts.borrow_and_update()
                && self.slot.stage() == REACHED
            {
                return Err(failed.clone());
            }
        }
    }

    /// Marks the delivery as done. Returns whether all before it are done as well. Calling it twice
    /// is harmless.
    pub(crate) fn mark(&self) -> bool {
        let shared = &self.committer.shared;
        let mut guard = shared.state();
        let state = &mut *guard;
        let reached = state.partitions.get_mut(&self.partition).map(|it| it.done(self.ticket));
        for Open { changes, slot } in reached.into_iter().flatten() {
            slot.stage.store(REACHED, Ordering::Release);
            state.reached.extend(changes);
            state.behind += slot.rows;
            state.slots.push(slot);
        }
        drop(guard);
        let stage = self.slot.stage();
        if stage == REACHED {
            shared.wanted.notify_one();
        }
        stage != OPEN
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
    async fn keep(&mut self, positions: &Positions) -> Result<(), NotKept> {
        let outage = |error: BoxError| NotKept::Outage(Arc::from(error));
        while !self.changes.is_empty() {
            let (commit, count) = match self.sent.take() {
                // Nothing may take its place before its outcome is known.
                Some((commit, count)) => (commit.sent_again(), count),
                None => positions.commit(self.changes.iter()).await.map_err(outage)?,
            };
            let (commit, _) = self.sent.insert((commit, count));
            let kept = positions.apply(commit, self.changes.iter().take(count)).await;
            match kept {
                Ok(()) => {}
                Err(CommitError::Outage(error)) => return Err(outage(error)),
                Err(error) => {
                    self.sent = None;
                    return Err(match error {
                        CommitError::Conflict(_) | CommitError::Lost => NotKept::Moved,
                        error => outage(error.into()),
                    });
                }
            }
            self.sent = None;
            self.changes.drain(..count);
        }
        Ok(())
    }
}

async fn write(shared: Arc<Shared>, pause: Duration) {
    let mut failed: Option<Group> = None;
    loop {
        shared.wanted.notified().await;
        // After a failed group comes what was reached meanwhile.
        while let Some(mut group) = failed.take().or_else(|| Group::take(&shared)) {
            match group.keep(&shared.positions).await {
                Ok(()) => {
                    let rows: usize = group.slots.iter().map(|slot| slot.rows).sum();
                    shared.state().behind -= rows;
                    for slot in &group.slots {
                        slot.stage.store(KEPT, Ordering::Release);
                    }
                    shared.attempts.send_replace(None);
                    if !pause.is_zero() {
                        sleep(pause).await;
                    }
                }
                Err(NotKept::Moved) => {
                    shared.moved.cancel();
                    shared.attempts.send_replace(Some(NotKept::Moved));
                    return;
                }
                Err(error) => {
                    failed = Some(group);
                    // Those who wait ask again.
                    shared.attempts.send_replace(Some(error));
                    break;
                }
            }
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
            Self::Outage(_) => {
                "the position of the source cannot be kept; see to the store of positions"
            }
        })
    }
}

impl Error for NotKept {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Moved => None,
            Self::Outage(cause) => Some(&**cause),
        }
    }
}
