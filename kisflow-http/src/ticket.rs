//! [`Ticket`]: what a post waits for, and the [`Share`]s of its rows that somebody answers for.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use tokio::sync::oneshot;

use crate::keys::{Answered, Claimed};

/// What became of the rows of a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Every row is done; how many are in quarantine, where that is known.
    Done { quarantined: Option<usize> },
    /// Some rows are not done, and will not be.
    Undone,
}

/// A post, as those see it who work on its rows.
#[derive(Debug)]
pub(crate) struct Ticket {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    stage: Stage,
    /// Counts its rows as long as nobody works on them.
    waiting: Option<Waiting>,
    rows: usize,
    /// Rows that nobody has told of.
    open: usize,
    /// Its idempotency key, until all its rows are done or some of them will not be.
    key: Option<Claimed>,
    quarantined: Option<usize>,
    tell: Option<oneshot::Sender<Verdict>>,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    /// Nobody works on its rows yet.
    Waiting,
    Begun,
    /// Its client was told to come again, or is gone: nobody will work on its rows.
    GivenUp,
}

impl Ticket {
    /// A ticket for so many rows, which wait in `queue`, and its ends.
    pub(crate) fn new(
        rows: usize,
        key: Option<Claimed>,
        queue: &Arc<AtomicU64>,
    ) -> (Arc<Self>, Share, Waiter) {
        let (tell, told) = oneshot::channel();
        let state = State {
            stage: Stage::Waiting,
            waiting: Some(Waiting::new(rows as u64, queue)),
            rows,
            open: rows,
            key,
            quarantined: Some(0),
            tell: Some(tell),
        };
        let ticket = Arc::new(Self { state: Mutex::new(state) });
        let share = Share { ticket: ticket.clone(), rows, told: AtomicBool::new(false) };
        (ticket.clone(), share, Waiter { ticket, told })
    }

    /// Whether its rows are to be worked on; from now on they are.
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
    /// It waits no longer, if it did.
    fn leave(&mut self, stage: Stage) {
        if self.waiting.take().is_some() {
            self.stage = stage;
        }
    }

    /// The first word counts; the client may be gone.
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

/// Rows of a post that somebody answers for. Dropped without a word, they are not done.
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

    /// So many of the rows, to be answered for by somebody else.
    pub(crate) fn split(&mut self, rows: usize) -> Self {
        let rows = rows.min(self.rows);
        self.rows -= rows;
        Self { ticket: self.ticket.clone(), rows, told: AtomicBool::new(false) }
    }

    /// The rows are done. Saying so twice does no harm.
    pub(crate) fn done(&self, quarantined: Option<usize>) {
        if !self.told.swap(true, Ordering::AcqRel) {
            self.ticket.done(self.rows, quarantined);
        }
    }

    /// The rows will not be done.
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

/// Where a post waits. Dropped (its client is gone), it is given up if nobody works on it yet.
#[derive(Debug)]
pub(crate) struct Waiter {
    ticket: Arc<Ticket>,
    told: oneshot::Receiver<Verdict>,
}

impl Waiter {
    /// What became of the rows.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a verdict stays until it is read.
    pub(crate) async fn verdict(&mut self) -> Verdict {
        (&mut self.told).await.unwrap_or(Verdict::Undone)
    }

    /// Takes the post back, unless somebody works on its rows. Says whether it is taken back.
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
