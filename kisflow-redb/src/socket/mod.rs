//! `FILE.sock`: how commands get at a file that a service has open.
//!
//! Whoever opens the file listens there, and answers requests as if they were its own. A connection is
//! one request: a greeting with the version, a frame, and a frame in answer. The socket is this
//! user's alone (mode 0600), takes the place of one that a killed process left, and goes when the file
//! is closed.

#[cfg(unix)]
mod address;
#[cfg(unix)]
mod client;
mod code;
#[cfg(unix)]
mod frame;
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

/// The path of the socket beside a file.
pub(crate) fn beside(file: &Path) -> PathBuf {
    let mut path = OsString::from(file);
    path.push(".sock");
    path.into()
}
