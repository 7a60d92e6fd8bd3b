//! [`Request`]: a request to the file, from this process or, over the socket, from another.

use bytes::Bytes;
use kisflow_core::{
    Fields, Usage,
    durable::{Entry, Key},
};

use crate::{
    durable::{self, Committed, Page},
    error::RedbError,
    file::StoreFile,
    storage,
    writer::Work,
};

/// A request to the file.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    Write(Work),
    Look(Look),
}

/// A request that only reads.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Look {
    Ping,
    Read { keys: Vec<Key> },
    Scan(Page),
    Usage { space: String },
    Records { keys: Vec<String> },
}

/// The answer to a request of the same name.
#[derive(Debug)]
pub(crate) enum Response {
    Done,
    Committed(Vec<Committed>),
    Read(Vec<Option<Entry>>),
    Scan(Vec<(Bytes, Entry)>),
    Usage(Usage),
    Records(Vec<Option<Fields>>),
}

impl Request {
    /// Runs the request; blocks.
    ///
    /// # Errors
    ///
    /// As those of the file.
    pub(crate) fn answer(&self, file: &StoreFile) -> Result<Response, RedbError> {
        match self {
            Self::Look(look) => look.answer(file),
            Self::Write(work) => {
                if let Some(key) = work.too_large() {
                    return Err(RedbError::too_large(file.path(), &key));
                }
                file.write(|write| work.apply(write)).map(Response::Committed)
            }
        }
    }
}

impl Look {
    /// Reads; blocks.
    ///
    /// # Errors
    ///
    /// As those of the file.
    pub(crate) fn answer(&self, file: &StoreFile) -> Result<Response, RedbError> {
        file.read(|read| {
            Ok(match self {
                Self::Ping => {
                    durable::ping(read)?;
                    Response::Done
                }
                Self::Read { keys } => Response::Read(durable::values(read, keys)?),
                Self::Scan(page) => Response::Scan(durable::page(read, page)?),
                Self::Usage { space } => Response::Usage(durable::usage(read, space)?),
                Self::Records { keys } => Response::Records(storage::records(read, keys)?),
            })
        })
    }
}
