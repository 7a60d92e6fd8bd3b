//! [`Batch`]: rows that travel together, erased once per batch and never row by row.

mod content;
mod decoded;
mod fields;
#[cfg(test)]
pub(crate) mod lost;
mod notes;
mod owned;
mod raw;
mod text;
mod typed;
mod view;

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use bytes::Bytes;

pub(crate) use self::decoded::{Decoded, ErasedView, JsonRows};
pub use self::notes::{CsvForm, RowNotes};
pub(crate) use self::raw::RawRows;
pub use self::raw::RowBytes;
pub use self::view::Rows;
pub(crate) use self::view::View;
use self::{
    content::{Content, Holds, Picked, Raw},
    typed::Typed,
};
use crate::{
    conf::RowDefaults,
    error::Result,
    reject::Fault,
    row::{Codec, CodecFor, Emit, ErasedCodec, Row},
};

/// Rows that travel together: shared, immutable, cheap to clone.
///
/// A batch holds rows as they arrived (JSON text, or another encoding with its [`Codec`]) or typed
/// rows as a function made them. It is decoded when a function first reads it, once per row type,
/// no matter how many functions read it as that type.
///
/// ```
/// use kisflow_core::Batch;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// struct Order {
///     id: u32,
/// }
///
/// let batch = Batch::json([r#"{"id":1}"#, r#"{"id":2}"#]);
/// assert_eq!(*batch.rows::<Order>()?, [Order { id: 1 }, Order { id: 2 }]);
/// assert_eq!(Batch::typed(vec![Order { id: 3 }]).to_ndjson()?, "{\"id\":3}\n");
/// # Ok::<(), kisflow_core::BoxError>(())
/// ```
#[derive(Clone)]
pub struct Batch {
    inner: Arc<Inner<dyn Holds>>,
}

struct Inner<H: ?Sized> {
    len: usize,
    /// `Arc<Decoded<T>>`, one for each row type that a function has asked for. The first has its
    /// own place: most batches are read as one type.
    views: Mutex<(Option<ErasedView>, Vec<ErasedView>)>,
    /// Rarely needed, so it takes a pointer's room.
    json: OnceLock<Box<JsonRows>>,
    holds: H,
}

impl Batch {
    #[inline]
    fn new(holds: impl Holds + 'static, len: usize) -> Self {
        Self {
            inner: Arc::new(Inner { len, views: Mutex::default(), json: OnceLock::new(), holds }),
        }
    }

    fn content(&self) -> Content<'_> {
        self.inner.holds.content()
    }

    /// Creates a batch of JSON rows, one text each: `&str`, `String`, `Bytes`, `Vec<u8>`. A `&str`
    /// is copied, the others are moved.
    ///
    /// A [`Row`] that is implemented by hand reads each text in its own encoding.
    pub fn json<R: Into<RowBytes>>(rows: impl IntoIterator<Item = R>) -> Self {
        Self::encoded_by(RawRows::each(rows), None)
    }

    /// Creates a batch of newline-delimited JSON in one buffer: no row is copied. Blank lines are
    /// skipped.
    pub fn ndjson(buffer: impl Into<Bytes>) -> Self {
        Self::encoded_by(RawRows::lines(buffer.into()), None)
    }

    /// Creates a batch of values.
    #[must_use]
    pub fn typed<T: Emit>(rows: Vec<T>) -> Self {
        let len = rows.len();
        Self::new(Typed(rows.into()), len)
    }

    /// Creates a batch of plain text rows, for functions that read `&[String]`.
    pub fn text<S: Into<String>>(rows: impl IntoIterator<Item = S>) -> Self {
        Self::typed(rows.into_iter().map(Into::into).collect::<Vec<String>>())
    }

    /// Creates a batch of rows in your own encoding, read and written by `codec`.
    pub fn encoded<T: Emit, R: Into<RowBytes>>(
        codec: impl Codec<T>,
        rows: impl IntoIterator<Item = R>,
    ) -> Self {
        Self::encoded_by(RawRows::each(rows), Some(Box::new(CodecFor::<T, _>::new(codec))))
    }

    /// Creates a batch without rows.
    #[must_use]
    pub fn empty() -> Self {
        Self::encoded_by(RawRows::each::<RowBytes>([]), None)
    }

    fn encoded_by(rows: RawRows, codec: Option<Box<dyn ErasedCodec>>) -> Self {
        let len = rows.len();
        Self::new(Raw { rows, codec, notes: None }, len)
    }

    /// Returns the number of rows.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.len
    }

    /// Returns `true` if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inner.len == 0
    }

    /// How many bytes the rows have as they arrived; 0 for values.
    pub(crate) fn bytes(&self) -> u64 {
        match self.content() {
            Content::Raw { rows, .. } => rows.size() as u64,
            Content::Typed(_) => 0,
            // What it shares is in memory as a whole.
            Content::Picked { base, .. } => base.bytes(),
        }
    }

    /// Returns all rows as `T`.
    ///
    /// # Errors
    ///
    /// When a row is not a `T`, or its source could not read it: the first such row, with its
    /// position and field.
    pub fn rows<T: Row>(&self) -> Result<Rows<T>> {
        let view = self.contiguous::<T>(RowDefaults::Require);
        match view.faults().first() {
            None => Ok(Rows::new(view)),
            Some(fault) => Err(Box::new(self.reject(&Arc::from("rows"), fault.clone()))),
        }
    }

    /// Returns all rows as JSON, one per line, each line ended by `\n`. Rows that came as JSON are
    /// not checked, and a row that its source could not read is unchanged.
    ///
    /// # Errors
    ///
    /// When a row has no JSON form.
    pub fn to_ndjson(&self) -> Result<String> {
        let mut out = Vec::new();
        for index in 0..self.len() {
            self.write_json(index, &mut out)?;
            out.push(b'\n');
        }
        Ok(String::from_utf8(out)?)
    }

    /// Returns all rows in another encoding, in the order of the batch.
    ///
    /// # Errors
    ///
    /// When a row is not a `T`, or `T` has no form in this encoding.
    pub fn encode<T: Row>(&self, codec: &impl Codec<T>) -> Result<Vec<Bytes>> {
        let encode = |row: &T| {
            let mut out = Vec::new();
            codec.encode(row, &mut out).map(|()| Bytes::from(out))
        };
        self.rows::<T>()?.iter().map(encode).collect()
    }

    /// The rows at `keep`, ascending positions; the batch itself if that is all of them.
    pub(crate) fn pick(&self, keep: Vec<usize>) -> Self {
        #[cfg(test)]
        let keep = lost::in_pick(keep);
        if keep.len() == self.len() {
            return self.clone();
        }
        let len = keep.len();
        let (base, keep) = match self.content() {
            // One level only, however many functions filter in a row.
            Content::Picked { base, keep: outer } => {
                let within = keep.into_iter().filter_map(|position| outer.get(position).copied());
                (base.clone(), within.collect())
            }
            _ => (self.clone(), keep),
        };
        Self::new(Picked { base, keep }, len)
    }

    /// The batch without the rows that have a fault.
    pub(crate) fn without(&self, faults: &[Fault]) -> Self {
        if faults.is_empty() {
            return self.clone();
        }
        let mut bad: Vec<usize> = faults.iter().map(|fault| fault.index).collect();
        bad.sort_unstable();
        self.pick((0..self.len()).filter(|index| bad.binary_search(index).is_err()).collect())
    }

    /// The rows for a one-row function: filtered rows are skipped, not moved.
    pub(crate) fn view<T: Row>(&self, defaults: RowDefaults) -> View<T> {
        if let Content::Picked { base, keep } = self.content()
            && self.cached::<T>(defaults).is_none()
            && let Some(view) = base.ready::<T>(defaults)
        {
            return view.pick(keep);
        }
        self.contiguous(defaults)
    }

    /// The rows for a batch function: one slice.
    pub(crate) fn contiguous<T: Row>(&self, defaults: RowDefaults) -> View<T> {
        if let Content::Typed(rows) = self.content()
            && rows.as_any().is::<Vec<T>>()
        {
            return View::typed(self.clone());
        }
        // The lock is held while rows decode, so that two runs of one batch do it once.
        let mut views = self.inner.views.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(decoded) = find::<T>(&views, defaults) {
            return View::decoded(decoded);
        }
        let decoded = self.decode::<T>(defaults);
        match &mut *views {
            (first @ None, _) => *first = Some(decoded.clone()),
            (_, more) => more.push(decoded.clone()),
        }
        View::decoded(decoded)
    }

    /// The typed rows themselves, if they are `T`.
    fn typed_rows<T: Row>(&self) -> Option<&[T]> {
        match self.content() {
            Content::Typed(rows) => rows.as_any().downcast_ref::<Vec<T>>().map(Vec::as_slice),
            _ => None,
        }
    }

    fn cached<T: Row>(&self, defaults: RowDefaults) -> Option<Arc<Decoded<T>>> {
        find(&self.inner.views.lock().unwrap_or_else(PoisonError::into_inner), defaults)
    }

    /// A view that costs nothing, if there is one.
    fn ready<T: Row>(&self, defaults: RowDefaults) -> Option<View<T>> {
        match self.typed_rows::<T>() {
            Some(_) => Some(View::typed(self.clone())),
            None => self.cached(defaults).map(View::decoded),
        }
    }

    fn decode<T: Row>(&self, defaults: RowDefaults) -> Arc<Decoded<T>> {
        let raw = |rows: &RawRows, codec: Option<&dyn ErasedCodec>| match codec {
            None => Arc::new(Decoded::from_json(rows, defaults)),
            Some(codec) if codec.makes(std::any::TypeId::of::<T>()) => {
                match codec.decode(rows).downcast() {
                    Ok(decoded) => decoded,
                    Err(_) => Arc::new(codec.to_json(rows).decode(defaults)),
                }
            }
            Some(codec) => Arc::new(codec.to_json(rows).decode(defaults)),
        };
        if self.has_unreadable() {
            return Arc::new(self.json_rows().decode(defaults));
        }
        match self.content() {
            Content::Raw { rows, codec, .. } => raw(rows, codec),
            Content::Typed(_) => Arc::new(self.json_rows().decode(defaults)),
            Content::Picked { base, keep } => match base.content() {
                Content::Raw { rows, codec, .. } => raw(&rows.pick(keep), codec),
                _ => Arc::new(self.json_rows().decode(defaults)),
            },
        }
    }

    /// The rows as JSON, made once.
    fn json_rows(&self) -> &JsonRows {
        self.inner.json.get_or_init(|| {
            let plain = |rows: RawRows| JsonRows::without(rows, self.faults());
            Box::new(match self.content() {
                Content::Raw { rows, codec: None, .. } => plain(rows.clone()),
                Content::Raw { rows, codec: Some(codec), .. } => codec.to_json(rows),
                Content::Typed(rows) => rows.to_json(None),
                Content::Picked { base, keep } => match base.content() {
                    Content::Raw { rows, codec: None, .. } => plain(rows.pick(keep)),
                    Content::Raw { rows, codec: Some(codec), .. } => {
                        codec.to_json(&rows.pick(keep))
                    }
                    Content::Typed(rows) => rows.to_json(Some(keep)),
                    Content::Picked { .. } => JsonRows::plain(RawRows::each::<RowBytes>([])),
                },
            })
        })
    }

    fn write_json(&self, index: usize, out: &mut Vec<u8>) -> Result<()> {
        match self.content() {
            // Between the tokens of JSON a line feed is a blank; within a text there is none.
            Content::Raw { rows, codec: None, .. } => {
                let blank = |byte: &u8| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte };
                out.extend(rows.bytes(index).trim_ascii().iter().map(blank));
            }
            Content::Typed(rows) => rows.encode(index, out)?,
            Content::Picked { base, keep } => {
                let Some(index) = keep.get(index) else { return Ok(()) };
                base.write_json(*index, out)?;
            }
            Content::Raw { codec: Some(_), .. } => {
                let json = self.json_rows();
                match (json.position(index), json.faults.iter().find(|fault| fault.index == index))
                {
                    (Some(position), _) => out.extend_from_slice(&json.rows.bytes(position)),
                    (None, Some(fault)) => {
                        return Err(Box::new(self.reject(&Arc::from("to_ndjson"), fault.clone())));
                    }
                    (None, None) => {}
                }
            }
        }
        Ok(())
    }

    pub(crate) fn reject(&self, function: &Arc<str>, fault: Fault) -> crate::Reject {
        crate::Reject {
            function: function.clone(),
            index: fault.index,
            row: self.row_text(fault.index),
            field: fault.field,
            cause: fault.cause,
            origin: None,
            at: 0,
        }
    }
}

fn find<T: Row>(
    (first, more): &(Option<ErasedView>, Vec<ErasedView>),
    defaults: RowDefaults,
) -> Option<Arc<Decoded<T>>> {
    let read_so = |view: &&ErasedView| {
        view.downcast_ref::<Decoded<T>>().is_some_and(|rows| rows.is(defaults))
    };
    first.iter().chain(more).find(read_so)?.clone().downcast().ok()
}

impl Default for Batch {
    fn default() -> Self {
        Self::empty()
    }
}

impl<T: Emit> From<Vec<T>> for Batch {
    fn from(rows: Vec<T>) -> Self {
        Self::typed(rows)
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.content() {
            Content::Raw { codec: None, .. } => "json".to_owned(),
            Content::Raw { .. } => "encoded".to_owned(),
            Content::Typed(rows) => rows.type_name().to_owned(),
            Content::Picked { base, .. } => {
                return write!(formatter, "Batch({} rows of {base:?})", self.len());
            }
        };
        write!(formatter, "Batch({} rows, {kind})", self.len())
    }
}
