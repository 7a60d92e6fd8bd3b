//! [`Watcher`]: one thread that looks at all files that are followed.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _, event::ModifyKind};
use tokio::sync::Semaphore;
use tracing::{debug, warn};

use super::neighbors::folder;

/// How many files are read at the same time, by threads of tokio's blocking pool.
const READS: usize = 4;
/// The longest time between two looks at a quiet file, whatever the operating system reports.
const SLOWEST: Duration = Duration::from_secs(2);
/// Looks that are due within this time are done together.
const TOGETHER: Duration = Duration::from_millis(20);
/// How many events of the operating system may wait for the thread; it looks at every file now and
/// then, so those that are left out only cost time.
const MOST_EVENTS: usize = 4096;
/// How long to wait before a folder that cannot be watched is tried again.
const AGAIN: Duration = Duration::from_secs(30);

/// Something that the watcher looks at.
pub(super) trait Watched: Send + Sync {
    /// Returns the folders to watch, and the name in each whose changes count. `None` instead of a
    /// name stands for every name that appears or disappears.
    fn places(&self) -> Vec<(PathBuf, Option<OsString>)>;

    /// Returns the longest time between two looks without a change.
    fn slowest(&self) -> Duration {
        SLOWEST
    }

    /// Looks. Returns whether something has changed.
    fn look(&self) -> bool;
}

/// Looks at everything that is followed, on one thread: when the operating system reports a change,
/// and from time to time in any case, because network file systems report nothing. Shared by all
/// sources of one `serve`.
pub(super) struct Watcher {
    sender: Mutex<Option<Sender<Message>>>,
    pub(super) reads: Arc<Semaphore>,
}

enum Message {
    Watch(Weak<dyn Watched>, Duration),
    /// A change of the path, and whether its name appeared or disappeared.
    Event(PathBuf, bool),
    Stop,
}

impl Default for Watcher {
    fn default() -> Self {
        Self { sender: Mutex::default(), reads: Arc::new(Semaphore::new(READS)) }
    }
}

impl Watcher {
    /// Looks at it from now on, until it is dropped, at most once per `poll`.
    ///
    /// # Errors
    ///
    /// When the thread cannot be started.
    pub(super) fn watch(&self, watched: Weak<dyn Watched>, poll: Duration) -> io::Result<()> {
        let mut sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = match &mut *sender {
            Some(sender) => sender,
            none => none.insert(start()?),
        };
        sender.send(Message::Watch(watched, poll)).map_err(io::Error::other)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let sender = self.sender.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = sender.take() {
            // If the thread is gone, it has stopped already.
            drop(sender.send(Message::Stop));
        }
    }
}

fn start() -> io::Result<Sender<Message>> {
    let (sender, receiver) = channel();
    let events = sender.clone();
    let waiting = Arc::new(AtomicUsize::new(0));
    let waits = waiting.clone();
    let notifier = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        let names = match event.kind {
            EventKind::Access(_) => return,
            EventKind::Modify(ModifyKind::Name(_)) => true,
            EventKind::Modify(_) => false,
            _ => true,
        };
        for path in event.paths {
            if waits.load(Ordering::Relaxed) < MOST_EVENTS {
                waits.fetch_add(1, Ordering::Relaxed);
                // The thread may have stopped.
                drop(events.send(Message::Event(path, names)));
            }
        }
    });
    let notifier = notifier
        .inspect_err(|error| warn!(%error, "changes of files are not told; they are looked for"))
        .ok();
    thread::Builder::new()
        .name("kisflow-watch".to_owned())
        .spawn(move || Looker::new(notifier).run(&receiver, &waiting))
        .map(|_| sender)
}

/// The state of the thread.
struct Looker {
    notifier: Option<RecommendedWatcher>,
    entries: HashMap<usize, Entry>,
    next: usize,
    due: BTreeSet<(Instant, usize)>,
    folders: HashMap<PathBuf, Folder>,
    begun: Instant,
}

struct Entry {
    watched: Weak<dyn Watched>,
    poll: Duration,
    due: Instant,
    looked: Instant,
    /// The last look that found a change.
    news: Instant,
    /// When its folders were looked up.
    placed: Instant,
}

#[derive(Default)]
struct Folder {
    /// The entries by name; `None` for those that watch all names.
    names: HashMap<Option<OsString>, HashSet<usize>>,
    /// When it could not be watched.
    failed: Option<Instant>,
    is_watched: bool,
}

impl Looker {
    fn new(notifier: Option<RecommendedWatcher>) -> Self {
        let (entries, due, folders) = (HashMap::new(), BTreeSet::new(), HashMap::new());
        Self { notifier, entries, next: 0, due, folders, begun: Instant::now() }
    }

    fn run(mut self, receiver: &Receiver<Message>, waiting: &AtomicUsize) {
        loop {
            let now = Instant::now();
            let pause =
                self.due.first().map_or(AGAIN, |(due, _)| due.saturating_duration_since(now));
            let mut message = match receiver.recv_timeout(pause) {
                Ok(message) => Some(message),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            while let Some(taken) = message.take() {
                match taken {
                    Message::Watch(watched, poll) => self.add(watched, poll),
                    Message::Event(path, names) => {
                        waiting.fetch_sub(1, Ordering::Relaxed);
                        self.happened(&path, names);
                    }
                    Message::Stop => return,
                }
                message = receiver.try_recv().ok();
            }
            self.look();
        }
    }

    fn add(&mut self, watched: Weak<dyn Watched>, poll: Duration) {
        let (id, now) = (self.next, Instant::now());
        self.next += 1;
        let long_ago = now.checked_sub(AGAIN).unwrap_or(now);
        let entry =
            Entry { watched, poll, due: now, looked: long_ago, news: now, placed: long_ago };
        self.entries.insert(id, entry);
        self.due.insert((now, id));
        self.place(id);
    }

    /// Watches the folders of an entry.
    fn place(&mut self, id: usize) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.placed = Instant::now();
        let Some(watched) = entry.watched.upgrade() else { return };
        for (path, name) in watched.places() {
            // Each folder has one name here.
            let Ok(path) = fs::canonicalize(path) else { continue };
            let folder = self.folders.entry(path.clone()).or_default();
            folder.names.entry(name).or_default().insert(id);
            if folder.is_watched || folder.failed.is_some_and(|failed| failed.elapsed() < AGAIN) {
                continue;
            }
            let Some(notifier) = &mut self.notifier else { continue };
            match notifier.watch(&path, RecursiveMode::NonRecursive) {
                Ok(()) => (folder.is_watched, folder.failed) = (true, None),
                Err(error) => {
                    debug!(path = %path.display(), %error, "the folder is not watched");
                    folder.failed = Some(Instant::now());
                }
            }
        }
    }

    fn happened(&mut self, path: &Path, names: bool) {
        // The folder itself is gone: another may come.
        if names
            && let Some(folder) = self.folders.get_mut(path)
            && !path.is_dir()
        {
            folder.is_watched = false;
        }
        let Some(folder) = self.folders.get(&folder(path)) else { return };
        let named = folder.names.get(&path.file_name().map(Into::into));
        let all = folder.names.get(&None).filter(|_| names);
        let ids: Vec<usize> = named.into_iter().chain(all).flatten().copied().collect();
        let now = Instant::now();
        for id in ids {
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            let due = (entry.looked + entry.poll).max(now);
            if due < entry.due {
                self.due.remove(&(entry.due, id));
                entry.due = due;
                self.due.insert((due, id));
            }
        }
    }

    fn look(&mut self) {
        let now = Instant::now();
        while let Some((due, id)) = self.due.first().copied().filter(|(due, _)| *due <= now) {
            self.due.remove(&(due, id));
            let Some(watched) = self.entries.get(&id).and_then(|entry| entry.watched.upgrade())
            else {
                self.forget(id);
                continue;
            };
            let has_news = watched.look();
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            entry.looked = Instant::now();
            if has_news {
                entry.news = entry.looked;
            }
            let quiet = entry.looked - entry.news;
            let pause = (quiet / 16).clamp(entry.poll, watched.slowest().max(entry.poll));
            entry.due = round(self.begun, entry.looked + pause, (pause / 8).max(TOGETHER));
            let stale = entry.placed.elapsed() >= AGAIN;
            self.due.insert((entry.due, id));
            if stale {
                self.place(id);
            }
        }
    }

    /// Removes an entry that was dropped.
    fn forget(&mut self, id: usize) {
        self.entries.remove(&id);
        let notifier = &mut self.notifier;
        self.folders.retain(|path, folder| {
            folder.names.values_mut().for_each(|ids| {
                ids.remove(&id);
            });
            folder.names.retain(|_, ids| !ids.is_empty());
            if folder.names.is_empty()
                && folder.is_watched
                && let Some(notifier) = notifier
            {
                // The folder may be gone.
                drop(notifier.unwatch(path));
            }
            !folder.names.is_empty()
        });
    }
}

/// The next time that is a whole number of steps after `begun`.
fn round(begun: Instant, time: Instant, step: Duration) -> Instant {
    let steps = time.saturating_duration_since(begun).as_nanos().div_ceil(step.as_nanos().max(1));
    begun + step * u32::try_from(steps).unwrap_or(u32::MAX)
}
