//! [`Ticket`]: what a post waits for, and the [`Share`]s of its rows, each with one owner.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use tokio::sync::oneshot;

use crate::keys::{Answered, Claimed};

/// The result of a post's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Every row is done; with the number in quarantine, if known.
    Done { quarantined: Option<usize> },
    /// Some rows are not done, and will not be.
    Undone,
}

/// A post, as seen by the code that processes its rows.
#[derive(Debug)]
pub(crate) struct Ticket {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    stage: Stage,
    /// Counts its rows as long as they wait.
    waiting: Option<Waiting>,
    rows: usize,
    /// Rows without a result.
    open: usize,
    /// Its idempotency key, until all its rows are done or some of them will not be.
    key: Option<Claimed>,
    quarantined: Option<usize>,
    tell: Option<oneshot::Sender<Verdict>>,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    /// Its rows are not in progress yet.
    Waiting,
    Begun,
    /// Its client has to post again, or is gone: its rows will not be processed.
    GivenUp,
}

impl Ticket {
    /// Creates a ticket for a post with this many rows, of which those that are `open` wait in
    /// `queue`, with its two ends.
    pub(crate) fn new(
        rows: usize,
        open: usize,
        key: Option<Claimed>,
        queue: &Arc<AtomicU64>,
    ) -> (Arc<Self>, Share, Waiter) {
        let (tell, told) = oneshot::channel();
        let state = State {
            stage: Stage::Waiting,
            waiting: Some(Waiting::new(open as u64, queue)),
            rows,
            open,
            key,
            // Of those that were done before, it is unknown.
            quarantined: (open == rows).then_some(0),
            tell: Some(tell),
        };
        let ticket = Arc::new(Self { state: Mutex::new(state) });
        let share = Share { ticket: ticket.clone(), rows: open, told: AtomicBool::new(false) };
        (ticket.clone(), share, Waiter { ticket, told })
    }

    /// Marks its rows as in progress. Returns whether to process them.
    pub(crate) fn begin(&self) -> bool {
        self.with(|state| {
            state.leave(Stage::Begun);
            state.stage == Stage::Begun
        })
    }

    fn done(&self, rows: usize, quarantined: Option<usize>) {
        self.with(|state| {
            state.open = state.open.saturating_sub(rows);
            state.quarantined = state.quarantined.zip(quarantined).map(|(one, more)| one + more);
            if state.open == 0 {
                let answer = Answered { rows: state.rows, quarantined: state.quarantined };
                // Before the client hears of it: a repeated post finds the answer.
                if let Some(key) = state.key.take() {
                    key.done(answer);
                }
                state.say(Verdict::Done { quarantined: state.quarantined });
            }
        });
    }

    fn undone(&self) {
        self.with(|state| {
            state.key = None;
            state.say(Verdict::Undone);
        });
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    /// Ends its waiting.
    fn leave(&mut self, stage: Stage) {
        if self.waiting.take().is_some() {
            self.stage = stage;
        }
    }

    /// The first result counts; the client may be gone.
    fn say(&mut self, verdict: Verdict) {
        if let Some(tell) = self.tell.take() {
            let _ = tell.send(verdict);
        }
    }
}

/// Counts rows in a queue as long as they wait.
#[derive(Debug)]
struct Waiting {
    rows: u64,
    queue: Arc<AtomicU64>,
}

impl Waiting {
    fn new(rows: u64, queue: &Arc<AtomicU64>) -> Self {
        queue.fetch_add(rows, Ordering::Relaxed);
        Self { rows, queue: queue.clone() }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.queue.fetch_sub(self.rows, Ordering::Relaxed);
    }
}

/// Rows of a post with one owner. If this is dropped unsettled, they are not done.
#[derive(Debug)]
pub(crate) struct Share {
    ticket: Arc<Ticket>,
    rows: usize,
    told: AtomicBool,
}

impl Share {
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Splits off this many rows for another owner.
    pub(crate) fn split(&mut self, rows: usize) -> Self {
        let rows = rows.min(self.rows);
        self.rows -= rows;
        Self { ticket: self.ticket.clone(), rows, told: AtomicBool::new(false) }
    }

    /// Marks the rows as done. Calling it twice is harmless.
    pub(crate) fn done(&self, quarantined: Option<usize>) {
        if !self.told.swap(true, Ordering::AcqRel) {
            self.ticket.done(self.rows, quarantined);
        }
    }

    /// Marks the rows as not done for good.
    pub(crate) fn undone(&self) {
        if self.rows > 0 && !self.told.swap(true, Ordering::AcqRel) {
            self.ticket.undone();
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.undone();
    }
}

/// The waiting end of a post. If it is dropped (its client is gone), the post is given up unless it
/// is in progress.
#[derive(Debug)]
pub(crate) struct Waiter {
    ticket: Arc<Ticket>,
    told: oneshot::Receiver<Verdict>,
}

impl Waiter {
    /// Returns the result of the rows.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a verdict stays until it is read.
    pub(crate) async fn verdict(&mut self) -> Verdict {
        (&mut self.told).await.unwrap_or(Verdict::Undone)
    }

    /// Takes the post back, unless its rows are in progress. Returns whether it did.
    pub(crate) fn give_up(&self) -> bool {
        self.ticket.with(|state| {
            state.leave(Stage::GivenUp);
            let given_up = state.stage == Stage::GivenUp;
            if given_up {
                state.key = None;
            }
            given_up
        })
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.give_up();
    }
}
