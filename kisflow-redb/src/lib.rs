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
//! directory are made when they are not there. A file belongs to one process at a time.
//!
//! On Unix that process lets commands of the same user in: it listens at the socket `FILE.sock` (mode
//! 0600) while it has the file open, and answers what [`Connector::attach`](kisflow_core::Connector::attach)
//! asks. So a quarantine can be looked at and mended while the service runs. A client that hangs, or
//! sends anything else, has ten seconds and one of eight places; the service does not notice. Where the
//! socket cannot be made, nobody is let in and nothing else changes.
//!
//! What a write has acknowledged is on the disk: it survives `kill -9`, and the loss of power as far
//! as the disk keeps what it has synced. A full disk fails the write and changes nothing; later
//! writes go on in the same process once there is room.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("shop/kisflow.redb");
//! # let path = path.to_str().unwrap();
//! use kisflow_core::{Change, ConnConf, Connector, Durable};
//! use kisflow_redb::{Redb, RedbParams};
//!
//! let conf = ConnConf::new("kisflow", "redb").addrs(path);
//! let redb = Redb::connect(&conf, RedbParams::default()).await?;
//! redb.write(vec![Change::put("orders", "17", "late")]).await?;
//! drop(redb);
//!
//! let redb = Redb::connect(&conf, RedbParams::default()).await?;
//! assert_eq!(redb.read("orders", "17").await?.as_deref(), Some(&b"late"[..]));
//! assert_eq!(redb.usage("orders").await?.entries, 1);
//! # Ok::<(), kisflow_core::BoxError>(())
//! # }).unwrap();
//! ```
//!
//! The file grows as it is needed and does not shrink: room that entries leave is used again. A file
//! that was not closed, and one that had an I/O error, is checked as a whole when it is opened: 300
//! MB of entries took 0.35 s.
//!
//! | module | what it is |
//! |---|---|
//! | `params` | what a conf can say |
//! | `connect` | [`Redb`]: opens the file, or says why not |
//! | `durable`, `storage` | entries in spaces; records by field |
//! | `writer` | writes that wait at one time share one transaction |
//! | `request`, `socket` | what the file is asked; by commands, through the process that has it open |
//! | `file` | the open file; opened anew after an I/O error |
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
mod writer;

pub use crate::{connect::Redb, error::RedbError, params::RedbParams};
