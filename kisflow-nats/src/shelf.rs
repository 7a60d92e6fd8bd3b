//! [`Shelf`]: rows that were fetched and are not handed out yet, and the sequences of all rows that
//! this reader holds. It has at most one batch, or the rows that a [`Hold`](crate::hold::Hold)
//! gathered.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_nats::Subject;
use bytes::Bytes;
use tokio::{sync::Notify, time::Instant};

use crate::error::NatsError;

/// A row that was fetched.
pub(crate) struct Fetched {
    pub(crate) payload: Bytes,
    /// Where it stands in the stream.
    pub(crate) sequence: u64,
    /// Its number among all that the consumer has delivered.
    pub(crate) number: u64,
    /// Whether it was delivered before.
    pub(crate) is_again: bool,
    /// Numbers of different epochs cannot be compared: the consumer may have counted anew.
    pub(crate) epoch: u64,
    /// Where to acknowledge it.
    pub(crate) reply: Subject,
    /// Since when its lease runs.
    pub(crate) since: Instant,
}

/// Rows that were fetched and are not handed out: between the task that fetches and `next`.
pub(crate) struct Shelf {
    state: Mutex<State>,
    batch: usize,
    wait: Duration,
    lease: Duration,
    is_ordered: bool,
    /// There is something to take, or to tell.
    pub(crate) arrived: Notify,
    /// There is room.
    pub(crate) room: Notify,
}

#[derive(Default)]
struct State {
    rows: VecDeque<Fetched>,
    /// The sequences of rows that are here, gathered, or handed out and not settled.
    held: HashSet<u64>,
    /// Rows of an ordered source were dropped, and will be redelivered.
    has_gap: bool,
    /// When the first of them came.
    first: Option<Instant>,
    /// Why none come.
    trouble: Option<NatsError>,
    /// Nothing is fetched before it was asked for.
    asked: bool,
}

/// What there is for `next`.
pub(crate) enum Taken<R = Vec<Fetched>> {
    Rows(R),
    Trouble(NatsError),
    /// Not yet; at this time whatever is there then.
    Wait(Option<Instant>),
}

impl<R> Taken<R> {
    pub(crate) fn map<T>(self, rows: impl FnOnce(R) -> T) -> Taken<T> {
        match self {
            Self::Rows(taken) => Taken::Rows(rows(taken)),
            Self::Trouble(trouble) => Taken::Trouble(trouble),
            Self::Wait(due) => Taken::Wait(due),
        }
    }
}

impl Shelf {
    pub(crate) fn new(batch: usize, wait: Duration, lease: Duration, is_ordered: bool) -> Self {
        Self {
            state: Mutex::default(),
            batch,
            wait,
            lease,
            is_ordered,
            arrived: Notify::new(),
            room: Notify::new(),
        }
    }

    /// How many rows to fetch, if any are wanted.
    pub(crate) fn wanted(&self) -> Option<usize> {
        let state = self.lock();
        self.batch.checked_sub(state.rows.len()).filter(|room| *room > 0 && state.asked)
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().rows.len()
    }

    /// Takes out rows that this reader has already, and remembers the others. They are delivered
    /// again when a lease could not be renewed in time, and who has them settles them.
    pub(crate) fn only_new(&self, mut rows: Vec<Fetched>) -> Vec<Fetched> {
        let mut state = self.lock();
        rows.retain(|row| state.held.insert(row.sequence));
        rows
    }

    /// These rows are not held any more.
    pub(crate) fn let_go(&self, sequences: impl IntoIterator<Item = u64>) {
        let mut state = self.lock();
        for sequence in sequences {
            state.held.remove(&sequence);
        }
    }

    /// None of the rows is held any more.
    pub(crate) fn forget(&self) {
        self.lock().held.clear();
    }

    /// Returns whether rows of an ordered source were dropped since the last call.
    pub(crate) fn takes_gap(&self) -> bool {
        std::mem::take(&mut self.lock().has_gap)
    }

    /// Drops all rows; they will be redelivered.
    pub(crate) fn drop_all(&self) {
        let state = &mut *self.lock();
        for row in state.rows.drain(..) {
            state.held.remove(&row.sequence);
        }
        state.first = None;
    }

    pub(crate) fn put(&self, rows: Vec<Fetched>) {
        let Some(first) = rows.first().map(|row| row.since) else { return };
        let mut state = self.lock();
        let before = state.rows.len();
        state.rows.extend(rows);
        state.first.get_or_insert(first);
        state.trouble = None;
        // In between there is nothing that `next` waits for.
        if before == 0 || (before < self.batch && state.rows.len() >= self.batch) {
            drop(state);
            self.arrived.notify_one();
        }
    }

    /// A batch that is full, or has waited long enough.
    pub(crate) fn take(&self) -> Taken {
        let now = Instant::now();
        let mut state = self.lock();
        if !state.asked {
            state.asked = true;
            self.room.notify_one();
        }
        let due = state.first.map(|first| first + self.wait);
        if state.rows.len() < self.batch && due.is_none_or(|due| due > now) {
            return match (&state.trouble, due) {
                (Some(trouble), None) => Taken::Trouble(trouble.clone()),
                (_, due) => Taken::Wait(due),
            };
        }
        // Rows whose lease has run out in an outage are anybody's: they come again.
        let is_over = |row: &Fetched| now >= row.since + self.lease;
        if let Some(first) = state.rows.iter().position(is_over)
            && self.is_ordered
        {
            // None behind such a row may be handed out before it.
            for row in state.rows.split_off(first) {
                state.held.remove(&row.sequence);
            }
            state.has_gap = true;
        }
        let count = state.rows.len().min(self.batch);
        let mut rows: Vec<Fetched> = state.rows.drain(..count).collect();
        rows.retain(|row| {
            let is_over = is_over(row);
            if is_over {
                state.held.remove(&row.sequence);
            }
            !is_over
        });
        state.first = (!state.rows.is_empty()).then_some(now);
        let due = state.first.map(|first| first + self.wait);
        drop(state);
        self.room.notify_one();
        match rows.is_empty() {
            true => Taken::Wait(due),
            false => Taken::Rows(rows),
        }
    }

    /// Why no rows come, until some do or [`mended`](Self::mended).
    pub(crate) fn fail(&self, trouble: NatsError) {
        self.lock().trouble = Some(trouble);
        self.arrived.notify_one();
    }

    pub(crate) fn mended(&self) {
        self.lock().trouble = None;
    }

    /// The rows whose lease began before `then`; they are taken to have a new one.
    pub(crate) fn renew(&self, then: Instant) -> Vec<Subject> {
        let now = Instant::now();
        let mut state = self.lock();
        let due =
            state.rows.iter_mut().filter(|row| row.since <= then && now < row.since + self.lease);
        due.map(|row| {
            row.since = now;
            row.reply.clone()
        })
        .collect()
    }

    /// Everything, to give it back.
    pub(crate) fn clear(&self) -> Vec<Subject> {
        self.lock().rows.drain(..).map(|row| row.reply).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(30);

    fn shelf(wait: Duration) -> Shelf {
        Shelf::new(3, wait, LEASE, false)
    }

    fn rows(sequences: std::ops::Range<u64>, since: Instant) -> Vec<Fetched> {
        let row = |sequence: u64| Fetched {
            payload: Bytes::new(),
            sequence,
            number: sequence,
            is_again: false,
            epoch: 0,
            reply: Subject::from(sequence.to_string()),
            since,
        };
        sequences.map(row).collect()
    }

    fn taken(shelf: &Shelf) -> Option<Vec<u64>> {
        match shelf.take() {
            Taken::Rows(rows) => Some(rows.into_iter().map(|row| row.sequence).collect()),
            _ => None,
        }
    }

    #[test]
    fn nothing_is_wanted_before_it_was_asked_for_and_never_more_than_a_batch() {
        let shelf = shelf(LEASE);
        assert_eq!(shelf.wanted(), None);
        assert!(matches!(shelf.take(), Taken::Wait(None)));
        assert_eq!(shelf.wanted(), Some(3));
        shelf.put(rows(1..3, Instant::now()));
        assert_eq!(shelf.wanted(), Some(1));
        shelf.put(rows(3..5, Instant::now()));
        assert_eq!(shelf.wanted(), None);
    }

    #[test]
    fn a_batch_is_full_or_has_waited() {
        let patient = shelf(LEASE);
        patient.put(rows(1..3, Instant::now()));
        assert!(matches!(patient.take(), Taken::Wait(Some(_))));
        patient.put(rows(3..5, Instant::now()));
        assert_eq!(taken(&patient), Some(vec![1, 2, 3]));
        assert_eq!(taken(&patient), None, "the fourth row waits for others");
        let hasty = shelf(Duration::ZERO);
        hasty.put(rows(1..2, Instant::now()));
        assert_eq!(taken(&hasty), Some(vec![1]));
    }

    #[test]
    fn trouble_is_told_until_it_is_mended_and_behind_the_rows_that_are_there() {
        let shelf = shelf(Duration::ZERO);
        shelf.put(rows(1..2, Instant::now()));
        shelf.fail(NatsError::away("here", None));
        assert_eq!(taken(&shelf), Some(vec![1]));
        assert!(matches!(shelf.take(), Taken::Trouble(_)));
        assert!(matches!(shelf.take(), Taken::Trouble(_)));
        shelf.mended();
        assert!(matches!(shelf.take(), Taken::Wait(None)));
    }

    #[tokio::test(start_paused = true)]
    async fn rows_whose_lease_ran_out_are_not_handed_out() {
        let shelf = shelf(Duration::ZERO);
        shelf.put(rows(1..2, Instant::now()));
        tokio::time::advance(LEASE / 2).await;
        shelf.put(rows(2..3, Instant::now()));
        tokio::time::advance(LEASE / 2).await;
        assert_eq!(taken(&shelf), Some(vec![2]));
    }

    #[tokio::test(start_paused = true)]
    async fn rows_that_keep_their_order_are_not_handed_out_before_one_whose_lease_ran_out() {
        let shelf = Shelf::new(3, Duration::ZERO, LEASE, true);
        shelf.put(shelf.only_new(rows(1..2, Instant::now())));
        tokio::time::advance(LEASE / 2).await;
        shelf.put(shelf.only_new(rows(2..4, Instant::now())));
        tokio::time::advance(LEASE / 2).await;
        assert_eq!(taken(&shelf), None);
        assert!(shelf.takes_gap() && !shelf.takes_gap());
        assert_eq!(shelf.only_new(rows(1..4, Instant::now())).len(), 3, "they come again");
    }

    #[test]
    fn a_row_that_is_here_or_not_settled_is_not_taken_twice() {
        let shelf = shelf(Duration::ZERO);
        let new = |range| -> Vec<u64> {
            let new = shelf.only_new(rows(range, Instant::now()));
            new.iter().map(|row| row.sequence).collect()
        };
        assert_eq!(new(1..3), [1, 2]);
        assert_eq!(new(1..4), [3]);
        shelf.let_go([2]);
        assert_eq!(new(1..4), [2]);
    }

    #[tokio::test(start_paused = true)]
    async fn rows_whose_lease_was_renewed_are_handed_out() {
        let shelf = shelf(Duration::ZERO);
        let start = Instant::now();
        shelf.put(rows(1..2, start));
        tokio::time::advance(LEASE / 2).await;
        shelf.put(rows(2..3, Instant::now()));
        assert_eq!(shelf.renew(start).len(), 1, "only what is due");
        tokio::time::advance(LEASE - Duration::from_secs(1)).await;
        assert_eq!(taken(&shelf), Some(vec![1, 2]));
    }
}
