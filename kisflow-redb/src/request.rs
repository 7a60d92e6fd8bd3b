//! [`Request`]: a request to the file, from this process or, over the socket, from another.

use bytes::Bytes;
use kisflow_core::{Fields, Usage};

use crate::{durable, error::RedbError, file::StoreFile, storage, writer::Work};

/// A request to the file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Request {
    Write(Work),
    Look(Look),
}

/// A request that only reads.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Look {
    Ping,
    Read { space: String, key: String },
    Scan { space: String, after: String, limit: u64 },
    Usage { space: String },
    Records { keys: Vec<String> },
}

/// The answer to a request of the same name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Response {
    Done,
    Read(Option<Bytes>),
    Scan(Vec<(String, Bytes)>),
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
                    return Err(RedbError::too_large(file.path(), key));
                }
                file.write(|write| work.apply(write)).map(|()| Response::Done)
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
        self.answer_within(file, usize::MAX)
    }

    /// As [`answer`](Self::answer); a scan ends with the entry that makes it larger than `bytes`.
    pub(crate) fn answer_within(
        &self,
        file: &StoreFile,
        bytes: usize,
    ) -> Result<Response, RedbError> {
        file.read(|read| {
            Ok(match self {
                Self::Ping => {
                    durable::ping(read)?;
                    Response::Done
                }
                Self::Read { space, key } => Response::Read(durable::value(read, space, key)?),
                Self::Scan { space, after, limit } => {
                    let limit = usize::try_from(*limit).unwrap_or(usize::MAX);
                    Response::Scan(durable::page(read, space, after, limit, bytes)?)
                }
                Self::Usage { space } => Response::Usage(durable::usage(read, space)?),
                Self::Records { keys } => Response::Records(storage::records(read, keys)?),
            })
        })
    }
}
