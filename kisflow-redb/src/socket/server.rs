//! [`Listening`]: lets commands of the same user in while the file is open.

use std::{
    fs,
    hash::{BuildHasher, Hasher, RandomState},
    io,
    os::unix::{
        fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use kisflow_core::error_chain;

use super::{
    address, beside,
    code::{Answer, Code},
    frame::{self, GREETING, Timed},
};
use crate::{file::StoreFile, request::Request};

/// The most bytes of a request.
pub(super) const MOST_BYTES: u64 = 64 << 20;

/// The most bytes of a page of entries, unless one entry has more.
const PAGE_BYTES: usize = 16 << 20;

/// The most requests at one time; further ones are turned away.
const MOST_REQUESTS: usize = 8;

/// How long a client may take to send its request, and to take the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The pause after a connection that could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);

/// Lets commands of the same user in, until it is dropped.
///
/// A thread waits for connections and another answers each, so that neither the runtime of the service
/// nor its tasks have anything to do with them. They hold the file only while they answer.
pub(crate) struct Listening {
    socket: PathBuf,
    /// Device and inode.
    id: (u64, u64),
    stop: Arc<AtomicBool>,
}

impl Listening {
    /// Begins to listen beside the file, which this process has open: whatever socket is there is of
    /// a process that was killed. `None` where that cannot be done; the service goes on without.
    pub(crate) fn begin(file: &Arc<StoreFile>) -> Option<Self> {
        let socket = beside(file.path());
        // A file that is no socket is somebody's.
        if fs::symlink_metadata(&socket).is_ok_and(|found| !found.file_type().is_socket()) {
            return None;
        }
        let (listener, id) = bind(&socket).ok()?;
        let stop = Arc::<AtomicBool>::default();
        let (file, told) = (Arc::downgrade(file), stop.clone());
        let accepting = thread::Builder::new().name("kisflow-redb".to_owned());
        let listening = Self { socket, id, stop };
        // Not started, it is dropped, and takes the socket with it.
        accepting.spawn(move || accept(&listener, &file, &told)).ok()?;
        Some(listening)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let is_ours = fs::symlink_metadata(&self.socket)
            .is_ok_and(|found| (found.dev(), found.ino()) == self.id);
        if is_ours {
            // Wakes the thread, which then ends. One that cannot be woken holds nothing.
            address::with(&self.socket, |path| UnixStream::connect(path)).ok();
            fs::remove_file(&self.socket).ok();
        }
    }
}

/// A socket that is this user's alone from its first moment, and takes the place of another in one
/// step.
fn bind(socket: &Path) -> io::Result<(UnixListener, (u64, u64))> {
    let mut directory = socket.as_os_str().to_owned();
    let number = RandomState::new().build_hasher().finish();
    directory.push(format!("-{number:016x}"));
    let directory = PathBuf::from(directory);
    let mut builder = fs::DirBuilder::new();
    builder.mode(0o700).create(&directory)?;
    let bound = || {
        let inner = directory.join("s");
        let listener = address::with(&inner, |path| UnixListener::bind(path))?;
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o600))?;
        let found = fs::symlink_metadata(&inner)?;
        fs::rename(&inner, socket)?;
        Ok((listener, (found.dev(), found.ino())))
    };
    let bound = bound();
    fs::remove_dir_all(&directory).ok();
    bound
}

fn accept(listener: &UnixListener, file: &Weak<StoreFile>, stop: &AtomicBool) {
    let open = Arc::<AtomicUsize>::default();
    loop {
        let accepted = listener.accept();
        if stop.load(Ordering::Acquire) || file.strong_count() == 0 {
            return;
        }
        match accepted {
            Ok((stream, _)) => begin(stream, file.clone(), &open),
            // Too many files are open, or the client has gone: it is no reason to listen no more.
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

/// Answers on a thread of its own; a connection too many is closed.
fn begin(stream: UnixStream, file: Weak<StoreFile>, open: &Arc<AtomicUsize>) {
    /// A place, which is free again when it is dropped.
    struct PlaceOf(Arc<AtomicUsize>);
    impl Drop for PlaceOf {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::AcqRel);
        }
    }
    let before = open.fetch_add(1, Ordering::AcqRel);
    let place = PlaceOf(open.clone());
    if before >= MOST_REQUESTS {
        return;
    }
    let answering = thread::Builder::new().name("kisflow-redb-ask".to_owned());
    // A thread that cannot be had is one connection that is closed.
    let _ = answering.spawn(move || {
        // Whatever goes wrong is the client's, and it knows.
        let _ = serve(&stream, &file);
        drop(place);
    });
}

fn serve(stream: &UnixStream, file: &Weak<StoreFile>) -> io::Result<()> {
    let mut timed = Timed::new(stream, PATIENCE);
    let is_known = frame::read_greeting(&mut timed)?;
    io::Write::write_all(&mut timed, GREETING)?;
    if !is_known {
        return Ok(());
    }
    let request = frame::read(&mut timed, MOST_BYTES)?;
    let answer: Answer = match (Request::decoded(&request), file.upgrade()) {
        (None, _) => Err("the request cannot be read".to_owned()),
        (_, None) => Err("the file is being closed".to_owned()),
        (Some(request), Some(file)) => answer(&request, &file),
    };
    frame::write(&mut Timed::new(stream, PATIENCE), &answer.encoded())
}

fn answer(request: &Request, file: &StoreFile) -> Answer {
    let answered = match request {
        // Whoever scans goes on behind the last entry.
        Request::Look(look) => look.answer_within(file, PAGE_BYTES),
        Request::Write(_) => request.answer(file),
    };
    answered.map_err(|error| error_chain(&error).to_string())
}
