//! The embedded store of kisflow: `type: redb`, which keeps quarantine and positions without a server.
//!
//! ```yaml
//! kistype: conn
//! cname: kisflow
//! type: redb
//! addrs: /var/lib/shop/kisflow.redb
//! params:
//!   cache_mb: 64
//! ```
//!
//! `addrs` is the path of one file (default: `kisflow.redb` in the working directory); it and its
//! directory are created if they are missing. One process at a time has the file open.
//!
//! On Unix that process lets commands of the same user in: while it has the file open, it listens
//! at the socket `FILE.sock` (mode 0600) and answers the requests of
//! [`Connector::attach`](kisflow_core::Connector::attach). So rows in quarantine can be read and
//! edited while the service runs. A client that hangs, or sends garbage, has ten seconds and one of
//! eight places, and does not disturb the service. If the socket cannot be created, no command is
//! let in and nothing else changes.
//!
//! An acknowledged write is on the disk: it survives `kill -9`, and a power cut as far as the disk
//! keeps what it has synced. On a full disk a write fails and changes nothing; writes succeed again
//! in the same process once there is room.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("shop/kisflow.redb");
//! # let path = path.to_str().unwrap();
//! use kisflow_core::{ConnConf, Connector, Durable, durable::{Commit, Key}};
//! use kisflow_redb::{Redb, RedbParams};
//!
//! let conf = ConnConf::new("kisflow", "redb").addrs(path);
//! let redb = Redb::connect(&conf, RedbParams::default()).await?;
//! let key = Key::new("orders").number(17);
//! redb.commit(&Commit::new().put_new(key.clone(), "late")).await?;
//! drop(redb);
//!
//! let redb = Redb::connect(&conf, RedbParams::default()).await?;
//! let found = redb.read(&[key]).await?;
//! assert_eq!(found[0].as_ref().map(|entry| &*entry.value), Some(&b"late"[..]));
//! assert_eq!(redb.usage("orders").await?.entries, 1);
//! # Ok::<(), kisflow_core::BoxError>(())
//! # }).unwrap();
//! ```
//!
//! The file grows as needed and does not shrink: the room of removed entries is used again. A file
//! that was not closed, or had an I/O error, is checked as a whole when it is opened: 300 MB of
//! entries took 0.35 s.
//!
//! | module | what it is |
//! |---|---|
//! | `params` | the params of a conf |
//! | `connect` | [`Redb`]: opens the file, or says why not |
//! | `durable`, `storage` | entries in spaces; records by field |
//! | `worker` | a thread that may block |
//! | `writer` | writes that wait at the same time share one transaction |
//! | `request`, `socket` | requests to the file; those of commands, through the process that has it open |
//! | `file` | the open file; reopened after an I/O error |
//! | `error` | [`RedbError`] |

mod connect;
#[cfg(test)]
mod disk;
mod durable;
mod error;
mod file;
mod params;
mod request;
mod socket;
mod storage;
mod worker;
mod writer;

pub use crate::{connect::Redb, error::RedbError, params::RedbParams};
