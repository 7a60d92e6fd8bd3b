//! [`Commits`]: the positions of done deliveries, kept one write at a time.

use std::{
    collections::{BTreeMap, VecDeque},
    error::Error,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use kisflow_core::{Positions, Prefix, Receipt, Result, Settled, Ticket, async_trait};
use tokio::sync::{Notify, watch};

use super::position::Position;
use crate::{error::FileError, frame::Places};

/// How many deliveries may be handed out behind one that is not done.
const MOST_OPEN: usize = 4096;

/// Keeps the positions of done deliveries, one for each path. One task writes, always the newest
/// positions: all deliveries that are done during a write need only one more.
pub(super) struct Commits {
    key: Arc<str>,
    state: Arc<Mutex<State>>,
    wanted: watch::Sender<u64>,
    kept: watch::Receiver<Written>,
    /// The prefix has grown.
    grown: Notify,
}

struct State {
    prefix: Prefix<u64>,
    /// How many deliveries were handed out.
    begun: u64,
    /// The ends of open deliveries, and their numbers.
    ends: VecDeque<(u64, Arc<str>, Position)>,
    /// The positions to keep, by path.
    reached: BTreeMap<Arc<str>, Position>,
    requests: u64,
}

/// A delivery's place in the order.
pub(super) struct Turn {
    ticket: Ticket,
    number: u64,
}

/// Its result.
#[derive(Clone, Default)]
struct Written {
    /// The last request that was answered.
    request: u64,
    /// How many deliveries are durably done.
    covers: u64,
    error: Option<Arc<dyn Error + Send + Sync>>,
}

impl Commits {
    /// Starts the task that writes; it ends with the last receipt.
    pub(super) fn start(key: Arc<str>, positions: Positions) -> Arc<Self> {
        let (wanted, asked) = watch::channel(0);
        let (written, kept) = watch::channel(Written::default());
        let state = Arc::new(Mutex::new(State {
            prefix: Prefix::new(),
            begun: 0,
            ends: VecDeque::new(),
            reached: BTreeMap::new(),
            requests: 0,
        }));
        tokio::spawn(write(state.clone(), positions, asked, written));
        Arc::new(Self { key, state, wanted, kept, grown: Notify::new() })
    }

    /// Records a delivery that ends there.
    pub(super) fn begin(&self, path: Arc<str>, end: Position) -> Turn {
        let mut state = self.state();
        let number = state.begun;
        state.begun += 1;
        state.ends.push_back((number, path, end));
        Turn { ticket: state.prefix.begin(number), number }
    }

    /// Records progress without a row: it is kept when everything before it is done.
    pub(super) fn pass(&self, path: Arc<str>, end: Position) {
        let turn = self.begin(path, end);
        self.request(&turn);
    }

    /// Waits until there are not too many deliveries behind one that is not done.
    pub(super) async fn room(&self) {
        while self.state().prefix.open() >= MOST_OPEN {
            self.grown.notified().await;
        }
    }

    /// Marks the delivery as done. Returns when that is durable, or at once if another one before
    /// it is not done.
    async fn done(&self, turn: &Turn) -> Result<(), FileError> {
        let Some(request) = self.request(turn) else { return Ok(()) };
        let mut kept = self.kept.clone();
        loop {
            {
                let written = kept.borrow_and_update();
                if written.covers > turn.number {
                    return Ok(());
                }
                if let (true, Some(error)) = (written.request >= request, &written.error) {
                    return Err(FileError::position(&self.key, error.clone()));
                }
            }
            if kept.changed().await.is_err() {
                return Err(FileError::abandoned(&self.key));
            }
        }
    }

    /// Requests a write of the position, unless it does not help this delivery.
    fn request(&self, turn: &Turn) -> Option<u64> {
        let mut state = self.state();
        if let Some(last) = state.prefix.done(turn.ticket) {
            while let Some((_, path, end)) = state.ends.pop_front_if(|(at, ..)| *at <= last) {
                state.reached.insert(path, end);
            }
            self.grown.notify_one();
        }
        if turn.number >= state.covers() || self.kept.borrow().covers > turn.number {
            return None;
        }
        state.requests += 1;
        self.wanted.send_replace(state.requests);
        Some(state.requests)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    /// How many deliveries are done, without a gap.
    fn covers(&self) -> u64 {
        self.begun - self.prefix.open() as u64
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn write(
    state: Arc<Mutex<State>>,
    positions: Positions,
    mut asked: watch::Receiver<u64>,
    written: watch::Sender<Written>,
) {
    while asked.changed().await.is_ok() {
        asked.borrow_and_update();
        let (request, covers, reached) = {
            let mut state = lock(&state);
            (state.requests, state.covers(), std::mem::take(&mut state.reached))
        };
        let kept = reached.iter().map(|(path, end)| (path.clone(), end.encode().into()));
        let result = positions.keep_all(kept.collect()).await;
        if result.is_err() {
            let mut state = lock(&state);
            for (path, end) in reached {
                state.reached.entry(path).or_insert(end);
            }
        }
        written.send_modify(|written| {
            written.request = request;
            match result {
                Ok(()) => (written.covers, written.error) = (covers, None),
                Err(error) => written.error = Some(Arc::from(error)),
            }
        });
    }
}

/// The receipt of rows of a file.
pub(super) struct FileReceipt {
    pub(super) path: Arc<str>,
    /// Which of the files it is that were at the path, from 1.
    pub(super) generation: u64,
    pub(super) places: Places,
    pub(super) turn: Turn,
    pub(super) commits: Arc<Commits>,
}

#[async_trait]
impl Receipt for FileReceipt {
    fn position(&self, row: usize) -> String {
        format!("{}:{}", self.path, self.places.offset(row))
    }

    fn generation(&self) -> String {
        // The first file needs nothing that tells it apart.
        if self.generation > 1 { self.generation.to_string() } else { String::new() }
    }

    async fn done(&self, _: &Settled) -> Result<()> {
        Ok(self.commits.done(&self.turn).await?)
    }
}
