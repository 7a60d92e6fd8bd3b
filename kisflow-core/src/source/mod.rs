//! [`Source`]: where the rows of a flow come from when it runs by itself.

mod context;
mod delivery;
mod erased;
mod prefix;
mod report;
mod stored;

use async_trait::async_trait;
use serde::de::DeserializeOwned;

pub(crate) use self::{
    context::SharedByType,
    erased::{ErasedSource, SourceDef},
    report::{ByteCount, SourceReport},
    stored::has_position,
};
pub use self::{
    context::{Positions, SourceContext},
    delivery::{Delivery, Receipt, Settled},
    prefix::{Prefix, Ticket},
    report::SourceProblem,
    stored::{CarriedOver, StoredPosition, carry_over},
};
use crate::{conf::SourceConf, error::Result};

/// Where the rows of a flow come from when it runs by itself: `type` in the conf of a source.
///
/// The engine opens one reader for each flow, asks it for [`next`](Self::next), runs the rows
/// through the flow, and settles the [`Delivery`]'s [`Receipt`] when every row is delivered,
/// filtered, or safely in quarantine. It never holds more than `in_flight` deliveries: a source
/// that is not asked must not read on without bound.
///
/// ```
/// use kisflow_core::{async_trait, Batch, Delivery, Receipt, Result, Settled, Source, SourceConf, SourceContext};
/// use serde::Deserialize;
///
/// /// `type: count`: the numbers from 1.
/// struct Count {
///     next: u64,
///     rows: u64,
///     last: u64,
/// }
///
/// #[derive(Deserialize)]
/// struct CountParams {
///     last: u64,
/// }
///
/// /// Numbers need no acknowledgement.
/// struct First(u64);
///
/// #[async_trait]
/// impl Receipt for First {
///     fn position(&self, row: usize) -> String {
///         (self.0 + row as u64).to_string()
///     }
///
///     async fn done(&self, _: &Settled) -> Result<()> {
///         Ok(())
///     }
/// }
///
/// #[async_trait]
/// impl Source for Count {
///     const TYPE: &'static str = "count";
///     type Params = CountParams;
///
///     async fn open(conf: &SourceConf, params: CountParams, _: SourceContext) -> Result<Self> {
///         Ok(Self { next: 1, rows: conf.batch.rows as u64, last: params.last })
///     }
///
///     async fn next(&mut self) -> Result<Option<Delivery>> {
///         let first = self.next;
///         let end = (first + self.rows).min(self.last + 1);
///         self.next = end;
///         let rows: Vec<String> = (first..end).map(|number| number.to_string()).collect();
///         Ok((first < end).then(|| Delivery::new(Batch::json(rows), First(first))))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a source",
    label = "expected a type that implements `Source`",
    note = "implement `kisflow::Source` for `{Self}` to make it one"
)]
#[async_trait]
pub trait Source: Sized + Send + 'static {
    /// The word after `type:` in conf.
    const TYPE: &'static str;
    /// The source's `params`, checked at link; unknown ones are problems.
    type Params: DeserializeOwned + Send + 'static;

    /// What is wrong with a conf whose params fit their type: the path of each key (`addrs`,
    /// `group`, `params.lease_ms`) and why. Told with all other problems of the conf; nothing may
    /// connect here.
    fn check(conf: &SourceConf, params: &Self::Params) -> Vec<(String, String)> {
        let _ = (conf, params);
        Vec::new()
    }

    /// Opens a reader for one flow, where acknowledgement stopped, or at the conf's start position.
    ///
    /// # Errors
    ///
    /// When it cannot read yet, within a bounded time, naming the address or path. The engine tries
    /// again with growing pauses; other flows go on meanwhile.
    async fn open(conf: &SourceConf, params: Self::Params, context: SourceContext) -> Result<Self>;

    /// The next rows, as many as there are up to the conf's `batch.rows`, waiting at most
    /// `batch.wait_ms` after the first for more of them; waits for the first as long as it takes.
    /// `None` when there will never be more: the end of a file that does not grow.
    ///
    /// # Errors
    ///
    /// When the connection is lost, or a row cannot be read at all. The engine calls `next` again
    /// after a pause that grows from call to call; the source mends its own connection and goes on
    /// where it was. An error loses no row.
    ///
    /// # Cancel safety
    ///
    /// Must be cancel safe: the engine drops the future to do something else, and asks again.
    async fn next(&mut self) -> Result<Option<Delivery>>;

    /// How many rows wait behind those that were read, where the source can tell.
    ///
    /// # Errors
    ///
    /// When it could not be asked; the engine leaves the metric as it is.
    ///
    /// # Cancel safety
    ///
    /// Must be cancel safe.
    async fn lag(&mut self) -> Result<Option<u64>> {
        Ok(None)
    }

    /// How many bytes wait behind those that were read, where the source counts bytes and not rows.
    ///
    /// # Errors
    ///
    /// When it could not be asked; the engine leaves the metric as it is.
    ///
    /// # Cancel safety
    ///
    /// Must be cancel safe.
    async fn lag_bytes(&mut self) -> Result<Option<u64>> {
        Ok(None)
    }

    /// Stops reading for good, gives back what was fetched and not handed out. Called once, when
    /// the flow shuts down, after every delivery was settled or released.
    ///
    /// # Errors
    ///
    /// When it could not be told; what it held then comes again after its lease.
    async fn close(self) -> Result<()> {
        Ok(())
    }
}
