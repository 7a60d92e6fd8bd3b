//! [`Chain`]: the files that were at a path, one after the other, and how far they are read.

use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::{
    disk::Identity,
    neighbors::SkippedFile,
    position::Position,
    tracked::{Standing, Tracked},
};

/// For so long files that were left are looked at, and how many of them.
pub(super) const LATE: Duration = Duration::from_secs(600);
const MOST_LEFT: usize = 8;

/// How many of the read bytes must be equal in a file of another inode at the path for it to count
/// as the same file.
pub(super) const EVIDENCE: usize = 256;

/// Whether a path beside that of the chain belongs to another chain.
pub(super) type Excluded = Arc<dyn Fn(&Path) -> bool + Send + Sync>;

/// The files that were at a path, one after the other. The reader reads the first; each look at the
/// path adds those that took it since.
pub(super) struct Chain {
    path: PathBuf,
    pub(super) excluded: Excluded,
    /// Grows with every change that is seen.
    version: AtomicU64,
    state: Mutex<State>,
    /// Wakes the reader.
    wake: Arc<Notify>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) files: VecDeque<Tracked>,
    pub(super) next: u64,
    /// What the last look found: if the next one finds the same, nothing was written.
    pub(super) stamp: Option<Stamp>,
    /// When the folder changed last, while there is no file.
    pub(super) folder: Option<u64>,
    /// Why the last look failed, until the reader has reported it.
    pub(super) failure: Option<io::Error>,
    /// Files that were left, as long as a process may write to them by mistake.
    pub(super) left: Vec<Tracked>,
    /// What will not be read, until the reader has reported it.
    pub(super) missed: Vec<Missed>,
    /// The rotated files that cannot be read, as the last search found them.
    pub(super) unreadable: Vec<SkippedFile>,
}

/// Bytes that will not be read.
pub(super) struct Missed {
    /// Where they are.
    pub(super) position: Position,
    pub(super) bytes: u64,
    /// What happened, and what to do.
    pub(super) what: String,
}

/// What changes when a file is written to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) identity: Identity,
    pub(super) length: u64,
    pub(super) modified: u64,
}

impl Chain {
    pub(super) fn new(path: &str, excluded: Excluded, wake: Arc<Notify>) -> Self {
        let (version, state) = (AtomicU64::new(0), Mutex::default());
        Self { path: path.into(), excluded, version, state, wake }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    pub(super) fn changed(&self) {
        self.version.fetch_add(1, Ordering::Release);
        self.wake.notify_one();
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the file that is being read, and whether others wait behind it.
    pub(super) fn front(&self) -> Option<(Tracked, bool)> {
        let state = self.state();
        Some((state.files.front()?.clone(), state.files.len() > 1))
    }

    /// Returns the file that was last at the path.
    pub(super) fn last(&self) -> Option<Tracked> {
        self.state().files.back().cloned()
    }

    /// Sets the files to read first.
    pub(super) fn begin(&self, files: Vec<Tracked>) {
        let mut state = self.state();
        state.stamp = None;
        state.files.clear();
        files.into_iter().for_each(|file| state.push(file));
    }

    /// Records progress in the first file.
    pub(super) fn read(&self, id: u64, change: impl FnOnce(&mut Position)) {
        let mut state = self.state();
        if let Some(file) = state.files.front_mut().filter(|file| file.id == id) {
            change(&mut file.position);
            file.position.length = file.position.length.max(file.position.offset);
            file.since = Instant::now();
        }
    }

    /// Removes the first file, which is done.
    pub(super) fn pop(&self) -> Option<Tracked> {
        let mut state = self.state();
        let file = state.files.pop_front()?;
        state.left.retain(|file| file.since.elapsed() < LATE);
        if file.standing == Standing::Left
            && !file.content.is_gzip()
            && state.left.len() < MOST_LEFT
        {
            state.left.push(Tracked { since: Instant::now(), ..file.clone() });
        }
        Some(file)
    }

    /// What will not be read.
    pub(super) fn take_missed(&self) -> Option<Missed> {
        self.state().missed.pop()
    }

    /// Takes the reason why the path could not be looked at.
    pub(super) fn take_failure(&self) -> Option<io::Error> {
        self.state().failure.take()
    }
}

impl State {
    /// Puts a file in front of another.
    pub(super) fn insert(&mut self, at: usize, file: Tracked) {
        self.files.insert(at, Tracked { id: self.next, ..file });
        self.next += 1;
    }

    pub(super) fn push(&mut self, file: Tracked) {
        self.files.push_back(Tracked { id: self.next, ..file });
        self.next += 1;
    }
}
