//! Systems without sockets in the file system: only one process can use a file.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    error::RedbError,
    file::StoreFile,
    request::{Request, Response},
};

/// Never created: no command is let in.
pub(crate) enum Listening {}

impl Listening {
    pub(crate) fn begin(_: &Arc<StoreFile>) -> Option<Self> {
        None
    }
}

/// A client without a server.
pub(crate) struct Client {
    path: PathBuf,
}

impl Client {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// # Errors
    ///
    /// Always: the file is in use.
    pub(crate) fn ask(&self, _: &Request) -> Result<Response, RedbError> {
        Err(RedbError::shut(&self.path, None))
    }
}
