//! [`Client`]: asks the process that has the file open.

use std::{
    io::{self, ErrorKind, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use super::{
    address, beside,
    code::Code,
    frame::{self, GREETING, Timed},
    messages::Answer,
    server::MOST_BYTES,
};
use crate::{
    error::RedbError,
    request::{Request, Response},
};

/// How long to wait for an answer: a sync of a busy disk takes time.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long to try while other commands have all places, and the pause between two attempts.
const BUSY: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);

/// Sends requests to the process that has the file open. Every request has its own connection, so
/// there is none to lose.
pub(crate) struct Client {
    path: PathBuf,
}

impl Client {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Asks; blocks.
    ///
    /// # Errors
    ///
    /// When no process listens ([`RedbError::is_in_use`]), when this user is refused, when there is
    /// no answer, and when the answer is an error.
    pub(crate) fn ask(&self, request: &Request) -> Result<Response, RedbError> {
        let socket = beside(&self.path);
        let connect = || {
            let connected = address::with(&socket, |path| UnixStream::connect(path));
            connected.map_err(|cause| RedbError::shut(&self.path, Some(cause)))
        };
        let request = request.encoded();
        if request.len() as u64 > MOST_BYTES {
            return Err(RedbError::refused(
                &self.path,
                "more was to be written at once than it takes",
            ));
        }
        let end = Instant::now() + BUSY;
        let answer = loop {
            match exchange(&connect()?, &request) {
                Ok(answer) => break answer,
                // All its places are taken, or it is closing the file.
                Err((Reached::Nothing, _)) if Instant::now() < end => thread::sleep(PAUSE),
                Err((_, cause)) => return Err(RedbError::silent(&self.path, cause)),
            }
        };
        match Answer::decoded(&answer) {
            Some(Ok(response)) => Ok(response),
            Some(Err(why)) => Err(RedbError::refused(&self.path, &why)),
            None => Err(RedbError::unfit(&self.path)),
        }
    }
}

/// How far a request came.
pub(super) enum Reached {
    /// The connection was closed before the process greeted: it has done nothing.
    Nothing,
    Process,
}

pub(super) fn exchange(
    stream: &UnixStream,
    request: &[u8],
) -> Result<Vec<u8>, (Reached, io::Error)> {
    let mut timed = Timed::new(stream, PATIENCE);
    // A process without a place closes at once: what it greets with tells whether it listened.
    let sent = timed.write_all(GREETING).and_then(|()| frame::write(&mut timed, request));
    let is_known = frame::read_greeting(&mut timed).map_err(|cause| match cause.kind() {
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
            (Reached::Nothing, cause)
        }
        _ => (Reached::Process, cause),
    })?;
    let failed = |cause| (Reached::Process, cause);
    if !is_known {
        return Err(failed(io::Error::new(
            ErrorKind::InvalidData,
            "it is another version of kisflow; run the command of that version",
        )));
    }
    sent.map_err(failed)?;
    // The process that has the file open runs as this user, and one value may be as large as the
    // file allows.
    frame::read(&mut timed, u64::MAX).map_err(failed)
}
