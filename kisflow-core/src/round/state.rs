//! [`RoundState`]: which delivery is inside, which are in which round, and how each one ends.

mod cells;
mod settling;
mod size;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::{runtime::Handle, sync::oneshot, time::Instant};
use tokio_util::sync::CancellationToken;

use self::size::Size;
use super::{
    cache::Cache,
    commit::RoundCommit,
    layers::{Cell, Cells},
};
use crate::{
    durable::{Key, Limits},
    quarantine::{Quarantine, Quarantined},
    source::{PositionChange, Positions},
};

/// How long a round takes new deliveries while others wait to enter.
const ROUND: Duration = Duration::from_millis(20);
/// The most bytes of states that are remembered after their round.
const MOST_CACHED: usize = 32 << 20;

pub(super) type TicketId = u64;
/// A reader, and a partition of its source.
pub(super) type PartitionOf = (u64, u64);

/// What is committed with the states that a delivery has changed.
#[derive(Default)]
pub(crate) struct Facts {
    /// The positions behind its rows.
    pub(crate) positions: Vec<PositionChange>,
    /// Its rows that cannot be processed, and where they go.
    pub(crate) bad: Vec<Quarantined>,
    pub(crate) quarantine: Option<Quarantine>,
}

/// What became of a delivery that was through the flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Settlement {
    Committed,
    /// Another process has changed what it relies on: it has to enter again.
    Again,
    /// Its reader has ended. It will not be committed.
    Gone,
    /// Its round was not committed, or it is unknown whether it was, and there is no reader that
    /// could read the rows again.
    Failed(Arc<str>),
}

/// A delivery is inside.
pub(super) struct Grant {
    pub(super) member: u64,
    pub(super) attempt: u64,
}

/// The rounds of a flow.
pub(super) struct RoundState {
    limits: Limits,
    /// The last id of a ticket, a reader, or a member.
    last_id: u64,
    /// How often deliveries had to enter again: what an earlier attempt changes does not count.
    attempt: u64,
    tickets: HashMap<TicketId, Progress>,
    readers: HashMap<u64, KnownReader>,
    /// The deliveries of each partition that have not left yet, in their order.
    partitions: HashMap<PartitionOf, VecDeque<TicketId>>,
    /// Those that wait to enter for the first time.
    waiting: VecDeque<TicketId>,
    /// Those that have to enter again, in the order in which they entered first.
    again: BTreeMap<u64, TicketId>,
    inside: Option<Inside>,
    open: Round,
    closed: Option<Round>,
    is_committing: bool,
    cache: Cache,
    /// The most members of a round: fewer after a conflict, and for good if a commit was too large.
    most_members: usize,
    fitting_members: usize,
    /// The most that a delivery has had so far.
    largest: Size,
    /// Where rounds are committed.
    runtime: Option<Handle>,
}

/// A delivery on its way.
#[derive(Default)]
struct Progress {
    partition: Option<PartitionOf>,
    /// Its number in the order of entering, once it has entered.
    member: Option<u64>,
    /// It waits to enter.
    waiter: Option<oneshot::Sender<Grant>>,
    /// It is through the flow.
    finished: Option<(Facts, oneshot::Sender<Settlement>)>,
    size: Size,
}

struct KnownReader {
    positions: Positions,
    ended: CancellationToken,
    is_moved: bool,
}

/// The delivery that is inside.
struct Inside {
    ticket: TicketId,
    member: u64,
    /// The cells that it has changed, as they were.
    before: Vec<(Key, Cell)>,
    /// Those that it has read or changed, and whether they were not in the round before.
    touched: HashMap<Key, bool>,
    bytes: usize,
}

#[derive(Default)]
struct Round {
    /// By their numbers.
    members: BTreeMap<u64, TicketId>,
    cells: Cells,
    began: Option<Instant>,
    /// The keys beside those of states, and the bytes, that its commit will have, about.
    others: usize,
    bytes: usize,
    /// The members that are through the flow.
    finished: usize,
}

impl RoundState {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            last_id: 0,
            attempt: 0,
            tickets: HashMap::new(),
            readers: HashMap::new(),
            partitions: HashMap::new(),
            waiting: VecDeque::new(),
            again: BTreeMap::new(),
            inside: None,
            open: Round::default(),
            closed: None,
            is_committing: false,
            cache: Cache::new(MOST_CACHED),
            most_members: usize::MAX,
            fitting_members: usize::MAX,
            largest: Size::default(),
            runtime: None,
        }
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(super) fn add_reader(&mut self, positions: Positions, ended: CancellationToken) -> u64 {
        self.runtime = Handle::try_current().ok().or(self.runtime.take());
        let id = self.next_id();
        self.readers.insert(id, KnownReader { positions, ended, is_moved: false });
        id
    }

    pub(super) fn is_moved(&self, reader: u64) -> bool {
        self.readers.get(&reader).is_some_and(|reader| reader.is_moved)
    }

    /// Forgets a reader. Its deliveries are not committed any more, unless their commit has begun.
    pub(super) fn remove_reader(&mut self, reader: u64) {
        self.end_reader(reader);
        self.readers.remove(&reader);
    }

    /// Registers a delivery.
    pub(super) fn add_ticket(&mut self, partition: Option<PartitionOf>) -> TicketId {
        let id = self.next_id();
        let is_served = |(reader, _): PartitionOf| {
            self.readers.get(&reader).is_some_and(|reader| !reader.ended.is_cancelled())
        };
        if partition.is_none_or(is_served) {
            self.tickets.insert(id, Progress { partition, ..Progress::default() });
            if let Some(partition) = partition {
                self.partitions.entry(partition).or_default().push_back(id);
            }
        }
        id
    }

    /// A delivery waits to enter. The sender is dropped if it will not.
    pub(super) fn wait(&mut self, ticket: TicketId, waiter: oneshot::Sender<Grant>) {
        let Some(progress) = self.tickets.get_mut(&ticket) else { return };
        progress.waiter = Some(waiter);
        if progress.member.is_none() {
            self.waiting.push_back(ticket);
        }
    }

    /// A delivery is behind the last function that keeps state.
    pub(super) fn leave(&mut self, ticket: TicketId) {
        let inside = self.inside.take_if(|inside| inside.ticket == ticket);
        if let Some(inside) = inside
            && let Some(progress) = self.tickets.get_mut(&ticket)
        {
            progress.size.states = inside.touched.len();
            progress.size.bytes = inside.bytes;
        }
        let partition = self.tickets.get(&ticket).and_then(|progress| progress.partition);
        if let Some(partition) = partition
            && let Some(queue) = self.partitions.get_mut(&partition)
        {
            queue.pop_front_if(|first| *first == ticket);
            if queue.is_empty() {
                // A source may have ever new partitions.
                self.partitions.remove(&partition);
            }
        }
    }

    /// A delivery is through the flow.
    pub(super) fn finish(
        &mut self,
        ticket: TicketId,
        facts: Facts,
        sender: oneshot::Sender<Settlement>,
    ) {
        self.leave(ticket);
        let Some(progress) = self.tickets.get_mut(&ticket) else { return };
        let is_stale = progress.member.is_none_or(|member| self.again.contains_key(&member));
        if is_stale {
            sender.send(Settlement::Again).ok();
            return;
        }
        // A bad row has two entries, and so has a position.
        progress.size.others = 2 * (facts.bad.len() + facts.positions.len());
        let row_bytes = |row: &Quarantined| {
            row.row.bytes().len()
                + row.origin.as_ref().map_or(0, |row| row.bytes().len())
                + row.cause.len()
        };
        let bad_bytes = facts.bad.iter().map(row_bytes).sum::<usize>();
        progress.size.bytes += bad_bytes;
        let (size, others) = (progress.size, progress.size.others);
        self.largest = self.largest.max(size);
        if progress.member.is_some_and(|member| self.open.members.contains_key(&member)) {
            self.open.others += others;
            self.open.bytes += bad_bytes;
            self.open.finished += 1;
        }
        progress.finished = Some((facts, sender));
    }

    /// Takes back a delivery that no source has read, unless its commit has begun or it is settled:
    /// then it returns `false`.
    pub(super) fn withdraw(&mut self, ticket: TicketId) -> bool {
        if !self.tickets.contains_key(&ticket) || self.is_committing(ticket) {
            return false;
        }
        self.drop_ticket(ticket);
        true
    }

    fn is_committing(&self, ticket: TicketId) -> bool {
        let committing = self.closed.as_ref().filter(|_| self.is_committing);
        committing.is_some_and(|round| round.members.values().any(|member| *member == ticket))
    }

    /// A delivery is dropped. If its commit has begun, it may take effect none the less.
    pub(super) fn drop_ticket(&mut self, ticket: TicketId) {
        let is_committing = self.is_committing(ticket);
        let Some(progress) = self.tickets.get(&ticket).filter(|_| !is_committing) else { return };
        if progress.partition.is_some() && progress.finished.is_some() {
            // It is done, even if its caller is gone.
            return;
        }
        let Some(progress) = self.tickets.remove(&ticket) else { return };
        self.waiting.retain(|waiting| *waiting != ticket);
        if let Some((reader, _)) = progress.partition {
            // Those behind it must not be committed before it.
            self.end_reader(reader);
        }
        let Some(member) = progress.member else { return };
        self.again.remove(&member);
        if self.inside.as_ref().is_some_and(|inside| inside.ticket == ticket) {
            // No other delivery has seen its changes.
            self.undo(member, self.attempt, 0);
            let touched = self.inside.take().map(|inside| inside.touched).unwrap_or_default();
            for (key, _) in touched.into_iter().filter(|(_, is_new)| *is_new) {
                if self.open.cells.get(&key).is_some_and(|cell| !cell.is_changed) {
                    self.open.cells.remove(&key);
                }
            }
            self.open.members.remove(&member);
            if self.open.members.is_empty() {
                self.open = Round::default();
            }
        } else if self.is_in_round(member) {
            // Another may have seen them.
            self.run_again();
        }
    }

    fn is_in_round(&self, member: u64) -> bool {
        let mut rounds = self.closed.iter().chain([&self.open]);
        rounds.any(|round| round.members.contains_key(&member))
    }

    /// Lets the next delivery in, and closes the open round, if that is possible. Returns what is to
    /// be committed then.
    pub(super) fn advance(&mut self) -> Option<(Handle, RoundCommit)> {
        // That of a run may end with the run; that of a reader lives as long as that.
        if self.readers.is_empty() {
            self.runtime = Handle::try_current().ok().or(self.runtime.take());
        }
        loop {
            if self.closed.is_none() && self.may_close() {
                self.closed = Some(std::mem::take(&mut self.open));
            }
            if !self.let_in() {
                break;
            }
        }
        let runtime = self.runtime.clone()?;
        let closed = self.closed.as_ref().filter(|_| !self.is_committing)?;
        let is_through = |ticket: &TicketId| {
            self.tickets.get(ticket).is_some_and(|progress| progress.finished.is_some())
        };
        if !closed.members.values().all(is_through) {
            return None;
        }
        self.is_committing = true;
        Some((runtime, self.group()))
    }

    fn may_close(&self) -> bool {
        let is_old = || self.open.began.is_some_and(|began| began.elapsed() >= ROUND);
        !self.open.members.is_empty()
            && self.inside.is_none()
            && (self.is_full() || is_old() || self.next().is_none())
    }

    /// The next that may enter.
    fn next(&self) -> Option<TicketId> {
        if let Some(ticket) = self.again.values().next() {
            // All others come after it.
            return self.tickets.get(ticket)?.waiter.as_ref().map(|_| *ticket);
        }
        let is_first = |ticket: &&TicketId| match self.tickets.get(ticket) {
            Some(Progress { partition: Some(partition), .. }) => {
                self.partitions.get(partition).and_then(VecDeque::front) == Some(*ticket)
            }
            _ => true,
        };
        self.waiting.iter().find(is_first).copied()
    }

    /// Lets the next delivery in; `false` if none can enter now.
    fn let_in(&mut self) -> bool {
        if self.inside.is_some() || self.is_full() {
            return false;
        }
        let Some(ticket) = self.next() else { return false };
        self.waiting.retain(|waiting| *waiting != ticket);
        let new = self.last_id + 1;
        let Some(progress) = self.tickets.get_mut(&ticket) else { return false };
        let member = *progress.member.get_or_insert(new);
        let waiter = progress.waiter.take();
        self.last_id = self.last_id.max(member);
        self.again.remove(&member);
        self.open.members.insert(member, ticket);
        self.open.began.get_or_insert_with(Instant::now);
        let (before, touched) = (Vec::new(), HashMap::new());
        self.inside = Some(Inside { ticket, member, before, touched, bytes: 0 });
        if let Some(waiter) = waiter {
            // If it is gone, its ticket is dropped soon.
            waiter.send(Grant { member, attempt: self.attempt }).ok();
        }
        true
    }
}
