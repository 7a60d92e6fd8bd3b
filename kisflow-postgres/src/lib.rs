//! PostgreSQL for kisflow: `type: postgres` in the conf of a connector keeps records, quarantine and
//! positions.
//!
//! ```yaml
//! kistype: conn
//! cname: store
//! type: postgres
//! addrs: postgres://flows@db.internal:5432/orders
//! params:
//!   password_env: STORE_PASSWORD
//! ```
//!
//! Give the registry the type, and functions with a `Store` keep their records in Postgres. Name the
//! connector as `cname` of the `quarantine`, and it keeps quarantine and positions as well.
//!
//! ```no_run
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use kisflow_core::Registry;
//! use kisflow_postgres::Postgres;
//!
//! let flows = Registry::new().connector::<Postgres>().load("conf").await?;
//! # Ok::<(), kisflow_core::BoxError>(())
//! # }).unwrap();
//! ```
//!
//! The tables are in the schema `kisflow` and are created when they are first used. A user who may
//! not create them can use them once they are there: run the service once as a user who may, and
//! grant `usage` on the schema, and `select, insert, update, delete` on its tables.
//!
//! # Modules
//!
//! | module | what it is |
//! |---|---|
//! | `params` | the params of a conf |
//! | `address`, `tls` | the URL; certificates |
//! | `connect` | [`Postgres`] |
//! | `pool` | connections, and how long to wait for them |
//! | `tables` | creates schema and tables |
//! | `private` | a server for one test |
//! | `storage` | records, a row for each field |
//! | `durable` | durable entries: `request` has the statements of a commit, `transaction` sends them, `outcome` reads the answer |
//! | `error` | [`PostgresError`] |

mod address;
mod connect;
mod durable;
mod error;
mod params;
mod pool;
mod private;
mod storage;
mod tables;
#[cfg(feature = "tls")]
mod tls;

pub use crate::{connect::Postgres, error::PostgresError, params::PostgresParams};
