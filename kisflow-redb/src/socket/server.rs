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
    code::Code,
    frame::{self, GREETING, Timed},
    messages::Answer,
};
use crate::{file::StoreFile, request::Request};

/// The most bytes of a request. Commits of the largest size fit, even if each of their keys is
/// checked and changed, and has the longest name of a space.
pub(super) const MOST_BYTES: u64 = 256 << 20;

/// The most requests at one time; further ones are refused.
const MOST_REQUESTS: usize = 8;

/// How long a client may take to send its request, and to take the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The pause after a connection that could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);

/// Lets commands of the same user in, until it is dropped.
///
/// One thread accepts connections and another answers each, so that the service's runtime and tasks
/// are not involved. They hold the file only while they answer.
pub(crate) struct Listening {
    socket: PathBuf,
    /// Device and inode.
    id: (u64, u64),
    stop: Arc<AtomicBool>,
}

impl Listening {
    /// Begins to listen beside the file. This process has the file open, so an existing socket is
    /// that of a killed process. `None` if it cannot listen; the service runs without.
    pub(crate) fn begin(file: &Arc<StoreFile>) -> Option<Self> {
        let socket = beside(file.path());
        // A file that is not a socket belongs to someone else.
        if fs::symlink_metadata(&socket).is_ok_and(|found| !found.file_type().is_socket()) {
            return None;
        }
        let (listener, id) = bind(&socket).ok()?;
        let stop = Arc::<AtomicBool>::default();
        let (file, told) = (Arc::downgrade(file), stop.clone());
        let accepting = thread::Builder::new().name("kisflow-redb".to_owned());
        let listening = Self { socket, id, stop };
        // If the thread does not start, this is dropped, which removes the socket.
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
            // Wakes the thread, which then ends. A thread that cannot be woken holds nothing.
            address::with(&self.socket, |path| UnixStream::connect(path)).ok();
            fs::remove_file(&self.socket).ok();
        }
    }
}

/// Creates a socket that only this user can use from its first moment, and that replaces another in
/// one step.
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
            // Too many files are open, or the client is gone: keep listening.
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

/// Answers on a separate thread; a connection too many is closed.
fn begin(stream: UnixStream, file: Weak<StoreFile>, open: &Arc<AtomicUsize>) {
    /// One of the places; dropping it frees the place.
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
    // If no thread starts, the connection is closed.
    let _ = answering.spawn(move || {
        // A failure concerns only the client, which notices it.
        let _ = serve(&stream, &file);
        drop(place);
    });
}

fn serve(stream: &UnixStream, file: &Weak<StoreFile>) -> io::Result<()> {
    let mut timed = Timed::new(stream, PATIENCE);
    if !frame::read_greeting(&mut timed)? {
        return io::Write::write_all(&mut timed, GREETING);
    }
    let request = frame::read(&mut timed, MOST_BYTES)?;
    // Without a greeting the client knows that nothing was done, and tries to open the file itself.
    let Some(file) = file.upgrade() else { return Ok(()) };
    io::Write::write_all(&mut timed, GREETING)?;
    let answer: Answer = match Request::decoded(&request) {
        None => Err("the request cannot be read".to_owned()),
        Some(request) => answer(&request, &file),
    };
    // Who has the answer may open the file.
    drop(file);
    frame::write(&mut Timed::new(stream, PATIENCE), &answer.encoded())
}

fn answer(request: &Request, file: &StoreFile) -> Answer {
    request.answer(file).map_err(|error| error_chain(&error).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        request::Look,
        socket::client::{Reached, exchange},
    };

    #[test]
    fn a_file_that_is_being_closed_has_not_done_what_was_asked() {
        let (client, server) = UnixStream::pair().unwrap();
        let serving = thread::spawn(move || serve(&server, &Weak::new()));
        let asked = exchange(&client, &Request::Look(Look::Ping).encoded());
        assert!(matches!(asked, Err((Reached::Nothing, _))), "{:?}", asked.err().map(|it| it.1));
        serving.join().unwrap().unwrap();
    }
}
