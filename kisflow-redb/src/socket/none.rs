//! Where there are no sockets in the file system a file belongs to one process.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    error::RedbError,
    file::StoreFile,
    request::{Request, Response},
};

/// Never: nobody is let in.
pub(crate) enum Listening {}

impl Listening {
    pub(crate) fn begin(_: &Arc<StoreFile>) -> Option<Self> {
        None
    }
}

/// Nobody to ask.
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
