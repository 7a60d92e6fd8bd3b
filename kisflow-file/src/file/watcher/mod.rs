//! [`Watcher`]: the thread that polls all followed files.

mod local;
mod looker;

use std::{
    ffi::OsString,
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{Sender, channel},
    },
    thread,
    time::Duration,
};

use notify::{EventKind, event::ModifyKind};
use tokio::sync::Semaphore;
use tracing::warn;

use self::looker::Looker;

/// How many files are read at the same time, by threads of tokio's blocking pool.
const READS: usize = 4;
/// The longest time between two looks at a quiet file.
const SLOWEST: Duration = Duration::from_secs(2);
/// How many events of the operating system may wait for the thread. When there are more, it looks
/// at everything.
const MOST_EVENTS: usize = 4096;

/// Something that the watcher looks at.
pub(super) trait Watched: Send + Sync {
    /// Returns the folders to watch, and the name in each whose changes count. `None` instead of a
    /// name stands for every name that appears or disappears.
    fn places(&self) -> Vec<(PathBuf, Option<OsString>)>;

    /// Returns the longest time between two looks without a change.
    fn slowest(&self) -> Duration {
        SLOWEST
    }

    /// Whether only a change that is reported at its places can be news.
    fn is_settled(&self) -> bool;

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
    /// Wakes the thread when events were lost.
    Lost,
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
    let backlog = Arc::new(Backlog::default());
    let reported = backlog.clone();
    let notifier = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        // The kernel's own queue was full.
        if event.need_rescan() {
            reported.is_lost.store(true, Ordering::Relaxed);
            drop(events.send(Message::Lost));
        }
        let names = match event.kind {
            EventKind::Access(_) => return,
            EventKind::Modify(ModifyKind::Name(_)) => true,
            EventKind::Modify(_) => false,
            _ => true,
        };
        for path in event.paths {
            if reported.waiting.load(Ordering::Relaxed) < MOST_EVENTS {
                reported.waiting.fetch_add(1, Ordering::Relaxed);
                // The thread may have stopped.
                drop(events.send(Message::Event(path, names)));
            } else {
                // The thread has events to take, so it needs no other word.
                reported.is_lost.store(true, Ordering::Relaxed);
            }
        }
    });
    let notifier = notifier
        .inspect_err(|error| warn!(%error, "changes of files are not told; they are looked for"))
        .ok();
    thread::Builder::new()
        .name("kisflow-watch".to_owned())
        .spawn(move || Looker::new(notifier).run(&receiver, &backlog))
        .map(|_| sender)
}

/// The events that wait for the thread.
#[derive(Default)]
struct Backlog {
    waiting: AtomicUsize,
    /// Some were left out.
    is_lost: AtomicBool,
}
