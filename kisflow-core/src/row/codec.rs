//! Encodings other than JSON, named for a batch.

use std::marker::PhantomData;

use crate::{
    batch::{Decoded, RawRows},
    error::BoxError,
    row::{Emit, RawRow},
};

/// An encoding of rows of type `T`: CSV, MessagePack, protobuf, plain text.
///
/// A batch carries its codec ([`Batch::encoded`](crate::Batch::encoded)); a type that always
/// travels in the same encoding implements [`Row`](crate::Row) by hand instead.
///
/// ```
/// use kisflow_core::{Batch, BoxError, Codec};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// struct Price {
///     symbol: String,
///     cents: u64,
/// }
///
/// /// `symbol=cents`, one row.
/// struct Ticker;
///
/// impl Codec<Price> for Ticker {
///     fn decode(&self, row: &[u8]) -> Result<Price, BoxError> {
///         let (symbol, cents) = std::str::from_utf8(row)?.split_once('=').ok_or("expected symbol=cents")?;
///         Ok(Price { symbol: symbol.to_owned(), cents: cents.parse()? })
///     }
///     fn encode(&self, row: &Price, out: &mut Vec<u8>) -> Result<(), BoxError> {
///         out.extend(format!("{}={}", row.symbol, row.cents).bytes());
///         Ok(())
///     }
/// }
///
/// let batch = Batch::encoded(Ticker, ["KIS=4200"]);
/// assert_eq!(*batch.rows::<Price>().unwrap(), [Price { symbol: "KIS".into(), cents: 4200 }]);
/// ```
pub trait Codec<T>: Send + Sync + 'static {
    /// Reads one row.
    ///
    /// # Errors
    ///
    /// When the bytes are not a row of this encoding: the row is rejected with this cause.
    fn decode(&self, row: &[u8]) -> Result<T, BoxError>;

    /// Appends one row to `out`.
    ///
    /// # Errors
    ///
    /// When the row has no form in this encoding.
    fn encode(&self, row: &T, out: &mut Vec<u8>) -> Result<(), BoxError>;
}

/// A codec with its row type erased: one call per batch, never one per row.
pub(crate) trait ErasedCodec: Send + Sync {
    /// The whole batch as rows of the codec's own type.
    fn decode(&self, rows: &RawRows) -> crate::batch::ErasedView;
    /// Whether the codec's row type is `type_id`.
    fn makes(&self, type_id: std::any::TypeId) -> bool;
    /// The whole batch as JSON, for a function that reads another type.
    fn to_json(&self, rows: &RawRows) -> crate::batch::JsonRows;
}

/// Pairs a codec with the type that a batch names for it.
pub(crate) struct CodecFor<T, C> {
    codec: C,
    row: PhantomData<fn() -> T>,
}

impl<T, C> CodecFor<T, C> {
    pub(crate) fn new(codec: C) -> Self {
        Self { codec, row: PhantomData }
    }
}

impl<T: Emit, C: Codec<T>> CodecFor<T, C> {
    fn read(&self, rows: &RawRows) -> Decoded<T> {
        Decoded::from_raw(rows, |row: RawRow<'_>| self.codec.decode(row.bytes()), |_| None)
    }
}

impl<T: Emit, C: Codec<T>> ErasedCodec for CodecFor<T, C> {
    fn decode(&self, rows: &RawRows) -> crate::batch::ErasedView {
        std::sync::Arc::new(self.read(rows))
    }

    fn makes(&self, type_id: std::any::TypeId) -> bool {
        type_id == std::any::TypeId::of::<T>()
    }

    fn to_json(&self, rows: &RawRows) -> crate::batch::JsonRows {
        self.read(rows).into_json()
    }
}
