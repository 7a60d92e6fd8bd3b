//! The source of kisflow that reads NATS JetStream through durable pull consumers: `type: nats`.
//!
//! ```yaml
//! kistype: source
//! sname: orders
//! type: nats
//! addrs: 127.0.0.1:4222
//! key: orders.>
//! params:
//!   stream: ORDERS
//!   lease_ms: 60000
//! ```
//!
//! `key` is the subject, optionally with wildcards; every message is a row. The readers of one
//! `group` (default: the flow's name) share a durable consumer of that name, which the first of
//! them creates. Characters of a flow's name that NATS does not accept are replaced by their codes:
//! flow `orders.fast` reads as `orders=2E=fast`. `start` says where a new group begins: `earliest`,
//! `latest`, or behind a sequence such as `1234` or `ORDERS:1234`.
//!
//! The stream must exist, or `create_stream: true` creates it. A consumer that exists with another
//! subject or other settings is an error that names both; it is not changed.
//!
//! Rows are delivered at least once. Each is acknowledged when it is done, and [`done`] waits until
//! the server has the acknowledgements. A reader that dies keeps its rows for `lease_ms`; one that
//! closes gives back at once what it has fetched. The quarantine limits how often a row may fail:
//! the consumer redelivers without limit. If the consumer is deleted while it is read, it is
//! created again behind the last row that its readers know to be acknowledged: rows after it are
//! redelivered.
//!
//! Every reader has its own connection. It needs JetStream, and NATS 2.9 or later.
//!
//! ```no_run
//! use kisflow_core::{Source, SourceConf, SourceContext};
//! use kisflow_nats::{Nats, NatsParams};
//!
//! # async fn example(context: SourceContext) -> kisflow_core::Result<()> {
//! let conf = SourceConf::new("orders", "nats").key("orders.>");
//! let mut orders = Nats::open(&conf, NatsParams::default(), context).await?;
//! while let Some(delivery) = orders.next().await? {
//!     println!("{:?}", delivery.batch());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | `params` | the params of a conf |
//! | `settings`, `address`, `name`, `tls` | the settings that follow from them |
//! | `source` | [`Nats`]: a reader |
//! | `pump`, `pump/standby`, `shelf` | the task that fetches; waiting until no other process reads; rows that are not handed out yet |
//! | `exactly_once` | rows that are done and may be delivered again |
//! | `hold` | older rows first, where rows keep their order |
//! | `receipt` | acknowledging rows, and giving them back |
//! | `group`, `difference` | the consumer: found, created, or different from the conf |
//! | `link`, `greeting` | the connection; what else may be at an address |
//! | `error` | [`NatsError`] |
//!
//! [`done`]: kisflow_core::Receipt::done

mod address;
mod difference;
mod error;
mod exactly_once;
mod greeting;
mod group;
mod hold;
mod link;
mod name;
mod params;
mod pump;
mod receipt;
mod settings;
mod shelf;
mod source;
mod tls;

pub use crate::{error::NatsError, params::NatsParams, source::Nats};
