//! [`Commits`]: the position of what is done, kept one write at a time.

use std::{
    error::Error,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use kisflow_core::{Positions, Prefix, Receipt, Result, Settled, Ticket, async_trait};
use tokio::sync::{Notify, watch};

use super::position::Position;
use crate::{error::FileError, frame::Places};

/// How many deliveries may be handed out behind one that is not done.
const MOST_OPEN: usize = 4096;

/// Keeps the position of what is done. One task writes, always the newest position: what is done
/// while a write goes on needs one more, however much that is.
pub(super) struct Commits {
    path: Arc<str>,
    state: Mutex<State>,
    wanted: watch::Sender<Wanted>,
    kept: watch::Receiver<Written>,
    /// The prefix has grown.
    grown: Notify,
}

struct State {
    prefix: Prefix<Position>,
    /// How many deliveries were handed out.
    begun: u64,
    /// The end of the prefix.
    reached: Position,
    requests: u64,
}

/// A delivery's place in the order.
pub(super) struct Turn {
    ticket: Ticket,
    number: u64,
}

/// What is to be kept.
#[derive(Clone, Default)]
struct Wanted {
    request: u64,
    /// How many deliveries it covers.
    covers: u64,
    position: Position,
}

/// What became of it.
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
    pub(super) fn start(path: Arc<str>, positions: Positions) -> Arc<Self> {
        let (wanted, asked) = watch::channel(Wanted::default());
        let (written, kept) = watch::channel(Written::default());
        tokio::spawn(write(path.clone(), positions, asked, written));
        let state =
            State { prefix: Prefix::new(), begun: 0, reached: Position::default(), requests: 0 };
        Arc::new(Self { path, state: Mutex::new(state), wanted, kept, grown: Notify::new() })
    }

    /// A delivery is handed out that ends there.
    pub(super) fn begin(&self, end: Position) -> Turn {
        let mut state = self.state();
        let number = state.begun;
        state.begun += 1;
        Turn { ticket: state.prefix.begin(end), number }
    }

    /// Waits until there are not too many deliveries behind one that is not done.
    pub(super) async fn room(&self) {
        while self.state().prefix.open() >= MOST_OPEN {
            self.grown.notified().await;
        }
    }

    /// The delivery is done; returns when that is durable, at once if another before it is not done.
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
                    return Err(FileError::position(&self.path, error.clone()));
                }
            }
            if kept.changed().await.is_err() {
                return Err(FileError::abandoned(&self.path));
            }
        }
    }

    /// Asks for the position to be kept, unless that is of no use to this delivery.
    fn request(&self, turn: &Turn) -> Option<u64> {
        let mut state = self.state();
        if let Some(end) = state.prefix.done(turn.ticket) {
            state.reached = end;
            self.grown.notify_one();
        }
        let covers = state.begun - state.prefix.open() as u64;
        if turn.number >= covers || self.kept.borrow().covers > turn.number {
            return None;
        }
        state.requests += 1;
        let request = state.requests;
        self.wanted.send_replace(Wanted { request, covers, position: state.reached.clone() });
        Some(request)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn write(
    path: Arc<str>,
    positions: Positions,
    mut asked: watch::Receiver<Wanted>,
    written: watch::Sender<Written>,
) {
    while asked.changed().await.is_ok() {
        let Wanted { request, covers, position } = asked.borrow_and_update().clone();
        let result = positions.keep(&path, position.encode()).await;
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
    places: Places,
    turn: Turn,
    commits: Arc<Commits>,
}

impl FileReceipt {
    pub(super) fn new(places: Places, turn: Turn, commits: Arc<Commits>) -> Self {
        Self { places, turn, commits }
    }
}

#[async_trait]
impl Receipt for FileReceipt {
    fn position(&self, row: usize) -> String {
        format!("{}:{}", self.commits.path, self.places.offset(row))
    }

    async fn done(&self, _: &Settled) -> Result<()> {
        Ok(self.commits.done(&self.turn).await?)
    }
}
