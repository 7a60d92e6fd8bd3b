//! [`Client`]: asks the process that has the file open.

use std::{
    io::{self, ErrorKind, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    address, beside,
    code::{Answer, Code},
    frame::{self, GREETING, Timed},
    server::MOST_BYTES,
};
use crate::{
    error::RedbError,
    request::{Request, Response},
};

/// How long to wait for an answer: a sync of a busy disk takes time.
const PATIENCE: Duration = Duration::from_secs(60);

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
        let connected = address::with(&socket, |path| UnixStream::connect(path));
        let stream = connected.map_err(|cause| RedbError::shut(&self.path, Some(cause)))?;
        let request = request.encoded();
        if request.len() as u64 > MOST_BYTES {
            return Err(RedbError::refused(
                &self.path,
                "more was to be written at once than it takes",
            ));
        }
        let answer = exchange(&stream, &request);
        let answer = answer.map_err(|cause| RedbError::silent(&self.path, cause))?;
        match Answer::decoded(&answer) {
            Some(Ok(response)) => Ok(response),
            Some(Err(why)) => Err(RedbError::refused(&self.path, &why)),
            None => Err(RedbError::unfit(&self.path)),
        }
    }
}

fn exchange(stream: &UnixStream, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut timed = Timed::new(stream, PATIENCE);
    timed.write_all(GREETING)?;
    frame::write(&mut timed, request)?;
    if !frame::read_greeting(&mut timed)? {
        return Err(io::Error::new(
            ErrorKind::InvalidData,
            "it is another version of kisflow; run the command of that version",
        ));
    }
    // The process that has the file open runs as this user, and one value may be as large as the
    // file allows.
    frame::read(&mut timed, u64::MAX)
}
