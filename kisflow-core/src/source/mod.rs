//! [`Source`]: where the rows of a flow come from when it runs by itself.

mod committer;
#[cfg(test)]
mod committer_tests;
mod context;
mod delivery;
mod done_ids;
mod erased;
mod positions;
mod prefix;
mod report;
mod sole_reader;
mod stored;

use async_trait::async_trait;
use serde::de::DeserializeOwned;

pub(crate) use self::{
    committer::{Committer, PAUSE as COMMIT_PAUSE, PendingCommit, Tell},
    context::SharedByType,
    erased::{ErasedSource, SourceDef},
    positions::Change as PositionChange,
    report::{SourceCount, SourceReport},
    stored::has_position,
};
pub use self::{
    context::SourceContext,
    delivery::{Delivery, Receipt, Settled},
    done_ids::{HandedOut, IdRanges, UnconfirmedIds},
    positions::Positions,
    report::SourceProblem,
    sole_reader::SoleReader,
    stored::{CarriedOver, StoredPosition, carry_over},
};
use crate::{conf::SourceConf, error::Result};

/// Whether a source recognizes rows that are redelivered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Redelivery {
    /// Each row has a [position](Delivery::keep), in every flow.
    Positions,
    /// In a flow with `guarantee: exactly_once` ([`SourceContext::is_exactly_once`]), positions say
    /// which rows are done that may be redelivered.
    Recognized,
    /// Never, and why, for problems of the conf: a sentence that begins behind the source's name.
    Unrecognized(String),
}

/// Where the rows of a flow come from when it runs by itself: `type` in the conf of a source.
///
/// The engine opens one reader for each flow, asks it for [`next`](Self::next), runs the rows
/// through the flow, and settles the [`Delivery`]'s [`Receipt`] when every row is delivered,
/// filtered, or safely in the store. No more than `in_flight` deliveries are worked on at once. While
/// the engine does not call `next`, a source may read ahead only up to a bound.
///
/// A source that can be read again from a position says with [`Delivery::keep`] where each delivery
/// ends, and begins at [`SourceContext::positions`]; the engine keeps the positions. One whose broker
/// remembers what was acknowledged implements [`Receipt::done`].
///
/// ```
/// use kisflow_core::{async_trait, Batch, Delivery, Receipt, Result, Source, SourceConf, SourceContext};
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
/// /// The first number of a delivery.
/// struct First(u64);
///
/// impl Receipt for First {
///     fn position(&self, row: usize) -> String {
///         (self.0 + row as u64).to_string()
///     }
/// }
///
/// #[async_trait]
/// impl Source for Count {
///     const TYPE: &'static str = "count";
///     type Params = CountParams;
///
///     async fn open(conf: &SourceConf, params: CountParams, context: SourceContext) -> Result<Self> {
///         let next = match context.positions().load("next").await? {
///             Some(next) => String::from_utf8(next.into())?.parse()?,
///             None => 1,
///         };
///         Ok(Self { next, rows: conf.batch.rows as u64, last: params.last })
///     }
///
///     async fn next(&mut self) -> Result<Option<Delivery>> {
///         let first = self.next;
///         let end = (first + self.rows).min(self.last + 1);
///         self.next = end;
///         let rows: Vec<String> = (first..end).map(|number| number.to_string()).collect();
///         let delivery = Delivery::new(Batch::json(rows), First(first));
///         Ok((first < end).then(|| delivery.keep("next", end.to_string())))
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
    /// The value of `type:` in conf.
    const TYPE: &'static str;
    /// The source's `params`, checked at link; unknown ones are problems.
    type Params: DeserializeOwned + Send + 'static;

    /// Checks a conf whose params fit their type. Returns the path of each wrong key (`addrs`,
    /// `group`, `params.lease_ms`) and why it is wrong; linking reports these with all other
    /// problems of the conf. Must not connect.
    fn check(conf: &SourceConf, params: &Self::Params) -> Vec<(String, String)> {
        let _ = (conf, params);
        Vec::new()
    }

    /// Returns whether a row that is redelivered can be recognized, so that no row is worked on twice
    /// by functions that keep state.
    fn redelivery(conf: &SourceConf, params: &Self::Params) -> Redelivery {
        let _ = (conf, params);
        Redelivery::Unrecognized("cannot recognize a row that is redelivered".to_owned())
    }

    /// Opens a reader for one flow, behind what is done, or at the conf's start position.
    ///
    /// # Errors
    ///
    /// When it cannot read yet; within a bounded time, with the address or path in the error. The
    /// engine tries again with growing pauses; other flows continue meanwhile.
    async fn open(conf: &SourceConf, params: Self::Params, context: SourceContext) -> Result<Self>;

    /// Returns the next rows, up to the conf's `batch.rows`. Waits for the first row as long as it
    /// takes, and for more at most `batch.wait_ms` after the first. Returns `None` when there will
    /// never be more, as at the end of a file that does not grow.
    ///
    /// # Errors
    ///
    /// When the connection is lost, or a row cannot be read at all. The engine calls `next` again
    /// after a growing pause; the source repairs its own connection and continues where it was. An
    /// error loses no row.
    ///
    /// # Cancel safety
    ///
    /// Must be cancel safe: the engine drops the future to do something else, and calls again.
    async fn next(&mut self) -> Result<Option<Delivery>>;

    /// Returns how many rows wait behind those that were read, if the source knows.
    ///
    /// # Errors
    ///
    /// When the number cannot be fetched; the engine leaves the metric unchanged.
    ///
    /// # Cancel safety
    ///
    /// Must be cancel safe.
    async fn lag(&mut self) -> Result<Option<u64>> {
        Ok(None)
    }

    /// Returns how many bytes wait behind those that were read, if the source counts bytes instead
    /// of rows.
    ///
    /// # Errors
    ///
    /// When the number cannot be fetched; the engine leaves the metric unchanged.
    ///
    /// # Cancel safety
    ///
    /// Must be cancel safe.
    async fn lag_bytes(&mut self) -> Result<Option<u64>> {
        Ok(None)
    }

    /// Stops reading for good, and gives back what was fetched and not handed out. Called once,
    /// when the flow shuts down, after every delivery was settled or released.
    ///
    /// # Errors
    ///
    /// When the rows cannot be given back; they are redelivered after their lease.
    async fn close(self) -> Result<()> {
        Ok(())
    }
}
