//! [`Looker`]: the thread of a watcher.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    ffi::OsString,
    fs,
    path::{self, Path, PathBuf},
    sync::{
        Weak,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tracing::debug;

use super::{Backlog, Message, Watched, local::reports_changes};
use crate::file::neighbors::folder;

/// The longest time between two looks at a quiet file where the operating system reports every
/// change but those through `mmap`.
const SLOWEST_REPORTED: Duration = Duration::from_secs(30);
/// Looks that are due within this time are done together.
const TOGETHER: Duration = Duration::from_millis(20);
/// How long to wait before a folder that cannot be watched is tried again.
const AGAIN: Duration = Duration::from_secs(30);

/// The state of the thread.
pub(super) struct Looker {
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
    /// When its folders were looked up; `None` when one of them is another since.
    placed: Option<Instant>,
    /// Whether changes in all of them are reported.
    is_reported: bool,
}

#[derive(Default)]
struct Folder {
    /// The entries by name; `None` for those that watch all names.
    names: HashMap<Option<OsString>, HashSet<usize>>,
    /// When it could not be watched.
    failed: Option<Instant>,
    is_watched: bool,
    /// Whether all changes of its files are reported.
    is_reported: bool,
}

impl Looker {
    pub(super) fn new(notifier: Option<RecommendedWatcher>) -> Self {
        let (entries, due, folders) = (HashMap::new(), BTreeSet::new(), HashMap::new());
        Self { notifier, entries, next: 0, due, folders, begun: Instant::now() }
    }

    pub(super) fn run(mut self, receiver: &Receiver<Message>, backlog: &Backlog) {
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
                        backlog.waiting.fetch_sub(1, Ordering::Relaxed);
                        self.happened(&path, names);
                    }
                    Message::Lost => {}
                    Message::Stop => return,
                }
                message = receiver.try_recv().ok();
            }
            if backlog.is_lost.swap(false, Ordering::Relaxed) {
                let ids: Vec<usize> = self.entries.keys().copied().collect();
                self.hasten(&ids);
            }
            self.look();
        }
    }

    fn add(&mut self, watched: Weak<dyn Watched>, poll: Duration) {
        let (id, now) = (self.next, Instant::now());
        self.next += 1;
        let long_ago = now.checked_sub(AGAIN).unwrap_or(now);
        let entry = Entry {
            watched,
            poll,
            due: now,
            looked: long_ago,
            news: now,
            placed: None,
            is_reported: false,
        };
        self.entries.insert(id, entry);
        self.due.insert((now, id));
        self.place(id);
    }

    /// Watches the folders of an entry.
    fn place(&mut self, id: usize) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.placed = Some(Instant::now());
        let Some(watched) = entry.watched.upgrade() else { return };
        entry.is_reported = true;
        for (path, name) in watched.places() {
            // A link to a folder may change without a report.
            let absolute = path::absolute(&path);
            // Each folder has one name here.
            let Ok(path) = fs::canonicalize(path) else {
                entry.is_reported = false;
                continue;
            };
            entry.is_reported &= absolute.is_ok_and(|absolute| absolute == path);
            let folder = self.folders.entry(path.clone()).or_default();
            folder.names.entry(name).or_default().insert(id);
            let is_tried = folder.failed.is_some_and(|failed| failed.elapsed() < AGAIN);
            if !folder.is_watched
                && !is_tried
                && let Some(notifier) = &mut self.notifier
            {
                folder.watch(&path, notifier);
            }
            entry.is_reported &= folder.is_watched && folder.is_reported;
        }
    }

    fn happened(&mut self, path: &Path, names: bool) {
        // The folder itself is another, or will be.
        if names && let Some(folder) = self.folders.get_mut(path) {
            folder.is_watched = false;
            let ids: Vec<usize> = folder.names.values().flatten().copied().collect();
            for id in &ids {
                let Some(entry) = self.entries.get_mut(id) else { continue };
                (entry.is_reported, entry.placed) = (false, None);
            }
            self.hasten(&ids);
        }
        let Some(folder) = self.folders.get(&folder(path)) else { return };
        let named = folder.names.get(&path.file_name().map(Into::into));
        let all = folder.names.get(&None).filter(|_| names);
        let ids: Vec<usize> = named.into_iter().chain(all).flatten().copied().collect();
        self.hasten(&ids);
    }

    /// Looks at these as soon as their `poll` allows.
    fn hasten(&mut self, ids: &[usize]) {
        let now = Instant::now();
        for id in ids {
            let Some(entry) = self.entries.get_mut(id) else { continue };
            let due = (entry.looked + entry.poll).max(now);
            if due < entry.due {
                self.due.remove(&(entry.due, *id));
                entry.due = due;
                self.due.insert((due, *id));
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
            let pause = match entry.is_reported && watched.is_settled() {
                true => quiet.clamp(entry.poll, SLOWEST_REPORTED.max(entry.poll)),
                false => (quiet / 16).clamp(entry.poll, watched.slowest().max(entry.poll)),
            };
            entry.due = round(self.begun, entry.looked + pause, (pause / 8).max(TOGETHER));
            let stale = entry.placed.is_none_or(|placed| placed.elapsed() >= AGAIN);
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

impl Folder {
    fn watch(&mut self, path: &Path, notifier: &mut RecommendedWatcher) {
        match notifier.watch(path, RecursiveMode::NonRecursive) {
            Ok(()) => {
                (self.is_watched, self.failed) = (true, None);
                self.is_reported = reports_changes(path);
            }
            Err(error) => {
                debug!(path = %path.display(), %error, "the folder is not watched");
                self.failed = Some(Instant::now());
            }
        }
    }
}

/// The next time that is a whole number of steps after `begun`.
fn round(begun: Instant, time: Instant, step: Duration) -> Instant {
    let steps = time.saturating_duration_since(begun).as_nanos().div_ceil(step.as_nanos().max(1));
    begun + step * u32::try_from(steps).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        mpsc::{Sender, channel},
    };
    use std::thread;

    use super::{super::SLOWEST, *};

    struct Quiet(PathBuf);

    impl Watched for Quiet {
        fn places(&self) -> Vec<(PathBuf, Option<OsString>)> {
            vec![(folder(&self.0), self.0.file_name().map(Into::into))]
        }

        fn is_settled(&self) -> bool {
            true
        }

        fn look(&self) -> bool {
            false
        }
    }

    /// A thread's state with one file that was looked at a minute after its last change.
    fn quiet(path: &Path) -> (Looker, Arc<dyn Watched>) {
        let watched: Arc<dyn Watched> = Arc::new(Quiet(path.to_owned()));
        let mut looker = Looker::new(notify::recommended_watcher(|_| {}).ok());
        looker.add(Arc::downgrade(&watched), Duration::from_millis(100));
        let minute = Duration::from_secs(60);
        looker.entries.get_mut(&0).unwrap().news = Instant::now().checked_sub(minute).unwrap();
        looker.look();
        (looker, watched)
    }

    /// How long the file is not looked at.
    fn pause(looker: &Looker) -> Duration {
        looker.entries[&0].due - looker.entries[&0].looked
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_quiet_file_is_looked_at_rarely_where_changes_are_reported() {
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        let (looker, _watched) = quiet(&folder.path().join("orders"));
        assert!(pause(&looker) >= SLOWEST_REPORTED, "{:?}", pause(&looker));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_quiet_file_is_looked_at_often_behind_a_link_and_where_changes_are_not_reported() {
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        fs::create_dir(folder.path().join("v1")).unwrap();
        std::os::unix::fs::symlink("v1", folder.path().join("current")).unwrap();
        for path in ["/proc/self/stat".into(), folder.path().join("current/orders")] {
            let (looker, _watched) = quiet(&path);
            assert!(pause(&looker) < SLOWEST * 2, "{}: {:?}", path.display(), pause(&looker));
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_folder_that_is_another_is_watched_anew_at_once() {
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        let (mut looker, _watched) = quiet(&folder.path().join("orders"));
        looker.happened(folder.path(), true);
        assert!(!looker.folders[folder.path()].is_watched);
        assert!(pause(&looker) < SLOWEST);
        looker.entries.get_mut(&0).unwrap().due = looker.begun;
        looker.due = BTreeSet::from([(looker.begun, 0)]);
        looker.look();
        assert!(looker.folders[folder.path()].is_watched);
    }

    #[test]
    fn lost_events_hasten_every_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orders");
        let (sender, receiver) = channel();
        let (looks, watched) = channel();
        struct Told(PathBuf, Sender<()>);
        impl Watched for Told {
            fn places(&self) -> Vec<(PathBuf, Option<OsString>)> {
                Quiet(self.0.clone()).places()
            }

            fn is_settled(&self) -> bool {
                true
            }

            fn look(&self) -> bool {
                self.1.send(()).unwrap();
                false
            }
        }
        let told: Arc<dyn Watched> = Arc::new(Told(path, looks));
        let mut looker = Looker::new(None);
        looker.add(Arc::downgrade(&told), Duration::ZERO);
        let later = Instant::now() + Duration::from_secs(3600);
        looker.entries.get_mut(&0).unwrap().due = later;
        looker.due = BTreeSet::from([(later, 0)]);
        let backlog = Arc::new(Backlog::default());
        backlog.is_lost.store(true, Ordering::Relaxed);
        sender.send(Message::Lost).unwrap();
        let thread = thread::spawn(move || looker.run(&receiver, &backlog));
        watched.recv_timeout(Duration::from_secs(60)).unwrap();
        sender.send(Message::Stop).unwrap();
        thread.join().unwrap();
    }
}
