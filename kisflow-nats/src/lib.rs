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
//! `key` is the subject, with wildcards if you like; every message is a row. The readers of one
//! `group` (default: the flow's name) share the rows by a durable consumer of that name, which the
//! first of them makes. Characters of a flow's name that NATS does not take stand in it by their
//! codes: flow `orders.fast` reads as `orders=2E=fast`. `start` says where a new group begins:
//! `earliest`, `latest`, or behind a sequence such as `1234` or `ORDERS:1234`.
//!
//! The stream must exist, or `create_stream: true` makes it. A consumer that exists with another
//! subject or other settings is an error that names both: nothing is changed behind your back.
//!
//! Rows come at least once. Each is acknowledged when it is done, and [`done`] waits until the
//! server has the acknowledgements. A reader that is gone without a word keeps its rows for
//! `lease_ms`; one that closes gives back what it has fetched at once. How often a row may fail is
//! for the quarantine to say: the consumer delivers without limit. A consumer that is deleted under
//! its readers is made again behind the last row that they know to be acknowledged: rows after it
//! come again.
//!
//! Every reader has a connection of its own. It needs JetStream, and NATS 2.9 or later.
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
//! | `params` | what a conf can say |
//! | `settings`, `address`, `name`, `tls` | what it comes to |
//! | `source` | [`Nats`]: a reader |
//! | `pump`, `shelf` | the task that fetches; where rows lie until they are handed out |
//! | `receipt` | what becomes of rows |
//! | `group`, `difference` | the consumer: found, made, or not as the conf says |
//! | `link`, `greeting` | the connection; what else may stand at an address |
//! | `error` | [`NatsError`] |
//!
//! [`done`]: kisflow_core::Receipt::done

mod address;
mod difference;
mod error;
mod greeting;
mod group;
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
