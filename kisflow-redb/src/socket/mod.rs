//! `FILE.sock`: how commands reach a file that a service has open.
//!
//! The process that opens the file listens there, and answers requests like its own. A connection
//! is one request: a greeting with the version, a frame, and a frame in answer. Only this user can
//! connect (mode 0600). The socket replaces one that a killed process left behind, and is removed
//! when the file is closed.

#[cfg(unix)]
mod address;
#[cfg(unix)]
mod client;
mod code;
mod commits;
#[cfg(unix)]
mod frame;
mod messages;
#[cfg(not(unix))]
mod none;
#[cfg(unix)]
mod server;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

#[cfg(not(unix))]
pub(crate) use self::none::{Client, Listening};
#[cfg(unix)]
pub(crate) use self::{client::Client, server::Listening};

/// Returns the path of the socket beside a file.
pub(crate) fn beside(file: &Path) -> PathBuf {
    let mut path = OsString::from(file);
    path.push(".sock");
    path.into()
}
